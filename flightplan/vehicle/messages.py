"""What is said to a vehicle and how it answers: conversations, commands, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from flightplan.vehicle.connection import ardupilotmega

Message = Any
_RESULTS = {
    0: "accepted",
    1: "temporarily rejected",
    2: "denied",
    3: "unsupported",
    4: "failed",
    5: "in progress",
    6: "cancelled",
}


class Conversation(Protocol):
    """A protocol spoken with the vehicle, free of sockets: messages in, messages out."""

    @property
    def done(self) -> bool:
        """Whether nothing more will be said."""
        ...

    @property
    def next_s(self) -> float:
        """When `tick` is due, in seconds of the clock."""
        ...

    def start(self, now_s: float) -> list[Message]:
        """Return what is said first."""
        ...

    def receive(self, message: Message, now_s: float) -> list[Message]:
        """Take one message of the vehicle and return the answers to it."""
        ...

    def tick(self, now_s: float) -> list[Message]:
        """Return what is said because nothing was heard."""
        ...


@dataclass(frozen=True)
class CommandAnswer:
    """The vehicle's answer to a command, and what it said meanwhile. `result` is a MAV_RESULT, None for silence."""

    result: int | None
    texts: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the vehicle does it."""
        return self.result == 0

    @property
    def words(self) -> str:
        """The answer as a person reads it."""
        if self.result is None:
            return "no answer"
        answer = _RESULTS.get(self.result, f"result {self.result}")
        return f"{answer}: {'; '.join(self.texts)}" if self.texts else answer


def command_long(command: int, *params: float, confirmation: int = 0, component: int = 1) -> Message:
    """Return a COMMAND_LONG with up to seven parameters, the rest 0, for a component: 1 the autopilot, 0 all."""
    values = [*params, *[0.0] * (7 - len(params))]
    return ardupilotmega.MAVLink_command_long_message(0, component, command, confirmation, *values)
