"""The code that flies a real vehicle flies each kind of simulated one, and finds no difference but those it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from flightplan.clock import SimulatedClock
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import Outcome, fly_sortie
from flightplan.vehicle.link import Link
from flightplan.vehicle.transfer import Holding
from sim.vehicle import KINDS, Fleet, Home, Wind

HOME = Home(34.83, -2.33, 1500.0)
SAFE = {
    "copter": {"AUTO_OPTIONS": 3, "FS_GCS_ENABLE": 1, "BATT_FS_LOW_ACT": 2},
    "px4": {"NAV_DLL_ACT": 2, "COM_LOW_BAT_ACT": 3},
    "plane": {"RTL_AUTOLAND": 1, "FS_GCS_ENABL": 1, "FS_LONG_ACTN": 1, "BATT_FS_LOW_ACT": 1},
}


def item(command: int, north_m: float, east_m: float, height_m: float) -> MissionItem:
    place = HOME.moved(north_m, east_m)
    return MissionItem(command, 3, (0, 0, 0, 0), place.lon, place.lat, height_m)


def line(kind: str) -> Mission:
    """One line of 600 m to the north, photographed each 40 m; a fixed wing needs room, and a landing."""
    shoot, stop = MissionItem(206, 2, (40, 0, 1, 0)), MissionItem(206, 2, (0, 0, 0, 0))
    items = [item(22, 0, 0, 60), item(16, 500, 0, 80), shoot, item(16, 1100, 0, 80), stop]
    if kind == "plane":
        landing = [item(189, 1200, 400, 0), item(16, 800, 400, 60), item(16, 300, 400, 30), item(21, -200, 400, 0)]
        items += [item(16, 1500, 300, 80), *landing]
    else:
        items.append(MissionItem(20, 2, (0, 0, 0, 0)))
    return Mission(tuple(items), home=(HOME.lon, HOME.lat))


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_kind_is_uploaded_to_checked_flown_and_logged(kind: str, tmp_path: Path) -> None:
    clock = SimulatedClock(1.79e9)
    vehicle = KINDS[kind](HOME, 2, battery_ah=20.0, wind=Wind(3.0, 70.0, 0.5), parameters=SAFE[kind])
    with Fleet([vehicle], clock=clock) as fleet, Link.connect(fleet.addresses[0], clock=clock) as link:
        result = fly_sortie(link, line(kind), log_folder=tmp_path / "log")
    assert result.outcome is Outcome.COMPLETED, result.reason
    assert result.transfers["mission"].holding is Holding.EXACTLY
    assert result.preflight is not None
    assert not [c.name for c in result.preflight.checks if c.status == "fail"]
    assert len(result.captures) == len(vehicle.exposures)
    assert 13 <= len(result.captures) <= 17
    for capture, truth in zip(result.captures, vehicle.exposures, strict=True):
        assert capture.index == truth.index
        assert capture.latitude_deg == pytest.approx(truth.lat, abs=2e-7)
        assert capture.longitude_deg == pytest.approx(truth.lon, abs=2e-7)
    assert not vehicle.armed
