"""YOLO: a text file for each picture, a line for each box in shares of the picture's size."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from detect.labels.labelled import Gathered, read_text
from detect.labels.pictures import Pictures, size_of
from flightplan.errors import Skip, UnreadableFileError

NO_LABELS = frozenset({"classes.txt", "labels.txt", "obj.names", "readme.txt", "notes.txt", "license.txt"})
"""Text files beside the labels that hold none."""


def read_yolo(files: Iterable[Path], root: Path, pictures: Pictures, names: Mapping[str, str]) -> Gathered:
    """The boxes of YOLO's text files: class, centre and size, and a score where there is one; or class and polygon.

    Sizes in pixels come from the pictures, so a file whose picture cannot be found is a skip. `names` is labels by
    class id; an id that it lacks stands for itself. A polygon, and an oriented box, becomes the box around it.
    """
    found = Gathered()
    for path in files:
        parts = [part for part in path.relative_to(root).with_suffix("").parts if part != "labels"]
        try:
            picture = pictures.find(path.with_suffix("").as_posix())
            if picture is None:
                raise ValueError("its picture is not there, so its size is unknown (name its folder with --images)")
            name = "/".join([*parts[:-1], picture.name])
            width, height = size_of(picture)
            lines = read_text(path).splitlines()
        except (ValueError, UnreadableFileError) as error:
            found.skips.append(Skip(path.relative_to(root).as_posix(), str(error)))
            continue
        found.see(name)
        found.paths[name], found.sizes[name] = picture, (width, height)
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                class_id, corners, score = _box(line, width, height)
                found.add(name, names.get(class_id, class_id), corners, score)
            except ValueError as error:
                found.skips.append(Skip(f"{path.relative_to(root).as_posix()}, line {number}", str(error)))
    return found


def see_unlabelled(found: Gathered, pictures: Iterable[Path], root: Path) -> None:
    """Count pictures without a text file as looked at and empty, which is how YOLO writes it."""
    known = set(found.paths.values())
    for path in pictures:
        if path not in known:
            parts = [part for part in path.relative_to(root).parts if part != "images"]
            name = "/".join(parts)
            try:
                found.sizes[name] = size_of(path)
            except ValueError as error:
                found.skips.append(Skip(name, str(error)))
                continue
            found.paths[name] = path
            found.see(name)


def _box(line: str, width: int, height: int) -> tuple[str, tuple[float, float, float, float], float]:
    words = line.split()
    if not words[0].isdecimal():
        raise ValueError(f"the class is no number: {words[0][:40]!r}")
    try:
        values = [float(word) for word in words[1:]]
    except ValueError as error:
        raise ValueError(str(error)) from None
    if len(values) in (4, 5):
        x, y, across, down = (value * side for value, side in zip(values, (width, height) * 2, strict=False))
        if across < 0 or down < 0:
            raise ValueError("the box has a negative size")
        corners = (x - across / 2, y - down / 2, x + across / 2, y + down / 2)
        return str(int(words[0])), corners, values[4] if len(values) == 5 else 1.0
    if len(values) >= 6:
        score = values[-1] if len(values) % 2 else 1.0
        xs, ys = values[: len(values) // 2 * 2 : 2], values[1 : len(values) // 2 * 2 : 2]
        return str(int(words[0])), (min(xs) * width, min(ys) * height, max(xs) * width, max(ys) * height), score
    raise ValueError(f"a box takes a class and 4 numbers, not {len(values)}")


def class_names(root: Path) -> dict[str, str]:
    """Labels by class id from the dataset's `data.yaml`, or `classes.txt`; empty where neither is there.

    Of YAML only what `names` is written in is understood: a list or a mapping, in brackets or line by line. Raises
    UnreadableFileError for a `names` that is neither.
    """
    for folder in (root, root.parent):
        for path in (*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))):
            if (names := _yaml_names(read_text(path), path)) is not None:
                return names
        for name in ("classes.txt", "obj.names"):
            if (folder / name).is_file():
                lines = [line.strip() for line in read_text(folder / name).splitlines()]
                return {str(number): line for number, line in enumerate(lines) if line}
    return {}


def _yaml_names(text: str, path: Path) -> dict[str, str] | None:
    start = re.search(r"^names:[ \t]*(.*)$", text, re.MULTILINE)
    if start is None:
        return None
    inline = start.group(1).split(" #", 1)[0].strip()
    if inline:
        flat = text[start.start(1) :]
        closing = {"[": "]", "{": "}"}.get(inline[0])
        if closing and closing in flat:
            items = [part.strip() for part in flat[1 : flat.index(closing)].split(",") if part.strip()]
            pairs = [item.split(":", 1) if closing == "}" else (str(n), item) for n, item in enumerate(items)]
            if all(len(pair) == 2 for pair in pairs):
                return {key.strip(): _unquoted(value) for key, value in pairs}
    else:
        names: dict[str, str] = {}
        for line in text[start.end() :].splitlines()[1:]:
            entry = re.match(r"\s*-\s+(.+)$|\s+(\d+)\s*:\s*(.+)$", line)
            if entry is None:
                if line.strip() and not line.lstrip().startswith("#"):
                    break
                continue
            key = entry.group(2) or str(len(names))
            names[key] = _unquoted(entry.group(1) or entry.group(3))
        if names:
            return names
    raise UnreadableFileError("The names of its classes cannot be read", where=str(path), hint="Write: names: [a, b]")


def _unquoted(text: str) -> str:
    text = text.strip()
    if text[:1] in ("'", '"'):
        try:
            return str(ast.literal_eval(text))
        except (ValueError, SyntaxError):
            return text.strip("'\"")
    return text.split(" #", 1)[0].strip()
