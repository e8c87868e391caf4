"""Which format a file or folder of labels is in, and reading it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from detect.labels.coco import read_coco
from detect.labels.labelled import LabelSet
from detect.labels.pictures import SUFFIXES, Pictures
from detect.labels.table import read_table
from detect.labels.voc import read_voc
from detect.labels.yolo import NO_LABELS, class_names, read_yolo, see_unlabelled
from flightplan.errors import UnreadableFileError


def read_labels(
    source: Path,
    *,
    images: Sequence[Path] = (),
    names: Mapping[str, str] | None = None,
    reference: Path | None = None,
) -> LabelSet:
    """Read labels (or detections: labels with scores) as YOLO, COCO, VOC or CSV.

    `source` is a folder of YOLO text files (or its data.yaml) or of VOC `.xml`, or one file: COCO `.json`, `.csv`,
    `.xml`. Pictures are looked for in `images` and beside the labels. `names` gives labels (or class ids) other names.
    `reference` is the labels that a bare COCO list of results, or YOLO class ids without names, belong to. Each row
    that cannot be used is a Skip that names it. Raises UnreadableFileError for a source without any labels.
    """
    source = Path(source)
    if source.suffix.lower() in (".yaml", ".yml"):
        source = source.parent
    if not source.exists():
        raise UnreadableFileError("There are no such labels", where=str(source))
    folder = source if source.is_dir() else source.parent
    kind, files = _kind(source)
    beside = [folder, *([folder.parent / "images"] if folder.name == "labels" else [])]
    pictures = Pictures([path for path in (*images, *beside) if path.is_dir()])
    if kind == "csv":
        found = read_table(files[0], pictures)
    elif kind == "json":
        found = read_coco(files[0], pictures, reference)
    elif kind == "xml":
        found = read_voc(files, folder, pictures)
    else:
        known = class_names(folder)
        if not known and reference is not None and reference.exists():
            known = class_names(reference if reference.is_dir() else reference.parent)
        found = read_yolo(files, folder, pictures, known)
        found.declared += [(names or {}).get(number, label) for number, label in known.items()]
        see_unlabelled(found, [p for p in _files(folder, SUFFIXES) if not p.name.startswith("._")], folder)
    return replace(found.label_set(source, names or {}), silence_is_empty=kind == "txt")


def _kind(source: Path) -> tuple[str, list[Path]]:
    if source.is_file():
        kind = source.suffix.lower().lstrip(".")
        if kind not in ("csv", "json", "xml"):
            raise UnreadableFileError(
                "No known format of labels ends like this",
                where=str(source),
                hint="Name a .csv, a COCO .json, a VOC .xml, a data.yaml, or a folder of YOLO or VOC files.",
            )
        return kind, [source]
    by_kind = {
        "txt": [path for path in _files(source, (".txt",)) if path.name.lower() not in NO_LABELS],
        "xml": _files(source, (".xml",)),
        "json": sorted(source.glob("*.json")),
        "csv": sorted(source.glob("*.csv")),
    }
    present = [kind for kind, files in by_kind.items() if files]
    if len(present) != 1 or (present[0] in ("json", "csv") and len(by_kind[present[0]]) > 1):
        what = ", ".join(f"{len(by_kind[kind])} .{kind}" for kind in present) or "none"
        raise UnreadableFileError(
            f"Which of its files are the labels is not clear: there are {what}",
            where=str(source),
            hint="Name the file, or a folder with labels of one format.",
        )
    return present[0], by_kind[present[0]]


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith("._"))
