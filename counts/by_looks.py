"""Animals that nobody can tell apart, counted by how often their ground was looked at: which tracks, and how surely."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from counts.herd_motion import walks
from counts.likelihood import density_within, strangers_near
from counts.looks import spread_by_walking, thinned
from counts.observed import CHI2_95, Observed
from counts.passes import STRANGERS_TOLD, Passes

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LOOKS_BELIEVED = 20.0
"""The detection probability that was given weighs as much as so many looks that show it."""

SHARE_ALONE = 0.5


def left_out(
    s: Observed, reported: Observed, track: Ints, untold: Bools, passes: Passes
) -> tuple[Bools, dict[str, float]]:
    """The sightings (N,) of those tracks that are not counted, so that as many are as the looks ask.

    And by label how far the count may be off because it is not known better how herds walk, in animals. `reported` are
    the same sightings before `counts.steady`.
    """
    left = np.zeros(len(s), dtype=np.bool_)
    swayed: dict[str, float] = {}
    unit = s.groups // len(passes.corners)
    for value in np.unique(unit[untold]).tolist():
        mine = unit == value
        rows = np.flatnonzero(untold & mine)
        heads, number = np.unique(track[rows], return_inverse=True)
        found = _found(s, track, np.flatnonzero(mine), passes, float(s.detection[rows[0]]))
        if passes.looks is None:
            weight = passes.weights(s.points[rows], number.astype(np.int64), found)
        else:
            share = np.asarray(1.0 / (found * passes.looks.number_at(s.points[rows])))
            herds = walks(s, reported, track, rows, share, passes)
            weight = np.bincount(number, weights=share * herds.factor).astype(np.float64)
            label = str(s.labels[rows[0]])
            swayed[label] = float(np.hypot(swayed.get(label, 0.0), herds.error))
        left[rows] = ~thinned(weight, passes.along(s.points[heads]))[number]
    return left, swayed


def walked(
    s: Observed, track: Ints, untold: Bools, left: Bools, passes: Passes, detection_error: Mapping[str, float] | float
) -> dict[str, tuple[float, float]]:
    """By label the standard error of what was counted by looks, in animals, and how many walked past all frames.

    `untold` (N,) are the sightings of animals that only looks count, `left` those of tracks that do not count.
    """
    result: dict[str, tuple[float, float]] = {}
    if passes.looks is None:
        return result
    for label in np.unique(s.labels[untold]).tolist():
        mine = ~left & (s.labels == label)
        heads, by_looks = np.unique(track[mine]), len(np.unique(track[mine & untold]))
        if not len(heads):
            continue
        detection, limit = float(s.detection[heads[0]]), float(np.sqrt(s.drift_variance[heads[0]] * CHI2_95))
        variance, past = spread_by_walking(passes.looks, s.points[heads], limit, detection)
        unsure = detection_error[label] if isinstance(detection_error, Mapping) else detection_error
        error = np.hypot(np.sqrt(variance * by_looks), by_looks * unsure / detection)
        result[label] = float(error), past * len(heads)
    return result


def _found(s: Observed, track: Ints, rows: Ints, passes: Passes, detection: float) -> float:
    """The share of animals in view that were found, where it shows: between the first and last sighting of a track.

    Only those are asked that stand so far apart that each sighting is plainly its animal's; `detection` is what to
    think where there are few of them.
    """
    if passes.looks is None:
        return detection
    step = passes.looks.intervals_s(len(passes.corners))[s.passes[rows]]
    spread = 2 * s.covariances[rows] + (s.drift_variance[rows] * step**2)[:, None, None] * np.eye(2)
    alone = strangers_near(spread, density_within(s.points, s.layers)[rows]) <= STRANGERS_TOLD
    _, of_track = np.unique(track[rows] * len(passes.corners) + s.passes[rows], return_inverse=True)
    alone = (np.bincount(of_track, weights=~alone) == 0)[of_track]
    # Those at the edge of a crowd are no sample of it, and their tracks may be of several.
    if alone.mean() < SHARE_ALONE:
        return detection
    rows = rows[alone]
    of_track = np.unique(of_track[alone], return_inverse=True)[1]
    seen = np.bincount(of_track)
    first, last = np.full(len(seen), np.inf), np.full(len(seen), -np.inf)
    np.minimum.at(first, of_track, s.times[rows])
    np.maximum.at(last, of_track, s.times[rows])
    of_pass = np.zeros(len(seen), dtype=np.int64)
    of_pass[of_track] = s.passes[rows]
    between = passes.looks.between(of_pass, first, last)
    told = np.minimum(np.maximum(seen - 2, 0), between)
    return float((told.sum() + LOOKS_BELIEVED * detection) / (between.sum() + LOOKS_BELIEVED))
