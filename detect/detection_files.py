"""Detections in files: CSV, one row each, and COCO JSON.

An oriented box is a polygon in WKT in the CSV's column `shape_px`, and the `segmentation` of a COCO annotation; a point
is there as WKT too, and as `point_px`. Both come with the box around them.
"""

from __future__ import annotations

import csv
import json
import math
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import shapely
from shapely.errors import ShapelyError

from detect.detections import Detections, sorted_detections
from detect.sources import location
from flightplan.errors import Skip, UnreadableFileError

CSV_COLUMNS = (
    "image", "label", "score", "x_min_px", "y_min_px", "x_max_px", "y_max_px", "longitude_deg", "latitude_deg",
    "image_width_px", "image_height_px", "detector", "shape_px",
)  # fmt: skip

_MAX_FILE_BYTES = 1 << 30

_Row = tuple[str, list[float], list[float]]
"""A label; the score and the box; and the point or the corners, one number after the other."""

Results = Iterable[tuple[Path, Detections | Skip]]


def write_detections(path: Path, results: Results) -> tuple[int, int, list[Skip]]:
    """Write what `detect.engine.detect_images` yields to a `.csv` or a COCO `.json`, as it comes.

    Returns the number of images searched, of detections, and the skipped images. The file appears under its name once
    it is complete; one that is there already is replaced. A searched image without detections is a CSV row without
    label, or a COCO image without annotations: it is not the same as one never searched. Raises ValueError for another
    suffix.
    """
    path = Path(path)
    writers = {".csv": _write_csv, ".json": _write_coco}
    if path.suffix.lower() not in writers:
        raise ValueError(f"detections are written to .csv or .json, not to {path.name!r}")
    with _whole_file(path) as stream:
        return writers[path.suffix.lower()](stream, results)


def read_detections(path: Path) -> dict[str, Detections]:
    """Read detections written by `write_detections`, or any COCO JSON with scores: by image name, in the file's order.

    Raises UnreadableFileError, naming the row or annotation, for a file that is neither.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise UnreadableFileError("The file is over 1 GB", where=str(path))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"The detections cannot be read ({error})", where=str(path)) from error
    try:
        return _parse_coco(text) if path.suffix.lower() == ".json" else _parse_csv(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableFileError(f"These are not detections ({error})", where=str(path)) from error


@contextmanager
def _whole_file(path: Path) -> Iterator[TextIO]:
    # A name of its own: two machines may finish the last shards at once.
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_csv(stream: TextIO, results: Results) -> tuple[int, int, list[Skip]]:
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    images, total, skips = 0, 0, []
    for path, found in results:
        if isinstance(found, Skip):
            skips.append(found)
            continue
        images, total = images + 1, total + len(found)
        size = found.image_size_px or ("", "")
        places = [("", "")] * len(found) if found.lonlat is None else [_degrees(p) for p in found.lonlat]
        name = location(path)
        if not len(found):
            rows.writerow([name, *[""] * 8, *size, found.detector, ""])
        columns = (found.labels, found.scores, found.boxes_px, places, _shapes(found))
        for label, score, box, place, shape in zip(*columns, strict=True):
            corners = [f"{value:.2f}" for value in box]
            rows.writerow([name, label, f"{score:.5f}", *corners, *place, *size, found.detector, shape])
    return images, total, skips


def _shapes(found: Detections) -> list[str]:
    """Each row's oriented box or point as WKT, nothing for a plain box."""
    if found.corners_px is not None:
        closed = np.concatenate([found.corners_px, found.corners_px[:, :1]], axis=1)
        return [f"POLYGON (({', '.join(f'{x:.2f} {y:.2f}' for x, y in ring)}))" for ring in closed]
    if found.points_px is not None:
        return [f"POINT ({x:.2f} {y:.2f})" for x, y in found.points_px]
    return [""] * len(found)


def _degrees(lonlat: Any) -> tuple[str, str]:
    return f"{lonlat[0]:.9f}", f"{lonlat[1]:.9f}"


def _write_coco(stream: TextIO, results: Results) -> tuple[int, int, list[Skip]]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: dict[str, int] = {}
    detectors: dict[str, None] = {}
    skips: list[Skip] = []
    for path, found in results:
        if isinstance(found, Skip):
            skips.append(found)
            continue
        detectors[found.detector] = None
        for name in found.names:
            names.setdefault(name, len(names) + 1)
        width, height = found.image_size_px or (None, None)
        image_id = len(images) + 1
        images.append({"id": image_id, "file_name": location(path), "width": width, "height": height})
        for row, (label, score, box) in enumerate(
            zip(found.labels, found.scores, found.boxes_px.tolist(), strict=True)
        ):
            x, y, across, down = box[0], box[1], box[2] - box[0], box[3] - box[1]
            annotation: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": names[label],
                "bbox": [round(value, 2) for value in (x, y, across, down)],
                "area": round(across * down, 2),
                "iscrowd": 0,
                "score": round(float(score), 5),
            }
            if found.lonlat is not None:
                annotation["lonlat"] = [round(float(value), 9) for value in found.lonlat[row]]
            if found.corners_px is not None:
                annotation["segmentation"] = [[round(value, 2) for value in found.corners_px[row].ravel().tolist()]]
            if found.points_px is not None:
                annotation["point_px"] = [round(value, 2) for value in found.points_px[row].tolist()]
            annotations.append(annotation)
    document = {
        "info": {"description": "Detections by overfly", "detectors": list(detectors)},
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in names.items()],
        "annotations": annotations,
        "skipped": [{"file_name": skip.item, "reason": skip.reason} for skip in skips],
    }
    json.dump(document, stream, ensure_ascii=False, allow_nan=False, indent=1)
    stream.write("\n")
    return len(images), len(annotations), skips


def _parse_csv(text: str) -> dict[str, Detections]:
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in CSV_COLUMNS[:7] if name not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"the columns {', '.join(missing)} are missing")
    rows: dict[str, list[_Row]] = {}
    detectors: dict[str, str] = {}
    for line, row in enumerate(reader, start=2):
        of_image = rows.setdefault(row["image"], [])
        detectors[row["image"]] = row.get("detector") or ""
        if not row["label"]:
            continue
        try:
            values = [float(row[name]) for name in CSV_COLUMNS[2:7]]
        except (TypeError, ValueError) as error:
            raise ValueError(f"line {line}: {error}") from error
        if not all(map(math.isfinite, values)):
            raise ValueError(f"line {line}: a number is not finite")
        try:
            shape = shapely.get_coordinates(shapely.from_wkt(row.get("shape_px") or None)).ravel().tolist()
        except ShapelyError as error:
            raise ValueError(f"line {line}: its shape is no WKT") from error
        # The first corner of a polygon is its last one too.
        of_image.append((row["label"], values, shape[:8]))
    names = tuple(sorted({label for found in rows.values() for label, *_ in found}))
    return {image: _of_rows(found, names, detectors[image]) for image, found in rows.items()}


def _parse_coco(text: str) -> dict[str, Detections]:
    document = json.loads(text)
    if not isinstance(document, Mapping):
        raise ValueError("the top level is no object")
    categories = {entry["id"]: str(entry["name"]) for entry in document["categories"]}
    images = {entry["id"]: str(entry["file_name"]) for entry in document["images"]}
    detectors = document.get("info", {}).get("detectors") or [""]
    rows: dict[str, list[_Row]] = {name: [] for name in images.values()}
    for number, entry in enumerate(document["annotations"], start=1):
        try:
            x, y, width, height = (float(value) for value in entry["bbox"])
            score = float(entry.get("score", 1.0))
            if not all(map(math.isfinite, (x, y, width, height, score))):
                raise ValueError("a number is not finite")
            label = categories[entry["category_id"]]
            shape = [float(value) for value in entry.get("point_px") or _outline(entry)]
            rows[images[entry["image_id"]]].append((label, [score, x, y, x + width, y + height], shape))
        except (TypeError, ValueError, KeyError) as error:
            raise ValueError(f"annotation {number}: {error}") from error
    names = tuple(categories[key] for key in sorted(categories))
    return {image: _of_rows(found, names, detectors[0]) for image, found in rows.items()}


def _outline(annotation: Mapping[str, Any]) -> list[float]:
    """The corners of an oriented box; nothing for any other segmentation, which is a mask."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, list) and len(segmentation) == 1 and isinstance(segmentation[0], list):
        return segmentation[0] if len(segmentation[0]) == 8 else []
    return []


def _of_rows(rows: list[_Row], names: tuple[str, ...], detector: str) -> Detections:
    """Detections of one image; shapes count where every row has one of the same kind."""
    numbers = np.array([values for _, values, _ in rows], dtype=np.float64).reshape(-1, 5)
    shapes = [shape for *_, shape in rows]
    kinds = {len(shape) for shape in shapes}
    values = np.array(shapes, dtype=np.float64) if len(kinds) == 1 else np.empty(0)
    if not np.isfinite(values).all():
        raise ValueError("a shape's number is not finite")
    return sorted_detections(
        numbers[:, 1:],
        numbers[:, 0],
        [names.index(label) for label, *_ in rows],
        names,
        detector,
        corners_px=values if kinds == {8} else None,
        points_px=values if kinds == {2} else None,
    )
