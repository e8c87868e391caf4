"""What the watch tells of messages that no recording has: ground, charge, a mission that is no longer ours."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.mission import Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.vehicle.autopilots import Dialect
from flightplan.vehicle.effort import EffortMap
from flightplan.vehicle.logs import FlightLog
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.watch import FlightWatch
from sim.vehicle.px4.messages import MissionCurrent

LON, LAT = 34.8333, -2.3333
ITEMS = (
    MissionItem(22, 3, (0, 0, 0, 0), LON, LAT, 80.0),
    *(
        item
        for n in range(2)
        for item in (
            MissionItem(16, 3, (0, 0, 0, 0), LON + n * 1e-3, LAT, 80.0),
            MissionItem(206, 2, (25.0, 0, 1, 0), transect=f"T{n + 1}"),
            MissionItem(16, 3, (0, 0, 0, 0), LON + n * 1e-3, LAT + 2e-3, 80.0, transect=f"T{n + 1}"),
            MissionItem(206, 2),
        )
    ),
)
SORTIE = Sortie("S1", ("T1", "T2"), Mission(ITEMS, home=(LON, LAT)), 1000.0, 300.0, 0.5)


class Spoken:
    """A link on which a test speaks for the vehicle."""

    def __init__(self, watch_into: Path, autopilot: int = 3) -> None:
        self.dialect = Dialect.of(SimpleNamespace(type=2, autopilot=autopilot))
        self.now_s, self.mode, self.latest, self.on_sent = 1.8e9, "AUTO", {}, None
        self.clock = SimpleNamespace(now_s=lambda: self.now_s)
        self._packer = mav.MAVLink(None, srcSystem=1, srcComponent=1)
        self.log = FlightLog(watch_into)
        effort = EffortMap(SORTIE.mission, first_item=1)
        self.watch = FlightWatch(self, effort, self.log, setup=FlightSetup(sortie=SORTIE))
        self.watch.__enter__()
        self.say(mav.MAVLink_heartbeat_message(2, autopilot, 128 | 81, 3, 4, 3))

    @property
    def vehicle_s(self) -> float:
        return self.now_s

    def listen(self, listener):
        self._listener = listener
        return lambda: None

    def say(self, message) -> None:
        decoded = self._packer.decode(bytearray(message.pack(self._packer)))
        self.latest[decoded.get_type()] = decoded
        self._listener(decoded)

    def charge(self, percent: int) -> None:
        self.say(mav.MAVLink_sys_status_message(0, 0, 0, 0, 12000, 0, percent, 0, 0, 0, 0, 0, 0))

    def fly_to(self, item: int) -> None:
        self.say(mav.MAVLink_mission_current_message(item, 9, 3, 1))

    def told(self, kind: str) -> list[str]:
        return [e.text for e in self.watch.events if e.kind == kind]


@pytest.fixture
def vehicle(tmp_path: Path):
    link = Spoken(tmp_path / "log")
    yield link
    link.log.close()


def test_height_above_ground_is_the_vehicles_own_where_we_have_no_ground(vehicle: Spoken) -> None:
    vehicle.say(mav.MAVLink_terrain_report_message(0, 0, 100, 1500.0, 73.4, 0, 100))
    vehicle.fly_to(4)
    assert "73 m above ground" in vehicle.told("transect")[0]
    vehicle.say(mav.MAVLink_altitude_message(0, 0, 0, 0, 0, 0, 61.0))
    vehicle.fly_to(8)
    assert "61 m above ground" in vehicle.told("transect")[1]


def test_terrain_that_is_not_loaded_and_a_range_that_is_not_measured_are_not_heights(vehicle: Spoken) -> None:
    vehicle.say(mav.MAVLink_terrain_report_message(0, 0, 0, 0.0, 0.0, 4, 0))
    vehicle.say(mav.MAVLink_altitude_message(0, 0, 0, 0, 0, 0, float("nan")))
    vehicle.fly_to(4)
    assert "above ground" not in vehicle.told("transect")[0]


def test_a_charge_that_will_not_do_for_the_rest_is_said_once(vehicle: Spoken) -> None:
    vehicle.charge(60)
    vehicle.fly_to(4)
    assert "0% flown; charge 60%, the rest takes 50%" in vehicle.told("transect")[0]
    assert vehicle.told("battery") == ["charge 60 %"]
    vehicle.charge(20)
    vehicle.fly_to(8)
    assert "50% flown; charge 20%, the rest takes 25%" in vehicle.told("transect")[1]
    assert "charge 20%: the rest of the flight takes 25%, it will not do" in vehicle.told("battery")


def test_a_mission_that_is_replaced_in_the_air_is_noticed(vehicle: Spoken) -> None:
    def current(identifier: int) -> MissionCurrent:
        return MissionCurrent(4, 9, 3, 1, (identifier, 0, 0))

    vehicle.say(current(77))
    vehicle.say(current(77))
    assert vehicle.told("warning") == []
    vehicle.say(current(78))
    assert vehicle.told("warning") == ["the mission on the vehicle is no longer the one that was uploaded"]


def test_a_vehicles_own_word_on_the_wind_is_taken_but_not_a_zero(vehicle: Spoken) -> None:
    vehicle.say(mav.MAVLink_wind_message(-180.0, 0.0, 0.0))
    assert vehicle.watch.guard.wind_mps is None
    for _ in range(100):
        vehicle.now_s += 5
        vehicle.say(mav.MAVLink_wind_message(90.0, 7.0, 0.1))
    assert vehicle.watch.guard.wind_mps == pytest.approx(7.0, abs=0.1)


def test_silence_is_told_once_with_what_follows_and_so_is_its_end(vehicle: Spoken) -> None:
    vehicle.watch.on_silence = "by its settings it lands after 5 s without us"
    for seconds in (1.0, 6.0, 7.0):
        vehicle.watch.note_silence(seconds)
    assert vehicle.told("link") == [
        "nothing heard from the vehicle for 6 s; by its settings it lands after 5 s without us"
    ]
    vehicle.charge(50)
    assert vehicle.told("link")[1:] == ["the vehicle is heard again"]
