"""Vehicles that carry more than an autopilot: a card that tells, Remote ID, a signing key; and traffic around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleTimeoutError
from flightplan.mission import Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.vehicle.campaign import fly_one
from flightplan.vehicle.checks import Check
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.logbook import read_logbook
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.signing import SigningKey
from sim.vehicle import Home, SimulatedVehicle, VehicleServer
from sim.vehicle.equipment import Aircraft, Equipment

LON, LAT = 34.8333, -2.3333
START_S = 1_790_000_000.0
KEY = bytes(range(32))
MISSION = Mission(
    (
        MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 40.0),
        MissionItem(178, 2, (1, 10, -1, 0)),
        MissionItem(16, 3, (0, 0, 0, 0), LON, LAT + 0.0005, 40.0),
        MissionItem(206, 2, (25.0, 0, 1, 0), transect="T1"),
        MissionItem(16, 3, (0, 0, 0, 0), LON, LAT + 0.0015, 40.0, transect="T1"),
        MissionItem(206, 2),
        MissionItem(20, 2),
    ),
    home=(LON, LAT),
)
SORTIE = Sortie("S1", ("T1",), MISSION, 0.0, 0.0, 0.2, storage_mb=100.0)


@contextmanager
def served(stall_s: float = 30.0, **options) -> Iterator[tuple[str, SimulatedClock, SimulatedVehicle]]:
    clock = SimulatedClock(START_S, stall_s=stall_s)
    vehicle = SimulatedVehicle(Home(LON, LAT, 1500.0), 5, start_time_utc_s=START_S, **options)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


def flown(tmp_path: Path, sortie: Sortie = SORTIE, setup: FlightSetup | None = None, signing=None, **options):
    with served(**options) as (url, clock, _):
        return fly_one(sortie, url, out=tmp_path, clock=clock, setup=setup, signing=signing)


def check(result: FlightResult, name: str) -> Check:
    return next(c for c in result.preflight.checks if c.name == name)


@pytest.mark.parametrize(("card_mb", "outcome"), [(200.0, Outcome.COMPLETED), (90.0, Outcome.NOT_FLOWN)])
def test_a_card_too_small_for_the_plan_keeps_it_on_the_ground(tmp_path: Path, card_mb: float, outcome) -> None:
    result = flown(tmp_path, equipment=Equipment(card_mb=card_mb))
    assert result.outcome is outcome
    assert f"{card_mb:.0f} MB are free, the pictures take 100 MB" in check(result, "storage").text


@pytest.mark.parametrize(
    ("says", "outcome", "words"),
    [
        ("", Outcome.COMPLETED, "Remote ID is ready"),
        ("no operator location", Outcome.NOT_FLOWN, "no operator location"),
    ],
)
def test_a_remote_id_that_is_not_ready_keeps_it_on_the_ground(tmp_path: Path, says, outcome, words) -> None:
    result = flown(tmp_path, equipment=Equipment(remote_id=says))
    assert result.outcome is outcome
    assert words in check(result, "remote-id").text


def test_a_signed_link_flies_and_keeps_its_time(tmp_path: Path) -> None:
    key_file = tmp_path / "drone.key"
    key_file.write_bytes(KEY)
    result = flown(tmp_path / "f", signing=SigningKey.read(key_file), equipment=Equipment(signing_key=KEY))
    assert result.outcome is Outcome.COMPLETED
    assert "signed" in check(result, "signing").text
    assert sum(c.on_line for c in result.captures) == 5
    kept = int((tmp_path / "drone.key.timestamp").read_text())
    assert kept > (START_S + 60 - 1_420_070_400) * 100_000


def test_a_vehicle_that_signs_is_not_flown_with_another_key(tmp_path: Path) -> None:
    class Other(SigningKey):
        """Neither takes what the other says, so nobody moves the clock: once that is seen it need not be waited for."""

        def sign(self, protocol, now_s: float) -> None:
            super().sign(protocol, now_s)
            check = protocol.check_signature

            def is_good(*packet) -> bool:
                good = check(*packet)
                if not good:
                    clock._stall_s = 0.5
                return good

            protocol.check_signature = is_good

    with served(equipment=Equipment(signing_key=KEY), stall_s=60.0) as (url, clock, vehicle):
        with pytest.raises(VehicleTimeoutError, match="signed with this key"):
            fly_one(SORTIE, url, out=tmp_path, clock=clock, timeout_s=5.0, signing=Other(bytes(32), tmp_path / "t"))
        assert not vehicle.armed


def test_traffic_is_shown_and_warned_of_and_goes_into_the_logbook(tmp_path: Path) -> None:
    towards = Aircraft("5H-ABC", from_s=10.0, north_m=5000.0, height_m=60.0, course_deg=180.0, speed_mps=60.0)
    beside = Aircraft("5H-XYZ", from_s=10.0, east_m=6000.0, height_m=300.0, course_deg=0.0, speed_mps=60.0)
    result = flown(tmp_path, traffic=[towards, beside])
    said = [(e.kind, e.text) for e in result.events if e.kind.startswith("traffic")]
    assert [k for k, t in said if "5H-ABC" in t] == ["traffic", "traffic-warning"]
    assert [k for k, t in said if "5H-XYZ" in t] == ["traffic"]
    warning = next(t for k, t in said if k == "traffic-warning")
    assert "closing at" in warning or "too near" in warning
    assert result.outcome is Outcome.COMPLETED
    assert "5H-ABC" in read_logbook(tmp_path)[0]["remarks"]


def test_height_above_ground_is_told_where_the_ground_is_known(tmp_path: Path) -> None:
    from flightplan.terrain import Terrain

    setup = FlightSetup(terrain=Terrain.flat(1500.0))
    result = flown(tmp_path, setup=setup, sortie=replace(SORTIE, storage_mb=None))
    assert check(result, "terrain").text.startswith("the mission is 40 m above ground")
    assert any("; 40 m above ground" in e.text for e in result.events if e.kind == "transect")
