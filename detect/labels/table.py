"""CSV: one row per box (corners) or per point (x, y), the picture and the label in columns of any usual name."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from detect.labels.labelled import Gathered, read_text
from detect.labels.pictures import Pictures, size_of
from flightplan.errors import Skip, UnreadableFileError

_IMAGE = ("image", "images", "image_path", "image_name", "filename", "file_name", "file")
# An id column comes first: a table with ids and names can contradict itself, and the ids are what was counted.
_LABEL = ("labels", "label", "class", "class_id", "category", "category_id", "species", "name")
_SCORE = ("score", "scores", "confidence", "conf")
_CORNERS = (
    ("x_min_px", "y_min_px", "x_max_px", "y_max_px"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
)
_POINTS = (("x", "y"), ("x_px", "y_px"))


def read_table(path: Path, pictures: Pictures) -> Gathered:
    """The boxes or points of a CSV file, in pixels of the picture as it is seen.

    A row without label and without coordinates says that its picture was searched. Raises UnreadableFileError for a
    table that lacks columns.
    """
    found = Gathered()
    reader = csv.DictReader(read_text(path).splitlines())
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    image, label, score = (_first(columns, names) for names in (_IMAGE, _LABEL, _SCORE))
    places = next((names for names in (*_CORNERS, *_POINTS) if all(name in columns for name in names)), None)
    if image is None or label is None or places is None:
        raise UnreadableFileError(
            "These columns hold no labels",
            where=str(path),
            hint="It takes a column image, a column label, and x_min, y_min, x_max, y_max, or x and y. "
            f"There are: {', '.join(name for name in columns if name) or 'none'}.",
        )
    if label != columns.get("species") and "species" in columns:
        found.notes.append(
            f"{path.name}: what an animal is comes from the column {label}; the column species is not used"
        )
    asked = [columns[name] for name in places]
    for line, row in enumerate(reader, start=2):
        try:
            name = (row[image] or "").strip()
            texts = [(row[column] or "").strip() for column in asked]
            if name and name not in found.rows:
                _locate(found, name, pictures)
            if name and not any(texts) and not (row[label] or "").strip():
                found.see(name)
                continue
            numbers = [_number(text, column) for text, column in zip(texts, asked, strict=True)]
            worth = _number(row[score] or "", score) if score else 1.0
            found.add(name, (row[label] or "").strip(), numbers if len(numbers) == 4 else numbers * 2, worth)
        except ValueError as error:
            found.skips.append(Skip(f"{path.name}, line {line}", str(error)))
    return found


def _first(columns: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((columns[name] for name in names if name in columns), None)


def _number(text: str, column: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{column} is no number: {text!r}") from None


def _locate(found: Gathered, name: str, pictures: Pictures) -> None:
    path = pictures.find(name)
    if path is not None:
        found.sizes[name] = size_of(path)
        found.paths[name] = path
