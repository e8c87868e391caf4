"""One exposure: image, time, position with its vertical datum, attitude, camera; each field knows its source."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from detect.exposure_times import camera_clock
from detect.georeference import Georeference
from detect.intrinsics import read_camera
from detect.metadata import read_metadata
from detect.poses import read_pose
from detect.sources import IMAGE_SUFFIXES, RASTER_SUFFIXES, list_remote, local_path, read, real_path, shown
from detect.thermal import read_spectrum
from flightplan.camera import Camera
from flightplan.errors import CaptureError, Skip


@dataclass(frozen=True)
class Capture:
    """One exposure.

    Unknown is None, and `unknown` says why by field name; `sources` says where each known field came from
    ("EXIF", "XMP drone-dji", "capture log", ...). `content_hash` is the SHA-256 of the file's bytes: the identity of
    a capture. `width_px` and `height_px`, the camera and the attitude are those of the image as it is seen (EXIF
    orientation applied). Attitude follows `flightplan.camera`. Heights: `altitude_msl_m` above mean sea level as the
    maker wrote it, `altitude_ellipsoid_m` above WGS 84, `altitude_takeoff_m` above the take-off point.
    `airframe_yaw_deg` is where the nose pointed, whatever the gimbal did. `findings` are doubts about what was read,
    one sentence each. `pose_covariance` is set where the pose was refined, see `detect.pose_errors.packed`;
    `georeference` where the picture is an orthomosaic.
    `camera_clock` is what the camera's own clock showed, without a zone, right or wrong; `software` is what wrote the
    file last: the camera's firmware, or the program it was saved from. `spectrum` is "thermal" for a picture of heat.
    """

    path: Path
    content_hash: str
    width_px: int
    height_px: int
    time_utc: datetime | None = None
    longitude_deg: float | None = None
    latitude_deg: float | None = None
    altitude_msl_m: float | None = None
    altitude_ellipsoid_m: float | None = None
    altitude_takeoff_m: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    camera: Camera | None = None
    horizontal_accuracy_m: float | None = None
    maker: str | None = None
    model: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    airframe_yaw_deg: float | None = None
    orientation: int = 1
    pose_covariance: tuple[float, ...] | None = None
    georeference: Georeference | None = None
    camera_clock: datetime | None = None
    software: str | None = None
    vertical_accuracy_m: float | None = None
    spectrum: str | None = None


def find_images(sources: Iterable[Path | str]) -> tuple[list[Path], list[Skip]]:
    """Find the pictures in folders (and the folders under them), among single files and under URLs.

    Order: that of `sources`, and by path inside each; a file reached twice counts once. In folders, hidden files (macOS
    writes a `._` beside each picture) and other kinds of file are passed over; a file named itself that is no picture
    is skipped by name. Raises CaptureError where a source does not exist or nothing is left.
    """
    found: dict[Path, Path] = {}
    skips: list[Skip] = []
    asked = list(sources)
    for named in asked:
        source = local_path(named)
        if source is None:
            remote, unusable = list_remote(named)
            found.update((path, path) for path in remote if path not in found)
            skips += unusable
        elif source.is_dir():
            for path in _pictures_under(source, skips):
                found.setdefault(_identity(path), path)
        elif not source.exists():
            raise CaptureError("There is no such file or folder", where=shown(source))
        elif source.suffix.lower() not in IMAGE_SUFFIXES | RASTER_SUFFIXES or source.name.startswith("._"):
            skips.append(Skip(shown(source), "not a JPEG, PNG or TIFF picture"))
        else:
            for path in _with_names([source], skips):
                found.setdefault(_identity(path), path)
    if not found:
        raise CaptureError(
            "No pictures found",
            where=", ".join(map(shown, asked)) or None,
            hint="Name a folder that holds .jpg, .png or .tif files.",
        )
    return list(found.values()), skips


def _pictures_under(folder: Path, skips: list[Skip]) -> list[Path]:
    def refuse(error: OSError) -> None:
        skips.append(Skip(str(error.filename), f"cannot be opened: {error.strerror}"))

    pictures: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        pictures += [
            Path(here, name)
            for name in names
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
        ]
        skips.extend(
            Skip(shown(Path(here, name)), "a folder that is named like a picture; what is in it was read")
            for name in folders
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122
        )
    return _with_names(sorted(pictures), skips)


def _identity(path: Path) -> Path:
    """What two names of one file have in common; links to nothing have nothing in common."""
    behind = real_path(path)
    return behind if behind.exists() else path.absolute()


def _with_names(paths: Iterable[Path], skips: list[Skip]) -> list[Path]:
    """Those whose names are text; the bytes of a card that was written under another encoding may be none."""
    readable = []
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            skips.append(Skip(shown(path), "its name is no UTF-8 text, and cannot be written down: rename it"))
        else:
            readable.append(path)
    return readable


def read_capture(path: Path, *, clock_utc_offset: timedelta | None = None) -> Capture:
    """Read one picture's capture from its EXIF and XMP; the pixels are left alone.

    `clock_utc_offset` is how far the camera's clock runs ahead of UTC, used where the file names no zone. A field that
    is missing or makes no sense is None with its reason in `unknown`. Raises CaptureError for a file that is no
    picture.
    """
    path = Path(path)
    return capture_of(path, read(path), clock_utc_offset=clock_utc_offset)


def capture_of(path: Path, data: bytes, *, clock_utc_offset: timedelta | None = None) -> Capture:
    """`read_capture` for a file whose content is in hand already."""
    metadata = read_metadata(path, data)
    fields = read_pose(metadata, clock_utc_offset=clock_utc_offset)
    read_camera(metadata, fields)
    read_spectrum(metadata, data, fields)
    for name, tag in (("maker", "Make"), ("model", "Model")):
        text = metadata.text(tag)
        if text is not None:
            fields.know(name, text, f"EXIF {tag}")
        fields.miss(f"no EXIF {tag}", name)
    width_px, height_px = metadata.size_as_seen_px
    return Capture(
        path=path,
        content_hash=hashlib.sha256(data).hexdigest(),
        width_px=width_px,
        height_px=height_px,
        orientation=metadata.orientation,
        camera_clock=camera_clock(metadata),
        software=metadata.text("xmp:CreatorTool") or metadata.text("Software"),
        sources=fields.sources,
        unknown=fields.unknown,
        findings=(*metadata.flaws, *fields.findings),
        **fields.values,
    )
