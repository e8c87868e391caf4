"""The ground under the simulated vehicle, what it carries, and who may speak to it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from click.testing import CliRunner
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.terrain import Terrain
from sim.commands.vehicle import vehicle_command
from sim.vehicle import Equipment, Home, SimulatedVehicle

HOME = Home(lon=34.83, lat=-2.33, altitude_msl_m=1500.0)
METRES_PER_DEGREE = 111_318.845
READY_S = 43.0
SLOPE = 0.1


def hillside(slope: float = SLOPE) -> Terrain:
    """Ground that rises to the north, by `slope` metres a metre, from 1420 m at home: another datum than the home's."""
    step = 0.0005
    rows = np.arange(80)[:, None]
    north_m = ((40 - rows - 0.5) * step) * METRES_PER_DEGREE
    grid = np.broadcast_to(1420.0 + slope * north_m, (80, 80)).copy()
    west, north = HOME.lon - 40 * step, HOME.lat + 40 * step
    return Terrain(grid_m=grid, crs=pyproj.CRS("EPSG:4326"), transform=(step, 0.0, west, 0.0, -step, north))


def at(north_m: float, east_m: float, **row: float) -> dict[str, float]:
    place = HOME.moved(north_m, east_m)
    return {"command": 16, "x": round(place.lat * 1e7), "y": round(place.lon * 1e7), "z": 60.0, **row}


def ready(station_class: type[Any], **options: Any) -> Any:
    one = station_class(SimulatedVehicle(HOME, 1, parameters={"AUTO_OPTIONS": 3}, **options))
    one.until(READY_S)
    return one


def flown(station_class: type[Any], items: list[dict[str, float]], **options: Any) -> Any:
    one = ready(station_class, **options)
    assert one.upload(items) == 0
    assert [one.command(176, 1, 3), one.command(400, 1), one.command(300)] == [0, 0, 0]
    one.run(400.0, lambda: not one.vehicle.armed)
    return one


def line(frame: int) -> list[dict[str, float]]:
    return [
        at(0, 0, z=0),
        at(0, 0, command=22),
        at(50, 0, frame=frame),
        {"command": 206, "frame": 2, "param1": 50, "param3": 1},
        at(450, 0, frame=frame),
        {"command": 206, "frame": 2},
        {"command": 20, "frame": 2},
    ]


# --- the ground -------------------------------------------------------------------------------------------------------


def test_over_a_hillside_a_height_above_home_is_another_height_above_ground(station_class: type[Any]) -> None:
    one = flown(station_class, line(3), terrain=hillside())
    for frame in one.vehicle.exposures:
        north_m = (frame.lat - HOME.lat) * METRES_PER_DEGREE
        assert frame.altitude_home_m == pytest.approx(60.0, abs=0.5)
        assert frame.altitude_msl_m == pytest.approx(1560.0, abs=0.5)
        assert frame.altitude_ground_m == pytest.approx(60.0 - SLOPE * north_m, abs=0.7)


def test_heights_above_ground_are_followed_over_the_hillside(station_class: type[Any]) -> None:
    one = flown(station_class, line(10), terrain=hillside())
    frames = one.vehicle.exposures
    assert len(frames) >= 8
    assert [f.altitude_ground_m for f in frames] == pytest.approx([60.0] * len(frames), abs=1.0)
    assert frames[-1].altitude_home_m - frames[0].altitude_home_m > 30.0


@pytest.mark.parametrize(("kind", "over_ground_m"), [(0, 34.0), (1, 60.0)])
def test_its_return_keeps_its_height_above_home_or_above_ground(
    station_class: type[Any], kind: int, over_ground_m: float
) -> None:
    vehicle = SimulatedVehicle(HOME, 1, parameters={"RTL_ALT_TYPE": kind, "RTL_ALT": 3000}, terrain=hillside(0.2))
    one = station_class(vehicle)
    one.until(READY_S)
    assert [one.command(176, 1, 4), one.command(400, 1), one.command(22, 0, 0, 0, 0, 0, 0, 30)] == [0, 0, 0]
    one.run(25.0)
    row = at(-300, 0)
    one.send(mav.MAVLink_command_int_message(1, 1, 3, 192, 0, 0, -1, 1, 0, 0, row["x"], row["y"], 0.0))
    one.run(90.0)
    # As high as home, which is 60 m above the ground here.
    assert vehicle.position == pytest.approx((-300.0, 0.0, 0.0), abs=1.0)
    assert one.command(176, 1, 6) == 0
    one.run(300.0, lambda: vehicle.position[0] > -20.0)
    assert vehicle.position[2] - vehicle.body.floor == pytest.approx(over_ground_m, abs=1.5)


def test_over_a_plane_the_heights_are_the_same(station_class: type[Any]) -> None:
    one = flown(station_class, line(10))
    assert all(f.altitude_ground_m == f.altitude_home_m == pytest.approx(60.0, abs=0.5) for f in one.vehicle.exposures)


def test_it_lands_on_the_hillside_and_crashes_into_a_steeper_one(station_class: type[Any]) -> None:
    uphill = [at(0, 0, z=0), at(0, 0, command=22, z=40.0), at(200, 0, z=40.0), at(200, 0, command=21, z=0)]
    one = flown(station_class, uphill, terrain=hillside())
    assert not one.vehicle.armed
    assert one.vehicle.body.u == pytest.approx(SLOPE * 200, abs=0.5)
    two = flown(station_class, [*uphill[:2], at(400, 0, z=40.0)], terrain=hillside(0.2))
    assert any(t.startswith("Crash: Disarming") for t in two.texts)
    assert two.vehicle.position[0] == pytest.approx(200.0, abs=15.0)


def test_it_tells_the_ground_under_it_when_asked(station_class: type[Any]) -> None:
    one = ready(station_class, terrain=hillside())
    assert [one.command(176, 1, 4), one.command(400, 1), one.command(22, 0, 0, 0, 0, 0, 0, 30)] == [0, 0, 0]
    one.run(20.0)
    row = at(300, 0)
    one.send(mav.MAVLink_command_int_message(1, 1, 3, 192, 0, 0, -1, 1, 0, 0, row["x"], row["y"], 60.0))
    one.run(60.0)
    assert one.command(512, 136) == 0
    report = one.messages("TERRAIN_REPORT")[-1][1]
    assert report.terrain_height == pytest.approx(1500 + SLOPE * 300, abs=0.7)
    assert report.current_height == pytest.approx(60 - SLOPE * 300, abs=0.7)
    assert report.spacing > 0
    plain = ready(station_class)
    plain.send(mav.MAVLink_terrain_check_message(row["x"], row["y"]))
    assert plain.messages("TERRAIN_REPORT")[-1][1].spacing == 0, "no elevation model"


# --- camera, card, Remote ID ------------------------------------------------------------------------------------------


def test_a_test_picture_is_taken_on_the_ground(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert one.command(203, 0, 0, 0, 0, 0) == 0
    assert one.messages("CAMERA_FEEDBACK") == [], "nothing is to be shot"
    assert one.command(203, 0, 0, 0, 0, 1) == 0
    one.run(0.1)
    assert one.messages("CAMERA_FEEDBACK")[-1][1].img_idx == 1
    assert one.command(2000, 0, 0, 1) == 0
    one.run(0.1)
    assert one.messages("CAMERA_FEEDBACK")[-1][1].img_idx == 2


def test_a_card_tells_what_is_left_of_it_and_a_camera_without_one_does_not(station_class: type[Any]) -> None:
    one = ready(station_class, equipment=Equipment(card_mb=1048.576, frame_mb=10.48576))
    for _ in range(3):
        one.command(203, 0, 0, 0, 0, 1)
    assert one.command(512, 261) == 0
    card = one.messages("STORAGE_INFORMATION")[-1][1]
    assert (card.total_capacity, card.used_capacity, card.available_capacity) == (1000.0, 30.0, 970.0)
    assert (card.status, card.get_srcComponent()) == (2, 100)
    assert ready(station_class).command(512, 261) == 4


def test_remote_id_is_told_when_there_is_a_transmitter_and_bars_arming_when_it_is_not_ready(
    station_class: type[Any],
) -> None:
    assert ready(station_class).messages("OPEN_DRONE_ID_ARM_STATUS") == []
    good = ready(station_class, equipment=Equipment(remote_id=""))
    assert good.messages("OPEN_DRONE_ID_ARM_STATUS")[-1][1].status == 0
    assert good.command(400, 1) == 0
    bad = ready(station_class, equipment=Equipment(remote_id="missing operator location"))
    status = bad.messages("OPEN_DRONE_ID_ARM_STATUS")[-1][1]
    assert (status.status, status.error) == (1, "missing operator location")
    assert bad.command(400, 1) == 4
    assert bad.texts[-1] == "Arm: OpenDroneID: missing operator location"


# --- signing ----------------------------------------------------------------------------------------------------------

KEY = bytes(range(32))
START_S = 1_790_000_000.0


class Signed:
    """A ground station that signs, or not."""

    def __init__(self, vehicle: SimulatedVehicle, key: bytes | None) -> None:
        self.vehicle = vehicle
        self.out, self.parser = mav.MAVLink(None, srcSystem=255), mav.MAVLink(None)
        self.parser.robust_parsing = True
        if key is not None:
            for protocol in (self.out, self.parser):
                protocol.signing.secret_key, protocol.signing.sign_outgoing = key, True
                protocol.signing.timestamp = round((START_S + 60.0 - 1_420_070_400) * 1e5)

    def ask(self) -> list[str]:
        request = mav.MAVLink_param_request_read_message(1, 1, b"RTL_ALT", -1)
        self.vehicle.receive(request.pack(self.out))
        return [m.get_type() for m in self.parser.parse_buffer(self.vehicle.collect()) or ()]


def test_with_a_key_it_answers_only_who_signs_with_the_same() -> None:
    vehicle = SimulatedVehicle(HOME, equipment=Equipment(signing_key=KEY), start_time_utc_s=START_S)
    vehicle.step(45.0)
    assert "PARAM_VALUE" in Signed(vehicle, KEY).ask()
    assert "PARAM_VALUE" not in Signed(vehicle, bytes(32)[:-1] + b"x").ask()
    assert "PARAM_VALUE" not in Signed(vehicle, None).ask()
    open_to_all = SimulatedVehicle(HOME, start_time_utc_s=START_S)
    open_to_all.step(45.0)
    assert "PARAM_VALUE" in Signed(open_to_all, None).ask()


def test_a_packet_recorded_and_sent_again_is_not_obeyed() -> None:
    vehicle = SimulatedVehicle(HOME, equipment=Equipment(signing_key=KEY), start_time_utc_s=START_S)
    vehicle.step(45.0)
    station = Signed(vehicle, KEY)
    packet = mav.MAVLink_param_set_message(1, 1, b"RTL_ALT", 2000, 9).pack(station.out)
    vehicle.receive(packet)
    assert vehicle.parameters["RTL_ALT"] == 2000
    vehicle.parameters.set("RTL_ALT", 1500)
    vehicle.receive(packet)
    assert vehicle.parameters["RTL_ALT"] == 1500


def test_a_key_can_be_given_and_taken_back_over_the_link() -> None:
    vehicle = SimulatedVehicle(HOME, start_time_utc_s=START_S)
    vehicle.step(45.0)
    plain, signed = Signed(vehicle, None), Signed(vehicle, KEY)
    vehicle.receive(mav.MAVLink_setup_signing_message(1, 1, list(KEY), 0).pack(plain.out))
    assert "PARAM_VALUE" not in plain.ask()
    assert "PARAM_VALUE" in signed.ask()
    vehicle.receive(mav.MAVLink_setup_signing_message(1, 1, [0] * 32, 0).pack(signed.out))
    assert "PARAM_VALUE" in plain.ask()


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_names_a_file_that_is_no_elevation_model(tmp_path: Path) -> None:
    path = tmp_path / "hill.tif"
    path.write_text("no raster")
    result = CliRunner().invoke(vehicle_command, ["--terrain", str(path), "--listen", "tcp:127.0.0.1:0"])
    assert result.exit_code == 1
    assert "hill.tif" in result.output


def test_the_command_names_a_key_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("")
    result = CliRunner().invoke(vehicle_command, ["--signing-key", str(path), "--listen", "tcp:127.0.0.1:0"])
    assert result.exit_code == 1
    assert "key" in result.output


def test_distances_on_the_hillside_are_what_the_test_thinks() -> None:
    heights = hillside().heights_m([(HOME.lon, HOME.lat), (HOME.lon, HOME.moved(300, 0).lat)])
    assert heights[1] - heights[0] == pytest.approx(30.0, abs=0.1)
    assert math.isfinite(heights[0])
