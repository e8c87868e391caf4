"""Mark-resight: collared animals that were in a picture, and how many were found; marked animals among a network's.

A collared animal in view that nobody found was hidden or missed: the share found is availability and detection in one,
measured on wild animals in this survey. An animal is the unit of its error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import shapely

from counts.cameras import once
from counts.estimators import Component, Estimate, LimitForm, Rate, estimate, no_estimate
from counts.store.elsewhere import CameraEntry
from flightplan.frames import Floats

NAME = "mark-resight"
CAMERAS = "marks at cameras"
LONGEST_GAP_S = 3600.0
"""Between fixes further apart nobody knows where an animal was."""

FIX_ERROR_M = 10.0
WEEKS_BEFORE_AND_AFTER = 4

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """Pictures on effort: `footprints` (F,) in metres, `times_s` (F,) since 1970 and the `transect` (F,) of each."""

    footprints: npt.NDArray[np.object_]
    times_s: Floats
    transect: Ints


@dataclass(frozen=True)
class Resighting:
    """One marked animal: on how many transects it was surely in a picture, and on how many of them it was found."""

    animal: str
    present: int
    found: int


@dataclass(frozen=True)
class MarksFound:
    """All marked animals of one species. `rate` is None, with the `reason`, where its error cannot be known."""

    resightings: tuple[Resighting, ...]
    share: float | None
    standard_error: float | None
    reason: str | None

    @property
    def present(self) -> int:
        """Times that marked animals were in view."""
        return sum(r.present for r in self.resightings)

    @property
    def found(self) -> int:
        """Times that they were found."""
        return sum(r.found for r in self.resightings)

    def rate(self, source: str) -> Rate | None:
        """What a count is divided by, None without an error."""
        if self.share is None or self.standard_error is None:
            return None
        df = float(max(len(self.resightings) - 1, 1))
        return Rate(NAME, self.share, self.standard_error, source, df)


def resight(
    animal: str, times_s: Floats, places_m: Floats, frames: Frames, seen_m: Floats, seen_transect: Ints
) -> Resighting:
    """Compare one animal's fixes, `times_s` (N,) rising and `places_m` (N, 2), with frames and with animals found.

    Between two fixes it is taken to have gone straight on, within half their distance and the error of a fix. Only
    frames that hold all of that surely show it; it is found where an individual of its species, `seen_m` (M, 2) on
    `seen_transect` (M,), is as near. In a herd that may be its neighbour: shares are then rather too high.
    """
    if len(times_s) < 2 or not len(frames.times_s):
        return Resighting(animal, 0, 0)
    after = np.clip(np.searchsorted(times_s, frames.times_s), 1, len(times_s) - 1)
    gap = times_s[after] - times_s[after - 1]
    share = (frames.times_s - times_s[after - 1]) / np.where(gap > 0, gap, 1.0)
    usable = np.flatnonzero((share >= 0) & (share <= 1) & (gap > 0) & (gap <= LONGEST_GAP_S))
    step = places_m[after[usable]] - places_m[after[usable] - 1]
    where = places_m[after[usable] - 1] + share[usable, None] * step
    doubt = FIX_ERROR_M + np.hypot(step[:, 0], step[:, 1]) / 2
    points, shown = shapely.points(where), frames.footprints[usable]
    surely = shapely.contains(shown, points) & (shapely.distance(points, shapely.boundary(shown)) >= doubt)
    units = frames.transect[usable]
    present = found = 0
    for unit in np.unique(units[surely]).tolist():
        rows = np.flatnonzero(surely & (units == unit))
        others = seen_m[seen_transect == unit]
        away = np.hypot(*(where[rows, None, :] - others[None, :, :]).transpose(2, 0, 1))
        present += 1
        found += bool((away <= doubt[rows, None] + FIX_ERROR_M).any())
    return Resighting(animal, present, found)


def share_found(resightings: Iterable[Resighting]) -> MarksFound:
    """Return the share of marked animals in view that were found, Σ found / Σ present, with its error between animals.

    Variance of a ratio over animals: n/(n−1)·Σ(f − r·p)²/(Σp)² (Cochran 1977, §6.4).
    """
    each = tuple(r for r in resightings if r.present)
    present, found = (np.array([getattr(r, k) for r in each], dtype=np.float64) for k in ("present", "found"))
    if not len(each):
        return MarksFound(each, None, None, "no collared animal was surely in a picture")
    share = float(found.sum() / present.sum())
    if share == 0:
        return MarksFound(each, None, None, "none of them was found: there is nothing to divide by")
    if len(each) < 2:
        return MarksFound(each, share, None, "one animal says nothing of how animals differ")
    error = float(np.sqrt(len(each) / (len(each) - 1) * ((found - share * present) ** 2).sum()) / present.sum())
    if not error > 0:
        return MarksFound(each, share, None, "all animals were found alike, so they hold no measure of the error")
    return MarksFound(each, share, error, None)


def marked_among_seen(
    observations: Sequence[CameraEntry],
    names: Sequence[str],
    marks: Sequence[Sequence[str]],
    start_utc: datetime,
    end_utc: datetime,
    *,
    confidence: float = 0.95,
) -> tuple[Estimate, int, int]:
    """Estimate a population from marked animals among those that camera traps saw; also return (seen, marked seen).

    `marks` has the names (of animal and tags) of each marked animal known to be there; `names` are those of the
    species. Bailey (1951), for animals that come by again and again: N = M(n+1)/(m+1), variance
    M²(n+1)(n−m)/((m+1)²(m+2)). Observations within four weeks of the survey count, each event once.
    """
    method = "mark-resight at camera traps (Bailey)"
    margin = timedelta(weeks=WEEKS_BEFORE_AND_AFTER)
    known = {name.casefold() for each in marks for name in each}
    rows = [
        o
        for o in once(observations)
        if {o.species, o.scientific_name} & set(names) and start_utc - margin <= o.start_utc <= end_utc + margin
    ]
    seen = sum(o.count or 1 for o in rows)
    again = len([o for o in rows if o.individual and o.individual.casefold() in known])
    if not marks or not rows:
        reason = "no marked animal was in the area" if not marks else "no camera saw the species"
        return no_estimate(reason, method=method, units=len(rows)), seen, again
    big_m, n, m = len(marks), seen, again
    variance = big_m**2 * (n + 1) * (n - m) / ((m + 1) ** 2 * (m + 2))
    found = estimate(
        big_m * (n + 1) / (m + 1),
        (Component("detection", variance),) if variance > 0 else (),
        method=method,
        units=len(rows),
        seen=float(big_m),
        confidence=confidence,
        form=LimitForm.LOGNORMAL,
        reason=None if m >= 1 else "no marked animal was seen again",
    )
    return found, seen, again
