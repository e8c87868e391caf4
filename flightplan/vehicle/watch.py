"""Watching a flight: each message goes to the log, frames are judged, and what matters is said in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType
from typing import Any

from flightplan.vehicle.effort import EffortMap, Place
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import FlightCapture, FlightEvent, FlightLog, iso_utc
from flightplan.vehicle.words import explain

_EARLIEST_UTC_US = 1e15
_LANDED, _SILENCE_SAID_S = 1, 5.0
_COMPLETE = 5
_BATTERY_STEP = 10


class FlightWatch:
    """Listens to one flight, as a context manager around it. `over` is landed and disarmed after having been armed."""

    def __init__(
        self,
        link: Link,
        effort: EffortMap,
        log: FlightLog,
        on_event: Callable[[FlightEvent], None] | None = None,
        on_capture: Callable[[FlightCapture], None] | None = None,
    ) -> None:
        self.captures: list[FlightCapture] = []
        self.places: list[Place] = []
        self.events: list[FlightEvent] = []
        self.track: list[tuple[float, float]] = []
        self.over = False
        self.completed = False
        self.why_cut_short: str | None = None
        self._link, self._effort, self._log = link, effort, log
        self._on_event, self._on_capture = on_event, on_capture
        self._item: int | None = None
        self._last_item = max((leg.end_item for leg in effort.legs), default=0)
        self._mode: str | None = None
        self._was_armed = False
        self._transect: str | None = None
        self._charge: int | None = None
        self._silent = False
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> FlightWatch:
        self._link.on_sent = lambda packet: self._log.packet(self._link.clock.now_s(), packet)
        self._stop = self._link.listen(self._hear)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._stop()
        self._link.on_sent = None

    def tell(self, kind: str, text: str) -> None:
        """Write an event down, and pass it on."""
        event = FlightEvent(iso_utc(self._link.clock.now_s()), kind, text)
        self.events.append(event)
        self._log.event(event)
        if self._on_event is not None:
            self._on_event(event)

    def note_silence(self, seconds: float) -> None:
        """Say once that the vehicle has not been heard."""
        if seconds >= _SILENCE_SAID_S and not self._silent:
            self._silent = True
            self.tell("link", f"nothing heard from the vehicle for {seconds:.0f} s")

    def _hear(self, message: Any) -> None:
        self._log.packet(self._link.clock.now_s(), bytes(message.get_msgbuf()))
        if self._silent:
            self._silent = False
            self.tell("link", "the vehicle is heard again")
        handler = _HANDLERS.get(message.get_type())
        if handler is not None:
            handler(self, message)

    def _heartbeat(self, message: Any) -> None:
        if message.get_srcComponent() != 1:
            return
        armed = bool(message.base_mode & 128)
        if self._link.mode != self._mode:
            if self._was_armed and self._mode is not None:
                self.tell("mode", f"the vehicle went from {self._mode} to {self._link.mode}")
                if not self.completed and self._mode in _MISSION_MODES and self._link.mode not in _MISSION_MODES:
                    self.why_cut_short = f"it left the mission for {self._link.mode} at item {self._item}"
            self._mode = self._link.mode
        if self._was_armed and not armed:
            self.over = True
        self._was_armed = self._was_armed or armed

    def _mission_current(self, message: Any) -> None:
        if self._mode in _MISSION_MODES and self._was_armed:
            if getattr(message, "mission_state", 0) == _COMPLETE:
                self.completed = True
            elif message.seq:
                self._fly_to(message.seq)

    def _item_reached(self, message: Any) -> None:
        if self._was_armed and message.seq > self._last_item and self._mode in _MISSION_MODES:
            self.completed = True

    def _status_text(self, message: Any) -> None:
        mission = re.match(r"Mission: (\d+) ", message.text)
        if mission:
            self._fly_to(int(mission[1]))
        said = explain(message.text, message.severity)
        if said is not None:
            self.tell(*said)
            if said[0] == "failsafe" and not self.completed:
                self.why_cut_short = said[1]

    def _fly_to(self, item: int) -> None:
        self._item = item
        if item > self._last_item and self._last_item:
            self.completed = True
        transect = self._effort.transect_at(item)
        if transect != self._transect:
            self._transect = transect
            if transect is not None:
                number = self._effort.transects.index(transect) + 1
                self.tell("transect", f"transect {transect} ({number} of {len(self._effort.transects)})")

    def _system_status(self, message: Any) -> None:
        charge = message.battery_remaining
        if charge >= 0 and (self._charge is None or charge <= self._charge - _BATTERY_STEP):
            self._charge = charge
            if self._was_armed:
                self.tell("battery", f"charge {charge} %")

    def _position(self, message: Any) -> None:
        if self._was_armed and not self.over:
            self.track.append((message.lon / 1e7, message.lat / 1e7))

    def _camera_feedback(self, message: Any) -> None:
        last = self.captures[-1].index if self.captures else None
        if last is not None and message.img_idx == last:
            return  # told twice
        if last is not None and message.img_idx > last + 1:
            lost = f"{last + 1} to {message.img_idx - 1}" if message.img_idx > last + 2 else str(last + 1)
            self.tell("camera", f"frame {lost}: taken, but the link lost where")
        off_mission = None if self._mode in _MISSION_MODES else f"the vehicle was in {self._mode}, not on its mission"
        longitude_deg, latitude_deg = message.lng / 1e7, message.lat / 1e7
        place = self._effort.place(longitude_deg, latitude_deg, self._item, off_mission=off_mission)
        known_time = message.time_usec >= _EARLIEST_UTC_US
        capture = FlightCapture(
            index=message.img_idx,
            time_utc=iso_utc(message.time_usec / 1e6) if known_time else None,
            longitude_deg=longitude_deg,
            latitude_deg=latitude_deg,
            altitude_msl_m=round(message.alt_msl, 3),
            altitude_home_m=round(message.alt_rel, 3),
            roll_deg=round(message.roll, 4),
            pitch_deg=round(message.pitch, 4),
            yaw_deg=round(message.yaw % 360, 4),
            item=self._item,
            transect=place.transect,
            on_line=place.on_line,
            reason=place.reason,
            along_m=None if place.along_m is None else round(place.along_m, 2),
            cross_track_m=None if place.cross_track_m is None else round(place.cross_track_m, 2),
        )
        self.captures.append(capture)
        self.places.append(place)
        self._log.capture(capture)
        if self._on_capture is not None:
            self._on_capture(capture)


_MISSION_MODES = frozenset({"AUTO", "MISSION"})
_HANDLERS: dict[str, Callable[[FlightWatch, Any], None]] = {
    "HEARTBEAT": FlightWatch._heartbeat,
    "MISSION_CURRENT": FlightWatch._mission_current,
    "MISSION_ITEM_REACHED": FlightWatch._item_reached,
    "STATUSTEXT": FlightWatch._status_text,
    "GLOBAL_POSITION_INT": FlightWatch._position,
    "SYS_STATUS": FlightWatch._system_status,
    "CAMERA_FEEDBACK": FlightWatch._camera_feedback,
}
