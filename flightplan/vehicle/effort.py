"""Which parts of a mission are flown on effort, and whether a frame was taken on them.

Distance triggering survives a change of mode, so most of a flight's frames may be on effort and the rest must not
count: what decides is the mission item being flown, and the frame's place along and beside its line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from flightplan.frames import Floats, LocalFrame
from flightplan.mission import Command, Mission, MissionItem

CROSS_TRACK_M, ALONG_SLACK_M = 15.0, 5.0
_TRIGGER_TIME, _IMAGE_START, _IMAGE_STOP = 214, 2000, 2001
_STOP_SLACK = 1.2
_FLOWN_TO = frozenset({16, 17, 18, 19, 21, 22, 82})


@dataclass(frozen=True)
class EffortLeg:
    """A straight leg flown with the camera triggering; items are places in the vehicle's list."""

    transect: str
    start_item: int
    end_item: int
    trigger_distance_m: float | None
    start_m: tuple[float, float]
    end_m: tuple[float, float]

    @property
    def length_m(self) -> float:
        """Ground length."""
        return float(np.hypot(self.end_m[0] - self.start_m[0], self.end_m[1] - self.start_m[1]))


@dataclass(frozen=True)
class Place:
    """Where a frame is: `transect` is None off effort, `along_m` from its leg's start, `reason` why not on line."""

    transect: str | None
    on_line: bool
    reason: str | None = None
    leg: EffortLeg | None = None
    along_m: float | None = None
    cross_track_m: float | None = None


@dataclass(frozen=True)
class Gap:
    """A stretch of a transect, in metres from where the leg starts, on which no frame counts."""

    transect: str
    from_m: float
    to_m: float


class EffortMap:
    """The legs of a mission on effort. `first_item` is 1 where the vehicle's list begins with its home."""

    def __init__(self, mission: Mission, *, first_item: int = 1) -> None:
        self.first_item = first_item
        positions = [(i.longitude_deg, i.latitude_deg) for i in mission.items if _has_position(i)]
        east, north = np.mean(np.array(positions or [mission.home or (0.0, 0.0)], dtype=np.float64), axis=0)
        self._frame = LocalFrame(float(east), float(north))
        self._flown_to = [
            n for n, i in enumerate(mission.items, first_item) if i.command in _FLOWN_TO or i.command == 20
        ]
        self.legs = tuple(self._find_legs(mission))
        self.transects = tuple(dict.fromkeys(leg.transect for leg in self.legs))

    @property
    def last_item(self) -> int:
        """The last item that is flown to, the return home among them."""
        return self._flown_to[-1] if self._flown_to else self.first_item

    def transect_at(self, item: int | None) -> str | None:
        """Return the transect flown while the vehicle goes to an item, None off effort."""
        return next((leg.transect for leg in self.legs if leg.end_item == self._goes_to(item)), None)

    def place(self, longitude_deg: float, latitude_deg: float, item: int | None, *, off_mission: str | None) -> Place:
        """Judge a frame taken while the vehicle flew to `item`; `off_mission` says why it flew no mission then."""
        if off_mission is not None:
            return Place(None, False, off_mission)
        target = self._goes_to(item)
        if target is None:
            return Place(None, False, "the mission item being flown is unknown")
        # The first frame of a line may be told before its start has been reached.
        legs = [leg for leg in self.legs if leg.end_item == target] + [
            leg for leg in self.legs if leg.start_item == target
        ]
        if not legs:
            return Place(None, False, f"item {item} is not flown on effort")
        point = self._frame.to_local([(longitude_deg, latitude_deg)])[0]
        places = [_on_leg(leg, point) for leg in legs]
        return next((p for p in places if p.on_line), places[0])

    def gaps(self, places: Iterable[Place]) -> tuple[Gap, ...]:
        """Return the stretches of each leg without frames on line: longer than one and a half trigger distances."""
        found: list[Gap] = []
        taken = [p for p in places if p.on_line and p.along_m is not None]
        for leg in self.legs:
            distance_m = leg.trigger_distance_m or leg.length_m
            along = sorted(p.along_m for p in taken if p.leg is leg and p.along_m is not None)
            if not along:
                found.append(Gap(leg.transect, 0.0, round(leg.length_m, 1)))
                continue
            edges = [0.0 - distance_m / 2, *along, leg.length_m + distance_m / 2]
            found.extend(
                Gap(leg.transect, round(max(a, 0.0), 1), round(min(b, leg.length_m), 1))
                for a, b in pairwise(edges)
                if b - a > 1.5 * distance_m
            )
        return tuple(found)

    def _goes_to(self, item: int | None) -> int | None:
        if item is None:
            return None
        return next((n for n in self._flown_to if n >= item), None)

    def _find_legs(self, mission: Mission) -> Iterable[EffortLeg]:
        here: tuple[int, MissionItem] | None = None
        triggering, distance_m, transect = False, None, None
        stopped_on: str | None = None
        for number, item in enumerate(mission.items, self.first_item):
            state = _trigger(item)
            if state is not None:
                triggering, distance_m = state
                transect = item.transect or transect if triggering else None
            if _is_single(item):
                stopped_on = item.transect or f"line at item {number}"
            if item.command not in _FLOWN_TO or not _has_position(item):
                continue
            if triggering and here is not None:
                ends = [(i.longitude_deg, i.latitude_deg) for i in (here[1], item)]
                start, end = self._frame.to_local(np.array(ends, dtype=np.float64))
                name = item.transect or transect or here[1].transect or f"line at item {number}"
                yield EffortLeg(name, here[0], number, distance_m, tuple(start), tuple(end))
            elif stopped_on is not None and stopped_on == item.transect and here is not None:
                # Hover and capture: from stop to stop of one line. A picture is at both ends; more need not be.
                ends = [(i.longitude_deg, i.latitude_deg) for i in (here[1], item)]
                start, end = self._frame.to_local(np.array(ends, dtype=np.float64))
                apart_m = float(np.hypot(*(end - start))) * _STOP_SLACK
                yield EffortLeg(stopped_on, here[0], number, apart_m, tuple(start), tuple(end))
            stopped_on = stopped_on if item.transect == stopped_on else None
            here = (number, item)


def _is_single(item: MissionItem) -> bool:
    """Say whether an item takes one picture where the vehicle is, and leaves no camera running."""
    return item.command == Command.DO_DIGICAM_CONTROL or (item.command == _IMAGE_START and item.params[2] == 1)


def _trigger(item: MissionItem) -> tuple[bool, float | None] | None:
    if _is_single(item):
        return None
    if item.command == Command.DO_SET_CAM_TRIGG_DIST:
        return item.params[0] > 0, item.params[0] or None
    if item.command == _TRIGGER_TIME:
        return item.params[0] > 0, None
    if item.command in (_IMAGE_START, _IMAGE_STOP):
        return item.command == _IMAGE_START, None
    return None


def _has_position(item: MissionItem) -> bool:
    return item.longitude_deg is not None and item.latitude_deg is not None


def _on_leg(leg: EffortLeg, point: Floats) -> Place:
    start, end = np.array(leg.start_m), np.array(leg.end_m)
    length_m = leg.length_m
    if length_m == 0:
        return Place(leg.transect, False, "its line has no length", leg)
    east, north = (end - start) / length_m
    along_m = float((point - start) @ (east, north))
    cross_m = float((point - start) @ (north, -east))
    reason = None
    if along_m < -ALONG_SLACK_M:
        reason = f"{-along_m:.0f} m before the line's start"
    elif along_m > length_m + ALONG_SLACK_M:
        reason = f"{along_m - length_m:.0f} m past the line's end"
    elif abs(cross_m) > CROSS_TRACK_M:
        reason = f"{abs(cross_m):.0f} m beside the line"
    return Place(leg.transect, reason is None, reason, leg, along_m, cross_m)
