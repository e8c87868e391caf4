"""The preflight table: what is known, what fails, and what to do about it."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from flightplan.drones import drone_named
from flightplan.errors import PreflightError
from flightplan.mission import MissionItem
from flightplan.plan import Sortie
from flightplan.vehicle.checks import Status
from flightplan.vehicle.items import FENCE, MISSION
from flightplan.vehicle.preflight import is_ready
from flightplan.vehicle.transfer import Holding, TransferEnd

_spec = importlib.util.spec_from_file_location("standing_vehicle", Path(__file__).with_name("standing_vehicle.py"))
standing_vehicle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(standing_vehicle)
HELD, HOME, PLAN, SAFE, Standing = (
    standing_vehicle.HELD,
    standing_vehicle.HOME,
    standing_vehicle.PLAN,
    standing_vehicle.SAFE,
    standing_vehicle.Standing,
)
line, status, table = standing_vehicle.line, standing_vehicle.status, standing_vehicle.table


def test_a_vehicle_in_order_passes_and_flies() -> None:
    preflight = table(Standing())
    assert {n for n, s in status(preflight).items() if s is Status.PASS} == {
        *("aircraft", "signing", "position", "prearm", "battery", "mission", "fence", "home", "clock"),
        *("gcs-failsafe", "battery-failsafe", "fence-enabled", "return-height", "speed", "trigger", "own-checks"),
    }
    assert {n for n, s in status(preflight).items() if s is Status.UNKNOWN} == {
        *("rally", "terrain", "camera", "storage", "remote-id"),
    }
    preflight.refuse(())


def test_the_prearm_bit_without_a_position_is_not_readiness() -> None:
    # Flags 167: an autopilot at 24 s, before it has a position; 831: at 42 s (recording auto_start).
    assert not is_ready(Standing(flags=167))
    assert not is_ready(Standing(flags=831, health=0))
    assert is_ready(Standing(flags=831))


@pytest.mark.parametrize(
    ("vehicle", "name", "words"),
    [
        (Standing(flags=167), "position", "no horizontal position estimate"),
        (Standing(health=0), "prearm", "own checks do not pass"),
        (Standing(battery=70), "battery", "charge 70%, the flight needs 60% and 15% of reserve"),
        (Standing(home=(34.9, -2.3333)), "home", "7.4 km from the plan's home"),
        (Standing(parameters={**SAFE, "FS_GCS_ENABLE": 0.0}), "gcs-failsafe", "hears no ground station"),
        (Standing(parameters={**SAFE, "BATT_FS_LOW_ACT": 0.0}), "battery-failsafe", "low battery"),
        (Standing(parameters={**SAFE, "BATT_LOW_VOLT": 0.0}), "battery-failsafe", "low battery"),
        (Standing(parameters={**SAFE, "FENCE_ENABLE": 0.0}), "fence-enabled", "loaded but not enabled"),
        (Standing(parameters={**SAFE, "FENCE_TYPE": 3.0}), "fence-enabled", "polygons are not among its fences"),
        (
            Standing(parameters={**SAFE, "FENCE_TYPE": 5.0, "FENCE_ALT_MAX": 50.0}),
            "fence-enabled",
            "ceiling is 50 m, the plan flies at 80 m",
        ),
        (
            Standing(parameters={**SAFE, "FENCE_TYPE": 5.0, "FENCE_ALT_MAX": 100.0, "RTL_ALT": 12000.0}),
            "return-height",
            "come back at 120 m, above its own ceiling of 100 m",
        ),
        (Standing(parameters={**SAFE, "FENCE_ACTION": 0.0}), "fence-enabled", "only reports"),
        (Standing(parameters={**SAFE, "FS_OPTIONS": 18.0}), "gcs-failsafe", "flies on with its mission"),
        (Standing(parameters={**SAFE, "MAV_GCS_SYSID": 250.0}), "gcs-failsafe", "ground station 250, and we are 255"),
        (Standing(parameters={**SAFE, "FS_GCS_TIMEOUT": 120.0}), "gcs-failsafe", "waits 120 s"),
        (Standing(parameters={**SAFE, "BATT_FS_LOW_ACT": 5.0}), "battery-failsafe", "stops its motors"),
        (Standing(parameters={**SAFE, "BATT_MONITOR": 0.0}), "battery-failsafe", "does not measure its battery"),
        (Standing(parameters={**SAFE, "CAM1_TYPE": 0.0}), "trigger", "no camera set up"),
        (Standing(parameters={**SAFE, "CAM1_INTRVAL_MIN": 3.0}), "trigger", "frame each 2.5 s, the vehicle one in 3.0"),
        (Standing(parameters={**SAFE, "CAM1_TRIGG_DIST": 10.0}), "trigger", "triggers each 10 m by itself"),
        (Standing(parameters={**SAFE, "ARMING_CHECK": 0.0}), "own-checks", "none of its own checks"),
        (Standing(parameters={**SAFE, "ARMING_CHECK": 64.0}), "own-checks", "leaves out some"),
        (Standing(SYSTEM_TIME=SimpleNamespace(time_unix_usec=1.8e15 + 90e6)), "clock", "90 s apart"),
        (
            Standing(GPS_RAW_INT=SimpleNamespace(fix_type=2, satellites_visible=5)),
            "position",
            "no fix in three dimensions; 5 satellites",
        ),
        (
            Standing(OPEN_DRONE_ID_ARM_STATUS=SimpleNamespace(status=1, error="no operator location")),
            "remote-id",
            "no operator location",
        ),
    ],
)
def test_a_fail_says_what_to_do_and_is_only_flown_past_by_name(vehicle: Standing, name: str, words: str) -> None:
    preflight = table(vehicle)
    assert [c.name for c in preflight.checks if c.status is Status.FAIL] == [name]
    check = next(c for c in preflight.checks if c.name == name)
    assert words in check.text
    assert check.remedy
    with pytest.raises(PreflightError, match=f"{name}: "):
        preflight.refuse(["something-else"])
    preflight.refuse([name])


def test_what_a_vehicle_does_not_tell_is_unknown_not_passed() -> None:
    vehicle = Standing(parameters={}, battery=-1, SYSTEM_TIME=SimpleNamespace(time_unix_usec=0))
    found = status(table(vehicle))
    assert {n for n, s in found.items() if s is Status.UNKNOWN} == {
        *("battery", "rally", "terrain", "camera", "storage", "remote-id", "clock"),
        *("gcs-failsafe", "battery-failsafe", "fence-enabled", "return-height", "trigger", "own-checks"),
    }


@pytest.mark.parametrize(
    "end", [TransferEnd(Holding.NONE, "refused", 4), TransferEnd(Holding.UNKNOWN, "silence"), None]
)
def test_a_mission_that_was_not_read_back_equal_is_never_flown_even_when_overridden(end: TransferEnd | None) -> None:
    transfers = {FENCE: TransferEnd(Holding.EXACTLY)} | ({MISSION: end} if end else {})
    with pytest.raises(PreflightError, match="mission: "):
        table(Standing(), transfers=transfers).refuse(["mission"])


PLANE = {
    **{n: v for n, v in SAFE.items() if n not in ("FS_GCS_ENABLE", "RTL_ALT", "FS_GCS_TIMEOUT")},
    "FS_GCS_ENABL": 1.0,
    "FS_LONG_ACTN": 1.0,
    "FS_LONG_TIMEOUT": 5.0,
    "BATT_FS_LOW_ACT": 1.0,
    "RTL_ALTITUDE": 100.0,
    "AIRSPEED_MIN": 9.0,
    "AIRSPEED_MAX": 22.0,
}


@pytest.mark.parametrize(
    ("parameters", "name", "words"),
    [
        ({}, None, ""),
        ({"FS_LONG_ACTN": 0.0}, "gcs-failsafe", "flies on"),
        ({"BATT_FS_LOW_ACT": 3.0}, "battery-failsafe", "stops its motors"),
        ({"RTL_ALTITUDE": 50.0}, "return-height", "may come back at 50 m above home, and 80 m is needed"),
        ({"AIRSPEED_MIN": 12.0}, "speed", "at 10 m/s, the vehicle between 12 and 22"),
    ],
)
def test_a_plane_has_names_and_ways_of_its_own(parameters, name: str | None, words: str) -> None:
    preflight = table(Standing(vehicle_type=1, parameters={**PLANE, **parameters}))
    assert [c.name for c in preflight.checks if c.status is Status.FAIL] == ([name] if name else [])
    assert name is None or words in line(preflight, name).text


def test_older_firmware_has_older_names() -> None:
    old = {n: v for n, v in PLANE.items() if n not in ("AIRSPEED_MIN", "AIRSPEED_MAX", "RTL_ALTITUDE", "CAM1_TYPE")}
    old |= {"ARSPD_FBW_MIN": 9.0, "ARSPD_FBW_MAX": 22.0, "ALT_HOLD_RTL": 10000.0, "CAM_TRIGG_TYPE": 0.0}
    assert Status.FAIL not in status(table(Standing(vehicle_type=1, parameters=old))).values()
    low = table(Standing(vehicle_type=1, parameters={**old, "ALT_HOLD_RTL": 5000.0}))
    assert [(c.name, c.new) for c in low.changes] == [("ALT_HOLD_RTL", 8000.0)]


PX4 = {
    "NAV_DLL_ACT": 2.0,
    "COM_DL_LOSS_T": 10.0,
    "COM_LOW_BAT_ACT": 3.0,
    "GF_ACTION": 3.0,
    "GF_MAX_HOR_DIST": 0.0,
    "GF_MAX_VER_DIST": 0.0,
    "RTL_RETURN_ALT": 60.0,
    "MPC_XY_VEL_MAX": 12.0,
    "TRIG_MODE": 4.0,
    "COM_ARM_WO_GPS": 0.0,
}


@pytest.mark.parametrize(
    ("parameters", "name", "new"),
    [
        ({}, None, None),
        ({"NAV_DLL_ACT": 0.0}, "gcs-failsafe", ("NAV_DLL_ACT", 2.0)),
        ({"NAV_DLL_ACT": 6.0}, "gcs-failsafe", ("NAV_DLL_ACT", 2.0)),
        ({"COM_LOW_BAT_ACT": 0.0}, "battery-failsafe", ("COM_LOW_BAT_ACT", 3.0)),
        ({"GF_ACTION": 1.0}, "fence-enabled", ("GF_ACTION", 3.0)),
        ({"GF_ACTION": 4.0}, "fence-enabled", ("GF_ACTION", 3.0)),
        ({"GF_MAX_VER_DIST": 50.0}, "fence-enabled", ("GF_MAX_VER_DIST", 0.0)),
        ({"TRIG_MODE": 0.0}, "trigger", ("TRIG_MODE", 4.0)),
        ({"MPC_XY_VEL_MAX": 8.0}, "speed", None),
    ],
)
def test_px4_has_names_and_ways_of_its_own(parameters, name, new) -> None:
    preflight = table(Standing(autopilot=12, parameters={**PX4, **parameters}))
    assert [c.name for c in preflight.checks if c.status is Status.FAIL] == ([name] if name else [])
    assert [(c.name, c.new) for c in preflight.changes] == ([new] if new else [])


def test_what_would_put_it_right_is_named_with_its_old_value_and_why() -> None:
    preflight = table(Standing(parameters={**SAFE, "FS_GCS_ENABLE": 0.0, "BATT_FS_LOW_ACT": 0.0}))
    assert [(c.name, c.old, c.new) for c in preflight.changes] == [
        ("FS_GCS_ENABLE", 0.0, 1.0),
        ("BATT_FS_LOW_ACT", 0.0, 2.0),
    ]
    assert all(c.why for c in preflight.changes)
    assert "Set FS_GCS_ENABLE to 1." in line(preflight, "gcs-failsafe").remedy


def test_all_that_a_fence_needs_is_asked_for_at_once() -> None:
    off = {**SAFE, "FENCE_ENABLE": 0.0, "FENCE_TYPE": 3.0, "FENCE_ALT_MAX": 60.0, "FENCE_ACTION": 0.0}
    assert [(c.name, c.new) for c in table(Standing(parameters=off)).changes] == [
        ("FENCE_ENABLE", 1),
        ("FENCE_TYPE", 4),
        ("FENCE_ACTION", 1),
    ]


def test_a_battery_limit_comes_from_the_batterys_size() -> None:
    empty = {**SAFE, "BATT_LOW_VOLT": 0.0, "BATT_LOW_MAH": 0.0, "BATT_CAPACITY": 5000.0}
    assert [(c.name, c.new) for c in table(Standing(parameters=empty)).changes] == [("BATT_LOW_MAH", 1000.0)]


@pytest.mark.parametrize(
    ("own_cm", "needed_m", "new"),
    [(1500.0, None, None), (1500.0, 79.0, None), (1500.0, 95.5, 9600.0), (9600.0, 95.5, None)],
)
def test_a_way_home_clears_the_ground_as_the_plan_worked_it_out(own_cm, needed_m, new) -> None:
    # A copter keeps its height when that is above RTL_ALT: 80 m here.
    flown = Sortie("S1", (), PLAN, 0.0, 0.0, 0.6, return_height_m=needed_m)
    preflight = table(Standing(parameters={**SAFE, "RTL_ALT": own_cm}), sortie=flown)
    assert [(c.name, c.new) for c in preflight.changes] == ([("RTL_ALT", new)] if new else [])


@pytest.mark.parametrize(("own_cm", "new"), [(6000.0, None), (1500.0, 2000.0)])
def test_a_way_home_at_a_height_above_terrain_needs_no_more_than_clear_trees(own_cm: float, new: float | None) -> None:
    flown = Sortie("S1", (), PLAN, 0.0, 0.0, 0.6, return_height_m=140.0)
    preflight = table(Standing(parameters={**SAFE, "RTL_ALT": own_cm, "RTL_ALT_TYPE": 1.0}), sortie=flown)
    assert [(c.name, c.new) for c in preflight.changes] == ([("RTL_ALT", new)] if new else [])


def test_heights_that_differ_need_a_way_home_above_the_highest() -> None:
    items = [*PLAN.items, MissionItem(16, 3, longitude_deg=HOME[0], latitude_deg=HOME[1] + 0.005, altitude_m=140.0)]
    hilly = replace(PLAN, items=tuple(items))
    assert [(c.name, c.new) for c in table(Standing(), plan=hilly).changes] == [("RTL_ALT", 14000.0)]


@pytest.mark.parametrize(
    ("vehicle", "words"),
    [
        (Standing(vehicle_type=10), "no aircraft"),
        (Standing(autopilot=18), "does not know"),
    ],
)
def test_what_overfly_cannot_fly_is_never_flown(vehicle: Standing, words: str) -> None:
    preflight = table(vehicle)
    assert words in line(preflight, "aircraft").text
    with pytest.raises(PreflightError):
        preflight.refuse([c.name for c in preflight.checks])


def test_a_plan_for_a_multirotor_is_not_flown_by_a_plane() -> None:
    preflight = table(Standing(vehicle_type=1, parameters=PLANE), drone=drone_named("overfly-demo"))
    assert "the plan is for overfly-demo, multirotor; this is ArduPilot, fixed wing" in line(preflight, "aircraft").text


def test_a_vehicle_that_signs_wants_its_key() -> None:
    vehicle = Standing()
    vehicle.vehicle_signs = True
    assert "--signing-key" in line(table(vehicle), "signing").remedy


def test_the_vehicles_own_complaints_are_told() -> None:
    vehicle = Standing(
        health=0, complaints=["PreArm: Compass not calibrated", "PreArm: Compass not calibrated", "Hello"]
    )
    assert line(table(vehicle), "prearm").text == "Compass not calibrated"
    assert (401, ()) in vehicle.commands


def test_a_fence_that_is_unknown_is_never_flown_either() -> None:
    transfers = {**HELD, FENCE: TransferEnd(Holding.UNKNOWN, "silence")}
    with pytest.raises(PreflightError, match="fence: what the vehicle holds is unknown"):
        table(Standing(), transfers=transfers).refuse(["fence"])
