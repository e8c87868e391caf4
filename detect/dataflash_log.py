"""Exposures out of the log that ArduPilot writes on board (.bin): CAM and TRIG, with mount, GPS accuracy and time."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

from detect.logged_shots import LoggedShot, known_place
from flightplan.errors import CaptureError

_KINDS = ("CAM", "TRIG")
_BESIDE = ("MNT", "GPA")
_STALE_S = 0.5
_MAX_MESSAGES = 20_000_000
_EARLIEST_S = 1e9


def read_dataflash(path: Path) -> tuple[list[LoggedShot], bool]:
    """Return the exposures that a dataflash log tells of, and whether their times are UTC, from GPS (else since boot).

    CAM is written when the camera says that it fired, or was told to; TRIG only when it was told to: it is used where
    there is no CAM. Raises CaptureError where the log is broken.
    """
    shots: dict[str, list[LoggedShot]] = {kind: [] for kind in _KINDS}
    # pymavlink complains to stderr, a line for every byte that is no message.
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        from pymavlink.DFReader import DFReader_binary

        # Made in two steps, so that its file can be closed when reading it fails half-way.
        log = DFReader_binary.__new__(DFReader_binary)
        try:
            log.__init__(str(path))
            _read_shots(log, shots)
        except Exception as error:  # pymavlink raises whatever it stumbles over, its own plain Exception too
            if not any(shots.values()):
                raise _broken(path, error) from error
        finally:
            if hasattr(log, "filehandle"):
                log.filehandle.close()
    chosen = shots["CAM"] or shots["TRIG"]
    return chosen, bool(chosen) and all(shot.time_s > _EARLIEST_S for shot in chosen)


def _read_shots(log: Any, shots: dict[str, list[LoggedShot]]) -> None:
    beside: dict[str, Any] = {}
    for _ in range(_MAX_MESSAGES):
        m = log.recv_match(type=[*_KINDS, *_BESIDE])
        if m is None:
            return
        kind = m.get_type()
        if kind not in _BESIDE:
            shots[kind].append(_shot(m, beside))
        elif getattr(m, "I", 0) == 0:
            beside[kind] = m


def _broken(path: Path, error: BaseException) -> CaptureError:
    return CaptureError(
        f"The log is broken ({type(error).__name__}: {error})",
        where=str(path),
        hint="Download it again from the vehicle.",
    )


def _shot(m: Any, beside: dict[str, Any]) -> LoggedShot:
    time_s = float(m._timestamp)
    place = known_place(_field(m, "Lng"), _field(m, "Lat"))
    placed = place[0] is not None
    camera = None
    mount = beside.get("MNT")
    if mount is not None and abs(float(mount._timestamp) - time_s) <= _STALE_S:
        told = tuple(_field(mount, name) for name in ("YawE", "Pitch", "Roll"))
        if all(map(math.isfinite, told)):
            camera = (told[0], told[1], told[2])
    gps = beside.get("GPA")
    accuracy = _field(gps, "HAcc") if gps is not None else math.nan
    airframe = (_field(m, "Y", "Yaw"), _field(m, "P", "Pitch"), _field(m, "R", "Roll"))
    return LoggedShot(
        time_s=time_s,
        longitude_deg=place[0],
        latitude_deg=place[1],
        altitude_msl_m=_known(_field(m, "Alt")) if placed else None,
        altitude_takeoff_m=_known(_field(m, "RelAlt")) if placed else None,
        airframe_deg=airframe if all(map(math.isfinite, airframe)) else None,
        camera_deg=camera,
        horizontal_accuracy_m=accuracy if math.isfinite(accuracy) and accuracy > 0.0 else None,
        source=m.get_type(),
    )


def _field(m: Any, *names: str) -> float:
    for name in names:
        value = getattr(m, name, None)
        if isinstance(value, int | float):
            return float(value)
    return math.nan


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
