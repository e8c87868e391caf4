"""The camera behind a picture, out of its tags: focal length in pixels, principal point, distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from detect.fields import Fields
from detect.metadata import Metadata
from flightplan.camera import Camera
from flightplan.cameras import camera_for

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_SAME_SHAPE = 0.01


# The pictures of a flight have one camera.
_camera_for = lru_cache(maxsize=256)(camera_for)


@dataclass(frozen=True)
class _Lens:
    """A focal length in pixels of a picture `width_px` by `height_px` as the camera first wrote it."""

    focal_length_px: float
    width_px: float
    height_px: float
    source: str
    principal_offset_px: tuple[float, float] = (0.0, 0.0)
    distortion: tuple[float, float, float, float, float] | None = None
    focal_length_y_px: float | None = None


def read_camera(metadata: Metadata, fields: Fields) -> None:
    """Put the camera into `fields`, or why there is none.

    In order of trust: DJI's dewarp data, a calibrated focal length (DJI, Skydio, pix4d's vocabulary), EXIF's focal
    plane resolution, the library of cameras, the 35 mm equivalent. All are scaled from the size the camera wrote to
    that of the file, when both have one shape; otherwise the picture was cut out of a larger one, its scale is kept,
    and a finding says that the cut's place is unknown.
    """
    lens = (
        _dewarp(metadata)
        or _calibrated(metadata)
        or _skydio(metadata)
        or _pix4d(metadata)
        or _focal_plane(metadata)
        or _library(metadata)
        or _equivalent(metadata)
    )
    if lens is None:
        fields.miss("no focal length in pixels can be had from EXIF or XMP", "camera")
        return
    width_px, height_px = metadata.width_px, metadata.height_px
    across, down = width_px / lens.width_px, height_px / lens.height_px
    if abs(across / down - 1.0) <= _SAME_SHAPE:
        scale = math.sqrt(across * down)
        offset = (lens.principal_offset_px[0] * across, lens.principal_offset_px[1] * down)
        distortion = lens.distortion
        if scale != 1.0:
            fields.findings.append(
                f"the picture was resized from {lens.width_px:g}x{lens.height_px:g}: focal length scaled by {scale:.4g}"
            )
    else:
        scale, offset, distortion = 1.0, (0.0, 0.0), None
        fields.findings.append(
            f"the picture is {width_px}x{height_px}, cut out of one of {lens.width_px:g}x{lens.height_px:g}: "
            "where from is unknown, so its position on the ground can be off by the part cut away"
        )
    focal_length_mm = metadata.number("FocalLength") or None
    focal_length_px = lens.focal_length_px * scale
    sensor_mm = None if focal_length_mm is None else focal_length_mm / focal_length_px
    down_px = None if lens.focal_length_y_px is None else lens.focal_length_y_px * scale
    if metadata.orientation >= 5 and down_px is not None:
        focal_length_px, down_px = down_px, focal_length_px
    width_seen_px, height_seen_px = metadata.size_as_seen_px
    fields.know(
        "camera",
        Camera(
            name=" ".join(filter(None, (metadata.text("Make"), metadata.text("Model")))) or "unnamed camera",
            image_width_px=width_seen_px,
            image_height_px=height_seen_px,
            focal_length_px=focal_length_px,
            sensor_width_mm=None if sensor_mm is None else sensor_mm * width_seen_px,
            sensor_height_mm=None if sensor_mm is None else sensor_mm * height_seen_px,
            focal_length_mm=focal_length_mm,
            principal_point_px=_as_seen(metadata, offset) if offset != (0.0, 0.0) else None,
            distortion=None if distortion is None else _bent_as_seen(metadata, distortion),
            source=lens.source,
            focal_length_y_px=down_px,
        ),
        lens.source,
    )


def _bent_as_seen(
    metadata: Metadata, distortion: tuple[float, float, float, float, float]
) -> tuple[float, float, float, float, float]:
    """The distortion as seen: its tangential part, 2 (q·r) r + q r² with q = (p2, p1), turns as any direction does."""
    k1, k2, p1, p2, k3 = distortion
    across, down = _turned(metadata, (p2, p1))
    return k1, k2, down, across, k3


def _as_seen(metadata: Metadata, offset: tuple[float, float]) -> tuple[float, float]:
    """The principal point as seen, given its offset from the middle of the stored picture."""
    width_px, height_px = metadata.size_as_seen_px
    x, y = _turned(metadata, offset)
    return (width_px - 1) / 2.0 + x, (height_px - 1) / 2.0 + y


def _turned(metadata: Metadata, stored: tuple[float, float]) -> tuple[float, float]:
    """A direction in the stored picture, right and down, as it is seen."""
    x, y = stored
    turned = {1: (x, y), 2: (-x, y), 3: (-x, -y), 4: (x, -y), 5: (y, x), 6: (-y, x), 7: (-y, -x), 8: (y, -x)}
    return turned[metadata.orientation]


def _written_size(metadata: Metadata) -> tuple[float, float]:
    """The size the camera wrote: EXIF's, which programs that resize often leave alone, else the file's."""
    width, height = metadata.number("ExifImageWidth"), metadata.number("ExifImageHeight")
    if not width or not height or width <= 0.0 or height <= 0.0:
        return float(metadata.width_px), float(metadata.height_px)
    return width, height


def _dewarp(metadata: Metadata) -> _Lens | None:
    """DJI: "date;fx,fy,cx,cy,k1,k2,p1,p2,k3", the centre an offset from the middle."""
    text = metadata.text("drone-dji:DewarpData")
    if text is None:
        return None
    try:
        fx, fy, cx, cy, k1, k2, p1, p2, k3 = (float(part) for part in text.rpartition(";")[2].split(","))
    except ValueError:
        return None
    if not all(map(math.isfinite, (fx, fy, cx, cy, k1, k2, p1, p2, k3))) or fx <= 0.0 or fy <= 0.0:
        return None
    # With the flag set the camera has straightened the picture itself.
    straightened = metadata.number("drone-dji:DewarpFlag") == 1.0
    width, height = _written_size(metadata)
    return _Lens(
        fx, width, height, "XMP drone-dji:DewarpData",
        (cx, cy), None if straightened else (k1, k2, p1, p2, k3), fy,
    )  # fmt: skip


def _calibrated(metadata: Metadata) -> _Lens | None:
    focal_length_px = metadata.number("drone-dji:CalibratedFocalLength")
    if not focal_length_px or focal_length_px <= 0.0:
        return None
    x, y = metadata.number("drone-dji:CalibratedOpticalCenterX"), metadata.number("drone-dji:CalibratedOpticalCenterY")
    width, height = _written_size(metadata)
    # Where the centre is not near the middle, what it is the middle of is the size the camera first wrote.
    if x and y and (abs(2.0 * x / width - 1.0) > 0.1 or abs(2.0 * y / height - 1.0) > 0.1):
        return _Lens(focal_length_px, 2.0 * x, 2.0 * y, "XMP drone-dji:CalibratedFocalLength")
    offset = (x - width / 2.0, y - height / 2.0) if x and y else (0.0, 0.0)
    return _Lens(focal_length_px, width, height, "XMP drone-dji:CalibratedFocalLength", offset)


def _skydio(metadata: Metadata) -> _Lens | None:
    """Skydio: focal lengths and centre in pixels, "k1,k2,k3" (its metadata overview)."""
    name = "drone-skydio:Calibrated"
    focal = [metadata.number(f"{name}FocalLength{axis}") for axis in "XY"]
    if focal[0] is None or focal[1] is None or focal[0] <= 0.0 or focal[1] <= 0.0:
        return None
    width, height = _written_size(metadata)
    x, y = (metadata.number(f"{name}OpticalCenter{axis}") for axis in "XY")
    # Its centre counts from the middle of the first pixel, as the middle of the picture does here.
    offset = (x - (width - 1) / 2.0, y - (height - 1) / 2.0) if x and y else (0.0, 0.0)
    k = _numbers(metadata.text("drone-skydio:DewarpData"), 3)
    return _Lens(
        math.sqrt(focal[0] * focal[1]), width, height, f"XMP {name}FocalLength",
        offset, None if k is None or not any(k) else (k[0], k[1], 0.0, 0.0, k[2]),
    )  # fmt: skip


def _pix4d(metadata: Metadata) -> _Lens | None:
    """Pix4D's vocabulary: focal length and principal point in millimetres, R1, R2, R3, T1, T2 (Pix4D, "XMP tags")."""
    focal_length_mm = metadata.number("pix4d-camera:PerspectiveFocalLength")
    per_mm = _pixels_per_mm(metadata)
    if focal_length_mm is None or focal_length_mm <= 0.0 or per_mm is None:
        return None
    width, height = _written_size(metadata)
    centre_mm = _numbers(metadata.text("pix4d-camera:PrincipalPoint"), 2)
    offset = (0.0, 0.0)
    if centre_mm is not None:
        offset = (centre_mm[0] * per_mm - width / 2.0, centre_mm[1] * per_mm - height / 2.0)
    r = _numbers(metadata.text("pix4d-camera:PerspectiveDistortion"), 5)
    return _Lens(
        focal_length_mm * per_mm, width, height, "XMP pix4d-camera:PerspectiveFocalLength",
        offset, None if r is None or not any(r) else (r[0], r[1], r[3], r[4], r[2]),
    )  # fmt: skip


def _numbers(text: str | None, count: int) -> list[float] | None:
    try:
        values = [float(part) for part in (text or "").split(",")]
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def _pixels_per_mm(metadata: Metadata) -> float | None:
    resolution, unit = metadata.number("FocalPlaneXResolution"), metadata.number("FocalPlaneResolutionUnit")
    mm_per_unit = _MM_PER_UNIT.get(int(unit)) if unit is not None else 25.4
    return resolution / mm_per_unit if resolution and resolution > 0.0 and mm_per_unit is not None else None


def _focal_plane(metadata: Metadata) -> _Lens | None:
    focal_length_mm, resolution = metadata.number("FocalLength"), metadata.number("FocalPlaneXResolution")
    unit = metadata.number("FocalPlaneResolutionUnit")
    mm_per_unit = _MM_PER_UNIT.get(int(unit)) if unit is not None else 25.4
    if not focal_length_mm or not resolution or mm_per_unit is None or focal_length_mm <= 0.0 or resolution <= 0.0:
        return None
    width, height = _written_size(metadata)
    sensor_width_mm = width / resolution * mm_per_unit
    if not 1.0 <= sensor_width_mm <= 100.0:
        return None
    return _Lens(
        focal_length_mm / mm_per_unit * resolution, width, height, "EXIF FocalLength and focal plane resolution"
    )


def _library(metadata: Metadata) -> _Lens | None:
    width, height = _written_size(metadata)
    known = _camera_for(
        metadata.text("Make"), metadata.text("Model"), round(width), round(height), metadata.number("FocalLength")
    )
    if known is None:
        return None
    return _Lens(
        known.focal_length_px, width, height, f"camera library: {known.name}", (0.0, 0.0), known.distortion
    )  # fmt: skip


def _equivalent(metadata: Metadata) -> _Lens | None:
    """From the 35 mm equivalent, which is defined over the diagonal (CIPA DC-008), to within about 5 %."""
    equivalent_mm = metadata.number("FocalLengthIn35mmFilm")
    if not equivalent_mm or equivalent_mm <= 0.0:
        return None
    width, height = _written_size(metadata)
    longer, shorter = max(width, height), min(width, height)
    # A 16:9 picture is cut from a 4:3 sensor of the same width, and makers state the equivalent of the sensor.
    diagonal_px = math.hypot(longer, shorter) if longer / shorter < 1.6 else 1.25 * longer
    focal_length_px = equivalent_mm / _FULL_FRAME_DIAGONAL_MM * diagonal_px
    return _Lens(focal_length_px, width, height, "EXIF 35 mm equivalent (about 5 %)")
