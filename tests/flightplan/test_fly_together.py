"""Several vehicles fly one plan in one air: apart from each other, and none stopped by another's trouble."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from flightplan.clock import SimulatedClock
from flightplan.drones import drone_named
from flightplan.frames import LocalFrame
from flightplan.mission import Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.separation import UNPLANNED, Separation
from flightplan.vehicle.flight import Outcome
from flightplan.vehicle.together import Member, Together, outcome_of
from sim.vehicle import Fleet, Home, SimulatedVehicle

HOME = Home(34.83, -2.33, 1500.0)
FRAME = LocalFrame(34.83, -2.33)
DRONE = drone_named("overfly-demo")
RULES = UNPLANNED


class Tracked(SimulatedVehicle):
    """A vehicle that remembers where it truly was, each tenth of a second."""

    def step(self, dt_s: float = 0.02) -> bytes:
        said = super().step(dt_s)
        trail = self.__dict__.setdefault("trail", [])
        place = self.home.moved(self.body.n, self.body.e)
        east, north = FRAME.to_local([(place.lon, place.lat)])[0]
        trail.append((float(east), float(north), self.body.u, float(self.armed)))
        return said


def sortie(
    name: str, home: Home, line: Sequence[tuple[float, float]], height_m: float = 60.0, drone: int = 1
) -> Sortie:
    """From home to a line, local metres, photographed each 25 m, and home."""
    (a, b) = FRAME.to_lonlat(np.array(line)).tolist()
    items = (
        MissionItem(22, 3, (0, 0, 0, 0), home.lon, home.lat, height_m),
        MissionItem(178, 2, (1, 12, -1, 0)),
        MissionItem(16, 3, (0, 0, 0, 0), *a, height_m),
        MissionItem(206, 2, (25.0, 0, 1, 0), transect=name),
        MissionItem(16, 3, (0, 0, 0, 0), *b, height_m, transect=name),
        MissionItem(206, 2),
        MissionItem(20, 2),
    )
    return Sortie(name, (name,), Mission(items, home=(home.lon, home.lat)), 0.0, 300.0, 0.3, drone)


def homes(count: int, apart_m: float = 20.0) -> list[Home]:
    return [HOME.moved(0.0, n * apart_m) for n in range(count)]


def flown(
    queues: Sequence[Sequence[Sortie]],
    out: Path,
    *,
    at_home: Sequence[Home],
    rules: Separation = RULES,
    on_event: Callable | None = None,
    on_capture: Callable | None = None,
) -> tuple[Together, list[Tracked]]:
    clock = SimulatedClock(1.79e9)
    vehicles = [Tracked(home, n + 3, system_id=n + 1, start_time_utc_s=1.79e9) for n, home in enumerate(at_home)]
    with Fleet(vehicles, clock=clock) as fleet:
        members = [
            Member(n + 1, url, queue) for n, (url, queue) in enumerate(zip(fleet.addresses, queues, strict=True))
        ]
        together = Together(
            members, frame=FRAME, drone=DRONE, rules=rules, clock=clock, out=out, on_capture=on_capture,
            on_event=None if on_event is None else lambda m, e: on_event(vehicles, m, e),
        )  # fmt: skip
        together.fly()
    return together, vehicles


def closest_m(a: Tracked, b: Tracked) -> float:
    """The least true distance over the ground of two that are both in the air and less than 15 m apart in height."""
    count = min(len(a.trail), len(b.trail))
    p, q = np.array(a.trail[:count]), np.array(b.trail[:count])
    both = (p[:, 2] > 3) & (q[:, 2] > 3) & (np.abs(p[:, 2] - q[:, 2]) < RULES.vertical_m)
    return float(np.min(np.hypot(*(p - q)[both, :2].T), initial=math.inf))


def airborne_s(vehicle: Tracked) -> tuple[float, float]:
    up = np.flatnonzero(np.array(vehicle.trail)[:, 2] > 3)
    return up[0] / 10, up[-1] / 10


def test_two_that_work_apart_fly_at_once_and_two_that_share_a_way_one_after_the_other(tmp_path: Path) -> None:
    stands = [HOME, HOME.moved(0.0, 20.0), HOME.moved(0.0, 400.0)]
    queues = [
        [sortie("west", stands[0], [(-60, 60), (-60, 160)])],
        [sortie("north", stands[1], [(-40, 150), (20, 150)])],
        [sortie("east", stands[2], [(420, 60), (420, 160)])],
    ]
    together, vehicles = flown(queues, tmp_path, at_home=stands)
    assert outcome_of(together.members) is Outcome.COMPLETED
    west, north, east = (airborne_s(v) for v in vehicles)
    assert west[0] == pytest.approx(east[0], abs=3)
    assert north[0] > west[1]
    assert min(closest_m(vehicles[0], vehicles[1]), closest_m(vehicles[1], vehicles[2])) >= RULES.horizontal_m
    # Whoever has to come home early does so above the lines, each at its own height, and to its own place.
    assert [v.parameters["RTL_ALT"] for v in vehicles] == [7700, 9400, 11100]
    assert all(v.transfers.items[2] == [] for v in vehicles)
    waited = [e.text for e in together.members[1].results["north"].events if e.kind == "waiting"]
    assert len(waited) == 1
    assert "its way and that of west on vehicle 1 come within 50 m of each other" in waited[0]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["east", "north", "west"]


def test_the_same_flights_leave_the_same_frames_at_the_same_times(tmp_path: Path) -> None:
    queues = [
        [sortie("a", homes(2)[0], [(-60, 60), (-60, 120)]), sortie("b", homes(2)[0], [(-160, 60), (-160, 120)])],
        [sortie("c", homes(2)[1], [(80, 60), (80, 120)])],
    ]
    for name in ("first", "second"):
        flown(queues, tmp_path / name, at_home=homes(2))
    for flight in ("a", "b", "c"):
        first, second = ((tmp_path / n / flight / "captures.jsonl").read_bytes() for n in ("first", "second"))
        assert first == second
        assert first.count(b"\n") == 3


def test_one_that_is_cut_short_does_not_stop_the_others(tmp_path: Path) -> None:
    stands = [HOME, HOME.moved(0.0, 400.0)]
    queues = [
        [sortie("a", stands[0], [(-60, 60), (-60, 260)]), sortie("never", stands[0], [(-160, 60), (-160, 120)])],
        [sortie("b", stands[1], [(420, 60), (420, 160)]), sortie("c", stands[1], [(480, 60), (480, 120)])],
    ]

    def sag(vehicles: list[Tracked], member: Member, event) -> None:
        if member.number == 1 and event.kind == "transect":
            vehicles[0].parameters.set("SIM_BATT_VOLTAGE", 10.0)
            vehicles[0].parameter_changed("SIM_BATT_VOLTAGE")

    together, _ = flown(queues, tmp_path, at_home=stands, on_event=sag)
    one, two = together.members
    assert {n: r.outcome for n, r in one.results.items()} == {"a": Outcome.CUT_SHORT}
    assert one.left == ("never",)
    assert {n: r.outcome for n, r in two.results.items()} == {"b": Outcome.COMPLETED, "c": Outcome.COMPLETED}
    assert outcome_of(together.members) is Outcome.CUT_SHORT


def test_nobody_takes_off_while_one_comes_home_by_itself(tmp_path: Path) -> None:
    stands = homes(2, 40.0)
    queues = [
        [sortie("north", stands[0], [(0, 60), (0, 260)])],
        [sortie("beside", stands[1], [(40, 60), (40, 260)])],
    ]

    def home(vehicles: list[Tracked], member: Member, event) -> None:
        if (member.number, event.kind) == (1, "transect"):
            vehicles[0].change_mode(6)

    together, vehicles = flown(queues, tmp_path, at_home=stands, on_event=home)
    assert together.members[0].results["north"].outcome is Outcome.CUT_SHORT
    said = [e.text for e in together.members[1].results["beside"].events if e.kind == "waiting"]
    assert said[-1] == "north on vehicle 1 is not on its mission: it has to be down first"
    assert airborne_s(vehicles[1])[0] > airborne_s(vehicles[0])[1]


def test_one_in_the_way_is_waited_for_in_the_air(tmp_path: Path) -> None:
    stands = [HOME, HOME.moved(0.0, 400.0)]
    queues = [
        [sortie("north", stands[0], [(0, 60), (0, 500)])],
        [sortie("across", stands[1], [(300, 300), (-100, 300)])],
    ]
    vehicles: list[Tracked] = []

    def follow(fleet: list[Tracked], member: Member, event) -> None:
        vehicles[:] = fleet
        if member.number == 2 and event.kind == "separation" and "comes within" in event.text:
            fleet[0].flight.pause(False)

    def stop_on_the_crossing(capture) -> None:
        if (capture.transect, capture.index) == ("north", 10):
            vehicles[0].flight.pause(True)

    together, _ = flown(queues, tmp_path, at_home=stands, on_event=follow, on_capture=stop_on_the_crossing)
    across = together.members[1].results["across"]
    said = [e.text for e in across.events if e.kind == "separation"]
    assert len(said) == 2
    assert "north on vehicle 1 comes within" in said[0]
    assert "across on vehicle 2 waits in the air" in said[0]
    assert said[1] == "clear: it flies on"
    assert closest_m(*vehicles) >= RULES.horizontal_m - 5
    assert outcome_of(together.members) is Outcome.COMPLETED
    assert across.gaps == ()
