"""What an autopilot says in passing, as a person reads it."""

from __future__ import annotations

import re

# Text of ArduPilot -> (kind of event, plain words). Order matters: the first that fits.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (r"Battery \d+ is (low|critical) ([\d.]+)V", "failsafe", r"the battery is \1: \2 V"),
    (r"^Battery Failsafe", "failsafe", "low battery: the vehicle acts on its battery failsafe"),
    (r"GCS Failsafe Cleared", "failsafe", "the vehicle hears the ground station again, but does not resume by itself"),
    (r"^GCS Failsafe", "failsafe", "the vehicle has not heard the ground station: it acts on its failsafe"),
    (r"fence breached", "failsafe", "the vehicle has crossed its fence and comes back"),
    (r"EKF Failsafe: changed to (\w+)", "failsafe", r"the position is lost: the vehicle went to \1"),
    (r"EKF variance", "warning", "the position estimate is getting bad"),
    (r"(Radio|RC) Failsafe", "failsafe", "the vehicle has lost its remote control"),
    (r"Crash|crash", "failsafe", "the vehicle thinks that it has crashed"),
    (r"^PreArm: (.*)", "waiting", r"the vehicle would not arm yet: \1"),
    (r"^Arm: (.*)", "refusal", r"the vehicle will not arm: \1"),
    (r"^Disarming motors", "disarmed", "motors off"),
    (r"^Arming motors", "armed", "motors on"),
)
_SEVERE = 4


def explain(text: str, severity: int) -> tuple[str, str] | None:
    """Return the kind and the plain words of a status text, the text itself for an unknown warning, else None."""
    for pattern, kind, words in _MEANINGS:
        match = re.search(pattern, text)
        if match:
            return kind, match.expand(words)
    return ("warning", text) if severity <= _SEVERE else None
