"""COCO JSON: a dataset with its images and categories, or a bare list of results that leans on one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detect.labels.labelled import Gathered, read_text
from detect.labels.pictures import Pictures, size_of
from flightplan.errors import Skip, UnreadableFileError


def read_coco(path: Path, pictures: Pictures, reference: Path | None = None) -> Gathered:
    """The boxes of a COCO file; `reference` is the dataset that a bare list of results belongs to.

    Regions marked `iscrowd` are left out, each named: nobody counted what is in them. Raises UnreadableFileError for
    a file that is no COCO.
    """
    found = Gathered()
    document = _document(path)
    base = document
    if isinstance(document, list):
        if reference is None or reference.suffix.lower() != ".json":
            raise UnreadableFileError(
                "A bare list of results does not name its pictures", where=str(path), hint="Its truth must be COCO too."
            )
        base = _document(reference)
    try:
        entries = document if isinstance(document, list) else document["annotations"]
        categories = {entry["id"]: str(entry["name"]) for entry in base["categories"]}
        images = {entry["id"]: entry for entry in base["images"]}
        for entry in images.values():
            _locate(found, entry, pictures, path)
        names = {number: str(entry["file_name"]) for number, entry in images.items()}
        enumerated = list(enumerate(entries, start=1))
        found.declared += categories.values()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableFileError(f"This is not COCO ({error!r})", where=str(path)) from error
    for number, entry in enumerated:
        try:
            if entry.get("iscrowd"):
                raise ValueError("a crowd region: nobody counted what is in it")
            x, y, width, height = (float(value) for value in entry["bbox"])
            image, label = names[entry["image_id"]], categories[entry["category_id"]]
            found.add(image, label, (x, y, x + width, y + height), float(entry.get("score", 1.0)))
        except KeyError as error:
            found.skips.append(Skip(f"{path.name}, annotation {number}", f"it names nothing known ({error})"))
        except (TypeError, ValueError, AttributeError) as error:
            found.skips.append(Skip(f"{path.name}, annotation {number}", str(error)))
    return found


def _document(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"This is not JSON ({error})", where=str(path)) from error


def _locate(found: Gathered, entry: Mapping[str, Any], pictures: Pictures, path: Path) -> None:
    name = str(entry["file_name"])
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int) and isinstance(height, int) and width > 0 and height > 0:
        found.sizes[name] = width, height
    picture = pictures.find(name)
    if picture is not None:
        found.paths[name] = picture
        try:
            found.sizes[name] = size_of(picture)
        except ValueError as error:
            found.skips.append(Skip(f"{path.name}, image {name}", str(error)))
            return
    found.see(name)
