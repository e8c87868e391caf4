"""What a flight leaves on disk, written as it comes: a telemetry log, a line per frame, a line per event."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from flightplan.closing import Closing

TLOG, CAPTURES, EVENTS, SORTIE = "flight.tlog", "captures.jsonl", "events.jsonl", "sortie.json"
CHANGES = "parameters.jsonl"


@dataclass(frozen=True)
class FlightEvent:
    """Something that happened, in plain words. `kind` is one word to sort by."""

    time_utc: str
    kind: str
    text: str


@dataclass(frozen=True)
class FlightCapture:
    """One frame as the vehicle reported it, and whether it was taken on effort.

    `transect` is None off effort; `on_line` False has its `reason`. Angles are those that the vehicle sent: the
    airframe's, where there is no gimbal; the `camera_` ones are told only by a camera that knows them. `time_utc` is
    None when the vehicle did not know the time. `source` is the message that told of it.
    """

    index: int
    time_utc: str | None
    longitude_deg: float
    latitude_deg: float
    altitude_msl_m: float
    altitude_home_m: float
    roll_deg: float
    pitch_deg: float
    yaw_deg: float
    item: int | None
    transect: str | None
    on_line: bool
    reason: str | None
    along_m: float | None
    cross_track_m: float | None
    source: str | None = None
    camera_roll_deg: float | None = None
    camera_pitch_deg: float | None = None
    camera_yaw_deg: float | None = None


class FlightLog(Closing):
    """One flight's folder. An earlier folder of the same name is set aside, numbered, never overwritten.

    Each packet and each line is handed to the operating system at once, so that a killed program loses none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_aside = _set_aside(folder)
        folder.mkdir(parents=True)
        self._tlog: BinaryIO = (folder / TLOG).open("wb", buffering=0)
        self._captures: BinaryIO = (folder / CAPTURES).open("wb", buffering=0)
        self._events: BinaryIO = (folder / EVENTS).open("wb", buffering=0)

    def packet(self, time_s: float, data: bytes) -> None:
        """Write one MAVLink packet: 8 bytes of microseconds since 1970, big-endian, then the packet."""
        self._tlog.write(struct.pack(">Q", round(time_s * 1e6)) + data)

    def capture(self, capture: FlightCapture) -> None:
        """Write one frame."""
        self._captures.write(_line(asdict(capture)))

    def event(self, event: FlightEvent) -> None:
        """Write one event."""
        self._events.write(_line(asdict(event)))

    def change(self, record: Mapping[str, Any]) -> None:
        """Write down a parameter that was changed on the vehicle."""
        with (self.folder / CHANGES).open("ab", buffering=0) as file:
            file.write(_line(record))

    def keep(self, name: str, text: str) -> None:
        """Leave a text beside the log."""
        (self.folder / name).write_text(text, encoding="utf-8", newline="\n")

    def close(self) -> None:
        """Close the files."""
        for file in (self._tlog, self._captures, self._events):
            file.close()


def read_captures(folder: Path) -> tuple[FlightCapture, ...]:
    """Read a flight's frames back; a last line that was cut short by a crash is left out."""
    captures = []
    # A crash may have cut a line in the middle of a letter.
    for line in (folder / CAPTURES).read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            captures.append(FlightCapture(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return tuple(captures)


def iso_utc(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601, to the millisecond."""
    return datetime.fromtimestamp(round(time_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _set_aside(folder: Path) -> Path | None:
    if not folder.exists():
        return None
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return folder.rename(aside)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
