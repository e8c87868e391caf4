"""Where the camera was when it was triggered, from the logs of a flight: tlog, ArduPilot's .bin, our own capture log.

Attitudes in ArduPilot's camera messages are the airframe's; they are the camera's only where a mount tells its own.
Logs are untrusted: sizes are limited, and a broken one is one clear error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detect.dataflash_log import read_dataflash
from detect.logged_shots import LoggedShot
from detect.telemetry_log import read_telemetry
from flightplan.errors import CaptureError

MAX_LOG_BYTES = 1 << 30
MAX_LINES = 1_000_000
_DATAFLASH = b"\xa3\x95"
_MAVLINK = (0xFD, 0xFE)
_HINT = "Give a .tlog of a ground station, a .bin of ArduPilot, or the captures.jsonl of overfly fly."


@dataclass(frozen=True)
class FlightRecord:
    """The exposures of one log in order of time; `is_utc` says whether its times are UTC, from GPS."""

    path: Path
    kind: str
    shots: tuple[LoggedShot, ...]
    is_utc: bool


def read_log(path: Path) -> FlightRecord:
    """Read the exposures of a log, whatever its name; a folder is one of `overfly fly`.

    Raises CaptureError where it is none, is too large, is broken, or tells of no exposure.
    """
    path = Path(path)
    if path.is_dir():
        found = [path / name for name in ("captures.jsonl", "flight.tlog") if (path / name).is_file()]
        if not found:
            raise CaptureError("The folder holds no captures.jsonl and no flight.tlog", where=str(path), hint=_HINT)
        path = found[0]
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError as error:
        raise CaptureError(f"The log cannot be read ({error.strerror})", where=str(path)) from error
    if size > MAX_LOG_BYTES:
        raise CaptureError(f"The log is over {MAX_LOG_BYTES >> 20} MB", where=str(path), hint="Cut it to one flight.")
    if start.startswith(_DATAFLASH):
        kind, (shots, is_utc) = "dataflash", read_dataflash(path)
    elif len(start) > 8 and start[8] in _MAVLINK:
        kind, (shots, is_utc) = "tlog", read_telemetry(path)
    elif start.lstrip()[:1] == b"{":
        kind, shots, is_utc = "capture log", _read_captures(path), True
    else:
        raise CaptureError("This is no flight log", where=str(path), hint=_HINT)
    if not shots:
        raise CaptureError("The log tells of no exposure", where=str(path), hint=_HINT)
    return FlightRecord(path, kind, tuple(sorted(shots, key=lambda shot: shot.time_s)), is_utc)


def _read_captures(path: Path) -> list[LoggedShot]:
    """The capture log of `overfly fly`: a JSON object a line (`flightplan.vehicle.logs.FlightCapture`)."""
    shots: list[LoggedShot] = []
    broken = 0
    lines = path.read_bytes().split(b"\n")
    if len(lines) > MAX_LINES:
        raise CaptureError(f"The log has over {MAX_LINES} lines", where=str(path))
    for line in filter(None, lines):
        try:
            shots.append(_shot_of(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            broken += 1  # a crash cuts the last line short
    if broken > 1 and broken > 0.1 * len(lines):
        raise CaptureError(f"{broken} of {len(lines)} lines of the log are broken", where=str(path), hint=_HINT)
    return shots


def _shot_of(record: dict[str, Any]) -> LoggedShot:
    time = datetime.fromisoformat(record["time_utc"])
    camera = _numbers(record.get(f"camera_{name}_deg") for name in ("yaw", "pitch", "roll"))
    airframe = _numbers(record.get(f"{name}_deg") for name in ("yaw", "pitch", "roll"))
    place = _numbers(record.get(name) for name in ("longitude_deg", "latitude_deg"))
    return LoggedShot(
        time_s=(time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(),
        longitude_deg=place[0] if place else None,
        latitude_deg=place[1] if place else None,
        altitude_msl_m=_number(record.get("altitude_msl_m")),
        altitude_takeoff_m=_number(record.get("altitude_home_m")),
        airframe_deg=None if airframe is None else (airframe[0], airframe[1], airframe[2]),
        camera_deg=None if camera is None else (camera[0], camera[1], camera[2]),
        horizontal_accuracy_m=None,
        source=str(record.get("source") or "frame"),
    )


def _numbers(values: Iterable[Any]) -> Sequence[float] | None:
    found = [_number(value) for value in values]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
