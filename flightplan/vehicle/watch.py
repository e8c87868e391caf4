"""Watching a flight: each message goes to the log, frames are judged, and what matters is said in plain words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pyproj

from flightplan.terrain import Terrain
from flightplan.vehicle.autopilots import Airframe
from flightplan.vehicle.circling import Circling
from flightplan.vehicle.effort import EffortMap, Place
from flightplan.vehicle.link import Link
from flightplan.vehicle.logs import FlightCapture, FlightEvent, FlightLog, iso_utc
from flightplan.vehicle.opaque import opaque_id
from flightplan.vehicle.progress import Progress, progress_at
from flightplan.vehicle.rules import Guard
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.shots import Shot, Shots
from flightplan.vehicle.traffic import Traffic
from flightplan.vehicle.wind import TiltWind
from flightplan.vehicle.words import Texts, explain

_GEOD = pyproj.Geod(ellps="WGS84")
_SILENCE_SAID_S = 5.0
_COMPLETE = 5
_BATTERY_STEP = 10
_MISSION_MODES = frozenset({"AUTO", "MISSION"})


class FlightWatch:
    """Listens to one flight, as a context manager around it. `over` is landed and disarmed after having been armed."""

    def __init__(
        self,
        link: Link,
        effort: EffortMap,
        log: FlightLog,
        on_event: Callable[[FlightEvent], None] | None = None,
        on_capture: Callable[[FlightCapture], None] | None = None,
        setup: FlightSetup | None = None,
    ) -> None:
        self.captures: list[FlightCapture] = []
        self.places: list[Place] = []
        self.events: list[FlightEvent] = []
        self.track: list[tuple[float, float]] = []
        self.over = False
        self.completed = False
        self.was_armed = False
        self.why_cut_short: str | None = None
        self.on_silence = "it follows its own failsafe"
        self.armed_s: float | None = None
        self.over_s: float | None = None
        self.highest_home_m: float | None = None
        self.distance_m = 0.0
        self.charge: float | None = None
        self.charge_before: float | None = None
        self.used_mah: float | None = None
        self._setup = setup or FlightSetup()
        sortie = self._setup.sortie
        self._energy_share = sortie.energy_share or None if sortie else None
        planned_per_s = sortie.energy_share / sortie.duration_s if sortie and sortie.duration_s > 0 else None
        self.guard = Guard(self._setup.rules, planned_per_s or None)
        self._link, self._effort, self._log = link, effort, log
        self._on_event, self._on_capture = on_event, on_capture
        self._shots, self._traffic, self._texts = Shots(), Traffic(), Texts()
        self._tilt_wind, self._told_wind = TiltWind(), False
        self._circling = Circling() if link.dialect.airframe is Airframe.PLANE else None
        self._leans = link.dialect.airframe is Airframe.MULTIROTOR
        self._item: int | None = None
        self._last_item = max((leg.end_item for leg in effort.legs), default=0)
        self._mode: str | None = None
        self._transect: str | None = None
        self._told_charge: int | None = None
        self._silent = False
        self._ordered: str | None = None
        self._mission_id: int | None = None
        self._home_ground_m: float | None = None
        self._home: tuple[float, float] | None = None
        self._height_agl_m: float | None = None
        self._warned_of_charge = False
        self._stop: Callable[[], None] = lambda: None

    def __enter__(self) -> FlightWatch:
        self._link.on_sent = lambda packet: self._log.packet(self._link.clock.now_s(), packet)
        self._stop = self._link.listen(self._hear)
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._stop()
        self._link.on_sent = None

    @property
    def on_mission(self) -> bool:
        """Whether the vehicle is flying its mission by itself."""
        return self.was_armed and not self.over and self._mode in _MISSION_MODES

    @property
    def way_home(self) -> tuple[float, float] | None:
        """How far from home and how high above it the vehicle is, in metres; None when it is not known."""
        place = self._link.latest.get("GLOBAL_POSITION_INT")
        if place is None or self._home is None:
            return None
        _, _, away_m = _GEOD.inv(*self._home, place.lon / 1e7, place.lat / 1e7)
        return float(away_m), place.relative_alt / 1000

    @property
    def circles(self) -> str | None:
        """How a fixed wing that has done its mission goes round until somebody lands it; None while it does not."""
        way = self.way_home
        if not self.completed or self.over or way is None or self._circling is None:
            return None
        at_the_end = self._item is not None and self._item >= self._effort.last_item and self.on_mission
        if not self._circling.goes_round(self._mode, at_the_end, *way, self._link.clock.now_s()):
            return None
        return f"mission done, circling {self._circling.where(way[0])} at {way[1]:.0f} m: land it"

    def tell(self, kind: str, text: str) -> None:
        """Write an event down, and pass it on."""
        event = FlightEvent(iso_utc(self._link.clock.now_s()), kind, text)
        self.events.append(event)
        self._log.event(event)
        if self._on_event is not None:
            self._on_event(event)

    def ordered(self, reason: str) -> None:
        """Note why the flight is broken off by us: whatever the vehicle says from here on is its consequence."""
        self._ordered = self.why_cut_short = reason

    def note_silence(self, seconds: float) -> None:
        """Say once that the vehicle has not been heard, and what it does then."""
        if seconds >= _SILENCE_SAID_S and not self._silent:
            self._silent = True
            self.tell("link", f"nothing heard from the vehicle for {seconds:.0f} s; {self.on_silence}")

    def _hear(self, message: Any) -> None:
        self._log.packet(self._link.clock.now_s(), bytes(message.get_msgbuf()))
        if self._silent:
            self._silent = False
            self.tell("link", "the vehicle is heard again")
        handler = _HANDLERS.get(message.get_type())
        if handler is not None:
            handler(self, message)
        if self._leans and message.get_srcComponent() == 1:
            self._tilt_wind.hear(message)
        shots = self._shots.hear(message, self._link.clock.now_s())
        while self._shots.problems:
            self.tell("camera", self._shots.problems.pop(0))
        for shot in shots:
            self._frame(shot)

    def _heartbeat(self, message: Any) -> None:
        if message.get_srcComponent() != 1:
            return
        armed = bool(message.base_mode & 128)
        if self._link.mode != self._mode:
            if self.was_armed and self._mode is not None:
                self.tell("mode", f"the vehicle went from {self._mode} to {self._link.mode}")
                if self._mode in _MISSION_MODES and self._link.mode not in _MISSION_MODES:
                    self._cut_short(f"it left the mission for {self._link.mode} at item {self._item}")
            self._mode = self._link.mode
        if self.was_armed and not armed and not self.over:
            self.over, self.over_s = True, self._link.clock.now_s()
        if armed and not self.was_armed:
            self.was_armed, self.armed_s, self.charge_before = True, self._link.clock.now_s(), self.charge

    def _cut_short(self, why: str) -> None:
        if not self.completed and self._ordered is None:
            self.why_cut_short = why

    def _mission_current(self, message: Any) -> None:
        identifier = opaque_id(message)
        if self.was_armed and identifier is not None and self._mission_id not in (None, identifier):
            self.tell("warning", "the mission on the vehicle is no longer the one that was uploaded")
        self._mission_id = identifier or self._mission_id
        if self._mode in _MISSION_MODES and self.was_armed:
            if getattr(message, "mission_state", 0) == _COMPLETE:
                self.completed = True
            elif message.seq:
                self._fly_to(message.seq)

    def _item_reached(self, message: Any) -> None:
        if self.was_armed and message.seq > self._last_item and self._mode in _MISSION_MODES:
            self.completed = True

    def _status_text(self, message: Any) -> None:
        text = self._texts.hear(message)
        if text is None:
            return
        mission = re.match(r"Mission: (\d+) ", text)
        if mission:
            self._fly_to(int(mission[1]))
        said = explain(text, message.severity)
        if said is not None:
            self.tell(*said)
            if said[0] == "failsafe":
                self._cut_short(said[1])

    def _fly_to(self, item: int) -> None:
        self._item = item
        if item > self._last_item and self._last_item:
            self.completed = True
        progress = progress_at(self._effort, item)
        transect = progress.transect if progress is not None else None
        if transect != self._transect:
            self._transect = transect
            if progress is not None:
                self.tell("transect", self._progress_words(progress))

    def _progress_words(self, progress: Progress) -> str:
        words = [f"transect {progress.transect} ({progress.number} of {progress.count}): {progress.share:.0%} flown"]
        need = progress.need(self._energy_share)
        if self.charge is not None:
            words.append(f"charge {self.charge:.0%}" + (f", the rest takes {need:.0%}" if need is not None else ""))
        if self._height_agl_m is not None:
            words.append(f"{self._height_agl_m:.0f} m above ground")
        if self.guard.wind_mps is not None:
            words.append(f"wind {self.guard.wind_mps:.0f} m/s")
        if need is not None and self.charge is not None and self.charge < need and not self._warned_of_charge:
            self._warned_of_charge = True
            self.tell("battery", f"charge {self.charge:.0%}: the rest of the flight takes {need:.0%}, it will not do")
        return "; ".join(words)

    def _system_status(self, message: Any) -> None:
        charge = message.battery_remaining
        if charge < 0:
            return
        self.charge = charge / 100
        if self.was_armed and not self.over:
            self.guard.hear_charge(self.charge, self._link.vehicle_s)
        if self._told_charge is None or charge <= self._told_charge - _BATTERY_STEP:
            self._told_charge = charge
            if self.was_armed:
                self.tell("battery", f"charge {charge} %")

    def _battery(self, message: Any) -> None:
        if message.id == 0 and message.current_consumed >= 0:
            self.used_mah = float(message.current_consumed)

    def _wind(self, message: Any) -> None:
        if message.speed or message.speed_z:  # ArduCopter's 0 is no estimate
            self._told_wind = True
            self.guard.hear_wind(message.speed, self._link.vehicle_s)

    def _wind_cov(self, message: Any) -> None:
        self.guard.hear_wind(math.hypot(message.wind_x, message.wind_y), self._link.vehicle_s)

    def _home_position(self, message: Any) -> None:
        if message.latitude or message.longitude:
            self._home = message.longitude / 1e7, message.latitude / 1e7

    def _position(self, message: Any) -> None:
        here = (message.lon / 1e7, message.lat / 1e7)
        if not self.was_armed and "HOME_POSITION" not in self._link.latest and (message.lat or message.lon):
            self._home = here
        if not self.was_armed or self.over:
            return
        if self.track:
            self.distance_m += float(_GEOD.inv(*self.track[-1], *here)[2])
        self.track.append(here)
        leaned_mps = self._tilt_wind.speed_mps
        if not self._told_wind and leaned_mps is not None:
            self.guard.hear_wind(leaned_mps, self._link.vehicle_s)
        height_m = message.relative_alt / 1000
        self.highest_home_m = max(height_m, self.highest_home_m if self.highest_home_m is not None else height_m)
        if self._setup.terrain is not None:
            self._height_agl_m = self._above(self._setup.terrain, here, height_m)

    def _above(self, terrain: Terrain, here: tuple[float, float], height_home_m: float) -> float | None:
        if self._home_ground_m is None and self._home is not None:
            self._home_ground_m = float(terrain.heights_m([self._home])[0])
        if self._home_ground_m is None:
            return None
        above_m = height_home_m + self._home_ground_m - float(terrain.heights_m([here])[0])
        return above_m if math.isfinite(above_m) else None

    def _terrain_report(self, message: Any) -> None:
        if self._setup.terrain is None and message.loaded:
            self._height_agl_m = float(message.current_height)

    def _altitude(self, message: Any) -> None:
        if self._setup.terrain is None and math.isfinite(message.bottom_clearance) and message.bottom_clearance >= 0:
            self._height_agl_m = float(message.bottom_clearance)

    def _aircraft(self, message: Any) -> None:
        here = self._link.latest.get("GLOBAL_POSITION_INT")
        met = self._traffic.hear(message, here, self._link.clock.now_s()) if here is not None else None
        if met is not None:
            self.tell("traffic-warning" if met.is_warning else "traffic", met.words)

    def _frame(self, shot: Shot) -> None:
        last = self.captures[-1].index if self.captures else None
        index = (last or 0) + 1 if shot.index is None else shot.index
        if last is not None and index == last:
            return  # told twice
        if last is not None and index > last + 1:
            lost = f"{last + 1} to {index - 1}" if index > last + 2 else str(last + 1)
            self.tell("camera", f"frame {lost}: taken, but the link lost where")
        off_mission = None if self._mode in _MISSION_MODES else f"the vehicle was in {self._mode}, not on its mission"
        if not self.was_armed:
            off_mission = "taken on the ground, before take-off"
        place = self._effort.place(shot.longitude_deg, shot.latitude_deg, self._item, off_mission=off_mission)
        camera = shot.camera_deg or (None, None, None)
        capture = FlightCapture(
            index=index,
            time_utc=None if shot.time_s is None else iso_utc(shot.time_s),
            longitude_deg=shot.longitude_deg,
            latitude_deg=shot.latitude_deg,
            altitude_msl_m=round(shot.altitude_msl_m, 3),
            altitude_home_m=round(shot.altitude_home_m, 3),
            roll_deg=round(shot.roll_deg, 4),
            pitch_deg=round(shot.pitch_deg, 4),
            yaw_deg=round(shot.yaw_deg % 360, 4),
            item=self._item,
            transect=place.transect,
            on_line=place.on_line,
            reason=place.reason,
            along_m=None if place.along_m is None else round(place.along_m, 2),
            cross_track_m=None if place.cross_track_m is None else round(place.cross_track_m, 2),
            source=shot.source,
            camera_roll_deg=None if camera[0] is None else round(camera[0], 4),
            camera_pitch_deg=None if camera[1] is None else round(camera[1], 4),
            camera_yaw_deg=None if camera[2] is None else round(camera[2], 4),
        )
        self.captures.append(capture)
        self.places.append(place)
        self._log.capture(capture)
        if self._on_capture is not None:
            self._on_capture(capture)


_HANDLERS: dict[str, Callable[[FlightWatch, Any], None]] = {
    "HEARTBEAT": FlightWatch._heartbeat,
    "MISSION_CURRENT": FlightWatch._mission_current,
    "MISSION_ITEM_REACHED": FlightWatch._item_reached,
    "STATUSTEXT": FlightWatch._status_text,
    "HOME_POSITION": FlightWatch._home_position,
    "GLOBAL_POSITION_INT": FlightWatch._position,
    "SYS_STATUS": FlightWatch._system_status,
    "BATTERY_STATUS": FlightWatch._battery,
    "WIND": FlightWatch._wind,
    "WIND_COV": FlightWatch._wind_cov,
    "TERRAIN_REPORT": FlightWatch._terrain_report,
    "ALTITUDE": FlightWatch._altitude,
    "ADSB_VEHICLE": FlightWatch._aircraft,
}
