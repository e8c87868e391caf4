"""The preflight table: what is known, what fails, and what to do about it."""

from types import SimpleNamespace

import pytest

from flightplan.errors import PreflightError
from flightplan.mission import FencePolygon, Mission, MissionItem
from flightplan.vehicle.items import FENCE, MISSION
from flightplan.vehicle.preflight import Preflight, Status, is_ready, run_preflight
from flightplan.vehicle.transfer import Holding, TransferEnd

PREARM = 1 << 28
HOME = (34.8333, -2.3333)
SAFE = {
    "FS_GCS_ENABLE": 1.0,
    "BATT_FS_LOW_ACT": 2.0,
    "BATT_LOW_VOLT": 10.5,
    "FENCE_ENABLE": 1.0,
    "FENCE_TYPE": 4.0,
}
PLAN = Mission(
    (MissionItem(22, 3, longitude_deg=HOME[0], latitude_deg=HOME[1], altitude_m=80.0),),
    home=HOME,
    fence=(FencePolygon(((34.8, -2.4), (34.9, -2.4), (34.9, -2.3)), True),),
)
HELD = {MISSION: TransferEnd(Holding.EXACTLY), FENCE: TransferEnd(Holding.EXACTLY)}


class Standing:
    """A vehicle on the ground, as its messages tell."""

    is_ardupilot = True

    def __init__(
        self, *, flags: int = 831, health: int = PREARM, battery: int = 98, parameters=None, home=HOME
    ) -> None:
        self.latest = {
            "EKF_STATUS_REPORT": SimpleNamespace(flags=flags),
            "SYS_STATUS": SimpleNamespace(
                onboard_control_sensors_present=PREARM,
                onboard_control_sensors_health=health,
                battery_remaining=battery,
            ),
            "HOME_POSITION": SimpleNamespace(longitude=round(home[0] * 1e7), latitude=round(home[1] * 1e7)),
        }
        self._parameters = SAFE if parameters is None else parameters

    def wait_until(self, predicate, timeout_s: float) -> bool:
        return predicate()

    def parameters(self, names) -> dict[str, float]:
        return {n: v for n, v in self._parameters.items() if n in names}


def table(vehicle: Standing, *, transfers=HELD, energy_share: float | None = 0.6, plan: Mission = PLAN) -> Preflight:
    return run_preflight(vehicle, plan, transfers, energy_share=energy_share)


def status(preflight: Preflight) -> dict[str, Status]:
    return {c.name: c.status for c in preflight.checks}


def test_a_vehicle_in_order_passes_and_flies() -> None:
    preflight = table(Standing())
    assert status(preflight) == {
        "position": Status.PASS,
        "prearm": Status.PASS,
        "battery": Status.PASS,
        "mission": Status.PASS,
        "fence": Status.PASS,
        "rally": Status.UNKNOWN,
        "home": Status.PASS,
        "gcs-failsafe": Status.PASS,
        "battery-failsafe": Status.PASS,
        "fence-enabled": Status.PASS,
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
        (Standing(parameters={**SAFE, "FENCE_TYPE": 3.0}), "fence-enabled", "not polygons"),
        (
            Standing(parameters={**SAFE, "FENCE_TYPE": 5.0, "FENCE_ALT_MAX": 50.0}),
            "fence-enabled",
            "ceiling is 50 m, the plan flies at 80 m",
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
    vehicle = Standing(parameters={}, battery=-1)
    found = status(table(vehicle))
    assert {n for n, s in found.items() if s is Status.UNKNOWN} == {
        "battery",
        "rally",
        "gcs-failsafe",
        "battery-failsafe",
        "fence-enabled",
    }


@pytest.mark.parametrize(
    "end", [TransferEnd(Holding.NONE, "refused", 4), TransferEnd(Holding.UNKNOWN, "silence"), None]
)
def test_a_mission_that_was_not_read_back_equal_is_never_flown_even_when_overridden(end: TransferEnd | None) -> None:
    transfers = {FENCE: TransferEnd(Holding.EXACTLY)} | ({MISSION: end} if end else {})
    with pytest.raises(PreflightError, match="mission: "):
        table(Standing(), transfers=transfers).refuse(["mission"])


def test_a_fence_that_is_unknown_is_never_flown_either() -> None:
    transfers = {**HELD, FENCE: TransferEnd(Holding.UNKNOWN, "silence")}
    with pytest.raises(PreflightError, match="fence: what the vehicle holds is unknown"):
        table(Standing(), transfers=transfers).refuse(["fence"])
