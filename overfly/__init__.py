"""The roof of overfly: the command, the workspace and the chain from a boundary to an estimate."""

__version__ = "0.1.0"
