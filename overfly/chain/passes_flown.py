"""The passes of a flight over its ground: which captures make one line as flown, its swath, and when it was flown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import shapely

from counts.looks import Looks
from counts.passes import Passes
from flightplan.frames import Floats
from overfly.chain.ground import SurveyGround, courses_deg

Ints = npt.NDArray[np.int64]

LARGEST_TURN_DEG = 45.0
LONGEST_GAP_S = 60.0


def passes_of(ground: SurveyGround, capture: Ints) -> Passes | None:
    """Return the passes from which the sightings of these captures (N,) come; None where times or places are unknown.

    A pass is a run of captures of one sortie along one transect, or, where nothing was planned, in one direction.
    """
    usable = np.isfinite(ground.positions_m).all(axis=1) & np.isfinite(ground.times_s)
    usable &= ~(shapely.is_missing(ground.footprints) | shapely.is_empty(ground.footprints))
    if ground.planned:
        usable &= ground.assignment.transect >= 0
    if not len(capture) or not usable[capture].all():
        return None
    number = _numbers(ground, usable)
    flown = np.unique(number[number >= 0])
    rows = [np.flatnonzero(number == value) for value in flown.tolist()]
    swaths = [_swath(ground, members) for members in rows]
    of_sighting = np.searchsorted(flown, number[capture])
    looked = np.flatnonzero(number >= 0)
    return Passes.checked(
        of_sighting,
        np.stack([s[0] for s in swaths]),
        np.stack([s[1] for s in swaths]),
        len(of_sighting),
        Looks.checked(ground.footprints[looked], number[looked], ground.times_s[looked]),
    )


def _numbers(ground: SurveyGround, usable: npt.NDArray[np.bool_]) -> Ints:
    """The pass of each capture (C,), −1 for those that are not usable."""
    sorties = [sortie or "" for sortie in ground.captures.sorties]
    number = np.full(len(sorties), -1, dtype=np.int64)
    kept = np.flatnonzero(usable)
    order = kept[np.lexsort((ground.times_s[kept], np.array(sorties, dtype=np.str_)[kept]))]
    name = np.array(sorties, dtype=np.str_)[order]
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (name[1:] != name[:-1]) | (np.diff(ground.times_s[order]) > LONGEST_GAP_S)
    if ground.planned:
        line = ground.assignment.transect[order]
        starts[1:] |= line[1:] != line[:-1]
    else:
        course = courses_deg(ground.positions_m, ground.times_s, sorties, reach_m=np.inf)[order]
        turned = np.abs((course[1:] - course[:-1] + 180) % 360 - 180)
        starts[1:] |= ~(turned <= LARGEST_TURN_DEG)
    number[order] = np.cumsum(starts) - 1
    return number


def _swath(ground: SurveyGround, members: Ints) -> tuple[Floats, Floats]:
    """Corners (4, 2) of the least rectangle along the pass around its footprints, and its times (2,) at both ends."""
    places, times = ground.positions_m[members], ground.times_s[members]
    first, last = members[np.argmin(times)], members[np.argmax(times)]
    along = ground.positions_m[last] - ground.positions_m[first]
    length = float(np.hypot(*along))
    along = along / length if length > 0 else np.array([0.0, 1.0])
    axes = np.stack([along, [along[1], -along[0]]])
    (low_y, low_x), (high_y, high_x) = (
        f(shapely.get_coordinates(ground.footprints[members]) @ axes.T, axis=0) for f in (np.min, np.max)
    )
    corners = np.array([(low_y, low_x), (low_y, high_x), (high_y, high_x), (high_y, low_x)]) @ axes
    station = places @ along
    pace = (times.max() - times.min()) / length if length > 0 else 0.0
    middle_s, middle = float(times.mean()), float(station.mean())
    return corners, np.array([middle_s + (low_y - middle) * pace, middle_s + (high_y - middle) * pace])
