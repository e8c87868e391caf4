"""Commands and their answers; messages that are asked for by their rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flightplan.vehicle.messages import CommandAnswer, Message, command_long

if TYPE_CHECKING:
    from flightplan.vehicle.link import Link

_SET_MESSAGE_INTERVAL = 511
_IN_PROGRESS, _FAILED = 5, 4
_WARNING = 4


def give_command(
    link: Link,
    command: int,
    params: tuple[float, ...],
    *,
    timeout_s: float,
    tries: int,
    listen_s: float,
    component: int,
) -> CommandAnswer:
    """Send a MAV_CMD, again when there is no answer; after a refusal listen `listen_s` more for the reason."""
    texts: list[str] = []
    answers: list[int] = []

    def note(message: Message) -> None:
        kind = message.get_type()
        if kind == "COMMAND_ACK" and message.command == command and message.result != _IN_PROGRESS:
            answers.append(message.result)
        elif kind == "STATUSTEXT" and message.severity <= _WARNING:
            texts.append(message.text)

    stop = link.listen(note)
    try:
        for attempt in range(tries):
            link.send(command_long(command, *params, confirmation=attempt, component=component))
            if link.wait_until(lambda: bool(answers), timeout_s):
                break
        final = answers[-1] if answers else None
        if final:
            link.pause(listen_s)
        return CommandAnswer(final, tuple(dict.fromkeys(texts)))
    finally:
        stop()


def ask_for_messages(link: Link, wanted: Mapping[int, float], *, timeout_s: float) -> list[int]:
    """Ask for messages by id at so many seconds apart; return the ids that the vehicle did not agree to send."""
    results: list[int] = []

    def note(message: Message) -> None:
        if message.get_type() == "COMMAND_ACK" and message.command == _SET_MESSAGE_INTERVAL:
            results.append(message.result)

    stop = link.listen(note)
    try:
        for identifier, seconds in wanted.items():
            link.send(command_long(_SET_MESSAGE_INTERVAL, identifier, seconds * 1e6))
        link.wait_until(lambda: len(results) >= len(wanted), timeout_s)
        unanswered = [_FAILED] * len(wanted)
        return [i for i, result in zip(wanted, [*results, *unanswered], strict=False) if result]
    finally:
        stop()
