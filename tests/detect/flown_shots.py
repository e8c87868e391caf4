"""Shots of a survey with turns, as each kind of log has them."""

import math
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pymavlink.dialects.v20 import ardupilotmega

from detect.captures import Capture
from detect.findings import PoseFinding
from flightplan.frames import Floats
from flightplan.vehicle.logs import FlightCapture, FlightLog, iso_utc

START_S = datetime(2026, 7, 1, 6, 30, tzinfo=UTC).timestamp()
CAMERA_AHEAD_S = 10_803.4
"""Three hours of time zone and 3.4 s of a clock nobody set."""


def survey_s(lines: int = 4, each: int = 10, seed: int = 0) -> Floats:
    """Seconds of the shots of a flight: lines at an even pace in a little wind, and turns that differ."""
    rng = np.random.default_rng([seed, 31])
    gaps = 2.5 * (1 + rng.normal(0, 0.04, lines * each))
    gaps[each::each] += rng.uniform(12, 30, lines - 1)
    gaps[0] = 0.0
    return START_S + np.cumsum(gaps)


def shot(n: int) -> dict[str, float]:
    """Where the aircraft was at a shot, and how it lay."""
    return {
        "lon": 34.83 + 1e-4 * n,
        "lat": -2.33 + 2e-4 * (n % 10),
        "msl": 1580.0 + 0.1 * n,
        "rel": 80.0 + 0.1 * n,
        "yaw": 10.0 if n // 10 % 2 == 0 else 190.0,
        "pitch": -6.0,
        "roll": 2.0,
    }


Extra = Callable[[Any, float, int], list[Any]]


def tlog(path: Path, times: Floats, extra: Extra = lambda *_: [], *, utc: bool = True) -> Path:
    """A ground station's log of a flight with CAMERA_FEEDBACK, its clock 1.7 s off."""
    link = ardupilotmega.MAVLink(None, srcSystem=1)
    data = b""
    for n, time_s in enumerate(times.tolist()):
        s = shot(n)
        stamp = struct.pack(">Q", round((time_s + 1.7) * 1e6))
        boot_ms = round((time_s - times[0]) * 1000) + 60_000
        messages = [
            link.attitude_encode(boot_ms, *(math.radians(s[k]) for k in ("roll", "pitch", "yaw")), 0, 0, 0),
            link.gps_raw_int_encode(0, 4, 0, 0, 0, 0, 0, 0, 0, 0, h_acc=400),
            *extra(link, s["yaw"], boot_ms),
            link.camera_feedback_encode(
                round(time_s * 1e6) if utc else boot_ms * 1000, 0, 0, n, round(s["lat"] * 1e7), round(s["lon"] * 1e7),
                s["msl"], s["rel"], s["roll"], s["pitch"], s["yaw"], 0, 0,
            ),
        ]  # fmt: skip
        data += b"".join(stamp + m.pack(link) for m in messages)
    path.write_bytes(data)
    return path


def dataflash(path: Path, times: Floats, kinds: Sequence[str] = ("CAM",), *, mount: bool = False) -> Path:
    """A log as ArduPilot writes it on board: formats first, then GPS time, mount and shots."""
    formats = {
        "FMT": (128, "BBnNZ", "Type,Length,Name,Format,Columns"),
        "GPS": (130, "QBIH", "TimeUS,Status,GMS,GWk"),
        "CAM": (131, "QBHIHLLeeefff", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"),
        "TRIG": (132, "QBHIHLLeeefff", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"),
        "MNT": (133, "QBffffffff", "TimeUS,I,DesRoll,Roll,DesPitch,Pitch,DesYawB,YawB,DesYawE,YawE"),
        "GPA": (134, "QBCC", "TimeUS,I,VDop,HAcc"),
    }
    code = {
        "Q": "Q",
        "B": "B",
        "I": "I",
        "H": "H",
        "L": "i",
        "e": "i",
        "f": "f",
        "C": "H",
        "n": "4s",
        "N": "16s",
        "Z": "64s",
    }

    def message(name: str, *values: Any) -> bytes:
        number, form, _ = formats[name]
        return struct.pack("<BBB", 0xA3, 0x95, number) + struct.pack("<" + "".join(code[c] for c in form), *values)

    data = b""
    for name, (number, form, columns) in formats.items():
        length = 3 + struct.calcsize("<" + "".join(code[c] for c in form))
        data += message("FMT", number, length, name.encode(), form.encode(), columns.encode())
    gps_s = START_S - 315_964_800 + 18
    week, ms = int(gps_s // 604_800), round(gps_s % 604_800 * 1000)
    data += message("GPS", 5_000_000, 3, ms, week)
    for n, time_s in enumerate(times.tolist()):
        s, us = shot(n), round((time_s - START_S) * 1e6) + 5_000_000
        data += message("GPA", us - 200, 0, 120, 35)
        if mount:
            data += message("MNT", us - 100, 0, 0, 0.5, -90, -88.0, 0, 0, 0, s["yaw"] + 5.0)
        for kind in kinds:
            data += message(
                kind, us, 0, n, ms, week, round(s["lat"] * 1e7), round(s["lon"] * 1e7), round(s["msl"] * 100),
                round(s["rel"] * 100), round(s["msl"] * 100), s["roll"], s["pitch"], s["yaw"],
            )  # fmt: skip
    path.write_bytes(data)
    return path


def capture_log(folder: Path, times: Floats) -> Path:
    with FlightLog(folder) as log:
        for n, time_s in enumerate(times.tolist()):
            s = shot(n)
            log.capture(
                FlightCapture(
                    index=n, time_utc=iso_utc(time_s), longitude_deg=s["lon"], latitude_deg=s["lat"],
                    altitude_msl_m=s["msl"], altitude_home_m=s["rel"], roll_deg=s["roll"], pitch_deg=s["pitch"],
                    yaw_deg=s["yaw"], item=3, transect="T1", on_line=True, reason=None, along_m=0.0,
                    cross_track_m=0.0, source="CAMERA_FEEDBACK", camera_roll_deg=0.5, camera_pitch_deg=-88.0,
                    camera_yaw_deg=s["yaw"] + 5.0,
                )
            )  # fmt: skip
    return folder


def pictures(times: Floats, *, ahead_s: float = CAMERA_AHEAD_S, whole: bool = True, **fields: Any) -> list[Capture]:
    """What a camera without GPS leaves: names, and its own clock."""
    captures = []
    for n, time_s in enumerate(times.tolist()):
        clock = datetime.fromtimestamp(time_s + ahead_s, UTC).replace(tzinfo=None)
        if whole:
            clock = clock.replace(microsecond=0)
        captures.append(
            Capture(
                Path(f"card/DSC{n:05d}.JPG"), f"{n:064d}", 600, 400, camera_clock=clock,
                time_utc=clock.replace(tzinfo=UTC), sources={"time_utc": "EXIF, taken as UTC"}, **fields,
            )
        )  # fmt: skip
    return captures


def kinds(findings: list[PoseFinding]) -> list[str]:
    return [f.kind for f in findings]
