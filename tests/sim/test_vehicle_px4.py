"""The PX4-like vehicle. No recording of a real PX4 is here: these are what its sources and MAVLink's pages say."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle import Home, Wind
from sim.vehicle.px4 import Px4Vehicle

HOME = Home(lon=34.83, lat=-2.33, altitude_msl_m=1500.0, yaw_deg=90.0)
READY_S = 14.0
MISSION, HOLD, RETURN, LANDING, TAKEOFF = (4, 4), (4, 3), (4, 5), (4, 6), (4, 2)


def at(north_m: float, east_m: float, **row: float) -> dict[str, float]:
    place = HOME.moved(north_m, east_m)
    return {"command": 16, "frame": 6, "x": round(place.lat * 1e7), "y": round(place.lon * 1e7), "z": 40.0, **row}


def survey(length_m: float = 200.0) -> list[dict[str, float]]:
    """Two lines to the north with a distance trigger, and home. The first item is number 0."""
    return [
        at(0, 0, command=22),
        {"command": 178, "frame": 2, "param1": 1, "param2": 8},
        at(40, 0),
        {"command": 206, "frame": 2, "param1": 25, "param3": 1},
        at(40 + length_m, 0),
        {"command": 206, "frame": 2, "param1": 0},
        at(40 + length_m, 60),
        {"command": 206, "frame": 2, "param1": 25, "param3": 1},
        at(40, 60),
        {"command": 206, "frame": 2, "param1": 0},
        {"command": 20, "frame": 2},
    ]


def ready(station_class: type[Any], **options: Any) -> Any:
    one = station_class(Px4Vehicle(HOME, 1, **options))
    one.until(READY_S)
    assert one.vehicle.ready
    return one


def modes(one: Any) -> list[tuple[int, int]]:
    """The modes that the heartbeats told, each once in a row."""
    told = [(m.custom_mode >> 16 & 0xFF, m.custom_mode >> 24) for _, m in one.messages("HEARTBEAT")]
    return [mode for i, mode in enumerate(told) if i == 0 or told[i - 1] != mode]


def flown(station_class: type[Any], items: list[dict[str, float]], **options: Any) -> Any:
    one = ready(station_class, **options)
    assert one.upload(items) == 0
    assert one.command(300) == 0
    one.run(900.0, lambda: not one.vehicle.armed)
    assert not one.vehicle.armed
    return one


def test_it_says_that_it_is_a_px4_and_what_it_does(station_class: type[Any]) -> None:
    one = flown(station_class, survey())
    beat = one.messages("HEARTBEAT")[-1][1]
    assert (beat.type, beat.autopilot) == (2, 12)
    assert modes(one) == [HOLD, MISSION, RETURN]
    assert one.messages("AUTOPILOT_VERSION") == []
    assert one.command(512, 148) == 0
    version = one.messages("AUTOPILOT_VERSION")[-1][1]
    for capability in ("PARAM_ENCODE_BYTEWISE", "MISSION_INT", "COMMAND_INT", "MISSION_FENCE", "MAVLINK2"):
        assert version.capabilities & getattr(mav, f"MAV_PROTOCOL_CAPABILITY_{capability}")
    assert version.flight_sw_version >> 24 == 1


def test_a_survey_is_flown_and_each_frame_told_with_its_attitude(station_class: type[Any]) -> None:
    one = flown(station_class, survey())
    frames = one.vehicle.exposures
    # Nine places on each line of 200 m, of which the corner, rounded by NAV_ACC_RAD of 10 m, leaves out the last.
    assert len(frames) == 16
    told = [m for _, m in one.messages("CAMERA_IMAGE_CAPTURED")]
    assert len(told) == len(frames) == len(one.messages("CAMERA_TRIGGER"))
    for m, truth in zip(told, frames, strict=True):
        assert m.image_index == truth.index
        assert m.lat / 1e7 == pytest.approx(truth.lat, abs=1e-7)
        assert m.relative_alt / 1000 == pytest.approx(truth.altitude_home_m, abs=0.01)
        w, x, y, z = m.q
        yaw = math.degrees(math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
        assert (yaw - truth.yaw_deg + 180) % 360 - 180 == pytest.approx(0.0, abs=0.01)
        assert math.degrees(math.asin(2 * (w * y - z * x))) == pytest.approx(truth.pitch_deg, abs=0.01)
    reached = [m.seq for _, m in one.messages("MISSION_ITEM_REACHED")]
    assert reached == [0, 2, 4, 6, 8, 10]
    assert one.vehicle.position[:2] == pytest.approx((0.0, 0.0), abs=1.0)


def test_it_asks_with_integers_from_item_0_and_reads_back_without_home(station_class: type[Any]) -> None:
    one = ready(station_class)
    items = survey()
    assert one.upload(items) == 0
    asked = [m for _, m in one.messages("MISSION_REQUEST_INT")]
    assert [m.seq for m in asked] == list(range(len(items)))
    assert one.messages("MISSION_REQUEST") == []
    count = one.send(mav.MAVLink_mission_request_list_message(1, 1))[0]
    assert count.count == len(items)
    for seq, row in enumerate(items):
        back = one.send(mav.MAVLink_mission_request_int_message(1, 1, seq))[0]
        assert (back.get_type(), back.seq, back.command) == ("MISSION_ITEM_INT", seq, row["command"])
        assert (back.frame, back.x, back.y, back.z) == (row["frame"], row.get("x", 0), row.get("y", 0), row.get("z", 0))


def raw(one: Any, name: str) -> bytes:
    """The payload of the last message of a kind, zeros that MAVLink 2 leaves out filled in."""
    packet = bytes(one.messages(name)[-1][1].get_msgbuf())
    return packet[10 : 10 + packet[1]].ljust(32, b"\0")


def test_a_checksum_tells_one_mission_from_another(station_class: type[Any]) -> None:
    one = ready(station_class)
    told = []
    for items in (survey(), survey(201.0), survey()):
        one.upload(items)
        accepted = struct.unpack_from("<I", raw(one, "MISSION_ACK"), 4)[0]
        one.send(mav.MAVLink_mission_request_list_message(1, 1))
        counted = struct.unpack_from("<I", raw(one, "MISSION_COUNT"), 5)[0]
        one.run(1.5)
        current = struct.unpack_from("<I", raw(one, "MISSION_CURRENT"), 6)[0]
        assert accepted == counted == current != 0
        told.append(counted)
    assert told[0] == told[2] != told[1]
    one.send(mav.MAVLink_mission_clear_all_message(1, 1))
    one.send(mav.MAVLink_mission_request_list_message(1, 1))
    assert struct.unpack_from("<I", raw(one, "MISSION_COUNT"), 5)[0] == 0


def test_the_checksum_is_that_of_px4s_packing(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.upload([{"command": 20, "frame": 2}])
    # CRC-32 (reflected 0x04C11DB7) without inversions over frame 2, command 20, autocontinue 1 and 28 zeros, by hand.
    crc = 0
    for byte in [2, 20, 0, 1, *[0] * 28]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    assert struct.unpack_from("<I", raw(one, "MISSION_ACK"), 4)[0] == crc


def test_a_refused_upload_leaves_the_mission_that_was_there(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.upload(survey())
    bad = [at(0, 0, command=22), at(40, 0), at(40, 0, command=31000)]
    assert one.upload(bad) == mav.MAV_MISSION_UNSUPPORTED
    assert one.upload([at(0, 0, frame=7)]) == mav.MAV_MISSION_UNSUPPORTED_FRAME
    assert one.send(mav.MAVLink_mission_request_list_message(1, 1))[0].count == len(survey())


def test_a_silent_upload_is_asked_for_again_and_then_forgotten(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.upload(survey())
    one.send(mav.MAVLink_mission_count_message(1, 1, 3))
    before = len(one.messages("MISSION_REQUEST_INT"))
    one.run(8.0)
    assert 15 <= len(one.messages("MISSION_REQUEST_INT")) - before <= 21
    assert "Operation timeout" in one.texts
    assert len(one.messages("MISSION_ACK")) == 1
    assert one.send(mav.MAVLink_mission_request_list_message(1, 1))[0].count == len(survey())


def test_the_last_item_again_is_acknowledged_again(station_class: type[Any]) -> None:
    one = ready(station_class)
    items = survey()
    one.upload(items)
    again = one.send(mav.MAVLink_mission_item_int_message(1, 1, len(items) - 1, 2, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0))
    assert [(m.get_type(), m.type) for m in again] == [("MISSION_ACK", 0)]


def test_an_integer_parameter_travels_as_its_bytes(station_class: type[Any]) -> None:
    one = ready(station_class)
    answer = one.send(mav.MAVLink_param_request_read_message(1, 1, b"NAV_DLL_ACT", -1))[0]
    assert (answer.param_type, struct.pack("<f", answer.param_value)) == (6, bytes(4))
    field = struct.unpack("<f", struct.pack("<i", 2))[0]
    answer = one.send(mav.MAVLink_param_set_message(1, 1, b"NAV_DLL_ACT", field, 6))[0]
    assert struct.unpack("<i", struct.pack("<f", answer.param_value))[0] == 2
    # A float where an integer is: refused, and the old value told.
    answers = one.send(mav.MAVLink_param_set_message(1, 1, b"NAV_DLL_ACT", 3.0, 9))
    assert struct.unpack("<i", struct.pack("<f", answers[0].param_value))[0] == 2
    assert "param types mismatch param: NAV_DLL_ACT" in one.texts
    listed = [m for m in one.send(mav.MAVLink_param_request_list_message(1, 1)) if m.get_type() == "PARAM_VALUE"]
    assert [m.param_index for m in listed[:-1]] == list(range(listed[0].param_count))
    assert listed[-1].param_id == "_HASH_CHECK"
    assert {"MPC_XY_CRUISE", "RTL_RETURN_ALT", "COM_LOW_BAT_ACT"} <= {m.param_id for m in listed}


def test_take_off_then_arm_climbs_to_a_height_above_the_sea(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert one.command(22, math.nan, 0, 0, math.nan, math.nan, math.nan, 1525.0) == 0
    assert one.command(400, 1) == 0
    one.run(40.0)
    assert one.vehicle.position[2] == pytest.approx(25.0, abs=0.5)
    assert modes(one) == [HOLD, TAKEOFF, HOLD]
    assert one.command(176, 1, 4, 6) == 0
    one.run(120.0, lambda: not one.vehicle.armed)
    assert modes(one)[-1] == LANDING
    assert not one.vehicle.armed


def test_the_distance_trigger_rests_while_no_mission_is_flown(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.upload(survey(600.0))
    assert one.command(300) == 0
    one.run(200.0, lambda: len(one.vehicle.exposures) == 6)
    assert one.command(176, 1, 4, 5) == 0
    one.run(30.0)
    assert len(one.vehicle.exposures) == 6
    assert one.command(176, 1, 4, 4) == 0
    one.run(60.0, lambda: len(one.vehicle.exposures) > 8)
    assert len(one.vehicle.exposures) > 8


@pytest.mark.parametrize(
    ("command", "params", "result"),
    [
        (176, (1, 4, 99), 1),  # no such sub mode
        (176, (1, 4, 4), 1),  # no mission yet
        (193, (0,), 3),  # DO_PAUSE_CONTINUE is ArduPilot's
        (2000, (0, 0, 1), 3),  # a camera's, not the autopilot's
        (31999, (), 3),
        (511, (147, 1e6), 0),
        (511, (9999, 1e6), 4),
    ],
)
def test_it_answers_with_px4s_results(
    station_class: type[Any], command: int, params: tuple[float, ...], result: int
) -> None:
    assert ready(station_class).command(command, *params) == result


def test_it_refuses_to_arm_without_a_position_and_says_so(station_class: type[Any]) -> None:
    one = station_class(Px4Vehicle(HOME))
    one.until(6.0)
    assert one.command(400, 1) == 1
    assert one.texts[-1] == "Arming denied: Resolve system health failures"


def test_a_silent_ground_station_and_an_empty_battery_bring_it_home(station_class: type[Any]) -> None:
    one = ready(station_class, parameters={"NAV_DLL_ACT": 2, "COM_DL_LOSS_T": 5})
    one.upload(survey(600.0))
    assert one.command(300) == 0
    one.run(40.0)
    one.silent = (one.vehicle.time_s, math.inf)
    one.run(15.0)
    assert modes(one)[-1] == RETURN
    assert "Connection to ground station lost" in one.texts
    two = ready(station_class, battery_ah=1.0, parameters={"COM_LOW_BAT_ACT": 3})
    two.upload(survey(3000.0))
    assert two.command(300) == 0
    two.run(300.0, lambda: not two.vehicle.armed)
    assert RETURN in modes(two) or LANDING in modes(two)
    assert "Critical battery level" in two.texts
    assert two.messages("SYS_STATUS")[-1][1].battery_remaining < 8


def test_a_fence_and_a_lost_position_are_answered_as_the_parameters_say(station_class: type[Any]) -> None:
    one = ready(station_class, parameters={"GF_ACTION": 3, "GF_MAX_HOR_DIST": 150})
    one.upload(survey(600.0))
    assert one.command(300) == 0
    one.run(90.0, lambda: one.vehicle.told_mode == RETURN)
    assert one.vehicle.told_mode == RETURN
    assert 150.0 < math.hypot(*one.vehicle.position[:2]) < 175.0
    two = ready(station_class)
    two.upload(survey(600.0))
    assert two.command(300) == 0
    two.run(30.0)
    two.vehicle.gps_works = False
    two.run(12.0)
    assert two.vehicle.told_mode == LANDING
    assert "Position estimate lost" in two.texts
    flags = two.messages("ESTIMATOR_STATUS")[-1][1].flags
    assert not flags & mav.ESTIMATOR_POS_HORIZ_ABS


def test_its_charge_is_of_the_pack_that_it_was_given(station_class: type[Any]) -> None:
    one = ready(station_class, battery_ah=5.0)
    answer = one.send(mav.MAVLink_param_request_read_message(1, 1, b"BAT1_CAPACITY", -1))[0]
    assert answer.param_value == 5000.0
    one.upload(survey(600.0))
    assert one.command(300) == 0
    one.run(60.0)
    used = one.vehicle.battery.used_mah
    told = one.messages("BATTERY_STATUS")[-1][1].battery_remaining
    assert told == one.messages("SYS_STATUS")[-1][1].battery_remaining
    assert told <= 100 - 100 * used / 5000 + 1


def test_wind_is_told_as_a_vector(station_class: type[Any]) -> None:
    one = ready(station_class, wind=Wind(6.0, 270.0))
    one.upload(survey(600.0))
    assert one.command(300) == 0
    one.run(60.0)
    wind = one.messages("WIND_COV")[-1][1]
    assert math.hypot(wind.wind_x, wind.wind_y) == pytest.approx(6.0 * math.sqrt(40 / 60), abs=0.3)
    assert wind.wind_y > 4.0
