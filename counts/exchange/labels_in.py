"""Boxes from elsewhere (COCO, YOLO, CSV): somebody else's detector, or labels drawn in another program.

They come in as a detection layer of their own, with the file's hash as the detector. A picture is known by the SHA-256
that overfly's own exports carry, else by its path, else by its file name where only one picture of the survey has it.
A box without a score is taken as certain (1), as drawn boxes are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from counts.exchange.columns import find_columns
from counts.exchange.untrusted import Package, as_json, as_text, check_row, content_hash, csv_rows, read_bytes
from counts.store import StoredCapture
from detect.detections import Detections
from flightplan.errors import Skip, UnreadableFileError

_MAX_LABEL_FILES = 100_000
_CSV = {
    "picture": ("picture", "image", "imagepath", "filename", "file", "path"),
    "label": ("label", "species", "class", "category", "name"),
    "score": ("score", "confidence", "probability"),
    "x_min": ("xmin", "xminpx", "x1", "left"),
    "y_min": ("ymin", "yminpx", "y1", "top"),
    "x_max": ("xmax", "xmaxpx", "x2", "right"),
    "y_max": ("ymax", "ymaxpx", "y2", "bottom"),
}


@dataclass(frozen=True)
class Box:
    """A box in pixels of the picture as it is seen. Raises ValueError for one without a size."""

    label: str
    score: float
    corners: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        x_min, y_min, x_max, y_max = self.corners
        if not (np.isfinite(self.corners).all() and x_max > x_min and y_max > y_min):
            raise ValueError("its box has no size")


@dataclass(frozen=True)
class LabelledPictures:
    """Boxes by capture; a capture without any was looked at and nothing was found in it."""

    name: str
    labels: tuple[str, ...]
    found: Mapping[int, Detections]
    boxes: int
    skips: tuple[Skip, ...]
    content_hash: str


class _Pictures:
    """The survey's pictures by hash, path and name; each picture of the source is asked for once."""

    def __init__(self, captures: Iterable[StoredCapture]) -> None:
        self.captures = {c.capture_id: c.capture for c in captures}
        self._by_hash = {c.content_hash: key for key, c in self.captures.items()}
        self._by_path = {c.path.as_posix(): key for key, c in self.captures.items()}
        names = Counter(c.path.name for c in self.captures.values())
        self._by_name = {c.path.name: key for key, c in self.captures.items() if names[c.path.name] == 1}
        stems = Counter(c.path.stem for c in self.captures.values())
        self._by_stem = {c.path.stem: key for key, c in self.captures.items() if stems[c.path.stem] == 1}

    def find(self, path: str, sha256: object = None) -> int:
        """Return the capture that a picture is. Raises ValueError where it is none, or could be several."""
        if isinstance(sha256, str) and sha256:
            if sha256 not in self._by_hash:
                raise ValueError("the survey has no picture with its SHA-256")
            return self._by_hash[sha256]
        plain = PurePosixPath(path.replace("\\", "/"))
        key = self._by_path.get(plain.as_posix()) or self._by_name.get(plain.name) or self._by_stem.get(plain.stem)
        if key is None:
            raise ValueError("the survey has no one picture of that name")
        return key


def read_labels(standard: str, path: Path, captures: Iterable[StoredCapture]) -> LabelledPictures:
    """Read boxes of a standard ("coco", "yolo", "csv") for the pictures of a survey.

    Pictures that the survey does not have, and boxes that cannot be, are skipped by name. Raises UnreadableFileError
    for a file that is not of the standard, and where none of its pictures is of the survey.
    """
    pictures = _Pictures(captures)
    name, found, skips, digest = _READERS[standard](path, pictures)
    if not found:
        raise UnreadableFileError("none of its pictures is in the survey", where=str(path))
    labels = tuple(dict.fromkeys(box.label for boxes in found.values() for box in boxes))
    arrays = {key: _detections(boxes, labels, digest, pictures.captures[key]) for key, boxes in sorted(found.items())}
    return LabelledPictures(name, labels, arrays, sum(map(len, arrays.values())), tuple(skips), digest)


_Read = tuple[str, dict[int, list[Box]], list[Skip], str]


def _read_coco(path: Path, pictures: _Pictures) -> _Read:
    content = read_bytes(path)
    document = as_json(content, str(path))
    tables = {}
    for table in ("images", "annotations", "categories"):
        rows = document.get(table) if isinstance(document, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise UnreadableFileError(f"this is no COCO file: it has no list of {table}", where=str(path))
        tables[table] = rows
    labels = {row.get("id"): str(row.get("name")) for row in tables["categories"]}
    found: dict[int, list[Box]] = {}
    skips: list[Skip] = []
    of_image: dict[Any, int] = {}
    for row in tables["images"]:
        name = str(row.get("file_name"))
        try:
            key = pictures.find(name, row.get("sha256"))
            if key in found:
                raise ValueError("it is a picture that was there before")
            found[key], of_image[row.get("id")] = [], key
        except (ValueError, TypeError) as error:
            skips.append(Skip(name, str(error)))
    known = {row.get("id") for row in tables["images"]}
    for number, row in enumerate(tables["annotations"], start=1):
        if row.get("image_id") in known and row.get("image_id") not in of_image:
            continue  # its picture was named already
        try:
            x, y, width, height = (float(v) for v in row["bbox"])
            label = labels[row["category_id"]]
            found[of_image[row["image_id"]]].append(Box(label, _score(row.get("score")), (x, y, x + width, y + height)))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            reason = str(error) if type(error) is ValueError else "it has no picture, category or box that is known"
            skips.append(Skip(f"annotation {number}", reason))
    info = document.get("info")
    detector = info.get("detector") if isinstance(info, Mapping) else None
    return str(detector or path.name), found, skips, content_hash({path.name: content})


def _read_csv(path: Path, pictures: _Pictures) -> _Read:
    content = read_bytes(path)
    rows = csv_rows(as_text(content, str(path)), str(path))
    columns = find_columns(next(rows)[1], _CSV)
    missing = [name for name in _CSV if name not in columns and name != "score"]
    if missing:
        raise UnreadableFileError(f"there is no column for {', '.join(missing)}", where=str(path))
    found: dict[int, list[Box]] = {}
    skips = []
    for line, cells in rows:
        try:
            check_row(cells)
            said = {meaning: cells[name] for meaning, name in columns.items()}
            boxes = found.setdefault(pictures.find(said["picture"]), [])
            if not said["label"]:
                continue  # a picture without a box was looked at
            x_min, y_min, x_max, y_max = (float(said[c]) for c in ("x_min", "y_min", "x_max", "y_max"))
            boxes.append(Box(said["label"], _score(said.get("score") or None), (x_min, y_min, x_max, y_max)))
        except ValueError as error:
            skips.append(Skip(f"line {line}", str(error)))
    return path.name, found, skips, content_hash({path.name: content})


def _read_yolo(path: Path, pictures: _Pictures) -> _Read:
    package = Package(path)
    if not path.is_dir():
        raise UnreadableFileError("YOLO labels are a folder with data.yaml and labels/", where=str(path))
    described = package.read("data.yaml", 1 << 20)
    labels = _yaml_names(as_text(described, f"{path}/data.yaml"), f"{path}/data.yaml")
    files = sorted(p.relative_to(path).as_posix() for p in (path / "labels").rglob("*.txt"))
    if not files or len(files) > _MAX_LABEL_FILES:
        raise UnreadableFileError(f"labels/ has {len(files)} files", where=str(path))
    parts = {"data.yaml": described}
    hashes: dict[str, str] = {}
    if (path / "pictures.csv").is_file():
        parts["pictures.csv"] = package.read("pictures.csv")
        rows = csv_rows(as_text(parts["pictures.csv"], "pictures.csv"), f"{path}/pictures.csv")
        hashes = {cells.get("labels", ""): cells.get("sha256", "") for _, cells in rows}
    found: dict[int, list[Box]] = {}
    skips: list[Skip] = []
    for file in files:
        try:
            key = pictures.find(file, hashes.get(file))
            parts[file] = package.read(file, 1 << 24)
            size = np.array([pictures.captures[key].width_px, pictures.captures[key].height_px], dtype=np.float64)
            found[key] = []
            for line, text in enumerate(as_text(parts[file], file).splitlines(), start=1):
                if text.strip():
                    found[key].append(_yolo_box(text, labels, size, f"line {line}"))
        except ValueError as error:
            skips.append(Skip(file, str(error)))
    return path.name, found, skips, content_hash(parts)


def _yolo_box(text: str, labels: Mapping[int, str], size: Any, where: str) -> Box:
    cells = text.split()
    if len(cells) not in (5, 6) or not cells[0].isdigit() or int(cells[0]) not in labels:
        raise ValueError(f"{where} is no box of a known class")
    x, y, width, height = (float(v) for v in cells[1:5])
    corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * np.tile(size, 2)
    score = _score(cells[5] if len(cells) == 6 else None)
    return Box(labels[int(cells[0])], score, (corners[0], corners[1], corners[2], corners[3]))


def _yaml_names(text: str, where: str) -> dict[int, str]:
    """Return the classes of a data.yaml: `names` as a list or a mapping, in a line or in lines of their own."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        raise UnreadableFileError("it has no names", where=where)
    block = [lines[start].removeprefix("names:").strip()]
    for line in lines[start + 1 :]:
        if line.strip() and not line.startswith((" ", "-", "]", "}")):
            break
        block.append(line.strip())
    joined = " ".join(part for part in block if part and not part.startswith("#"))
    names: dict[int, str] = {}
    if joined.startswith("["):
        try:
            listed = json.loads(joined)
        except ValueError:
            listed = [part.strip(" '\"") for part in joined.strip("[] ").split(",")]
        names = {number: str(name) for number, name in enumerate(listed)}
    else:
        inside = joined.strip("{} ")
        parts = inside.split(",") if joined.startswith("{") else [part for part in block if part]
        for number, part in enumerate(parts):
            key, colon, name = part.partition(":")
            if part.startswith("-"):
                names[number] = part.removeprefix("-").strip(" '\"")
            elif colon and key.strip().isdigit():
                names[int(key)] = name.strip(" '\"")
    if not names:
        raise UnreadableFileError("its names cannot be read", where=where)
    return names


def _score(said: Any) -> float:
    if said is None:
        return 1.0
    score = float(said)
    if not 0 <= score <= 1:
        raise ValueError(f"its score {score:g} is not between 0 and 1")
    return score


def _detections(boxes: list[Box], labels: tuple[str, ...], digest: str, capture: Any) -> Detections:
    corners = np.array([box.corners for box in boxes], dtype=np.float64).reshape(-1, 4)
    scores = np.array([box.score for box in boxes], dtype=np.float64)
    numbers = {label: number for number, label in enumerate(labels)}
    ids = np.array([numbers[box.label] for box in boxes], dtype=np.int64)
    order = np.lexsort((*corners.T[::-1], -scores))
    size = (capture.width_px, capture.height_px)
    return Detections(corners[order], scores[order], ids[order], labels, digest, size)


_READERS: dict[str, Callable[[Path, _Pictures], _Read]] = {
    "coco": _read_coco,
    "yolo": _read_yolo,
    "csv": _read_csv,
}
