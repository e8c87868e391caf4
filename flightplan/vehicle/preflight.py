"""What must be right before take-off, as a table of pass, fail and unknown with what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pyproj

from flightplan.errors import PreflightError
from flightplan.mission import Frame, Mission
from flightplan.vehicle.items import FENCE, KINDS, MISSION, RALLY
from flightplan.vehicle.link import Link
from flightplan.vehicle.transfer import Holding, TransferEnd

_GEOD = pyproj.Geod(ellps="WGS84")
_HORIZONTAL, _PREDICTED_HORIZONTAL = 16, 512
_PREARM_BIT = 1 << 28
HOME_REACH_M = 500.0
BATTERY_RESERVE = 0.15
_PARAMETERS = (
    "AUTO_OPTIONS",
    "BATT_FS_LOW_ACT",
    "BATT_LOW_MAH",
    "BATT_LOW_VOLT",
    "FENCE_ALT_MAX",
    "FENCE_ENABLE",
    "FENCE_RADIUS",
    "FENCE_TYPE",
    "FS_GCS_ENABLE",
)
_FENCE_CEILING, _FENCE_CIRCLE, _FENCE_POLYGON = 1, 2, 4


class Status(StrEnum):
    """How one thing stands."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """One line of the table: `name` is what `--override` takes, `remedy` what to do when it does not pass.

    A `binding` check that does not pass cannot be overridden.
    """

    name: str
    status: Status
    text: str
    remedy: str | None = None
    binding: bool = False


@dataclass(frozen=True)
class Preflight:
    """The whole table, and the vehicle's parameters that were read for it."""

    checks: tuple[Check, ...]
    parameters: Mapping[str, float]

    def refuse(self, overrides: Collection[str]) -> None:
        """Raise PreflightError for the fails that are not overridden, and for what is binding and does not pass.

        Binding are the lists that were uploaded: whatever the vehicle holds instead would be flown.
        """
        fatal = [
            c
            for c in self.checks
            if (c.binding and c.status is not Status.PASS) or (c.status is Status.FAIL and c.name not in overrides)
        ]
        if fatal:
            names = ", ".join(c.name for c in fatal)
            raise PreflightError(
                "; ".join(f"{c.name}: {c.text}" for c in fatal),
                where="preflight",
                hint=" ".join(dict.fromkeys(c.remedy for c in fatal if c.remedy))
                or f"Put it right, or take it on you with --override {names}.",
            )


def is_ready(link: Link) -> bool:
    """Whether an ArduPilot has a horizontal position and then holds its PREARM bit: the bit alone is set too early."""
    ekf, status = link.latest.get("EKF_STATUS_REPORT"), link.latest.get("SYS_STATUS")
    return (
        ekf is not None
        and status is not None
        and _has_position(ekf.flags)
        and bool(status.onboard_control_sensors_health & _PREARM_BIT)
    )


def run_preflight(
    link: Link,
    mission: Mission,
    transfers: Mapping[int, TransferEnd],
    *,
    energy_share: float | None = None,
    ready_within_s: float = 120.0,
) -> Preflight:
    """Check the vehicle against what a mission needs, waiting `ready_within_s` for its position estimate.

    `transfers` says how the upload of each kind of list ended; `energy_share` is the part of a full battery that the
    sortie uses, None when nobody planned it.
    """
    if link.is_ardupilot:
        link.wait_until(lambda: is_ready(link), ready_within_s)
    else:
        link.wait_until(lambda: "GLOBAL_POSITION_INT" in link.latest, ready_within_s)
    parameters = link.parameters(_PARAMETERS) if link.is_ardupilot else {}
    checks = [
        _position(link),
        _prearm(link),
        _battery(link, energy_share),
        *(_list_held(kind, transfers.get(kind)) for kind in (MISSION, FENCE, RALLY)),
        _home(link, mission),
        _ground_station_failsafe(link, parameters),
        _battery_failsafe(link, parameters),
        _fence_enabled(mission, parameters),
    ]
    return Preflight(tuple(checks), parameters)


def _has_position(flags: int) -> bool:
    return bool(flags & _HORIZONTAL) and bool(flags & _PREDICTED_HORIZONTAL)


def _position(link: Link) -> Check:
    ekf = link.latest.get("EKF_STATUS_REPORT")
    if ekf is None:
        place = link.latest.get("GLOBAL_POSITION_INT")
        if not link.is_ardupilot and place is not None and (place.lat or place.lon):
            return Check("position", Status.PASS, "the vehicle reports its position")
        return Check("position", Status.FAIL, "no position estimate was reported", "Wait for the GPS, in the open.")
    if _has_position(ekf.flags):
        return Check("position", Status.PASS, "the position estimate is good")
    return Check("position", Status.FAIL, "there is no horizontal position estimate", "Wait for the GPS, in the open.")


def _prearm(link: Link) -> Check:
    status = link.latest.get("SYS_STATUS")
    if status is None:
        return Check("prearm", Status.UNKNOWN, "the vehicle did not report its own checks")
    if not status.onboard_control_sensors_present & _PREARM_BIT:
        return Check("prearm", Status.UNKNOWN, "the vehicle does not report its own checks")
    if status.onboard_control_sensors_health & _PREARM_BIT:
        return Check("prearm", Status.PASS, "the vehicle's own checks pass")
    said = link.latest.get("STATUSTEXT")
    words = said.text if said is not None and said.text.startswith("PreArm") else "the vehicle's own checks do not pass"
    return Check("prearm", Status.FAIL, words, "Put right what the vehicle complains of.")


def _battery(link: Link, energy_share: float | None) -> Check:
    status = link.latest.get("SYS_STATUS")
    if status is None or status.battery_remaining < 0:
        return Check("battery", Status.UNKNOWN, "the vehicle does not report its charge")
    charge = status.battery_remaining / 100
    if energy_share is None:
        return Check("battery", Status.UNKNOWN, f"charge {charge:.0%}; what the flight needs is not planned")
    need = min(energy_share + BATTERY_RESERVE, 1.0)
    if charge >= need:
        return Check("battery", Status.PASS, f"charge {charge:.0%}, the flight needs {energy_share:.0%}")
    text = f"charge {charge:.0%}, the flight needs {energy_share:.0%} and {BATTERY_RESERVE:.0%} of reserve"
    return Check("battery", Status.FAIL, text, "Fly with a full battery.")


def _list_held(kind: int, end: TransferEnd | None) -> Check:
    name = {MISSION: "mission", FENCE: "fence", RALLY: "rally"}[kind]
    if end is None:
        if kind == MISSION:
            return Check(name, Status.FAIL, "no mission was uploaded", "Upload one.", binding=True)
        return Check(name, Status.UNKNOWN, f"the plan has no {KINDS[kind]}; the vehicle keeps what it has")
    if end.holding is Holding.EXACTLY:
        return Check(name, Status.PASS, f"read back and equal: {KINDS[kind]}")
    item = f", item {end.item}" if end.item is not None else ""
    status = Status.FAIL if end.holding is Holding.NONE else Status.UNKNOWN
    text = f"{end.holding}: {end.reason}{item}"
    return Check(name, status, text, "Upload again; do not arm before it is read back.", binding=True)


def _home(link: Link, mission: Mission) -> Check:
    home = link.latest.get("HOME_POSITION")
    place = link.latest.get("GLOBAL_POSITION_INT")
    if home is not None and home.latitude:
        here = (home.longitude / 1e7, home.latitude / 1e7)
    elif place is not None and place.lat:
        here = (place.lon / 1e7, place.lat / 1e7)
    else:
        return Check("home", Status.UNKNOWN, "the vehicle has not told where it stands")
    planned = mission.home or next(
        ((i.longitude_deg, i.latitude_deg) for i in mission.items if i.longitude_deg is not None), None
    )
    if planned is None or planned[0] is None or planned[1] is None:
        return Check("home", Status.UNKNOWN, "the plan has no home")
    _, _, distance_m = _GEOD.inv(here[0], here[1], planned[0], planned[1])
    if distance_m <= HOME_REACH_M:
        return Check("home", Status.PASS, f"the vehicle stands {distance_m:.0f} m from the plan's home")
    return Check(
        "home",
        Status.FAIL,
        f"the vehicle stands {distance_m / 1000:.1f} km from the plan's home",
        "Go to the launch site of the plan, or plan again from here.",
    )


def _ground_station_failsafe(link: Link, parameters: Mapping[str, float]) -> Check:
    if "FS_GCS_ENABLE" not in parameters:
        return Check("gcs-failsafe", Status.UNKNOWN, "what the vehicle does when it hears nothing is not known")
    if parameters["FS_GCS_ENABLE"]:
        return Check("gcs-failsafe", Status.PASS, "the vehicle acts when it hears no ground station")
    return Check(
        "gcs-failsafe", Status.FAIL, "the vehicle flies on when it hears no ground station", "Set FS_GCS_ENABLE to 1."
    )


def _battery_failsafe(link: Link, parameters: Mapping[str, float]) -> Check:
    if "BATT_FS_LOW_ACT" not in parameters:
        return Check("battery-failsafe", Status.UNKNOWN, "what the vehicle does with a low battery is not known")
    limits = parameters.get("BATT_LOW_VOLT", 0) > 0 or parameters.get("BATT_LOW_MAH", 0) > 0
    if parameters["BATT_FS_LOW_ACT"] and limits:
        return Check("battery-failsafe", Status.PASS, "the vehicle comes back or lands on a low battery")
    return Check(
        "battery-failsafe",
        Status.FAIL,
        "the vehicle flies on with a low battery",
        "Set BATT_FS_LOW_ACT to 2 (return home), and BATT_LOW_VOLT or BATT_LOW_MAH.",
    )


def _fence_enabled(mission: Mission, parameters: Mapping[str, float]) -> Check:
    name, fenced = "fence-enabled", bool(mission.fence or mission.fence_circles)
    if "FENCE_ENABLE" not in parameters:
        return Check(name, Status.UNKNOWN, "whether a fence is enabled is not known")
    if not parameters["FENCE_ENABLE"]:
        if not fenced:
            return Check(name, Status.PASS, "the plan has no fence, and none is enabled")
        return Check(name, Status.FAIL, "the fence is loaded but not enabled", "Set FENCE_ENABLE to 1.")
    kinds = int(parameters.get("FENCE_TYPE", 0))
    if fenced and not kinds & _FENCE_POLYGON:
        return Check(name, Status.FAIL, "fences are enabled, but not polygons", "Set FENCE_TYPE to 4.")
    reach_m, height_m = _extent(mission)
    if kinds & _FENCE_CIRCLE and parameters.get("FENCE_RADIUS", 0) < reach_m:
        radius_m = parameters.get("FENCE_RADIUS", 0)
        text = f"the vehicle's own fence is a circle of {radius_m:.0f} m, the plan goes {reach_m:.0f} m"
        return Check(name, Status.FAIL, text, "Set FENCE_TYPE to 4, or FENCE_RADIUS to more than that.")
    if kinds & _FENCE_CEILING and parameters.get("FENCE_ALT_MAX", 0) < height_m:
        ceiling_m = parameters.get("FENCE_ALT_MAX", 0)
        text = f"the vehicle's own ceiling is {ceiling_m:.0f} m, the plan flies at {height_m:.0f} m"
        return Check(name, Status.FAIL, text, "Set FENCE_TYPE to 4, or FENCE_ALT_MAX to more than that.")
    return Check(name, Status.PASS, "the fence is enabled, and the plan is within it")


def _extent(mission: Mission) -> tuple[float, float]:
    """Return how far from home and how high above it a mission goes, in metres."""
    placed = [i for i in mission.items if i.longitude_deg is not None and i.latitude_deg is not None]
    height_m = max((i.altitude_m for i in placed if i.frame == Frame.GLOBAL_RELATIVE_ALT), default=0.0)
    if mission.home is None or not placed:
        return 0.0, height_m
    count = len(placed)
    lon, lat = [mission.home[0]] * count, [mission.home[1]] * count
    far = _GEOD.inv(lon, lat, [i.longitude_deg for i in placed], [i.latitude_deg for i in placed])[2]
    return max(far), height_m
