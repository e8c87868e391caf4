"""Pictures that go with a waypoint, as SMART has them: a name and the content in base64."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from counts.exchange.files import write_whole
from counts.exchange.groups import Group
from counts.exchange.records import SurveyRecords
from counts.picture_files import PictureFiles
from detect.images import open_raster
from detect.sources import shown
from flightplan.errors import CaptureError

LARGEST_PX = 1024
LARGEST_BYTES = 20 << 20
_LEAST_PX, _ROOM, _QUALITY = 240, 1.6, 85


@dataclass(frozen=True)
class Attachment:
    """A file that somebody sent with a sighting; `name` is its own, made safe, behind its hash."""

    name: str
    content: bytes

    @property
    def file_name(self) -> str:
        """A name that two files of different content never share."""
        return f"{hashlib.sha256(self.content).hexdigest()[:12]}-{self.name}"


def picture_of(records: SurveyRecords, group: Group, files: PictureFiles) -> dict[str, str] | None:
    """Return what one picture shows of a group, as SMART's attachment; None where it is not to be told or has none.

    The part around the boxes of its species, at most 1024 pixels to a side, as JPEG without metadata. With a sensitive
    species in the survey there are no pictures: one of another species may show it, too. Raises CaptureError for a
    picture that cannot be read.
    """
    if records.sensitive or group.capture_id is None:
        return None
    shot = records.captures[group.capture_id].capture
    try:
        path = files.find(shot.path, shot.content_hash)
    except CaptureError as error:
        raise CaptureError(error.what, where=shown(shot.path), hint=error.hint) from error
    found, boxes = records.detections, np.empty((0, 4))
    if found is not None and group.species in found.labels:
        mine = (found.capture_id == group.capture_id) & (found.label_ids == found.labels.index(group.species))
        boxes = found.boxes_px[mine]
    with open_raster(path) as raster:
        window = _window(boxes, raster.width_px, raster.height_px)
        pixels = raster.read(*window)
    if pixels is None:
        raise CaptureError("there is nothing in the picture", where=shown(shot.path))
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    image.save(held, "JPEG", quality=_QUALITY)
    name = f"{_safe(group.species)}-{shot.content_hash[:12]}.jpg"
    return {"filename": name, "data": base64.b64encode(held.getvalue()).decode("ascii")}


def read_attachment(said: Any) -> Attachment:
    """Read what SMART calls an attachment. Raises ValueError for one without a name or content, or over 20 MB."""
    if not isinstance(said, Mapping) or not isinstance(said.get("filename"), str) or not said["filename"].strip():
        raise ValueError("an attachment has no name")
    data = said.get("data")
    if not isinstance(data, str) or not data:
        raise ValueError(f"the attachment {said['filename'][:80]!r} has no content")
    if len(data) > LARGEST_BYTES * 4 // 3 + 4:
        raise ValueError(f"the attachment {said['filename'][:80]!r} is over 20 MB")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the attachment {said['filename'][:80]!r} is not base64") from error
    return Attachment(_safe(said["filename"].replace("\\", "/").rpartition("/")[2]), content)


def write_attachments(folder: Path, attachments: tuple[Attachment, ...]) -> None:
    """Write files of others into a folder, each under a name that cannot lead out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in attachments:
        write_whole(folder / each.file_name, each.content)


def _window(boxes: Any, width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """The part of a picture to show: x, y, width and height; all of it without boxes."""
    if not len(boxes):
        return 0, 0, width_px, height_px
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    size = np.maximum((high - low) * _ROOM, _LEAST_PX)
    limit = np.array([width_px, height_px])
    start = np.clip((low + high - size) / 2, 0, np.maximum(limit - size, 0)).astype(int)
    end = np.minimum(np.ceil(start + size).astype(int), limit)
    x, y, right, bottom = (int(v) for v in (*start, *end))
    return x, y, right - x, bottom - y


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "file"
