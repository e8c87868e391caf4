"""The model that ships: for simulation and demonstration only (see its card, `overfly-demo.md`)."""

from pathlib import Path


def shipped_model() -> Path:
    """Return the path of the shipped detector."""
    return Path(__file__).with_name("overfly-demo.onnx")
