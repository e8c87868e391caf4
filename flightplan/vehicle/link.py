"""The link to one vehicle: messages out, messages in, commands with their answers, parameters by name.

dronekit keeps the vehicle's state, modes and parameters; missions, fences and rally points are in `transfer`. Every
wait goes through the injected clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from flightplan.clock import Clock, WallClock
from flightplan.closing import Closing
from flightplan.errors import VehicleError, VehicleTimeoutError
from flightplan.vehicle.autopilots import Dialect, Order
from flightplan.vehicle.commands import ask_for_messages, give_command
from flightplan.vehicle.connection import Address, ardupilotmega, open_connection
from flightplan.vehicle.items import KINDS
from flightplan.vehicle.messages import CommandAnswer, Conversation, Message
from flightplan.vehicle.opaque import opaque_id
from flightplan.vehicle.parameters import read_parameters, write_parameter
from flightplan.vehicle.signing import SigningKey

HEARTBEAT_EVERY_S = 1.0
DEAD_MAN_S = 10.0
_LOOK_S = 0.3
# A message may be as late as this; more than one restart within a flight is a second vehicle.
_LATE_S, _TAKES_TURNS, _REORDERED_S = 5.0, 3, 2.0
_AUTOPILOT = 1


class Link(Closing):
    """A connection to one vehicle; use it as a context manager."""

    def __init__(self, address: Address, clock: Clock, signing: SigningKey | None = None) -> None:
        self.address, self.clock, self.signing = address, clock, signing
        self.system_id = 0
        self.heartbeat: Message | None = None
        self.heard_s: float | None = None
        self.vehicle: Any = None
        self.latest: dict[str, Message] = {}
        self.list_ids: dict[int, int] = {}
        self.on_sent: Callable[[bytes], None] | None = None
        self.vehicle_signs = False
        self._wanted_system: int | None = None
        self._condition = threading.Condition()
        self._awaited: Callable[[], bool] | None = None
        self._listeners: list[Callable[[Message], None]] = []
        self._failure: BaseException | None = None
        self._ended = False
        self._boot_s = 0.0
        self._boots = 0
        self._told_s = float("-inf")
        self._heartbeat_s = self._heartbeat_boot_s = float("-inf")
        self._waited_s = float("-inf")
        self._ends: tuple[Hashable, Hashable] = (None, None)

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        clock: Clock | None = None,
        timeout_s: float = 30.0,
        system_id: int | None = None,
        signing: SigningKey | None = None,
    ) -> Link:
        """Connect to a vehicle and wait for its heartbeat.

        With `system_id` only that vehicle is listened to; with `signing` only what is signed with that key.
        VehicleTimeoutError when none answers in `timeout_s`.
        """
        link = cls(Address.parse(url), clock or WallClock(), signing)
        link._wanted_system = system_id
        deadline_s = link.clock.now_s() + timeout_s
        link.clock.join()
        try:
            link._open(deadline_s)
            if not link.wait_until(lambda: link.heartbeat is not None, deadline_s - link.clock.now_s()):
                raise link._silence(timeout_s)
        except BaseException:
            link.close()
            raise
        return link

    @property
    def dialect(self) -> Dialect:
        """How the vehicle wants to be spoken to, as its heartbeat tells."""
        if self.heartbeat is None:
            raise VehicleError("no vehicle has been heard", where=self.address.url)
        return Dialect.of(self.heartbeat)

    @property
    def is_ardupilot(self) -> bool:
        """Whether the autopilot says that it is ArduPilot."""
        return self.heartbeat is not None and self.dialect.is_ardupilot

    @property
    def armed(self) -> bool:
        """Whether the motors are armed."""
        return bool(self.vehicle.armed)

    @property
    def mode(self) -> str:
        """The flight mode's name. dronekit keeps the last one that it knew; a mode unknown to it is "mode N" here."""
        return self.dialect.mode_name(self.heartbeat.custom_mode) if self.heartbeat is not None else "unknown"

    def send(self, message: Message) -> None:
        """Send one message; its target system is filled in."""
        with self._condition:
            if not self._ended:
                if self.signing is not None:
                    self.signing.advance(self._protocol, self.clock.now_s())
                self.vehicle.send_mavlink(message)

    def listen(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Call `listener` with each message of the vehicle, in the receiving thread; return how to stop that."""
        with self._condition:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a predicate over what was received holds; False when the clock's seconds ran out.

        VehicleError when the connection ends meanwhile.
        """
        deadline_s = self.clock.now_s() + timeout_s
        with self._condition:
            while not predicate():
                self._raise_failure()
                self._waited_s = self.clock.now_s()
                self._heartbeat_if_due()
                before_s = self.clock.now_s()
                slice_s = min(deadline_s - before_s, HEARTBEAT_EVERY_S)
                if slice_s <= 0:
                    return False
                self._awaited = predicate
                in_time = self.clock.wait(self._condition, slice_s)
                self._awaited = None
                if not in_time and self.clock.now_s() < before_s + slice_s / 2:
                    return predicate()  # the clock stands still: whoever moves it is gone
            return True

    def pause(self, seconds: float) -> None:
        """Let time pass, listening."""
        self.wait_until(lambda: False, seconds)

    def hold(
        self, conversation: Conversation, timeout_s: float, interrupt: Callable[[], list[Message] | None] | None = None
    ) -> bool:
        """Hold a conversation with the vehicle to its end; False when the clock's seconds ran out first.

        `interrupt` is asked a few times a second for what to say out of turn, with the link to itself.
        """
        deadline_s = self.clock.now_s() + timeout_s

        def answer(message: Message) -> None:
            if not conversation.done:
                self._send_all(conversation.receive(message, self.clock.now_s()))

        stop = self.listen(answer)
        try:
            with self._condition:
                self._send_all(conversation.start(self.clock.now_s()))
            while not conversation.done:
                now_s = self.clock.now_s()
                if now_s >= deadline_s:
                    return False
                due_s = min(conversation.next_s, deadline_s)
                if interrupt is not None:
                    with self._condition:
                        self._send_all(interrupt() or ())
                    due_s = min(due_s, now_s + _LOOK_S)
                if due_s > now_s and self.wait_until(lambda: conversation.done, due_s - now_s):
                    break
                if self.clock.now_s() < due_s:
                    return False  # stalled
                with self._condition:
                    self._send_all(conversation.tick(self.clock.now_s()))
            return True
        finally:
            stop()

    def order(self, order: Order) -> CommandAnswer:
        """Give the vehicle an order, and return its answer."""
        return self.command(order.command, *order.params)

    def command(
        self,
        command: int,
        *params: float,
        timeout_s: float = 3.0,
        tries: int = 3,
        listen_s: float = 0.5,
        component: int = 1,
    ) -> CommandAnswer:
        """Send a MAV_CMD with up to seven parameters, again when there is no answer, and return the answer.

        `component` is 1 for the autopilot, 0 for whichever feels concerned. After a refusal it listens `listen_s`
        seconds more for the vehicle's reason.
        """
        return give_command(
            self, command, params, timeout_s=timeout_s, tries=tries, listen_s=listen_s, component=component
        )

    def ask_for(self, streams: dict[int, float] | None = None, *, timeout_s: float = 3.0) -> list[int]:
        """Ask for messages by id at so many seconds apart; return the ids that the vehicle did not agree to send."""
        return ask_for_messages(self, streams or self.dialect.streams, timeout_s=timeout_s)

    def ask_again(self) -> None:
        """Ask anew for the messages that have not come: on a bad link a request is lost as well as its answer."""
        kinds = ardupilotmega.mavlink_map
        silent = {i: s for i, s in self.dialect.streams.items() if i in kinds and kinds[i].msgname not in self.latest}
        if silent:
            self.ask_for(silent)

    def parameters(self, names: Iterable[str], *, timeout_s: float = 1.0, tries: int = 3) -> dict[str, float]:
        """Read parameters by name; those that the vehicle does not have, or does not tell, are not in the answer."""
        told = read_parameters(self, names, timeout_s=timeout_s, tries=tries)
        return {name: told[name][0] for name in sorted(told)}

    def set_parameter(self, name: str, value: float, *, timeout_s: float = 2.0, tries: int = 3) -> bool:
        """Set a parameter; True when the vehicle says that it now holds this value."""
        return write_parameter(self, name, value, timeout_s=timeout_s, tries=tries)

    def close(self) -> None:
        """End the connection and its threads."""
        if self.vehicle is not None:
            connection = self.vehicle._handler
            connection._alive = False
            for thread in (connection.mavlink_thread_out, connection.mavlink_thread_in):
                if thread is not None and thread.ident is not None:
                    thread.join()
            connection.out_queue.queue.clear()
            connection.close()
            self._forget_mail()
        # Last, so that a simulated vehicle does not fly on while the connection ends.
        self.clock.leave()

    def _open(self, deadline_s: float) -> None:
        reason: OSError | None = None
        while True:
            left_s = deadline_s - self.clock.now_s()
            try:
                self.vehicle, *ends = open_connection(
                    self.address,
                    timeout_s=max(min(left_s, 5.0), 0.1),
                    clock=self.clock,
                    on_sent=self._sent,
                    on_end=self._hung_up,
                    signing=self.signing,
                )
                self._ends = (ends[0], ends[1])
                break
            except OSError as error:
                reason = error
            with self._condition:
                before_s = self.clock.now_s()
                self.clock.wait(self._condition, min(0.5, max(left_s, 0.0)))
            if self.clock.now_s() >= deadline_s or self.clock.now_s() == before_s:
                raise VehicleTimeoutError(
                    f"no vehicle answered ({reason.strerror or reason})",
                    where=self.address.url,
                    hint="Is it switched on, and is this its address?",
                ) from reason
        connection = self.vehicle._handler
        connection.forward_message(self._received)
        connection.target_system = self._wanted_system or 0
        connection.start()

    def _silence(self, timeout_s: float) -> VehicleTimeoutError:
        words, hint = f"no vehicle answered within {timeout_s:g} s", "Is it switched on, and is this its address?"
        if self.signing is not None and self._protocol.signing.reject_count:
            words = f"{words} with messages signed with this key"
            hint = "Something is heard, but not signed so: is this the key that was set up in the vehicle?"
        return VehicleTimeoutError(words, where=self.address.url, hint=hint)

    @property
    def _protocol(self) -> Any:
        return self.vehicle._handler.master.mav

    def _received(self, _: Any, message: Message) -> None:
        kind = message.get_type()
        if kind == "BAD_DATA":
            return
        with self._condition:
            try:
                if self._is_ours(message, kind):
                    self.heard_s = self.clock.now_s()
                    self.vehicle_signs = self.vehicle_signs or bool(message.get_signed())
                    self.latest[kind] = message
                    if kind == "MISSION_CURRENT":
                        self.list_ids.update({k: i for k in KINDS if (i := opaque_id(message, k)) is not None})
                    if message.get_srcComponent() == _AUTOPILOT:  # a camera has a clock of its own
                        self._note_boot(getattr(message, "time_boot_ms", None))
                    for listener in tuple(self._listeners):
                        listener(message)
            except Exception as error:  # told to whoever waits, instead of dronekit's log
                self._failure = error
            self._heartbeat_if_due()
            if self._failure or (self._awaited is not None and self._awaited()):
                self.clock.notify(self._condition)
        self.clock.taken(self._ends[0])

    @property
    def is_doubled(self) -> bool:
        """Whether two vehicles speak with this system id: their clocks since boot take turns."""
        return self._boots >= _TAKES_TURNS

    @property
    def vehicle_s(self) -> float:
        """Seconds by the vehicle's own clock, which a simulator may run faster than ours; ours where it tells none."""
        return self._boot_s or self.clock.now_s()

    def _note_boot(self, boot_ms: int | None) -> None:
        if boot_ms is None:
            return
        if boot_ms / 1000 < self._boot_s - _LATE_S:
            self._boots += 1
        self._boot_s = boot_ms / 1000

    def _is_ours(self, message: Message, kind: str) -> bool:
        system = message.get_srcSystem()
        if kind == "HEARTBEAT" and self.heartbeat is None:
            if message.type == ardupilotmega.MAV_TYPE_GCS or message.autopilot == ardupilotmega.MAV_AUTOPILOT_INVALID:
                return False
            if self._wanted_system in (None, system):
                self.system_id = self.vehicle._handler.target_system = system
        if kind == "HEARTBEAT" and system == self.system_id and message.get_srcComponent() == _AUTOPILOT:
            if self._is_overtaken(message):
                return False  # a disarmed vehicle's, from before it was armed, would end the watch of its flight
            self.heartbeat = message
        return bool(self.system_id) and system == self.system_id

    def _is_overtaken(self, heartbeat: Message) -> bool:
        """Whether a later one came before; a vehicle that started anew counts from 0, but was silent before."""
        now_s, told_s = self.clock.now_s(), self._told_s
        if self.heartbeat is not None and now_s - told_s < _REORDERED_S:
            behind = (self.heartbeat.get_seq() - heartbeat.get_seq()) % 256
            if 0 < behind < 128:
                return True
        self._told_s = now_s
        return False

    def _heartbeat_if_due(self) -> None:
        """Send a heartbeat once a second of our clock, or of the vehicle's where a simulator's runs faster.

        A dead man's switch: the receiving thread alone does not keep it up when nobody has waited for the vehicle in
        DEAD_MAN_S. A vehicle that nobody watches then does what its ground station failsafe says.
        """
        now_s, boot_s = self.clock.now_s(), self._boot_s
        if now_s - self._waited_s > DEAD_MAN_S:
            return
        if max(now_s - self._heartbeat_s, boot_s - self._heartbeat_boot_s) >= HEARTBEAT_EVERY_S - 0.05:
            self._heartbeat_s, self._heartbeat_boot_s = now_s, boot_s
            self.send(ardupilotmega.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))

    def _send_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.send(message)

    def _sent(self, packet: bytes) -> None:
        if self.on_sent is not None:
            self.on_sent(packet)

    def _hung_up(self) -> None:
        self.vehicle._handler._alive = False
        with self._condition:
            self._ended = True
            self._failure = self._failure or VehicleError("the vehicle ended the connection", where=self.address.url)
            self._forget_mail()
            self.clock.notify(self._condition)

    def _forget_mail(self) -> None:
        for end in self._ends:
            self.clock.forget(end)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
