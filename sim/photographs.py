"""Writing rendered frames as a drone does: JPEG with EXIF and DJI-style XMP that say what the drone believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from detect.jpeg_writing import put_position, write_jpeg
from flightplan.camera import Camera
from sim.makers import MAKERS, Maker, Slips, Told
from sim.view import Pose

MAKER = "overfly"
_GEOD = pyproj.Geod(ellps="WGS84")
_SENSOR_WIDTH_MM = 13.2
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_JPEG_QUALITY = 92
_PLACE = ("Latitude", "Longitude", "Longtitude")


@dataclass(frozen=True)
class Shot:
    """One exposure to render: where the camera truly was, and what it will say.

    `name` is the file's name; `time_s` counts from 1970-01-01 UTC. `altitude_msl_m` is None where the ground's height
    is not known; `accuracy_m` is the standard deviation the receiver claims for its position. `takeoff_m` is the height
    above take-off that it reports, the reported height above ground where None; `slip` is what went wrong with its
    metadata, a field of `sim.makers.Slips`.
    """

    name: str
    time_s: float
    true: Pose
    reported: Pose
    altitude_msl_m: float | None = None
    accuracy_m: float | None = None
    takeoff_m: float | None = None
    slip: str = ""


@dataclass(frozen=True)
class Writing:
    """How pictures are written: by which maker's habits (`sim.makers`), with which slips, and whether of heat.

    Without a maker they are the simulator's own: DJI's fields, and EXIF that says who made them.
    """

    maker: str | None = None
    slips: Slips = field(default_factory=Slips)
    thermal: bool = False


@dataclass(frozen=True)
class PoseErrors:
    """Standard deviations of what a drone reports about itself.

    Position errors wander: two moments dt apart are correlated by exp(−dt / `memory_s`), as GNSS errors are. Those of
    the attitude are drawn for each frame.
    """

    horizontal_m: float = 1.0
    vertical_m: float = 0.8
    yaw_deg: float = 0.8
    tilt_deg: float = 0.3
    memory_s: float = 60.0


def reported_poses(
    poses: Sequence[Pose], times_s: Sequence[float], errors: PoseErrors, rng: np.random.Generator
) -> list[Pose]:
    """What the drone believes each of `poses` to be; times must not fall (a first-order Gauss–Markov walk)."""
    count = len(poses)
    fresh = rng.normal(0.0, 1.0, (count, 3))
    attitude = rng.normal(0.0, 1.0, (count, 3)) * (errors.yaw_deg, errors.tilt_deg, errors.tilt_deg)
    drift = np.zeros((count, 3))
    for i in range(count):
        kept = math.exp(-max(times_s[i] - times_s[i - 1], 0.0) / errors.memory_s) if i else 0.0
        drift[i] = (kept * drift[i - 1] if i else 0.0) + math.sqrt(1 - kept**2) * fresh[i]
    drift *= (errors.horizontal_m, errors.horizontal_m, errors.vertical_m)
    longitude, latitude, _ = _GEOD.fwd(
        [pose.longitude_deg for pose in poses],
        [pose.latitude_deg for pose in poses],
        np.degrees(np.arctan2(drift[:, 0], drift[:, 1])),
        np.hypot(drift[:, 0], drift[:, 1]),
    )
    return [
        Pose(
            longitude_deg=float(longitude[i]),
            latitude_deg=float(latitude[i]),
            altitude_agl_m=pose.altitude_agl_m + float(drift[i, 2]),
            yaw_deg=pose.yaw_deg + float(attitude[i, 0]),
            pitch_deg=pose.pitch_deg + float(attitude[i, 1]),
            roll_deg=pose.roll_deg + float(attitude[i, 2]),
        )
        for i, pose in enumerate(poses)
    ]


def write_frame(
    path: Path, image: npt.NDArray[np.uint8], shot: Shot, camera: Camera, writing: Writing | None = None
) -> None:
    """Write one frame with what the drone reports of it; the file appears whole or not at all.

    EXIF after CIPA DC-008, XMP in the maker's namespaces. Heights from take-off are above the ground where that is
    flat; those above the sea are left out where nobody knows the ground's.
    """
    writing = writing or Writing()
    maker = MAKERS.get(writing.maker or "")
    told = _told(shot, writing)
    exif = _exif(shot, camera, image.shape[1], image.shape[0], maker, writing)
    _put_place(exif, told, shot, maker)
    fields = dict((maker or MAKERS["dji"]).write(told, camera))
    if shot.slip == "no_position":
        fields = {name: value for name, value in fields.items() if not name.endswith(_PLACE)}
    if writing.slips.clock_ahead_s:
        fields = {name: value for name, value in fields.items() if "UTC" not in name}
    write_jpeg(path, image, exif, fields, quality=_JPEG_QUALITY)


def _told(shot: Shot, writing: Writing) -> Told:
    pose = shot.reported
    nowhere = shot.slip == "null_island"
    takeoff_m = pose.altitude_agl_m if shot.takeoff_m is None else shot.takeoff_m
    return Told(
        time_s=shot.time_s,
        longitude_deg=0.0 if nowhere else pose.longitude_deg,
        latitude_deg=0.0 if nowhere else pose.latitude_deg,
        takeoff_m=takeoff_m + (writing.slips.height_off_m if shot.slip == "height_off" else 0.0),
        msl_m=shot.altitude_msl_m,
        yaw_deg=pose.yaw_deg + (180.0 if shot.slip == "yaw_flipped" else 0.0),
        pitch_deg=pose.pitch_deg,
        roll_deg=pose.roll_deg,
        airframe_yaw_deg=pose.yaw_deg,
        accuracy_m=shot.accuracy_m,
        thermal=writing.thermal,
    )


def _put_place(exif: Image.Exif, told: Told, shot: Shot, maker: Maker | None) -> None:
    if shot.slip == "no_position":
        return
    by_datum = {"msl": told.msl_m, "ellipsoid": told.ellipsoid_m if maker is not None else None, None: None}
    put_position(exif, told.longitude_deg, told.latitude_deg, by_datum[maker.exif_height if maker else "msl"])
    if shot.accuracy_m is not None and maker is None:
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        place[ExifTags.GPS.GPSHPositioningError] = IFDRational(round(shot.accuracy_m * 1000), 1000)


def with_lens(camera: Camera) -> Camera:
    """Give a camera that is only known in pixels a sensor and a focal length in millimetres that agree with them."""
    if camera.focal_length_mm is not None and camera.sensor_width_mm is not None:
        return camera
    pixel_mm = _SENSOR_WIDTH_MM / camera.image_width_px
    return replace(
        camera,
        sensor_width_mm=_SENSOR_WIDTH_MM,
        sensor_height_mm=pixel_mm * camera.image_height_px,
        focal_length_mm=camera.focal_length_px * pixel_mm,
    )


def _exif(
    shot: Shot, camera: Camera, width_px: int, height_px: int, maker: Maker | None, writing: Writing
) -> Image.Exif:
    lens = with_lens(camera)
    assert lens.focal_length_mm is not None
    assert lens.sensor_width_mm is not None
    when = datetime.fromtimestamp(shot.time_s + writing.slips.clock_ahead_s, UTC)
    diagonal_mm = math.hypot(width_px, height_px) * lens.sensor_width_mm / width_px
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = maker.make if maker else camera.maker or MAKER
    exif[ExifTags.Base.Model] = maker.model if maker else camera.models[0] if camera.models else camera.name
    exif[ExifTags.Base.Orientation] = 1
    exif[ExifTags.Base.DateTime] = f"{when:%Y:%m:%d %H:%M:%S}"
    exif[ExifTags.Base.ImageDescription] = "rendered by overfly sim: not a photograph"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExifVersion] = b"0232"
    details[ExifTags.Base.DateTimeOriginal] = f"{when:%Y:%m:%d %H:%M:%S}"
    if maker is None or not maker.whole_seconds:
        details[ExifTags.Base.SubsecTimeOriginal] = f"{when.microsecond:06d}"
    if not writing.slips.clock_ahead_s:
        details[ExifTags.Base.OffsetTimeOriginal] = "+00:00"
    details[ExifTags.Base.FocalLength] = IFDRational(round(lens.focal_length_mm * 10_000), 10_000)
    details[ExifTags.Base.FocalLengthIn35mmFilm] = round(lens.focal_length_mm * _FULL_FRAME_DIAGONAL_MM / diagonal_mm)
    details[ExifTags.Base.ExifImageWidth] = width_px
    details[ExifTags.Base.ExifImageHeight] = height_px
    return exif
