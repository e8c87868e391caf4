"""The library of survey cameras, and camera files of one's own.

The library is `cameras.toml` beside this module: each camera with its figures and where they come from.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from flightplan.camera import Camera
from flightplan.errors import CameraError, UnreadableFileError

_MAX_FILE_BYTES = 1_000_000
_KEYS = {field.name for field in fields(Camera)}
# Frames of video and "16:9" photographs are the middle of the sensor, cut at top and bottom.
_CROPPED_SHAPES = (16 / 9, 256 / 135, 3 / 2, 4 / 3)
_SHAPE_TOLERANCE = 0.01


@cache
def camera_library() -> tuple[Camera, ...]:
    """Return every camera of the library, ordered as in its file."""
    text = resources.files("flightplan").joinpath("cameras.toml").read_text(encoding="utf-8")
    return tuple(_camera(table, where="cameras.toml") for table in tomllib.loads(text)["camera"])


def camera_named(name: str) -> Camera:
    """Return the library's camera of that name; capitals, spaces and punctuation do not matter.

    Raises CameraError, naming the nearest ones, when there is none.
    """
    wanted = _plain(name)
    by_name = {_plain(camera.name): camera for camera in camera_library()}
    if wanted in by_name:
        return by_name[wanted]
    by_model = [camera for camera in camera_library() if wanted and wanted in map(_plain, camera.models)]
    if len(by_model) == 1:
        return by_model[0]
    near = [by_name[key].name for key in difflib.get_close_matches(wanted, by_name, n=4, cutoff=0.5)]
    near = [camera.name for camera in by_model] or near
    raise CameraError(
        f"there is no camera named {name!r} in the library",
        hint=f"Did you mean {' or '.join(repr(n) for n in near)}?" if near else "Give a camera file of your own",
    )


def camera_from_file(path: Path) -> Camera:
    """Return the camera of a TOML or JSON file with the keys of `cameras.toml`, or with `focal_length_px`.

    Raises UnreadableFileError when the file is neither, CameraError when its figures do not hold together.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise UnreadableFileError("too large for a camera file", where=str(path))
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"not a camera file: {error}", where=str(path)) from error
    if isinstance(document, dict) and "camera" in document:
        document = document["camera"]
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        raise CameraError("a camera file holds the keys of one camera", where=str(path))
    return _camera({"source": path.name, "name": path.stem, **document}, where=str(path))


def camera_for(
    maker: str | None,
    model: str | None,
    image_width_px: int,
    image_height_px: int,
    focal_length_mm: float | None = None,
) -> Camera | None:
    """Return the library's camera that took such a picture, at the picture's size; None when it knows none.

    `maker` and `model` are the EXIF's Make and Model; `focal_length_mm`, the EXIF's FocalLength, picks among lenses. A
    picture of another shape is taken for one cut at top and bottom, or left and right, when it is a full-width or
    full-height 3:2, 4:3, 16:9 or 17:9 one; any other cut-out could be from anywhere in the frame: None.
    """
    if not model or image_width_px < 1 or image_height_px < 1:
        return None
    wanted = _plain(model)
    bare = wanted.removeprefix(_plain(maker or ""))
    same = [c for c in camera_library() if {wanted, bare} & {_plain(name) for name in c.models}]
    if maker:
        same = [c for c in same if _same_maker(maker, c.maker or "")] or same
    if focal_length_mm is not None:
        same.sort(key=lambda c: abs((c.focal_length_mm or 0.0) - focal_length_mm))
    size = (image_width_px, image_height_px)
    same.sort(key=lambda c: (c.image_width_px, c.image_height_px) != size)
    for camera in same:
        if _same_shape(camera, *size):
            return _with_lens(camera, focal_length_mm).resized(*size)
    for camera in same:
        cut = _cut(_with_lens(camera, focal_length_mm), *size)
        if cut is not None:
            return cut
    return None


def _camera(table: Mapping[str, Any], where: str) -> Camera:
    unknown = sorted(set(table) - _KEYS)
    if unknown:
        near = difflib.get_close_matches(unknown[0], _KEYS, n=1)
        raise CameraError(
            f"unknown key {unknown[0]!r}",
            where=where,
            hint=f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(sorted(_KEYS))}",
        )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    if not isinstance(values.get("name"), str):
        raise CameraError("a camera needs a name", where=where)
    try:
        if "focal_length_px" in values:
            return Camera(**values)
        needed = (
            "image_width_px",
            "image_height_px",
            "sensor_width_mm",
            "sensor_height_mm",
            "focal_length_mm",
        )
        missing = [key for key in needed if key not in values]
        if missing:
            raise CameraError(
                f"{', '.join(missing)} missing",
                where=where,
                hint="Give the image size with focal_length_px, or with sensor size and focal length in mm",
            )
        extra: dict[str, Any] = {k: values.pop(k) for k in ("distortion", "principal_point_px") if k in values}
        camera = Camera.from_sensor(**values)
        return replace(camera, **extra) if extra else camera
    except (TypeError, OverflowError) as error:
        raise CameraError(f"a value of the wrong kind: {error}", where=where) from error


def _with_lens(camera: Camera, focal_length_mm: float | None) -> Camera:
    """Return the camera with the focal length that the picture states, where it clearly is another lens or zoom."""
    nominal = camera.focal_length_mm
    if focal_length_mm is None or nominal is None or not 0 < focal_length_mm < 10_000:
        return camera
    factor = focal_length_mm / nominal
    if abs(factor - 1) < 0.03:
        return camera
    vertical = camera.focal_length_y_px or camera.focal_length_px
    return replace(
        camera,
        focal_length_mm=focal_length_mm,
        focal_length_px=camera.focal_length_px * factor,
        focal_length_y_px=vertical * factor,
        source=f"{camera.source}; focal length {focal_length_mm:g} mm as in the picture's EXIF",
    )


def _same_shape(camera: Camera, width: int, height: int) -> bool:
    native = camera.image_width_px / camera.image_height_px
    return abs(width / height / native - 1) <= _SHAPE_TOLERANCE / 2


def _cut(camera: Camera, width: int, height: int) -> Camera | None:
    shape = width / height
    if not any(abs(shape / known - 1) < _SHAPE_TOLERANCE for known in _CROPPED_SHAPES):
        return None
    scale = max(width / camera.image_width_px, height / camera.image_height_px)
    full_width, full_height = round(camera.image_width_px * scale), round(camera.image_height_px * scale)
    whole = camera.resized(full_width, full_height)
    window = whole.cropped((full_width - width) / 2, (full_height - height) / 2, width, height)
    return replace(window, source=f"{camera.source}; taken for the middle of the full frame")


def _same_maker(written: str, known: str) -> bool:
    return _plain(known) in _plain(written) or _plain(written) in _plain(known)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.casefold())
