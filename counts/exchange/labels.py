"""COCO and YOLO labels: the boxes of a detection run, for those who train or compare detectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from counts.exchange.exported import Exported, ExportOptions
from counts.exchange.files import csv_bytes, json_bytes, one_line, write_whole
from counts.exchange.records import SurveyRecords
from counts.picture_files import PictureFiles
from counts.store import DetectionRunInfo, DetectionTable, StoredCapture
from detect.captures import Capture
from detect.sources import location
from flightplan.errors import CensusError, Skip
from flightplan.frames import Floats

_NOT_LOOKED_AT = "the detector has not looked at it"


def export_coco(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write one COCO detection file: images by their path, boxes as x, y, width, height in pixels, with scores.

    A picture in which nothing was found is an image without annotations; one never looked at is skipped by name. It
    holds no positions and no times. With a sensitive species all pictures are named by their content hash and ordered
    by it: whoever has the picture finds it, nobody else learns where along the flight it was taken. Where folders are
    named to look in, paths are those of the pictures found there.
    """
    run, table = _detected(records)
    numbers = {label: i for i, label in enumerate(run.detector.labels, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, (stored, rows) in enumerate(_pictures(records, table), start=1):
        capture = stored.capture
        images.append(
            {
                "id": image_id,
                "file_name": _reference(records, capture, options.files),
                "width": capture.width_px,
                "height": capture.height_px,
                "sha256": capture.content_hash,
            }
        )
        for row in rows:
            x_min, y_min, x_max, y_max = table.boxes_px[row].tolist()
            box = [round(value, 2) for value in (x_min, y_min, x_max - x_min, y_max - y_min)]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": numbers[table.labels[table.label_ids[row]]],
                    "bbox": box,
                    "area": round(box[2] * box[3], 2),
                    "iscrowd": 0,
                    "score": round(float(table.scores[row]), 5),
                }
            )
    document = {
        "info": {
            "description": f"Detections of {records.survey.name}, as the detector gave them: not checked by a person",
            "detector": run.detector.name,
            "detector_sha256": run.detector.content_hash,
            "threshold": run.threshold,
        },
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in numbers.items()],
    }
    written = write_whole(out, json_bytes(document))
    counts = {"images": len(images), "annotations": len(annotations)}
    return Exported((written,), counts, _not_looked_at(records, options.files))


def export_yolo(records: SurveyRecords, out: Path, options: ExportOptions) -> Exported:
    """Write YOLO labels into the folder `out`: `labels/*.txt` as class, centre and size over the image's own size.

    An empty file is a picture in which nothing was found. `data.yaml` names the classes, `pictures.csv` says which
    picture each file is about, with its content hash. Sensitive species: as for COCO. Boxes are cut off at the image's
    edge; one with nothing left is skipped by name.
    """
    run, table = _detected(records)
    numbers = {label: i for i, label in enumerate(run.detector.labels)}
    files, listed, skips, total = [], [], [], 0
    taken: set[str] = set()
    for stored, rows in _pictures(records, table):
        capture = stored.capture
        reference = _reference(records, capture, options.files)
        name = _label_path(reference, capture.content_hash, taken)
        sides = np.tile(np.array([capture.width_px, capture.height_px], dtype=np.float64), 2)
        boxes: Floats = np.clip(table.boxes_px[rows] / sides, 0.0, 1.0)
        inside = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
        lines = [
            f"{numbers[table.labels[table.label_ids[row]]]} {(a + c) / 2:.6f} {(b + d) / 2:.6f} {c - a:.6f} {d - b:.6f}"
            for row, (a, b, c, d) in zip(rows[inside].tolist(), boxes[inside].tolist(), strict=True)
        ]
        files.append(write_whole(out / name, "".join(f"{line}\n" for line in lines).encode()))
        listed.append((name, reference, capture.content_hash))
        total += len(lines)
        for row in rows[~inside].tolist():
            reason = "its box has no size inside the picture"
            skips.append(Skip(f"detection {table.detection_id[row]} of {reference}", reason))
    # A JSON string is a YAML string; so is a JSON list a YAML list.
    names = json_bytes([one_line(label) for label in numbers]).decode()
    files.append(write_whole(out / "data.yaml", f"path: .\nnc: {len(numbers)}\nnames: {names}".encode()))
    files.append(write_whole(out / "pictures.csv", csv_bytes(("labels", "picture", "sha256"), listed)))
    counts = {"images": len(listed), "annotations": total}
    return Exported(tuple(files), counts, (*_not_looked_at(records, options.files), *skips))


def _detected(records: SurveyRecords) -> tuple[DetectionRunInfo, DetectionTable]:
    if records.run is None or records.detections is None:
        raise CensusError(
            f"nothing was detected in {records.survey.name!r} yet", hint="Run `overfly detect` on it first"
        )
    return records.run, records.detections


def _pictures(records: SurveyRecords, table: DetectionTable) -> Iterator[tuple[StoredCapture, Any]]:
    """Yield each picture that was looked at with the rows of its detections."""
    order = np.argsort(table.capture_id, kind="stable")
    keys = table.capture_id[order]
    pictures = [records.captures[key] for key in records.searched]
    if records.sensitive:
        pictures.sort(key=lambda stored: stored.capture.content_hash)
    for stored in pictures:
        start, stop = np.searchsorted(keys, [stored.capture_id, stored.capture_id + 1])
        yield stored, order[start:stop]


def _reference(records: SurveyRecords, capture: Capture, files: PictureFiles) -> str:
    if records.sensitive:
        return f"{capture.content_hash}{capture.path.suffix}"
    found = files.likely(capture.path, capture.content_hash) if files.folders else None
    return location(found or capture.path)


def _label_path(picture: str, content_hash: str, taken: set[str]) -> str:
    """Return where a picture's labels go, inside the export's folder whatever the picture's path is."""
    parts = [one_line(part).replace("\\", "_").replace(":", "_") for part in PurePosixPath(picture).parts]
    parts = [part for part in parts if part not in ("", "/", ".", "..")]
    # The folder "images" of a training set is beside "labels"; what is above it is nobody else's business.
    below = parts[len(parts) - 1 - parts[::-1].index("images") + 1 :] if "images" in parts[:-1] else parts
    path = PurePosixPath("labels", *below).with_suffix("")
    name = f"{path}.txt" if f"{path}.txt".casefold() not in taken else f"{path}-{content_hash[:12]}.txt"
    taken.add(name.casefold())
    return name


def _not_looked_at(records: SurveyRecords, files: PictureFiles) -> tuple[Skip, ...]:
    done = set(records.searched)
    return tuple(
        Skip(_reference(records, stored.capture, files), _NOT_LOOKED_AT)
        for key, stored in records.captures.items()
        if key not in done
    )
