"""Writing a frame of a video as a drone writes a photograph, with what its moment's telemetry says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from detect.jpeg_writing import put_position, write_jpeg
from detect.subtitles import Telemetry

_QUALITY = 95
_WIDTH_OF_35MM = 34.6
"""Width in millimetres of a 4:3 picture whose diagonal is that of 35 mm film: videos use the sensor's full width."""


def write_frame(
    path: Path,
    pixels: npt.NDArray[np.uint8],
    moment: Telemetry | None,
    *,
    made_of: str,
    utc_offset: timedelta | None = None,
) -> None:
    """Write one frame (h, w, 3) of the video named `made_of`; `utc_offset` is how far the camera's clock ran ahead."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "DJI"
    exif[ExifTags.Base.ImageDescription] = f"a frame of {made_of}".encode("ascii", "replace").decode()
    if moment is not None:
        _put_time(exif, moment, utc_offset)
        if moment.longitude_deg is not None and moment.latitude_deg is not None:
            put_position(exif, moment.longitude_deg, moment.latitude_deg, moment.absolute_altitude_m)
    write_jpeg(path, pixels, exif, _dji(moment, pixels.shape[1]), quality=_QUALITY)


def _put_time(exif: Image.Exif, moment: Telemetry, utc_offset: timedelta | None) -> None:
    if moment.local_time is None:
        return
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal] = f"{moment.local_time:%Y:%m:%d %H:%M:%S}"
    details[ExifTags.Base.SubsecTimeOriginal] = f"{moment.local_time.microsecond // 1000:03d}"
    if utc_offset is not None:
        minutes = round(utc_offset / timedelta(minutes=1))
        hours, rest = divmod(abs(minutes), 60)
        details[ExifTags.Base.OffsetTimeOriginal] = f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def _dji(moment: Telemetry | None, width_px: int) -> dict[str, str]:
    fields = {"ImageSource": "Video"}
    if moment is None:
        return fields
    for name, value in (
        ("RelativeAltitude", moment.relative_altitude_m),
        ("AbsoluteAltitude", moment.absolute_altitude_m),
        ("GimbalYawDegree", moment.gimbal_yaw_deg),
        ("GimbalPitchDegree", moment.gimbal_pitch_deg),
        ("GimbalRollDegree", moment.gimbal_roll_deg),
    ):
        if value is not None:
            fields[name] = f"{value:+.3f}"
    if moment.focal_length_35mm is not None:
        fields["CalibratedFocalLength"] = f"{moment.focal_length_35mm * width_px / _WIDTH_OF_35MM:.6f}"
    return fields
