"""Preflight, limits and watch on what a real ArduCopter 4.7 said."""

import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from flightplan.mission import FencePolygon, Mission, MissionItem
from flightplan.vehicle.autopilots import Dialect
from flightplan.vehicle.checks import Status
from flightplan.vehicle.needs import check_parameters, parameter_names
from flightplan.vehicle.preflight import is_ready
from flightplan.vehicle.rules import AbortRules, Guard
from flightplan.vehicle.setup import FlightSetup

COPTER = Dialect.of(SimpleNamespace(type=2, autopilot=3))
HOME = (34.8333, -2.3333)
SURVEY = Mission(
    (
        MissionItem(22, 3, (0, 0, 0, 0), *HOME, 80.0),
        MissionItem(178, 2, (1, 10, -1, 0)),
        MissionItem(16, 3, (0, 0, 0, 0), HOME[0], HOME[1] + 0.0005, 80.0),
        MissionItem(206, 2, (25, 0, 1, 0)),
        MissionItem(16, 3, (0, 0, 0, 0), HOME[0], HOME[1] + 0.0032, 80.0),
        MissionItem(206, 2),
    ),
    home=HOME,
    fence=(FencePolygon(((34.82, -2.34), (34.85, -2.34), (34.85, -2.32)), True),),
)


def rows_of(folder: Path, name: str) -> list[dict]:
    with gzip.open(folder / "autopilot" / f"{name}.jsonl.gz", "rt") as lines:
        return [r for r in map(json.loads, lines) if r["dir"] == "rx"]


@pytest.fixture
def parameters(shared_data: Path) -> dict[str, float]:
    """All parameters of a real ArduCopter 4.7 as it comes, by name."""
    rows = rows_of(shared_data, "mission_protocol")
    return {r["param_id"]: r["param_value"] for r in rows if r["msg"] == "PARAM_VALUE"}


def test_a_copter_as_it_comes_is_seen_to_be_unsafe_and_what_it_needs_is_named(parameters) -> None:
    held = {n: v for n, v in parameters.items() if n in parameter_names(COPTER)}
    checks = {c.name: c for c in check_parameters(COPTER, held, SURVEY, FlightSetup())}
    assert {n for n, c in checks.items() if c.status is Status.FAIL} == {
        *("gcs-failsafe", "battery-failsafe", "fence-enabled"),
    }
    assert Status.UNKNOWN not in {c.status for c in checks.values()}
    changes = [(c.name, c.old, c.new) for check in checks.values() for c in check.changes]
    assert changes == [
        ("FS_GCS_ENABLE", 0, 1),
        ("BATT_FS_LOW_ACT", 0, 2),
        ("FENCE_ENABLE", 0, 1),
        ("FENCE_TYPE", 7, 4),
    ]


def test_with_what_was_named_set_it_passes(parameters) -> None:
    wanted = {"FS_GCS_ENABLE": 1, "BATT_FS_LOW_ACT": 2, "FENCE_ENABLE": 1, "FENCE_TYPE": 4}
    checks = check_parameters(COPTER, {**parameters, **wanted}, SURVEY, FlightSetup())
    assert {c.status for c in checks} == {Status.PASS}


@pytest.mark.parametrize("name", ["auto_start", "survey_flight"])
def test_readiness_is_when_the_recorded_autopilot_armed_without_complaint_not_before(shared_data: Path, name) -> None:
    latest: dict[str, SimpleNamespace] = {}
    link = SimpleNamespace(latest=latest, is_ardupilot=True)
    ready_s = origin_s = None
    for row in rows_of(shared_data, name):
        latest[row["msg"]] = SimpleNamespace(**row)
        if row["msg"] == "GPS_GLOBAL_ORIGIN" and origin_s is None:
            origin_s = row["boot_ms"] / 1000
        if ready_s is None and is_ready(link):
            ready_s = row["boot_ms"] / 1000
    # Its PREARM bit was set long before; at 24 s it refused: "Arm: Need Position Estimate". It armed at 58 s.
    assert origin_s is not None
    assert ready_s is not None
    assert 30 < ready_s < 58


def test_the_drain_of_a_recorded_flight_is_measured(shared_data: Path) -> None:
    guard = Guard(AbortRules(least_charge=None))
    told = []
    for row in rows_of(shared_data, "survey_flight"):
        if row["msg"] == "SYS_STATUS" and row["onboard_control_sensors_enabled"] & (1 << 24):
            guard.hear_charge(row["battery_remaining"] / 100, row["boot_ms"] / 1000)
            told.append((row["boot_ms"] / 1000, row["battery_remaining"] / 100))
    (first_s, first), (last_s, last) = told[0], told[-1]
    if first - last >= 0.03:
        assert guard.drain_per_s == pytest.approx((first - last) / (last_s - first_s), rel=0.1)
    else:
        assert guard.drain_per_s is None
