"""PASCAL VOC: one XML file for each picture, as labelImg, CVAT and DeepForest write it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from detect.labels.labelled import Gathered, read_text
from detect.labels.pictures import Pictures, size_of
from flightplan.errors import Skip, UnreadableFileError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(files: Iterable[Path], root: Path, pictures: Pictures) -> Gathered:
    """The boxes of VOC files; a picture is named by its file's folder under `root` and by `filename`.

    Corners are taken as the edges of the box in pixels, from 0, as today's tools write them; the 2007 challenge's own
    files counted from 1, half a pixel away. A file that cannot be read is a skip.
    """
    found = Gathered()
    for path in files:
        try:
            annotation = fromstring(read_text(path))
            if annotation.tag != "annotation":
                raise ValueError(f"its root is <{annotation.tag[:40]}>, not <annotation>")
            folder = path.parent.relative_to(root)
            name = (folder / Path(_text(annotation, "filename").replace("\\", "/") or path.stem).name).as_posix()
            if name in found.rows:
                raise ValueError(f"the picture {name} is labelled in another file already")
            _locate(found, name, annotation, pictures, path)
        except (ValueError, ParseError, DefusedXmlException, UnreadableFileError) as error:
            found.skips.append(Skip(path.name, str(error) or type(error).__name__))
            continue
        found.see(name)
        for number, thing in enumerate(annotation.iter("object"), start=1):
            try:
                box = thing.find("bndbox")
                if box is None:
                    raise ValueError("it has no bndbox")
                corners = [_number(box, corner) for corner in _CORNERS]
                found.add(name, _text(thing, "name"), corners, _score(thing))
            except ValueError as error:
                found.skips.append(Skip(f"{path.name}, object {number}", str(error)))
    return found


def _locate(found: Gathered, name: str, annotation: Element, pictures: Pictures, path: Path) -> None:
    picture = pictures.find((path.parent / Path(name).name).as_posix())
    if picture is not None:
        found.sizes[name] = size_of(picture)
        found.paths[name] = picture
        return
    size = annotation.find("size")
    if size is not None:
        width, height = _text(size, "width"), _text(size, "height")
        if width.isdecimal() and height.isdecimal() and int(width) and int(height):
            found.sizes[name] = int(width), int(height)


def _text(element: Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _number(element: Element, name: str) -> float:
    text = _text(element, name)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} is no number: {text!r}") from None


def _score(thing: Element) -> float:
    named = next((name for name in ("score", "confidence") if thing.find(name) is not None), None)
    return _number(thing, named) if named else 1.0
