"""A vehicle's parameters by name, read and written, whichever way it encodes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flightplan.vehicle.connection import ardupilotmega

if TYPE_CHECKING:
    from flightplan.vehicle.link import Link

_REAL32 = 9


def read_parameters(link: Link, names: Iterable[str], *, timeout_s: float, tries: int) -> dict[str, tuple[float, int]]:
    """Return value and MAV_PARAM_TYPE of each name that the vehicle tells."""
    asked = frozenset(names)
    told: dict[str, tuple[float, int]] = {}

    def note(message: Any) -> None:
        if message.get_type() == "PARAM_VALUE" and message.param_id in asked:
            value = link.dialect.parameter_value(message.param_value, message.param_type)
            told[message.param_id] = value, message.param_type

    stop = link.listen(note)
    try:
        for _ in range(tries):
            for name in sorted(asked - told.keys()):
                link.send(ardupilotmega.MAVLink_param_request_read_message(0, 1, name.encode(), -1))
            if link.wait_until(lambda: asked <= told.keys(), timeout_s):
                break
    finally:
        stop()
    return told


def write_parameter(link: Link, name: str, value: float, *, timeout_s: float, tries: int) -> bool:
    """Set a parameter; True when the vehicle says that it now holds this value."""
    kind = _REAL32
    if not link.dialect.is_ardupilot:  # ArduPilot converts from a float, others want the type they have
        held = read_parameters(link, [name], timeout_s=timeout_s, tries=tries)
        if name not in held:
            return False
        kind = held[name][1]
    told: list[float] = []

    def note(message: Any) -> None:
        if message.get_type() == "PARAM_VALUE" and message.param_id == name:
            told.append(link.dialect.parameter_value(message.param_value, message.param_type))

    stop = link.listen(note)
    try:
        for _ in range(tries):
            field = link.dialect.parameter_field(value, kind)
            link.send(ardupilotmega.MAVLink_param_set_message(0, 1, name.encode(), field, kind))
            if link.wait_until(lambda: bool(told), timeout_s):
                break
    finally:
        stop()
    return bool(told) and abs(told[-1] - value) <= 1e-6 * max(1.0, abs(value))
