"""What an autopilot says in passing, as a person reads it."""

from __future__ import annotations

import re
from typing import Any

# Text of ArduPilot or PX4 -> (kind of event, plain words). Order matters: the first that fits.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (r"Battery \d+ is (low|critical) ([\d.]+)V", "failsafe", r"the battery is \1: \2 V"),
    (r"^Battery Failsafe", "failsafe", "low battery: the vehicle acts on its battery failsafe"),
    (r"GCS Failsafe Cleared", "failsafe", "the vehicle hears the ground station again, but does not resume by itself"),
    (r"^GCS Failsafe", "failsafe", "the vehicle has not heard the ground station: it acts on its failsafe"),
    (r"fence breached", "failsafe", "the vehicle has crossed its fence and comes back"),
    (r"EKF Failsafe: changed to (\w+)", "failsafe", r"the position is lost: the vehicle went to \1"),
    (r"EKF variance", "warning", "the position estimate is getting bad"),
    (r"(Radio|RC) Failsafe", "failsafe", "the vehicle has lost its remote control"),
    (r"(Short|Long) event on: (\w+)", "failsafe", r"\2 is lost: the vehicle acts on its failsafe"),
    (
        r"^(Low|Critical|Emergency) battery",
        "failsafe",
        r"the battery is low (\1): the vehicle acts on its battery failsafe",
    ),
    (
        r"(?i)(GCS|ground (control )?station|data ?link).* lost",
        "failsafe",
        "the vehicle has not heard the ground station",
    ),
    (r"(?i)manual control lost", "failsafe", "the vehicle has lost its remote control"),
    (r"(?i)geofence (violation|exceeded|violated)", "failsafe", "the vehicle has crossed its fence"),
    (r"(?i)(global|local) position lost|navigation failure", "failsafe", "the position is lost"),
    (r"^Failsafe activated:? ?(.*)", "failsafe", r"the vehicle acts on a failsafe \1"),
    (r"(?i)motor failure|potential thrust loss", "failsafe", "a motor fails"),
    (r"(?i)compass.*(inconsistent|variance|error)|Magnetic.*interference", "warning", "the compasses do not agree"),
    (r"Crash|crash", "failsafe", "the vehicle thinks that it has crashed"),
    (r"^(?:PreArm|Preflight Fail): (.*)", "waiting", r"the vehicle would not arm yet: \1"),
    (r"^(?:Arm|Arming denied): (.*)", "refusal", r"the vehicle will not arm: \1"),
    (r"^Disarming motors|^Disarmed", "disarmed", "motors off"),
    (r"^Arming motors|^Armed by", "armed", "motors on"),
)
_SEVERE = 4
_CHUNK = 50


class Texts:
    """Puts long status texts together again: they come in pieces of 50 letters, numbered."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[int, str]] = {}

    def hear(self, message: Any) -> str | None:
        """Take a STATUSTEXT; return the whole text once its last piece has come, with "…" for a piece that was lost."""
        number, place = getattr(message, "id", 0), getattr(message, "chunk_seq", 0)
        if not number:
            return str(message.text)
        parts = self._parts.setdefault(number, {})
        parts[place] = message.text
        if len(message.text) >= _CHUNK:
            return None
        del self._parts[number]
        return "".join(parts.get(n, "…") for n in range(place + 1))


def explain(text: str, severity: int) -> tuple[str, str] | None:
    """Return the kind and the plain words of a status text, the text itself for an unknown warning, else None."""
    for pattern, kind, words in _MEANINGS:
        match = re.search(pattern, text)
        if match:
            return kind, match.expand(words).rstrip()
    return ("warning", text) if severity <= _SEVERE else None
