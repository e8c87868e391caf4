"""DJI's telemetry beside a video: the subtitle file (.SRT) with one block a frame, or a second.

Four layouts of the makers' own are read: `[latitude: …] [longitude: …] [rel_alt: … abs_alt: …]` with `[gb_yaw: …]`, the
same with the older `[altitude: …]` and `[longtitude: …]`, `GPS(lon, lat, n) BAROMETER:h` of the Mavic Pro and Phantom,
and `GPS (lon, lat, n), … H 6.0m` of the Mini and Spark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flightplan.errors import CaptureError, Skip

MAX_BYTES = 256 << 20
_TIME = re.compile(r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})\s*-->")
_PAIR = re.compile(r"\b([A-Za-z_]+)\s*:\s*([-+]?\d+(?:\.\d+)?)")
_DATE = re.compile(r"(\d{4})[-.](\d\d?)[-.](\d\d?)\s+(\d\d?):(\d\d):(\d\d)(?:[.,](\d{1,3}))?")
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_GPS = re.compile(rf"\bGPS\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}M?\s*\)")
_BAROMETER = re.compile(rf"\bBAROMETER\s*:\s*{_NUMBER}")
_HEIGHT = re.compile(rf"\bH\s+{_NUMBER}\s*m\b")
_TAGS = re.compile(r"<[^<>]{0,200}>")


@dataclass(frozen=True)
class Telemetry:
    """What the aircraft said at one moment of a video; None where it said nothing.

    `at_s` counts from the start of the video. `local_time` is the camera's clock, whose zone nobody wrote.
    `relative_altitude_m` is above take-off, `absolute_altitude_m` as DJI writes it, near mean sea level. Gimbal angles
    in degrees, yaw clockwise from north. `focal_length_35mm` is the 35 mm equivalent.
    """

    at_s: float
    local_time: datetime | None = None
    longitude_deg: float | None = None
    latitude_deg: float | None = None
    relative_altitude_m: float | None = None
    absolute_altitude_m: float | None = None
    gimbal_yaw_deg: float | None = None
    gimbal_pitch_deg: float | None = None
    gimbal_roll_deg: float | None = None
    focal_length_35mm: float | None = None


@dataclass(frozen=True)
class Subtitles:
    """The telemetry of a video in the order of time, and the blocks that could not be read."""

    moments: tuple[Telemetry, ...]
    skips: tuple[Skip, ...] = ()


def read_subtitles(path: Path) -> Subtitles:
    """Read the telemetry of a .SRT file. Raises CaptureError for one that has none, or is over 256 MB."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CaptureError("The subtitles are over 256 MB", where=str(path))
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise CaptureError(f"The subtitles cannot be read ({error.strerror})", where=str(path)) from error
    moments: list[Telemetry] = []
    skips: list[Skip] = []
    for number, block in enumerate(re.split(r"\r?\n[ \t]*\r?\n", text), start=1):
        if not block.strip():
            continue
        found = _moment(block)
        if found is None:
            skips.append(Skip(f"{path}, block {number}", "no time of the video in it"))
        elif moments and found.at_s < moments[-1].at_s:
            skips.append(Skip(f"{path}, block {number}", "its time lies before the block above it"))
        else:
            moments.append(found)
    if not any(m.latitude_deg is not None for m in moments):
        raise CaptureError(
            "The subtitles hold no positions",
            where=str(path),
            hint="Name the .SRT that the drone wrote with the video.",
        )
    return Subtitles(tuple(moments), tuple(skips))


def _moment(block: str) -> Telemetry | None:
    time = _TIME.search(block)
    if time is None:
        return None
    hours, minutes, seconds = (int(part) for part in time.groups()[:3])
    words = _TAGS.sub(" ", block[time.end() :])
    pairs = {name.lower(): float(value) for name, value in _PAIR.findall(words)}
    longitude, latitude = pairs.get("longitude", pairs.get("longtitude")), pairs.get("latitude")
    gps = _GPS.search(words)
    if (longitude is None or latitude is None) and gps is not None:
        longitude, latitude = float(gps[1]), float(gps[2])
    return Telemetry(
        at_s=3600.0 * hours + 60.0 * minutes + seconds + float(f"0.{time[4]}"),
        local_time=_date(words),
        **_place(longitude, latitude),
        relative_altitude_m=_first(pairs.get("rel_alt"), _BAROMETER.search(words), _HEIGHT.search(words)),
        absolute_altitude_m=pairs.get("abs_alt", pairs.get("altitude")),
        gimbal_yaw_deg=pairs.get("gb_yaw"),
        gimbal_pitch_deg=pairs.get("gb_pitch"),
        gimbal_roll_deg=pairs.get("gb_roll"),
        focal_length_35mm=_equivalent(pairs),
    )


def _place(longitude: float | None, latitude: float | None) -> Mapping[str, float]:
    """A position that can be one: no degrees beyond the globe, and not 0, 0, which is no fix."""
    if longitude is None or latitude is None or (longitude == 0.0 and latitude == 0.0):
        return {}
    if abs(longitude) > 180.0 or abs(latitude) > 90.0:
        return {}
    return {"longitude_deg": longitude, "latitude_deg": latitude}


def _first(plain: float | None, *matches: re.Match[str] | None) -> float | None:
    if plain is not None:
        return plain
    return next((float(match[1]) for match in matches if match is not None), None)


def _equivalent(pairs: Mapping[str, float]) -> float | None:
    """The 35 mm equivalent; some models write tenths of a millimetre."""
    value = pairs.get("focal_len")
    if value is None or value <= 0.0:
        return None
    return value / 10.0 if value > 100.0 and value == int(value) else value


def _date(words: str) -> datetime | None:
    found = _DATE.search(words)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction = found[7] or "0"
    try:
        return datetime(year, month, day, hour, minute, second, int(fraction.ljust(3, "0")) * 1000)
    except ValueError:
        return None
