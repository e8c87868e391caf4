"""What the sheet of one sortie says besides its map: lines with heights, time and battery, emergencies, a checklist."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from flightplan.areas import WHOLE
from flightplan.frames import Floats
from flightplan.mission_builder import mission_path
from flightplan.plan import Sortie, SurveyPlan
from flightplan.profile_chart import Heights, ProfileChart, heights_along, profile_chart

MOST_LINES = 30


@dataclass(frozen=True)
class SheetLine:
    """One line flown on effort.

    `minute` and `battery_left` are when it ends, by the distance flown until then: about right where the sortie is
    flown evenly, and enough to see a battery that runs low too early.
    """

    name: str
    heading_deg: int
    length_m: float
    above_takeoff_m: str
    above_ground_m: str
    minute: float
    battery_left: float


@dataclass(frozen=True)
class Sheet:
    """A sortie's sheet. `lines_left` is how many lines there was no room for."""

    lines: tuple[SheetLine, ...]
    lines_left: int
    chart: ProfileChart | None
    emergency: tuple[tuple[str, str], ...]
    checklist: tuple[str, ...]


def sheet_of(plan: SurveyPlan, sortie: Sortie, images: int) -> Sheet:
    """Return what the sheet of a sortie says."""
    lines = _lines(plan, sortie)
    return Sheet(
        lines[:MOST_LINES],
        max(0, len(lines) - MOST_LINES),
        profile_chart(sortie, plan.area),
        _emergency(plan, sortie),
        _checklist(plan, sortie, images),
    )


def place(lonlat: tuple[float, float] | None) -> str:
    """A place as people type it into a ground station: latitude first, and it says so."""
    if lonlat is None:
        return "not known"
    longitude, latitude = lonlat
    return (
        f"{abs(latitude):.5f}° {'N' if latitude >= 0 else 'S'}, {abs(longitude):.5f}° {'E' if longitude >= 0 else 'W'}"
    )


def span(values: Floats) -> str:
    """Metres from the least to the greatest, one number where they are the same."""
    low, high = float(np.min(values)), float(np.max(values))
    return _metres(low) if high - low < 0.5 else f"{_metres(low)} to {_metres(high)}"


def _metres(value: float) -> str:
    return f"{round(value):d}".replace("-", "−")


def _lines(plan: SurveyPlan, sortie: Sortie) -> tuple[SheetLine, ...]:
    mission = sortie.mission
    local = plan.area.frame.to_local(mission_path(mission))
    legs_m = np.hypot(*np.diff(local, axis=0).T)
    reach_m = np.concatenate([[0.0], np.cumsum(legs_m)])
    items = [i for i in mission.items if i.longitude_deg is not None]
    first = 0 if mission.home is None else 1
    heights = heights_along(sortie, plan.area)
    one_stratum = len({t.rpartition("-")[0] for t in sortie.transects}) == 1
    found, at = [], 0
    for transect, group in groupby(items, key=lambda i: i.transect):
        number = len(list(group))
        # An item is where a leg ends: the leg before the first of a line's items leads from the line's start.
        start, end = at + first - 1, at + first + number - 1
        at += number
        if transect is None or start < 0:
            continue
        run = local[end] - local[start]
        share = float(reach_m[end] / reach_m[-1]) if reach_m[-1] > 0 else 1.0
        flown = np.array([items[k].altitude_m for k in range(max(start - first, 0), end - first + 1)])
        stratum, _, digits = transect.rpartition("-")
        short = digits.lstrip("0") or transect
        found.append(
            SheetLine(
                name=short if one_stratum or stratum == WHOLE else f"{stratum} {short}",
                heading_deg=round(float(np.degrees(np.arctan2(run[0], run[1])))) % 360,
                length_m=float(reach_m[end] - reach_m[start]),
                above_takeoff_m=span(flown),
                above_ground_m=_above_ground(plan, heights, reach_m[start], reach_m[end]),
                minute=share * sortie.duration_s / 60,
                battery_left=1 - share * sortie.energy_share,
            )
        )
    return tuple(found)


def _above_ground(plan: SurveyPlan, heights: Heights | None, start_m: float, end_m: float) -> str:
    if heights is None:
        return f"{plan.altitude_agl_m:.0f}*"
    there = (heights.distance_m >= start_m - 0.5) & (heights.distance_m <= end_m + 0.5)
    return span(heights.above_ground_m[there]) if there.any() else "not known"


def _emergency(plan: SurveyPlan, sortie: Sortie) -> tuple[tuple[str, str], ...]:
    highest_m = max(i.altitude_m for i in sortie.mission.items if i.longitude_deg is not None)
    if sortie.return_height_m is not None:
        back = f"{sortie.return_height_m:.0f} m above take-off clears ground and known obstacles straight home"
    else:
        back = f"{highest_m:.0f} m above take-off or more: no elevation was given, so hills on the way are not known"
        prefix = f"{sortie.identifier}: coming home straight"
        back += "".join(f"; straight home{w[len(prefix) :]}" for w in plan.warnings if w.startswith(prefix))
    said = [
        ("Return height", back),
        ("Highest on the way", f"{highest_m:.0f} m above take-off"),
        ("Take-off and landing", place(sortie.mission.home)),
    ]
    others = [r for r in sortie.mission.rally if (r.longitude_deg, r.latitude_deg) != sortie.mission.home]
    said += [("Other place to land", place((r.longitude_deg, r.latitude_deg))) for r in others[:3]]
    if sortie.furthest_m is not None:
        said.append(("Furthest from take-off", f"{sortie.furthest_m / 1000:.2f} km"))
    said.append(
        ("Battery at landing", f"{1 - sortie.energy_share:.0%} as planned; with less than that before, come home")
    )
    tops = [f"{o.name} ({o.top})" if o.top else o.name for o in plan.area.obstacles]
    if tops:
        said.append(("Obstacles", ", ".join(tops[:5]) + (f" and {len(tops) - 5} more" if len(tops) > 5 else "")))
    return tuple(said)


def _checklist(plan: SurveyPlan, sortie: Sortie, images: int) -> tuple[str, ...]:
    free = "" if sortie.storage_mb is None else f", {_storage(sortie.storage_mb)} free"
    stops = "at each stop" if plan.hover_s is not None else f"every {plan.trigger_distance_m:.1f} m"
    fence = "Fence and return height set" if sortie.mission.fence else "Return height set"
    return (
        "Permissions and airspace of the day checked",
        "People, livestock and wild animals clear of the take-off place",
        f"Mission {sortie.identifier} loaded: {len(sortie.mission.items)} items",
        f"{fence}; home is here",
        f"Camera: focus, exposure, a frame {stops}, {images} frames{free}",
        "Battery full, propellers and compass checked, wind measured",
        "Observer and radio ready; who calls it off is agreed",
    )


def _storage(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
