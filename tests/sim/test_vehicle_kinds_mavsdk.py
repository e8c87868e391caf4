"""MAVSDK finds the PX4-like vehicle to be a PX4 and the fixed wing to be an ArduPlane: it loads, sets and flies them.

No recordings of either are here; MAVSDK is PX4's own library, and knows nothing of how these vehicles are made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flightplan.formats import write_formats
from flightplan.mission import FencePolygon, Mission, MissionItem, RallyPoint
from sim.vehicle import Fleet, Home, PlaneVehicle, Px4Vehicle, SimulatedVehicle

HOME = Home(34.8333, -2.3333, 1500.0)
PATIENCE_S, SPEED = 120.0, 30.0
PX4, ARDUPILOT = 1, 2  # MAVSDK's Autopilot


def survey() -> Mission:
    """One line of 100 m at 30 m, a frame each 20 m, with a fence and a rally point."""
    start, end = HOME.moved(30.0, 0.0), HOME.moved(130.0, 0.0)
    corners = [HOME.moved(n, e) for n, e in ((-300, -300), (500, -300), (500, 300), (-300, 300))]
    rally = HOME.moved(0.0, 50.0)
    return Mission(
        (
            MissionItem(22, 3, (0, 0, 0, 0), HOME.lon, HOME.lat, 30.0),
            MissionItem(178, 2, (1, 8, -1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), start.lon, start.lat, 30.0),
            MissionItem(206, 2, (20.0, 0, 1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), end.lon, end.lat, 30.0),
            MissionItem(206, 2),
            MissionItem(20, 2, (0, 0, 0, 0)),
        ),
        home=(HOME.lon, HOME.lat),
        home_altitude_msl_m=1500.0,
        fence=(FencePolygon(tuple((c.lon, c.lat) for c in corners), True),),
        rally=(RallyPoint(rally.lon, rally.lat, 30.0),),
    )


class Client:
    """MAVSDK with the one vehicle."""

    def __init__(self, url: str) -> None:
        import mavsdk
        from mavsdk.plugins import action, mission_raw, param, telemetry

        self._sdk = mavsdk.Mavsdk(mavsdk.Configuration.create_with_component_type(mavsdk.ComponentType.GROUND_STATION))
        self._sdk.add_any_connection(url.replace("tcp:", "tcpout://"))
        self.system = self._sdk.first_autopilot(PATIENCE_S)
        self.mission, self.action = mission_raw.MissionRaw(self.system), action.Action(self.system)
        self.telemetry, self.param = telemetry.Telemetry(self.system), param.Param(self.system)
        self._changed = threading.Condition()
        self.texts: list[str] = []
        self.modes: list[str] = []
        self.armed: list[bool] = []
        self.telemetry.subscribe_status_text(lambda said, _=None: self._hear(self.texts, said.text))
        self.telemetry.subscribe_armed(lambda armed, _=None: self._hear(self.armed, armed))
        self.telemetry.subscribe_flight_mode(lambda mode, _=None: self._hear(self.modes, mode.name))

    def wait_for(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE_S), (self.texts, self.modes)

    def close(self) -> None:
        for plugin in (self.telemetry, self.param, self.mission, self.action):
            plugin.destroy()
        self._sdk.destroy()

    def _hear(self, heard: list[Any], what: Any) -> None:
        with self._changed:
            if not heard or heard[-1] != what:
                heard.append(what)
            self._changed.notify_all()


@contextmanager
def connected(vehicle: SimulatedVehicle, ready: str) -> Iterator[Client]:
    pytest.importorskip("mavsdk", reason="MAVSDK is not installed")
    with Fleet([vehicle], speed=SPEED) as fleet:
        # A client that is slow because this machine is would be asked for an item again, and send it twice.
        vehicle.transfers.retry_s = PATIENCE_S * SPEED
        client = Client(fleet.addresses[0])
        try:
            client.wait_for(lambda: ready in client.texts)
            yield client
        finally:
            client.close()


@pytest.fixture
def served() -> Iterator[tuple[Px4Vehicle, Client]]:
    vehicle = Px4Vehicle(HOME, 3)
    with connected(vehicle, "Ready for takeoff!") as client:
        yield vehicle, client


def wire(item: Any) -> tuple[Any, ...]:
    return item.command, *np.round((item.param1, item.param2, item.param3), 4), item.x, item.y, round(item.z, 2)


def test_mavsdk_loads_reads_back_and_flies_a_plan_on_the_px4(served: tuple[Px4Vehicle, Client], tmp_path: Path) -> None:
    vehicle, client = served
    assert client.system.autopilot_type() == PX4
    files = write_formats(survey(), tmp_path / "line")
    sent = client.mission.import_qgroundcontrol_mission(str(files["plan"]))
    lists = {
        "mission": (sent.mission_items, client.mission.upload_mission, client.mission.download_mission),
        "fence": (sent.geofence_items, client.mission.upload_geofence, client.mission.download_geofence),
        "rally": (sent.rally_items, client.mission.upload_rally_points, client.mission.download_rallypoints),
    }
    for name, (items, upload, download) in lists.items():
        upload(items)
        assert [wire(i) for i in download()] == [wire(i) for i in items], name
    client.action.arm()
    client.mission.start_mission()
    client.wait_for(lambda: True in client.armed and not client.armed[-1])
    assert [m for m in client.modes if m != "HOLD"] == ["MISSION", "RETURN_TO_LAUNCH"]
    assert len(vehicle.exposures) in (5, 6)


def test_mavsdk_sets_parameters_takes_off_holds_and_lands(served: tuple[Px4Vehicle, Client]) -> None:
    vehicle, client = served
    assert client.param.get_param_int("NAV_DLL_ACT") == 0
    client.param.set_param_int("NAV_DLL_ACT", 2)
    assert client.param.get_param_int("NAV_DLL_ACT") == 2
    client.param.set_param_float("MPC_XY_CRUISE", 7.5)
    assert client.param.get_param_float("MPC_XY_CRUISE") == pytest.approx(7.5)
    client.action.set_takeoff_altitude(12.0)
    client.action.arm()
    client.action.takeoff()
    client.wait_for(lambda: "HOLD" in client.modes[1:])
    assert vehicle.position[2] == pytest.approx(12.0, abs=1.0)
    client.action.land()
    client.wait_for(lambda: not client.armed[-1])
    assert client.modes[-1] == "LAND"


def test_mavsdk_flies_the_fixed_wing_round_its_mission_and_has_it_return() -> None:
    vehicle = PlaneVehicle(HOME, 3)
    with connected(vehicle, "EKF3 IMU0 is using GPS") as client:
        from mavsdk.plugins.mission_raw import MissionItem as RawItem

        assert client.system.autopilot_type() == ARDUPILOT
        far, wide = HOME.moved(900.0, 0.0), HOME.moved(900.0, 400.0)
        places = [(16, HOME, 0.0), (22, HOME, 60.0), (16, far, 80.0), (16, wide, 80.0), (17, HOME, 80.0)]
        items = [
            RawItem(n, 3, command, int(n == 0), 1, 0, 0, 0, 0, round(p.lat * 1e7), round(p.lon * 1e7), z, 0)
            for n, (command, p, z) in enumerate(places)
        ]
        client.mission.upload_mission(items)
        assert [wire(i) for i in client.mission.download_mission()[1:]] == [wire(i) for i in items[1:]]
        client.param.set_param_float("AIRSPEED_CRUISE", 20.0)
        client.action.arm()
        client.mission.start_mission()
        client.wait_for(
            lambda: "Reached waypoint #2" in "".join(client.texts) or "waypoint #3" in "".join(client.texts)
        )
        assert vehicle.body.airspeed == pytest.approx(20.0, abs=1.0)
        client.action.return_to_launch()
        client.wait_for(lambda: client.modes[-1] == "RETURN_TO_LAUNCH")
        assert "MISSION" in client.modes
        assert vehicle.flight.mode == 11
