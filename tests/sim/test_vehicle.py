"""What a ground station can ask of the simulated vehicle, and what it does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega as mav

from sim.vehicle import Airframe, Home, PositionError, SimulatedVehicle, Wind

HOME = Home(lon=34.83, lat=-2.33, altitude_msl_m=1500.0, yaw_deg=90.0)
METRES_PER_DEGREE = 111318.845
READY_S = 43.0


def at(north_m: float, east_m: float, **row: float) -> dict[str, float]:
    return {
        "command": 16,
        "x": round((HOME.lat + north_m / METRES_PER_DEGREE) * 1e7),
        "y": round((HOME.lon + east_m / METRES_PER_DEGREE / math.cos(math.radians(HOME.lat))) * 1e7),
        "z": 60.0,
        **row,
    }


def survey(length_m: float = 200.0, speed: float = 12.0, spacing_m: float = 50.0) -> list[dict[str, float]]:
    """Two lines to the north with a distance trigger, and home."""
    return [
        at(0, 0, z=0),
        at(0, 0, command=22),
        {"command": 178, "frame": 2, "param1": 1, "param2": speed},
        at(40, 0),
        {"command": 206, "frame": 2, "param1": spacing_m, "param3": 1},
        at(40 + length_m, 0),
        {"command": 206, "frame": 2, "param1": 0},
        at(40 + length_m, 80),
        {"command": 206, "frame": 2, "param1": spacing_m, "param3": 1},
        at(40, 80),
        {"command": 206, "frame": 2, "param1": 0},
        {"command": 20, "frame": 2},
    ]


def ready(station_class: type[Any], **options: Any) -> Any:
    options.setdefault("parameters", {"AUTO_OPTIONS": 3})
    one = station_class(SimulatedVehicle(options.pop("home", HOME), options.pop("seed", 1), **options))
    one.until(READY_S)
    assert one.vehicle.ready
    return one


def flown(station_class: type[Any], items: list[dict[str, float]], *, wait_s: float = 0.0, **options: Any) -> Any:
    one = ready(station_class, **options)
    one.run(wait_s)
    assert one.upload(items) == 0
    assert [one.command(176, 1, 3), one.command(400, 1), one.command(300)] == [0, 0, 0]
    one.run(1500.0, lambda: not one.vehicle.armed)
    assert not one.vehicle.armed
    return one


# --- flights ----------------------------------------------------------------------------------------------------------


def test_a_survey_is_flown_at_its_speed_with_a_frame_at_each_step(station_class: type[Any]) -> None:
    one = flown(station_class, survey(), airframe=Airframe.survey())
    frames = one.vehicle.exposures
    # 200 m at one frame each 50 m, the first at the start: 4 or 5 a line, the last at the corner's rounding.
    assert 8 <= len(frames) <= 10
    north = [(f.lat - HOME.lat) * METRES_PER_DEGREE for f in frames[:4]]
    assert north == pytest.approx([40, 90, 140, 190], abs=3.0)
    speeds = np.diff(north) / np.diff([f.time_s for f in frames[:4]])
    assert speeds[-1] == pytest.approx(12.0, abs=0.3)
    assert all(f.altitude_home_m == pytest.approx(60.0, abs=0.5) for f in frames)
    assert max(abs(f.pitch_deg) for f in frames) < 30.0


def test_without_disturbance_the_vehicle_reports_the_truth(station_class: type[Any]) -> None:
    one = flown(station_class, survey(), start_time_utc_s=1_700_000_000.0)
    said = [m for _, m in one.messages("CAMERA_FEEDBACK")]
    assert len(said) == len(one.vehicle.exposures) > 7
    for m, truth in zip(said, one.vehicle.exposures, strict=True):
        assert m.img_idx == truth.index
        assert m.time_usec / 1e6 == pytest.approx(truth.time_s, abs=1e-5)
        assert truth.time_s == pytest.approx(1_700_000_000.0 + one.vehicle.time_s, abs=400.0)
        assert m.lat / 1e7 == pytest.approx(truth.lat, abs=1e-7)
        assert m.lng / 1e7 == pytest.approx(truth.lon, abs=1e-7)
        assert m.alt_msl == pytest.approx(truth.altitude_msl_m, abs=0.01)
        assert m.pitch == pytest.approx(truth.pitch_deg, abs=1e-4)


def test_position_errors_part_the_report_from_the_truth_by_their_size(station_class: type[Any]) -> None:
    offsets = []
    for seed in range(12):
        error = PositionError(horizontal_m=2.0, vertical_m=1.0)
        one = flown(station_class, survey(), seed=seed, position_error=error)
        for (_, m), truth in zip(one.messages("CAMERA_FEEDBACK")[::4], one.vehicle.exposures[::4], strict=True):
            offsets.append((m.lat / 1e7 - truth.lat) * METRES_PER_DEGREE)
    assert 1.0 < float(np.sqrt(np.mean(np.square(offsets)))) < 3.5


def test_a_flight_does_not_depend_on_how_long_the_vehicle_stood_before(station_class: type[Any]) -> None:
    options = {"wind": Wind(5.0, 60.0, 1.0), "position_error": PositionError(1.5, 1.0)}
    early = flown(station_class, survey(), **options).vehicle
    late = flown(station_class, survey(), wait_s=37.3, **options).vehicle
    assert [(e.lon, e.lat, e.altitude_msl_m, e.yaw_deg, e.roll_deg) for e in early.exposures] == [
        (e.lon, e.lat, e.altitude_msl_m, e.yaw_deg, e.roll_deg) for e in late.exposures
    ]
    assert [e.time_s - early.exposures[0].time_s for e in early.exposures] == pytest.approx(
        [e.time_s - late.exposures[0].time_s for e in late.exposures], abs=1e-6
    )


def test_another_seed_is_another_wind(station_class: type[Any]) -> None:
    flights = [flown(station_class, survey(), seed=seed, wind=Wind(5.0, 60.0, 1.0)).vehicle for seed in (1, 1, 2)]
    places = [[(e.lon, e.lat) for e in v.exposures] for v in flights]
    assert places[0] == places[1]
    assert places[0] != places[2]


def test_it_leans_into_a_crosswind_and_says_where_it_blows_from(station_class: type[Any]) -> None:
    one = ready(station_class, wind=Wind(6.0, 90.0), airframe=Airframe.survey())
    assert one.command(511, 168, 1e6) == 0
    one.upload(survey())
    for command in ((176, 1, 3), (400, 1), (300,)):
        assert one.command(*command) == 0
    one.run(120.0, lambda: len(one.vehicle.exposures) == 4)
    frame = one.vehicle.exposures[-1]
    assert frame.yaw_deg == pytest.approx(0.0, abs=2.0) or frame.yaw_deg == pytest.approx(360.0, abs=2.0)
    assert frame.roll_deg > 3.0
    wind = one.messages("WIND")[-1][1]
    assert wind.direction == pytest.approx(90.0, abs=1.0)
    assert wind.speed == pytest.approx(6.0, abs=0.1)


def test_a_waypoint_with_a_wait_is_stopped_at(station_class: type[Any]) -> None:
    items = [at(0, 0), at(0, 0, command=22, z=20), at(60, 0, z=20, param1=7), at(120, 0, z=20), {"command": 20}]
    one = flown(station_class, items)
    reached = {m.seq: t for t, m in one.messages("MISSION_ITEM_REACHED")}
    stood = [p for p in one.path if reached[2] - 5 < p[0] < reached[2] - 1]
    assert {round(p[1]) for p in stood} == {60}
    assert reached[3] - reached[2] > 8


def test_jumps_repeat_a_line_the_times_they_say(station_class: type[Any]) -> None:
    items = [at(0, 0), at(0, 0, command=22, z=20), at(40, 0, z=20), at(0, 40, z=20),
             {"command": 177, "param1": 2, "param2": 2}, {"command": 20}]  # fmt: skip
    one = flown(station_class, items)
    reached = [m.seq for _, m in one.messages("MISSION_ITEM_REACHED")]
    assert reached == [2, 2, 3, 2, 3, 2, 3, 5]


def test_it_returns_to_a_rally_point_that_is_nearer_than_home(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert one.upload([at(200, 0, command=5100, z=30)], kind=2) == 0
    one.upload([at(0, 0), at(0, 0, command=22, z=20), at(260, 0, z=20), {"command": 20}])
    for command in ((176, 1, 3), (400, 1), (300,)):
        assert one.command(*command) == 0
    one.run(400.0, lambda: not one.vehicle.armed)
    assert one.vehicle.position[0] == pytest.approx(200.0, abs=1.0)


def test_it_lands_where_the_mission_says(station_class: type[Any]) -> None:
    one = flown(station_class, [at(0, 0), at(0, 0, command=22, z=15), at(50, 30, command=21, z=0)])
    assert one.vehicle.position[:2] == pytest.approx((50.0, 30.0), abs=0.7)
    assert one.vehicle.position[2] == 0.0


def test_guided_flight_goes_where_it_is_sent(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert [one.command(176, 1, 4), one.command(400, 1), one.command(22, 0, 0, 0, 0, 0, 0, 25)] == [0, 0, 0]
    one.run(25.0)
    assert one.vehicle.position[2] == pytest.approx(25.0, abs=0.3)
    row = at(80, -30)
    one.send(mav.MAVLink_command_int_message(1, 1, 3, 192, 0, 0, -1, 1, 0, 0, row["x"], row["y"], 40.0))
    one.run(40.0)
    assert one.vehicle.position == pytest.approx((80.0, -30.0, 40.0), abs=0.5)
    assert one.command(21) == 0
    one.run(90.0)
    assert not one.vehicle.armed
    assert one.vehicle.position[:2] == pytest.approx((80.0, -30.0), abs=0.5)


# --- failsafes --------------------------------------------------------------------------------------------------------


def test_a_pack_runs_down_and_brings_the_vehicle_home(station_class: type[Any]) -> None:
    far = [at(0, 0), at(0, 0, command=22, z=60), at(3000, 0), at(0, 0), at(3000, 0), {"command": 20}]
    one = ready(
        station_class,
        battery_ah=2.2,
        parameters={"AUTO_OPTIONS": 3, "BATT_FS_LOW_ACT": 2, "BATT_LOW_VOLT": 10.9, "BATT_LOW_TIMER": 3},
    )
    full = one.vehicle.battery.voltage
    one.upload(far)
    for command in ((176, 1, 3), (400, 1), (300,)):
        assert one.command(*command) == 0
    one.run(900.0, lambda: not one.vehicle.armed)
    assert any(t.startswith("Battery 1 is low 10.") for t in one.texts)
    assert "Battery Failsafe" in one.texts
    assert full == pytest.approx(12.6, abs=0.1)
    assert one.vehicle.battery.voltage < 11.0
    assert one.vehicle.position[:2] == pytest.approx((0.0, 0.0), abs=1.0)
    assert one.command(400, 1) == 4
    assert one.texts[-2:] == ["Arm: Battery 1 low voltage failsafe", "Arm: Battery failsafe"]


def test_a_height_fence_turns_it_back(station_class: type[Any]) -> None:
    one = ready(station_class, parameters={"AUTO_OPTIONS": 3, "FENCE_ENABLE": 1, "FENCE_TYPE": 1, "FENCE_ALT_MAX": 40})
    one.upload([at(0, 0), at(0, 0, command=22, z=60), at(100, 0), {"command": 20}])
    for command in ((176, 1, 3), (400, 1), (300,)):
        assert one.command(*command) == 0
    one.run(200.0, lambda: not one.vehicle.armed)
    assert "Max Alt fence breached" in one.texts
    assert max(p[3] for p in one.path) < 45.0
    assert not one.vehicle.armed


# --- requests ---------------------------------------------------------------------------------------------------------


def test_parameters_are_listed_read_and_set_in_their_own_types(station_class: type[Any]) -> None:
    one = ready(station_class)
    listed = [m for m in one.send(mav.MAVLink_param_request_list_message(1, 1)) if m.get_type() == "PARAM_VALUE"]
    assert [m.param_index for m in listed] == list(range(listed[0].param_count))
    assert {"WPNAV_SPEED", "RTL_ALT", "FENCE_ENABLE", "AUTO_OPTIONS"} <= {m.param_id for m in listed}
    (value,) = one.send(mav.MAVLink_param_request_read_message(1, 1, b"WPNAV_SPEED", -1))
    assert (value.param_id, value.param_value) == ("WPNAV_SPEED", 1000.0)
    (value,) = one.send(mav.MAVLink_param_set_message(1, 1, b"RTL_ALT", 2500.4, 9))
    assert (value.param_value, value.param_type) == (2500.0, mav.MAV_PARAM_TYPE_INT32)
    (value,) = one.send(mav.MAVLink_param_set_message(1, 1, b"WPNAV_JERK", 0.1, 9))
    assert value.param_value == pytest.approx(0.1, rel=1e-6)
    assert one.send(mav.MAVLink_param_set_message(1, 1, b"NO_SUCH", 1.0, 9)) == []
    (value,) = one.send(mav.MAVLink_param_set_message(1, 1, b"RTL_ALT", float("nan"), 9))
    assert value.param_value == 2500.0


def test_messages_come_at_the_rate_asked_for(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert one.command(511, 33, 250_000) == 0
    assert one.command(511, 30, 100_000) == 0
    assert one.command(511, 9999, 100_000) == 4
    one.run(10.0)
    assert len(one.messages("GLOBAL_POSITION_INT")) == pytest.approx(40, abs=1)
    assert len(one.messages("ATTITUDE")) == pytest.approx(100, abs=1)
    assert one.command(511, 30, -1) == 0
    before = len(one.messages("ATTITUDE"))
    one.run(5.0)
    assert len(one.messages("ATTITUDE")) == before
    one.send(mav.MAVLink_request_data_stream_message(1, 1, mav.MAV_DATA_STREAM_ALL, 2, 1))
    one.run(5.0)
    assert len(one.messages("SYS_STATUS")) == pytest.approx(10, abs=1)


def test_a_refused_upload_keeps_the_items_before_the_refusal(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert one.upload(survey()) == 0
    bad = [at(0, 0), at(0, 0, command=22), at(10, 0), {"command": 31999}, at(20, 0)]
    assert one.upload(bad) == mav.MAV_MISSION_UNSUPPORTED
    (count,) = one.send(mav.MAVLink_mission_request_list_message(1, 1, 0))
    # Truncated to the five announced; three of them new.
    assert count.count == 5
    (item,) = one.send(mav.MAVLink_mission_request_int_message(1, 1, 2, 0))
    assert (item.command, item.x) == (16, bad[2]["x"])
    (item,) = one.send(mav.MAVLink_mission_request_int_message(1, 1, 3, 0))
    assert item.x == survey()[3]["x"]


def test_both_request_forms_are_answered_in_kind(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.upload(survey())
    (scaled,) = one.send(mav.MAVLink_mission_request_int_message(1, 1, 3, 0))
    (plain,) = one.send(mav.MAVLink_mission_request_message(1, 1, 3, 0))
    assert (scaled.get_type(), plain.get_type()) == ("MISSION_ITEM_INT", "MISSION_ITEM")
    assert plain.x == pytest.approx(scaled.x / 1e7, abs=1e-5)


def test_a_silent_upload_is_asked_for_eight_times_and_then_given_up(station_class: type[Any]) -> None:
    one = ready(station_class)
    one.send(mav.MAVLink_mission_count_message(1, 1, 4, 0))
    one.run(12.0)
    assert len(one.messages("MISSION_REQUEST")) == 8
    assert one.messages("MISSION_ACK")[-1][1].type == mav.MAV_MISSION_OPERATION_CANCELLED
    assert one.texts[-1] == "Mission upload timeout"


def test_messages_for_another_vehicle_are_not_its_own(station_class: type[Any]) -> None:
    one = ready(station_class, system_id=7)
    assert one.send(mav.MAVLink_param_request_read_message(1, 1, b"RTL_ALT", -1)) == []
    (value,) = one.send(mav.MAVLink_param_request_read_message(7, 1, b"RTL_ALT", -1))
    assert value.get_srcSystem() == 7


def test_it_does_not_arm_where_it_could_not_fly(station_class: type[Any]) -> None:
    one = ready(station_class, parameters={})
    one.upload(survey())
    assert one.command(176, 1, 3) == 0
    assert one.command(400, 1) == 4, "AUTO_OPTIONS does not allow arming in AUTO"
    assert one.command(176, 1, 6) == 0
    assert one.command(400, 1) == 4, "RTL"
    assert one.command(22, 0, 0, 0, 0, 0, 0, 20) == 4, "not in GUIDED"


def test_it_disarms_by_itself_when_it_does_not_take_off(station_class: type[Any]) -> None:
    one = ready(station_class)
    assert [one.command(176, 1, 4), one.command(400, 1)] == [0, 0]
    one.run(9.0)
    assert one.vehicle.armed
    one.run(3.0)
    assert not one.vehicle.armed
    assert one.texts[-1] == "Disarming motors"


FIELDS = {
    float: st.floats(width=32),
    int: st.integers(-(2**31), 2**31 - 1),
}


def any_message() -> Iterator[st.SearchStrategy[Any]]:
    kinds = [
        mav.MAVLink_command_long_message, mav.MAVLink_mission_item_message, mav.MAVLink_mission_item_int_message,
        mav.MAVLink_mission_count_message, mav.MAVLink_mission_request_int_message, mav.MAVLink_set_mode_message,
        mav.MAVLink_param_set_message, mav.MAVLink_request_data_stream_message, mav.MAVLink_mission_clear_all_message,
        mav.MAVLink_command_int_message, mav.MAVLink_mission_set_current_message, mav.MAVLink_mission_ack_message,
        mav.MAVLink_set_position_target_global_int_message,
    ]  # fmt: skip
    ranges = {"b": (-128, 127), "B": (0, 255), "h": (-(2**15), 2**15 - 1), "H": (0, 2**16 - 1),
              "i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1), "Q": (0, 2**63)}  # fmt: skip
    commands = st.sampled_from([16, 20, 21, 22, 176, 177, 178, 193, 206, 224, 300, 400, 511, 512, 2000, 5001, 179, 192])
    for kind in kinds:
        wire = dict(zip(kind.ordered_fieldnames, kind.native_format.decode().lstrip("<"), strict=False))
        fields = []
        for name in kind.fieldnames:
            if name in ("target_system", "target_component"):
                fields.append(st.just(1))
            elif name == "command":
                fields.append(commands)
            elif name == "param_id":
                fields.append(st.sampled_from([b"RTL_ALT", b"FENCE_ENABLE", b"WPNAV_SPEED", b"x"]))
            elif wire.get(name) == "f":
                fields.append(st.one_of(st.floats(width=32), st.sampled_from([0.0, 1.0, 3.0, 4.0])))
            else:
                fields.append(st.integers(*ranges[wire[name]]))
        yield st.tuples(*fields).map(lambda values, kind=kind: kind(*values))


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(messages=st.lists(st.one_of(*any_message()), max_size=12), noise=st.binary(max_size=40))
def test_nothing_that_arrives_brings_it_down(station_class: type[Any], messages: list[Any], noise: bytes) -> None:
    one = ready(station_class)
    one.upload(survey())
    for command in ((176, 1, 3), (400, 1), (300,)):
        one.command(*command)
    one.run(10.0)
    one.vehicle.receive(noise)
    for message in messages:
        one.send(message)
        one.run(0.5)
    one.vehicle.receive(noise)
    assert all(math.isfinite(x) for x in one.vehicle.position)
    # Noise may look like the beginning of a frame of up to 280 bytes: heartbeats fill it before the next request.
    one.run(20.0)
    assert one.command(511, 0, 1e6) == 0
    one.run(2.0)
    assert one.messages("HEARTBEAT")[-1][0] > one.vehicle.time_s - 1.5
