"""The preflight table: what is known, what fails, and what to do about it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyproj
import pytest

from flightplan.drones import drone_named
from flightplan.errors import PreflightError
from flightplan.mission import FencePolygon, Mission, MissionItem
from flightplan.plan import Sortie
from flightplan.terrain import Terrain
from flightplan.vehicle.autopilots import Dialect
from flightplan.vehicle.checks import Check, Preflight, Status
from flightplan.vehicle.items import FENCE, MISSION
from flightplan.vehicle.messages import CommandAnswer
from flightplan.vehicle.preflight import is_ready, run_preflight
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.transfer import Holding, TransferEnd

PREARM = 1 << 28
HOME = (34.8333, -2.3333)
SAFE = {
    "FS_GCS_ENABLE": 1.0,
    "FS_GCS_TIMEOUT": 5.0,
    "FS_OPTIONS": 16.0,
    "MAV_GCS_SYSID": 255.0,
    "BATT_FS_LOW_ACT": 2.0,
    "BATT_LOW_VOLT": 10.5,
    "FENCE_ENABLE": 1.0,
    "FENCE_TYPE": 4.0,
    "FENCE_ACTION": 1.0,
    "RTL_ALT": 1500.0,
    "CAM1_TYPE": 1.0,
    "CAM1_INTRVAL_MIN": 0.0,
    "CAM1_TRIGG_DIST": 0.0,
    "ARMING_CHECK": 1.0,
}
PLAN = Mission(
    (
        MissionItem(22, 3, longitude_deg=HOME[0], latitude_deg=HOME[1], altitude_m=80.0),
        MissionItem(178, 2, (1, 10, -1, 0)),
        MissionItem(16, 3, longitude_deg=HOME[0], latitude_deg=HOME[1] + 0.001, altitude_m=80.0),
        MissionItem(206, 2, (25.0, 0, 1, 0)),
        MissionItem(16, 3, longitude_deg=HOME[0], latitude_deg=HOME[1] + 0.004, altitude_m=80.0),
        MissionItem(206, 2),
    ),
    home=HOME,
    fence=(FencePolygon(((34.8, -2.4), (34.9, -2.4), (34.9, -2.3)), True),),
)
HELD = {MISSION: TransferEnd(Holding.EXACTLY), FENCE: TransferEnd(Holding.EXACTLY)}


class Standing:
    """A vehicle on the ground, as its messages tell."""

    signing, vehicle_signs, is_doubled, system_id = None, False, False, 1
    listener = staticmethod(lambda message: None)

    def __init__(
        self,
        *,
        flags: int = 831,
        health: int = PREARM,
        battery: int = 98,
        parameters=None,
        home=HOME,
        vehicle_type: int = 2,
        autopilot: int = 3,
        complaints=(),
        answers=None,
        **latest,
    ) -> None:
        self.dialect = Dialect.of(SimpleNamespace(type=vehicle_type, autopilot=autopilot))
        self.is_ardupilot = self.dialect.is_ardupilot
        self.clock = SimpleNamespace(now_s=lambda: 1.8e9)
        self.latest = {
            "EKF_STATUS_REPORT": SimpleNamespace(flags=flags),
            "SYS_STATUS": SimpleNamespace(
                onboard_control_sensors_present=PREARM,
                onboard_control_sensors_health=health,
                battery_remaining=battery,
            ),
            "HOME_POSITION": SimpleNamespace(longitude=round(home[0] * 1e7), latitude=round(home[1] * 1e7)),
            "SYSTEM_TIME": SimpleNamespace(time_unix_usec=1.8e15 + 3e6),
            **latest,
        }
        self.commands = []
        self._parameters = SAFE if parameters is None else parameters
        self._complaints, self._answers = complaints, answers or {}

    def listen(self, listener):
        self.listener = listener
        return lambda: None

    def wait_until(self, predicate, timeout_s: float) -> bool:
        return predicate()

    def ask_again(self) -> None:
        """All that is told has been told."""

    def pause(self, seconds: float) -> None:
        for text in self._complaints:
            self.listener(SimpleNamespace(text=text, get_type=lambda: "STATUSTEXT"))

    def command(self, command: int, *params: float, **_) -> CommandAnswer:
        """Answer; what comes with an answer comes before it."""
        self.commands.append((command, params))
        result, told = self._answers.get(command, (3, None))
        if told is not None:
            self.latest[told.get_type()] = told
            self.listener(told)
        return CommandAnswer(result)

    def parameters(self, names) -> dict[str, float]:
        return {n: v for n, v in self._parameters.items() if n in names}


def table(
    vehicle: Standing, *, transfers=HELD, energy_share: float | None = 0.6, plan: Mission = PLAN, **setup
) -> Preflight:
    return run_preflight(vehicle, plan, transfers, setup=FlightSetup(**setup), energy_share=energy_share)


def status(preflight: Preflight) -> dict[str, Status]:
    return {c.name: c.status for c in preflight.checks}


def line(preflight: Preflight, name: str) -> Check:
    return next(c for c in preflight.checks if c.name == name)


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


def told(kind: str, **fields):
    return SimpleNamespace(get_type=lambda: kind, **fields)


@pytest.mark.parametrize(
    ("answers", "stands", "words"),
    [
        ({203: (0, told("CAMERA_FEEDBACK"))}, Status.PASS, "reported"),
        ({203: (0, told("CAMERA_IMAGE_CAPTURED"))}, Status.PASS, "reported"),
        ({203: (0, told("CAMERA_TRIGGER"))}, Status.PASS, "fired the trigger"),
        ({203: (0, None)}, Status.FAIL, "nothing came back"),
        ({2000: (0, told("CAMERA_IMAGE_CAPTURED"))}, Status.PASS, "reported"),
        ({}, Status.FAIL, "not triggered: unsupported"),
    ],
)
def test_the_camera_answers_a_test_trigger(answers, stands: Status, words: str) -> None:
    check = line(table(Standing(answers=answers), test_camera=True), "camera")
    assert (check.status, words in check.text) == (stands, True)


def test_no_picture_is_taken_unasked() -> None:
    vehicle = Standing(answers={203: (0, told("CAMERA_FEEDBACK"))})
    assert line(table(vehicle), "camera").status is Status.UNKNOWN
    assert 203 not in [c for c, _ in vehicle.commands]


@pytest.mark.parametrize(
    ("card", "stands", "words"),
    [
        ({"status": 2, "available_capacity": 900.0}, Status.PASS, "944 MB are free, the pictures take 900 MB"),
        ({"status": 2, "available_capacity": 800.0}, Status.FAIL, "839 MB are free"),
        ({"status": 0, "available_capacity": 0.0}, Status.FAIL, "empty"),
        ({"status": 3, "available_capacity": 0.0}, Status.UNKNOWN, "does not tell"),
    ],
)
def test_the_card_holds_what_the_plan_will_write(card, stands: Status, words: str) -> None:
    vehicle = Standing(answers={512: (0, told("STORAGE_INFORMATION", **card))})
    check = line(table(vehicle, sortie=Sortie("S1", (), PLAN, 0.0, 0.0, 0.6, storage_mb=900.0)), "storage")
    assert (check.status, words in check.text) == (stands, True)


def hill(top_m: float) -> Terrain:
    """Ground at 1500 m with a ridge across the mission, 200 to 300 m north of home; cells of about 11 m."""
    grid = np.full((120, 20), 1500.0)
    north_deg = HOME[1] + 0.008
    rows = [round((north_deg - (HOME[1] + d / 111_000)) / 1e-4) for d in (300, 200)]
    grid[rows[0] : rows[1]] = top_m
    return Terrain(grid_m=grid, crs=pyproj.CRS("EPSG:4326"), transform=(1e-4, 0, HOME[0] - 1e-3, 0, -1e-4, north_deg))


@pytest.mark.parametrize(
    ("top_m", "home", "stands", "words"),
    [
        (1540.0, HOME, Status.PASS, "40 m above ground or higher"),
        (1570.0, HOME, Status.FAIL, "10 m above ground, at -2.33"),
        # Standing on the ridge, the whole mission is as much higher.
        (
            1570.0,
            (HOME[0], HOME[1] + 0.00225),
            Status.PASS,
            "80 m above ground or higher; the vehicle stands 70 m higher",
        ),
    ],
)
def test_the_mission_is_above_the_ground_from_where_the_vehicle_stands(top_m, home, stands, words) -> None:
    check = line(table(Standing(home=home), terrain=hill(top_m)), "terrain")
    assert (check.status, words in check.text) == (stands, True), check.text


def test_ground_that_is_not_known_is_said() -> None:
    short = replace(hill(1500.0), grid_m=hill(1500.0).grid_m.copy())
    short.grid_m[:60] = np.nan
    check = line(table(Standing(), terrain=short), "terrain")
    assert (check.status, "of it the ground is not" in check.text) == (Status.UNKNOWN, True)


def test_a_fence_that_is_unknown_is_never_flown_either() -> None:
    transfers = {**HELD, FENCE: TransferEnd(Holding.UNKNOWN, "silence")}
    with pytest.raises(PreflightError, match="fence: what the vehicle holds is unknown"):
        table(Standing(), transfers=transfers).refuse(["fence"])
