"""The fixed wing. No recording of a real ArduPlane is here: these are what its documentation and flight itself say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle import Home, PlaneVehicle, Wind
from sim.vehicle.plane.body import PlaneBody, Wing
from sim.vehicle.plane.guidance import along_line, around

HOME = Home(lon=34.83, lat=-2.33, altitude_msl_m=1500.0, yaw_deg=0.0)
READY_S = 43.0
AUTO, RTL, LOITER, TAKEOFF, GUIDED = 10, 11, 12, 13, 15


def at(north_m: float, east_m: float, **row: float) -> dict[str, float]:
    place = HOME.moved(north_m, east_m)
    return {"command": 16, "x": round(place.lat * 1e7), "y": round(place.lon * 1e7), "z": 100.0, **row}


def survey(length_m: float = 900.0, spacing_m: float = 200.0, step_m: float = 50.0) -> list[dict[str, float]]:
    """Two lines with room to turn onto them, and home."""
    trigger, stop = {"command": 206, "frame": 2, "param1": step_m, "param3": 1}, {"command": 206, "frame": 2}
    return [
        at(0, 0, z=0),
        at(0, 0, command=22, param1=15, z=60.0),
        at(300, 0),
        at(600, 0),
        trigger,
        at(600 + length_m, 0),
        stop,
        at(900 + length_m, 0),
        at(900 + length_m, spacing_m),
        at(600 + length_m, spacing_m),
        trigger,
        at(600, spacing_m),
        stop,
        {"command": 20, "frame": 2},
    ]


def ready(station_class: type[Any], **options: Any) -> Any:
    one = station_class(PlaneVehicle(options.pop("home", HOME), 1, **options))
    one.until(READY_S)
    assert one.vehicle.ready
    return one


def flying(station_class: type[Any], items: list[dict[str, float]], **options: Any) -> Any:
    one = ready(station_class, **options)
    assert one.upload(items) == 0
    assert [one.command(176, 1, AUTO), one.command(400, 1)] == [0, 0]
    return one


def test_it_says_that_it_is_an_aeroplane(station_class: type[Any]) -> None:
    one = ready(station_class)
    beat = one.messages("HEARTBEAT")[-1][1]
    assert (beat.type, beat.autopilot, beat.custom_mode) == (1, 3, 0)
    listed = {m.param_id for m in one.send(mav.MAVLink_param_request_list_message(1, 1)) if "PARAM" in m.get_type()}
    assert {"AIRSPEED_CRUISE", "ROLL_LIMIT_DEG", "NAVL1_PERIOD", "WP_LOITER_RAD", "RTL_ALTITUDE"} <= listed
    assert not {"WPNAV_SPEED", "PSC_POSXY_P", "RTL_ALT", "ANGLE_MAX"} & listed


def test_with_room_to_turn_every_frame_of_a_survey_is_level_and_on_its_line(station_class: type[Any]) -> None:
    one = flying(station_class, survey())
    one.run(600.0, lambda: one.vehicle.mission.seq == 13)
    frames = one.vehicle.exposures
    assert 34 <= len(frames) <= 40
    north, east = (np.array([getattr(f, k) for f in frames]) for k in ("lat", "lon"))
    off_line = np.minimum(abs(east - HOME.lon), abs(east - HOME.moved(0, 200).lon)) * 111_226
    assert max(off_line) < 10.0
    assert max(abs(f.roll_deg) for f in frames) < 5.0
    assert np.diff(north[3:14]) * 111_319 == pytest.approx(50.0, abs=1.0)
    assert all(f.altitude_home_m == pytest.approx(100.0, abs=2.0) for f in frames)


def test_frames_of_a_turn_tell_its_bank(station_class: type[Any]) -> None:
    items = [row for row in survey() if row.get("command") != 206]
    items.insert(3, {"command": 206, "frame": 2, "param1": 25.0, "param3": 1})
    one = flying(station_class, items)
    one.run(600.0, lambda: one.vehicle.flight.mode == AUTO and one.vehicle.mission.seq == len(items) - 1)
    told = [m for _, m in one.messages("CAMERA_FEEDBACK")]
    banks = [abs(m.roll) for m in told]
    assert sum(bank > 30.0 for bank in banks) > 3
    assert sum(bank < 5.0 for bank in banks) > 50
    assert [m.roll for m in told] == pytest.approx([f.roll_deg for f in one.vehicle.exposures], abs=1e-4)


def test_turns_are_within_the_bank_limit_and_their_radius_follows_from_it(station_class: type[Any]) -> None:
    one = ready(station_class, parameters={"ROLL_LIMIT_DEG": 30})
    assert one.command(511, 30, 1e5) == 0
    assert one.command(511, 33, 1e5) == 0
    one.upload(survey())
    assert [one.command(176, 1, AUTO), one.command(400, 1)] == [0, 0]
    one.run(600.0, lambda: one.vehicle.mission.seq == 13)
    rolls = np.array([abs(math.degrees(m.roll)) for _, m in one.messages("ATTITUDE")])
    assert 28.0 < rolls.max() < 30.5
    # The tightest circle at 22 m/s and 30 degrees: v² / (g tan bank) = 85 m.
    rate = max(abs(m.yawspeed) for _, m in one.messages("ATTITUDE"))
    assert 22.0 / rate == pytest.approx(22.0**2 / (9.80665 * math.tan(math.radians(30))), rel=0.06)


def test_it_circles_home_at_the_return_height_and_does_not_land(station_class: type[Any]) -> None:
    one = flying(station_class, survey())
    one.run(60.0)
    assert one.command(20) == 0
    one.run(200.0)
    assert one.messages("HEARTBEAT")[-1][1].custom_mode == RTL
    circle = np.array([p[1:] for p in one.path if p[0] > one.vehicle.time_s - 40.0])
    assert np.hypot(circle[:, 0], circle[:, 1]) == pytest.approx(60.0, abs=8.0)
    assert circle[:, 2] == pytest.approx(100.0, abs=3.0)
    assert one.vehicle.armed


def test_loitering_it_circles_where_it_was_and_goes_on_with_the_mission(station_class: type[Any]) -> None:
    one = flying(station_class, survey())
    one.run(60.0)
    seq = one.vehicle.mission.seq
    assert one.command(193, 0) == 3, "there is no pause for an aeroplane"
    assert one.command(176, 1, LOITER) == 0
    centre = one.vehicle.position
    one.run(90.0)
    circle = np.array([p[1:] for p in one.path if p[0] > one.vehicle.time_s - 30.0])
    assert np.hypot(circle[:, 0] - centre[0], circle[:, 1] - centre[1]) == pytest.approx(60.0, abs=8.0)
    assert one.command(176, 1, AUTO) == 0
    one.run(2.0)
    assert one.vehicle.mission.seq == seq


def test_it_lands_where_its_mission_says_rolls_out_and_disarms(station_class: type[Any]) -> None:
    landing = [
        at(0, 0, z=0), at(0, 0, command=22, param1=15, z=60.0), at(800, 0, z=60.0), at(600, 300, command=189),
        at(800, 400, z=60.0), at(100, 400, z=40.0), at(-500, 400, command=21, z=0.0),
    ]  # fmt: skip
    one = flying(station_class, landing)
    one.run(300.0, lambda: not one.vehicle.armed)
    assert not one.vehicle.armed
    assert one.vehicle.position[1] == pytest.approx(400.0, abs=15.0)
    assert one.vehicle.position[0] == pytest.approx(-500.0, abs=120.0)
    touched = next(t for t in one.texts if t.startswith("SIM Hit ground"))
    assert float(touched.split()[4]) < 1.5


def test_it_goes_to_its_landing_when_told_to(station_class: type[Any]) -> None:
    items = [*survey()[:-1], at(600, 300, command=189), at(600, 400, z=50.0), at(-100, 400, command=21, z=0.0)]
    one = flying(station_class, items)
    one.run(60.0)
    assert one.command(189) == 0
    one.run(300.0, lambda: not one.vehicle.armed)
    assert not one.vehicle.armed
    two = flying(station_class, survey())
    two.run(60.0)
    assert two.command(189) == 4
    assert two.texts[-1] == "Unable to start landing sequence."


@pytest.mark.parametrize(("autoland", "over_home"), [(1, True), (2, False)])
def test_a_return_ends_on_the_ground_where_the_vehicle_is_set_so(
    station_class: type[Any], autoland: int, over_home: bool
) -> None:
    items = [*survey()[:-1], at(600, 300, command=189), at(600, 400, z=50.0), at(-100, 400, command=21, z=0.0)]
    one = flying(station_class, items, parameters={"RTL_AUTOLAND": autoland})
    one.run(60.0)
    left_s = one.vehicle.elapsed_s
    assert one.command(176, 1, RTL) == 0
    one.run(400.0, lambda: not one.vehicle.armed)
    assert not one.vehicle.armed
    near_home = min(math.hypot(p[1], p[2]) for p in one.path if p[0] > left_s)
    assert (near_home < 75.0) is over_home


def test_circles_of_a_mission_are_flown_their_turns(station_class: type[Any]) -> None:
    items = [at(0, 0, z=0), at(0, 0, command=22, param1=15, z=60.0), at(600, 0, command=18, param1=2, param3=80.0),
             at(1200, 0), {"command": 20, "frame": 2}]  # fmt: skip
    one = flying(station_class, items)
    one.run(400.0, lambda: one.vehicle.mission.seq == 3)
    began = next(t for t, m in one.messages("MISSION_ITEM_REACHED") if m.seq == 1)
    # To the circle some 450 m away, and twice round its 503 m, at 22 m/s.
    assert one.vehicle.time_s - began == pytest.approx((450 + 2 * 503) / 22.0, rel=0.2)


def test_it_crabs_into_a_crosswind_and_is_slower_against_the_wind(station_class: type[Any]) -> None:
    one = flying(station_class, survey(), wind=Wind(8.0, 90.0))
    one.run(600.0, lambda: len(one.vehicle.exposures) > 8)
    frame = one.vehicle.exposures[-1]
    # The nose points right of the line to the north, into the wind from the east: asin(8 / 22).
    assert frame.yaw_deg == pytest.approx(math.degrees(math.asin(8 / 22)), abs=3.0)
    assert one.vehicle.velocity[0] == pytest.approx(math.sqrt(22**2 - 8**2), abs=0.7)


def test_in_guided_it_goes_to_a_place_and_circles_there(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert [one.command(176, 1, TAKEOFF), one.command(400, 1)] == [0, 0]
    one.run(60.0)
    assert any(t.startswith("Takeoff complete") for t in one.texts)
    place = at(700, 300)
    assert one.command(176, 1, GUIDED) == 0
    one.send(mav.MAVLink_command_int_message(1, 1, 3, 192, 0, 0, -1, 1, 0, 0, place["x"], place["y"], 80.0))
    one.run(120.0)
    assert math.hypot(one.vehicle.position[0] - 700, one.vehicle.position[1] - 300) == pytest.approx(60.0, abs=8.0)
    assert one.vehicle.position[2] == pytest.approx(80.0, abs=2.0)


def test_its_failsafes_have_arduplanes_names_and_numbers(station_class: type[Any]) -> None:
    one = flying(station_class, survey(3000.0), battery_ah=0.5, parameters={"BATT_FS_LOW_ACT": 1, "BATT_LOW_MAH": 200})
    one.run(200.0, lambda: one.vehicle.flight.mode == RTL)
    assert "Battery Failsafe" in one.texts
    assert one.vehicle.flight.mode == RTL
    for action, mode in ((0, AUTO), (1, RTL)):
        two = flying(station_class, survey(3000.0), parameters={"FS_GCS_ENABL": 1, "FS_LONG_ACTN": action})
        two.run(30.0)
        two.silent = (two.vehicle.time_s, math.inf)
        two.run(10.0)
        assert any(t.startswith("GCS Failsafe On") for t in two.texts)
        assert two.vehicle.flight.mode == mode


def test_a_fence_turns_it_home_and_without_a_position_it_turns_where_it_is(station_class: type[Any]) -> None:
    fence = {"FENCE_ENABLE": 1, "FENCE_TYPE": 2, "FENCE_RADIUS": 700, "FENCE_ACTION": 1}
    one = flying(station_class, survey(), parameters=fence)
    one.run(120.0, lambda: one.vehicle.flight.mode == RTL)
    assert "Circle fence breached" in one.texts
    assert one.vehicle.flight.mode == RTL
    two = flying(station_class, survey())
    two.run(60.0)
    two.vehicle.gps_works = False
    two.run(15.0)
    began = two.vehicle.body.n, two.vehicle.body.e
    two.run(60.0)
    assert math.dist((two.vehicle.body.n, two.vehicle.body.e), began) < 400.0
    two.vehicle.gps_works = True
    two.run(400.0, lambda: two.vehicle.mission.seq == 13)
    assert two.vehicle.mission.seq == 13, "it goes on with its mission"


def test_slower_than_its_stall_a_wing_falls_and_a_banked_one_sooner() -> None:
    for bank_deg, speed, stalls in ((0.0, 12.0, False), (0.0, 10.0, True), (45.0, 12.0, True), (45.0, 14.0, False)):
        body = PlaneBody(Wing(), 0.0)
        body.u, body.airspeed, body.roll = 100.0, speed, math.radians(bank_deg)
        body.glide(0.02, math.radians(bank_deg), 0.0, speed, 0.0, 0.0)
        assert body.stalled is stalls


def test_without_a_motor_it_glides_its_ratio() -> None:
    body = PlaneBody(Wing(), 0.0)
    body.u, body.airspeed = 500.0, 22.0
    for _ in range(2000):
        body.glide(0.02, 0.0, 2.0, 22.0, 0.0, 0.0, motor=False)
    assert body.n / (500.0 - body.u) == pytest.approx(12.0, rel=0.1)


headings = st.floats(-math.pi, math.pi)


@settings(max_examples=25)
@given(st.floats(-400, 400), headings, st.floats(15, 30))
def test_guidance_brings_it_onto_a_line_from_anywhere(off_m: float, heading: float, speed: float) -> None:
    n, e = 0.0, off_m
    for _ in range(3000):
        velocity = (speed * math.cos(heading), speed * math.sin(heading))
        right = along_line((n, e), velocity, (0.0, 0.0), (100_000.0, 0.0), 17.0, 0.75)
        heading += min(max(right, -9.8), 9.8) / speed * 0.05
        n, e = n + speed * math.cos(heading) * 0.05, e + speed * math.sin(heading) * 0.05
    assert abs(e) < 2.0
    assert math.cos(heading) > 0.999


@settings(max_examples=25)
@given(st.floats(-400, 400), headings, st.booleans())
def test_guidance_brings_it_round_a_circle_its_way(off_m: float, heading: float, clockwise: bool) -> None:
    n, e, speed, turned = 0.0, off_m, 22.0, 0.0
    for step in range(4000):
        velocity = (speed * math.cos(heading), speed * math.sin(heading))
        right, _ = around((n, e), velocity, (50.0, 20.0), 90.0, clockwise, 17.0, 0.75)
        turn = min(max(right, -9.8), 9.8) / speed * 0.05
        heading += turn
        turned += turn if step > 3000 else 0.0
        n, e = n + speed * math.cos(heading) * 0.05, e + speed * math.sin(heading) * 0.05
    assert math.hypot(n - 50.0, e - 20.0) == pytest.approx(90.0, abs=4.0)
    assert turned * (1 if clockwise else -1) > 6.0
