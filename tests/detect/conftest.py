"""Small ONNX networks for the tests of detectors, written field by field (onnx.proto3 of the ONNX project)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

NAMES = {"names": "{0: 'elephant', 1: 'zebra'}", "task": "detect"}

Size = int | bytes


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


def typed(name: bytes, kind: int, shape: Sequence[Size]) -> bytes:
    """A ValueInfoProto: what a network takes or gives."""
    dims = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def constant(name: bytes, values: np.ndarray, *, elsewhere: bytes | None = None) -> bytes:
    """A TensorProto; `elsewhere` names the file that its data would be in."""
    kind = {"f": 1, "i": 7}[values.dtype.kind]
    told = b"".join(field(1, size) for size in values.shape) + field(2, kind) + field(8, name)
    if elsewhere is not None:
        return told + field(13, field(1, b"location") + field(2, elsewhere)) + field(14, 1)
    return told + field(9, values.astype("<f4" if kind == 1 else "<i8").tobytes())


def node(kind: bytes, inputs: Sequence[bytes], output: bytes, **lists: Sequence[int]) -> bytes:
    """A NodeProto; `lists` are its attributes that are lists of integers."""
    told = b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)
    for name, numbers in lists.items():
        told += field(5, field(1, name.encode()) + b"".join(field(8, n) for n in numbers) + field(20, 7))
    return told


def model(
    nodes: Sequence[bytes],
    constants: Sequence[bytes],
    outputs: Sequence[tuple[bytes, Sequence[Size]]],
    metadata: dict[str, str],
    shape: Sequence[Size] = (b"batch", 3, b"height", b"width"),
    kind: int = 1,
) -> bytes:
    graph = b"".join(field(1, one) for one in nodes) + field(2, b"g") + b"".join(field(5, one) for one in constants)
    graph += field(11, typed(b"images", kind, shape)) + b"".join(field(12, typed(n, 1, s)) for n, s in outputs)
    told = field(1, 8) + field(8, field(2, 17)) + field(7, graph)
    return told + b"".join(field(14, field(1, k.encode()) + field(2, v.encode())) for k, v in metadata.items())


@pytest.fixture
def ultralytics_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep ultralytics from the network and from folders of other runs."""
    pytest.importorskip("ultralytics")
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setenv("YOLO_AUTOINSTALL", "false")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def answering() -> Callable[..., bytes]:
    """Builds a network that gives the same answers to every picture."""

    def build(
        *answers: np.ndarray,
        metadata: dict[str, str] | None = None,
        shape: Sequence[Size] = (b"batch", 3, b"height", b"width"),
        kind: int = 1,
    ) -> bytes:
        names = [f"output{number}".encode() for number in range(len(answers))]
        return model(
            [node(b"Identity", [b"of_" + name], name) for name in names],
            [constant(b"of_" + name, values.astype(np.float32)) for name, values in zip(names, answers, strict=True)],
            [(name, values.shape) for name, values in zip(names, answers, strict=True)],
            NAMES if metadata is None else metadata,
            shape,
            kind,
        )

    return build


@pytest.fixture(scope="session")
def seeing() -> Callable[..., bytes]:
    """Builds a network whose first map is how red each cell is and whose second is how green, `cell` px wide."""

    def build(metadata: dict[str, str], cell: int = 4) -> bytes:
        weights = np.zeros((2, 3, 1, 1), np.float32)
        weights[0, 0], weights[1, 1] = 1.0, 1.0
        free = (b"batch", 2, b"h", b"w")
        pooled = node(b"MaxPool", [b"images"], b"coarse", kernel_shape=[cell, cell], strides=[cell, cell])
        return model(
            [pooled, node(b"Conv", [b"coarse", b"weights"], b"maps")],
            [constant(b"weights", weights)],
            [(b"maps", free)],
            metadata,
        )

    return build


@pytest.fixture(scope="session")
def hostile() -> dict[str, bytes]:
    """Networks that mean harm, by what they do."""
    size = np.array([1, 6, 1_000_000_000], np.int64)
    told = NAMES
    free = (b"batch", 6, b"n")
    huge = node(b"ConstantOfShape", [b"size"], b"output0")
    far = np.zeros((1, 6, 4), np.float32)
    return {
        "weights in another file": model(
            [node(b"Identity", [b"w"], b"output0")],
            [constant(b"w", far, elsewhere=b"../../../../../../etc/passwd")],
            [(b"output0", free)],
            told,
        ),
        "weights beside it": model(
            [node(b"Identity", [b"w"], b"output0")],
            [constant(b"w", far, elsewhere=b"weights.bin")],
            [(b"output0", free)],
            told,
        ),
        "weights in a device": model(
            [node(b"Identity", [b"w"], b"output0")],
            [constant(b"w", far, elsewhere=b"/dev/zero")],
            [(b"output0", free)],
            told,
        ),
        "an array of gigabytes": model([huge], [constant(b"size", size)], [(b"output0", free)], told),
        "a picture of terabytes": model(
            [node(b"Identity", [b"images"], b"output0")],
            [],
            [(b"output0", (1, 3, 1_000_000, 1_000_000))],
            told,
            shape=(1, 3, 1_000_000, 1_000_000),
        ),
    }
