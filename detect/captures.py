"""One exposure: image, time, position with its vertical datum, attitude, camera; each field knows its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from flightplan.camera import Camera


@dataclass(frozen=True)
class Capture:
    """One exposure.

    Unknown is None, and `unknown` says why by field name; `sources` says where each known field came from
    ("EXIF", "XMP drone-dji", "capture log", ...). `content_hash` is the SHA-256 of the file's bytes: the identity of
    a capture. Attitude follows `flightplan.camera`. Heights: `altitude_msl_m` above mean sea level as the maker wrote
    it, `altitude_ellipsoid_m` above WGS 84, `altitude_takeoff_m` above the take-off point.
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
