"""What goes wrong in a simulated vehicle itself: it starts anew, loses a motor, believes a wrong compass."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError
from flightplan.mission import Mission, MissionItem
from flightplan.vehicle.flight import Outcome, fly_sortie
from flightplan.vehicle.link import Link
from sim.faults import FAULTY, Aircraft, Faults, FaultyPlane, FaultyVehicle
from sim.vehicle import Fleet, Home, SimulatedVehicle

HOME = Home(lon=34.83, lat=-2.33, altitude_msl_m=1500.0)
READY_S = 43.0


def at(north_m: float, east_m: float, **row: float) -> dict[str, float]:
    place = HOME.moved(north_m, east_m)
    return {"command": 16, "x": round(place.lat * 1e7), "y": round(place.lon * 1e7), "z": 60.0, **row}


def line(length_m: float = 600.0) -> list[dict[str, float]]:
    return [
        at(0, 0, z=0),
        at(0, 0, command=22),
        at(40, 0),
        {"command": 206, "frame": 2, "param1": 25, "param3": 1},
        at(40 + length_m, 0),
        {"command": 20, "frame": 2},
    ]


def flying(station_class: type[Any], faults: Faults, make: type[FaultyVehicle] = FaultyVehicle, **options: Any) -> Any:
    options.setdefault("parameters", {"AUTO_OPTIONS": 3} if make is FaultyVehicle else {})
    one = station_class(make(HOME, 1, faults=faults, **options))
    one.until(READY_S)
    assert one.upload(line()) == 0
    assert [one.command(176, 1, one.vehicle.modes.auto), one.command(400, 1), one.command(300)] == [0, 0, 0]
    return one


# --- starting anew ----------------------------------------------------------------------------------------------------


def test_a_vehicle_that_starts_anew_boots_again_and_keeps_what_is_stored(station_class: type[Any]) -> None:
    one = station_class(SimulatedVehicle(HOME, parameters={"AUTO_OPTIONS": 3}))
    one.until(READY_S)
    one.upload(line())
    one.send(mav.MAVLink_param_set_message(1, 1, b"RTL_ALT", 3000, 9))
    assert one.command(511, 33, 1e5) == 0
    one.heard.clear()
    assert one.command(246, 1) == 0
    one.run(2.0)
    assert [m.get_type() for _, m in one.heard] == ["COMMAND_ACK"], "deaf and mute while it starts"
    one.run(10.0)
    assert one.texts[:2] == ["RCInput: decoding UDP (Pulses)", "Calibrating barometer"]
    assert not one.vehicle.ready
    assert one.messages("GLOBAL_POSITION_INT") == [], "streams are forgotten"
    assert [one.command(176, 1, 4), one.command(400, 1)] == [0, 4]
    one.run(40.0)
    assert one.vehicle.ready
    assert one.send(mav.MAVLink_mission_request_list_message(1, 1))[0].count == len(line())
    assert one.send(mav.MAVLink_param_request_read_message(1, 1, b"RTL_ALT", -1))[0].param_value == 3000
    assert one.vehicle.elapsed_s > one.vehicle.time_s + 40.0


def test_an_armed_vehicle_does_not_start_anew_by_command(station_class: type[Any]) -> None:
    one = flying(station_class, Faults())
    one.run(10.0)
    assert one.command(246, 1) == 4
    assert one.vehicle.armed


def test_starting_anew_in_an_upload_it_keeps_the_accepted_items_and_is_not_ready(station_class: type[Any]) -> None:
    one = station_class(FaultyVehicle(HOME, 1, faults=Faults(restart=3, restart_s=4.0)))
    one.until(READY_S)
    one.send(mav.MAVLink_mission_count_message(1, 1, len(line()), 0))
    for seq in range(4):
        one.send(mav.MAVLink_mission_item_int_message(1, 1, seq, 3, 16, 0, 1, 0, 0, 0, 0, 1000, 1000, 60.0))
    one.run(5.0)
    assert not one.vehicle.ready
    assert not one.vehicle.transfers.uploading
    assert one.send(mav.MAVLink_mission_request_list_message(1, 1))[0].count == 3, "the accepted prefix is a mission"
    one.run(42.0)
    assert one.vehicle.ready


def test_a_vehicle_that_starts_anew_in_the_air_falls(station_class: type[Any]) -> None:
    one = flying(station_class, Faults(reboot_s=40.0))
    one.run(39.0)
    assert one.vehicle.body.u == pytest.approx(60.0, abs=1.0)
    one.run(12.0)
    assert one.vehicle.body.u == 0.0
    assert not one.vehicle.armed
    assert one.vehicle.time_s < 10.0


# --- motor ------------------------------------------------------------------------------------------------------------


def test_a_quad_without_a_motor_falls_and_says_that_it_crashed(station_class: type[Any]) -> None:
    one = flying(station_class, Faults(motor_s=40.0))
    one.run(39.0)
    assert one.vehicle.body.u > 50.0
    one.run(10.0)
    assert (one.vehicle.body.u, one.vehicle.armed) == (0.0, False)
    assert "Potential Thrust Loss (1)" in one.texts
    assert any(t.startswith("Crash: Disarming") for t in one.texts)
    hit = next(float(t.split()[4]) for t in one.texts if t.startswith("SIM Hit ground"))
    assert 8.0 < hit < 20.0


def test_a_fixed_wing_without_its_motor_glides_down(station_class: type[Any]) -> None:
    one = flying(station_class, Faults(motor_s=30.0), FaultyPlane)
    one.run(29.0)
    top = one.vehicle.body.u
    assert top > 50.0
    one.run(10.0)
    assert 1.0 < (top - one.vehicle.body.u) / 10.0 < 3.0
    one.run(60.0)
    assert one.vehicle.body.u == 0.0


# --- compass ----------------------------------------------------------------------------------------------------------


def test_a_flipped_compass_is_told_in_the_frames_and_throws_it_off_its_line(station_class: type[Any]) -> None:
    plain, one = flying(station_class, Faults()), flying(station_class, Faults(compass_s=50.0))
    for station in (plain, one):
        station.run(49.0)
    assert one.vehicle.position == plain.vehicle.position
    for station in (plain, one):
        station.run(2.0)
    assert one.vehicle.yaw_error == pytest.approx(math.pi)
    one.vehicle.shutter.fire()
    one.run(0.1)
    frame, truth = one.messages("CAMERA_FEEDBACK")[-1][1], one.vehicle.exposures[-1]
    assert abs((frame.yaw - truth.yaw_deg) % 360) == pytest.approx(180.0, abs=0.1)
    one.run(3.0)
    assert "EKF3 IMU0 emergency yaw reset" in one.texts
    off = math.dist(one.vehicle.position[:2], plain.vehicle.position[:2])
    assert off > 5.0
    one.run(90.0, lambda: not one.vehicle.armed)
    assert one.vehicle.yaw_error == 0.0


# --- traffic ----------------------------------------------------------------------------------------------------------


def test_aircraft_that_fly_by_are_told_where_they_are(station_class: type[Any]) -> None:
    plane = Aircraft("5H-ABC", 10.0, 40.0, north_m=-2000.0, east_m=300.0, height_m=150.0, course_deg=0.0, speed_mps=60)
    one = flying(station_class, Faults(traffic=(plane,)))
    one.run(60.0)
    told = one.messages("ADSB_VEHICLE")
    assert 28 <= len(told) <= 31
    since_s, seen = told[10][0] - one.vehicle.armed_s, told[10][1]
    assert (seen.lat / 1e7 - HOME.lat) * 111_319 == pytest.approx(-2000 + 60 * (since_s - 10), abs=40.0)
    assert seen.altitude == 1_650_000
    assert (seen.callsign, seen.heading, seen.hor_velocity) == ("5H-ABC", 0, 6000)
    assert seen.flags & (1 | 2 | 4 | 8) == 15


# --- scripts and chance -----------------------------------------------------------------------------------------------


def test_a_script_tells_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "day.toml"
    path.write_text(
        "motor_s = 90\ncompass_s = 40.5\nreboot_s = 200\n"
        '[[traffic]]\ncallsign = "5H-ABC"\nfrom_s = 10\nspeed_mps = 60\n[[traffic]]\nnorth_m = 500\n'
    )
    assert Faults.parse(str(path)) == Faults(
        motor_s=90.0, compass_s=40.5, reboot_s=200.0,
        traffic=(Aircraft("5H-ABC", from_s=10.0, speed_mps=60.0), Aircraft(north_m=500.0)),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["traffic = 3", "[[traffic]]\nwings = 2", "motor_s = 'soon'", "compass_lasts_s = -1"])
def test_a_script_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "day.toml"
    path.write_text(text)
    with pytest.raises(VehicleError):
        Faults.parse(str(path))


def test_chance_is_the_same_for_a_seed_and_covers_every_fault() -> None:
    drawn = [Faults.parse("random", seed) for seed in range(400)]
    assert drawn == [Faults.at_random(seed) for seed in range(400)]
    shares = {
        name: np.mean([bool(getattr(f, name)) for f in drawn])
        for name in ("loss", "cut", "gps", "sag_s", "shots", "motor_s", "compass_s", "reboot_s", "restart", "refuse",
                     "traffic")
    }  # fmt: skip
    assert all(0.005 < share < 0.65 for share in shares.values()), shares
    assert shares["loss"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("kind", list(FAULTY))
def test_every_kind_flies_through_a_bad_day_without_breaking(station_class: type[Any], kind: str) -> None:
    for seed in range(6):
        one = station_class(FAULTY[kind](HOME, seed, faults=Faults.at_random(seed)))
        one.until(READY_S)
        for command in ((300,), (176, 1, one.vehicle.modes.auto), (400, 1)):
            one.vehicle.receive(
                mav.MAVLink_command_long_message(1, 1, command[0], 0, *command[1:], *[0] * (8 - len(command))).pack(
                    mav.MAVLink(None, srcSystem=255)
                )
            )
        one.until(READY_S + 60.0)
        assert one.messages("HEARTBEAT")


def test_a_vehicle_that_starts_anew_in_an_upload_is_flown_all_the_same(tmp_path: Path) -> None:
    clock = SimulatedClock(1.79e9)
    safe = {"AUTO_OPTIONS": 3, "FS_GCS_ENABLE": 1, "BATT_FS_LOW_ACT": 2}
    vehicle = FaultyVehicle(HOME, 2, faults=Faults(restart=3), parameters=safe)
    first, last = HOME.moved(40.0, 0.0), HOME.moved(140.0, 0.0)
    mission = Mission(
        (
            MissionItem(22, 3, (0, 0, 0, 0), HOME.lon, HOME.lat, 40.0),
            MissionItem(16, 3, (0, 0, 0, 0), first.lon, first.lat, 40.0),
            MissionItem(206, 2, (20, 0, 1, 0)),
            MissionItem(16, 3, (0, 0, 0, 0), last.lon, last.lat, 40.0),
            MissionItem(20, 2, (0, 0, 0, 0)),
        ),
        home=(HOME.lon, HOME.lat),
    )
    with Fleet([vehicle], clock=clock) as fleet, Link.connect(fleet.addresses[0], clock=clock) as link:
        result = fly_sortie(link, mission, log_folder=tmp_path / "log")
    assert (result.outcome, result.transfers["mission"].attempts) == (Outcome.COMPLETED, 2)
    assert vehicle.elapsed_s > vehicle.time_s, "it did start anew"
    assert len(result.captures) == len(vehicle.exposures) > 4
