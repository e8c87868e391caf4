"""Animals at rest under several lines: who is who by frames laid on each other, or, in a crowd, by their looks.

What a frame's pose is wrong by is the same for all its boxes, so that the frames of all passes can be laid on each
other by the animals that they show (`counts.mosaic`), and each animal told by all its sightings at once
(`counts.settling`).
Where animals stand as close as a box is uncertain, which sighting is whose cannot be told, but how many looks each
place had is then known to a box's error too, and counts them (`counts.looks`). Whichever of the two errs less is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from counts.likelihood import density_within
from counts.looks import Looks, thinned
from counts.mosaic import mosaic
from counts.observed import Observed
from counts.passes import Passes
from counts.settling import MOST_FOUND, Boxes, Settled, settle, settle_apart
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

AT_REST = 0.25
"""Animals are at rest that walk less far than this share of a box's error while they are looked at."""

CROWDED = 2.0
"""In a crowd sightings are parts of one track that are as near as this, d²."""

MISTAKEN_CLOSE, MISTAKEN_MISSED = 0.015, 0.05
"""The share of mistakes where as many stand within a box's error as animals, and more where some are missed."""

LOOKS_MISTAKEN, LOOKS_MISTAKEN_ALONE = 0.005, 0.2
"""How far looks may be wrong at the edges of frames, for all animals and for those in frames laid on no other."""

NOT_AS_MANY, CROWD_UNSURE = 4.0, 0.1
"""A frame shows as many as it should but for so many standard deviations of chance, and so much of a crowd."""

UNSURE, EDGE_MISTAKEN = 0.1, 0.15
"""Where it is this unsure whether another line showed an animal, so many are mistaken, those of one edge all alike."""

MISTAKEN_ALONE = 0.4
"""The share of mistakes where a frame is laid on no other and as many strangers stand near as animals."""


@dataclass(frozen=True)
class Rested:
    """Sightings (N,) in their tracks: the row of the first; those `untold` and `left`; where they stood; the `error`.

    `error` is the standard error of the count that is to be expected, in animals.
    """

    track: Ints
    untold: Bools
    left: Bools
    points: Floats
    variance: Floats
    error: float


def at_rest(s: Observed, passes: Passes) -> Bools:
    """Sightings (N,) whose animals do not walk, as far as can be seen."""
    if passes.looks is None or s.corners is None or not len(s):
        return np.zeros(len(s), dtype=np.bool_)
    span = float(np.ptp(s.times))
    own = np.trace(s.own, axis1=1, axis2=2) / 2
    return np.asarray(s.drift_variance * span**2 <= AT_REST**2 * own)


def rested(s: Observed, passes: Passes, detection: float, detection_error: float = 0.0) -> Rested:
    """Tell the sightings of one unit apart whose animals are at rest."""
    assert passes.looks is not None
    assert s.corners is not None
    _, first, frame = np.unique(s.frames, return_index=True, return_inverse=True)
    frame = frame.astype(np.int64)
    own = np.trace(s.own, axis1=1, axis2=2) / 2
    shared = (np.trace(s.covariances, axis1=1, axis2=2) / 2 - own)[first]
    shared = np.maximum(shared, 1e-6)
    corners = s.corners[first]
    density = density_within(s.points, s.layers) / detection
    strip = s.passes[first]
    boxes = Boxes(s.points, frame, own, shared, corners, strip, density, detection)
    found = settle(boxes, mosaic(s.points, frame, own, shared, corners, strip))
    points, registered = s.points - found.shift[frame], found.registered[frame]
    variance = own + np.where(registered, found.variance[frame], shared[frame])
    shift = np.zeros((len(passes.looks.footprints), 2))
    laid_with = np.full(len(shift), -1, dtype=np.int64)
    row = passes.looks.row_of(s.passes[first], s.times[first])
    group = np.where(found.registered & _as_many(found, s.points, frame, corners, detection), found.group, -1)
    shift[row[row >= 0]], laid_with[row[row >= 0]] = found.shift[row >= 0], group[row >= 0]
    number, share = _shares(passes.looks.moved(shift), laid_with, points, group[frame], detection)
    merging = _merging_error(found.track, number, density, own, shared[frame], registered, detection)
    at_edges = EDGE_MISTAKEN * _at_edges(found, frame, s.passes, strip, detection)
    merging += at_edges
    by_looks = at_edges + _looks_error(share, registered, detection, detection_error)
    everyone = np.ones(len(s), dtype=np.bool_)
    if merging <= by_looks:
        return Rested(_heads(found.track)[found.track], ~everyone, ~everyone, points, variance, merging)
    # Who is who is not said, and there are as many parts as are needed for all that are counted.
    track = settle_apart(boxes, found, CROWDED)
    heads = _heads(track)
    left = ~thinned(np.bincount(track, weights=share).astype(np.float64), passes.along(points[heads]))[track]
    return Rested(heads[track], everyone, left, points, variance, by_looks)


def _heads(track: Ints) -> Ints:
    """The first row of each track."""
    heads = np.full(int(track.max()) + 1, len(track), dtype=np.int64)
    np.minimum.at(heads, track, np.arange(len(track)))
    return heads


def _as_many(found: Settled, points: Floats, frame: Ints, corners: Floats, detection: float) -> Bools:
    """Frames (F,) that show about as many animals as the others say; one that was laid wrongly shows other ground."""
    here = points - found.shift[frame]
    members = np.bincount(found.track)
    middle = np.column_stack([np.bincount(found.track, weights=here[:, axis]) for axis in (0, 1)]) / members[:, None]
    _, shown = shapely.STRtree(shapely.polygons(corners - found.shift[:, None])).query(
        shapely.points(middle), predicate="intersects"
    )
    expected = detection * np.bincount(shown, minlength=len(corners))
    boxes = np.bincount(frame, minlength=len(corners))
    return np.asarray(np.abs(boxes - expected) <= NOT_AS_MANY * np.sqrt(expected + 1) + CROWD_UNSURE * expected)


def _shares(looks: Looks, group: Ints, points: Floats, mine: Ints, detection: float) -> tuple[Floats, Floats]:
    """How many frames show each place (N,), and what each sighting tells of an animal.

    Frames of one `group` (F,) that lie on each other say exactly what they show; of several groups that looked at a
    place the one with most looks counts, and frames that lie on no other (−1) only where none of those looked. `mine`
    (N,) is the group of each sighting.
    """
    frame = np.flatnonzero(group >= 0)
    row, seen_by = shapely.STRtree(looks.footprints[frame]).query(shapely.points(points), predicate="intersects")
    width = int(group.max(initial=0)) + 2
    key, number = np.unique(row * width + group[frame[seen_by]], return_counts=True)
    row, of = np.divmod(key, width)
    # The last of a place's groups, in order of looks, and of number where they are as many, is the one that counts.
    order = np.lexsort((of, number, row))
    last = order[np.flatnonzero(np.diff(row[order], append=-1))]
    known, best = np.zeros(len(points)), np.full(len(points), -1, dtype=np.int64)
    known[row[last]], best[row[last]] = number[last], of[last]
    everywhere = looks.number_at(points)
    nobody = (best < 0) & (mine < 0)
    share = np.where(nobody, 1.0 / everywhere, np.where((best == mine) & (best >= 0), 1.0 / np.maximum(known, 1), 0.0))
    return np.where(known > 0, known, everywhere), share / detection


def _at_edges(found: Settled, frame: Ints, strip: Ints, strips: Ints, detection: float) -> int:
    """How many animals that one pass alone shows stand where it is not sure whether another pass showed them too."""
    view = found.view
    row = np.repeat(np.arange(len(frame)), np.diff(view.start))
    shown = (1 - np.exp(view.log_missed)) / min(detection, MOST_FOUND)
    unsure = (shown > UNSURE) & (shown < 1 - UNSURE) & (strips[view.frame] != strip[row])
    unsure &= found.group[view.frame] != found.group[frame[row]]
    tracks = found.track
    lowest, highest = np.full(tracks.max() + 1, strip.max()), np.zeros(tracks.max() + 1, dtype=np.int64)
    np.minimum.at(lowest, tracks, strip)
    np.maximum.at(highest, tracks, strip)
    return int((lowest == highest)[np.unique(tracks[row[unsure]])].sum())


def _looks_error(share: Floats, registered: Bools, detection: float, detection_error: float) -> float:
    """How many animals too few or too many are to be expected where looks are counted."""
    total = float(share.sum())
    by_chance = float((share**2).sum()) * (1 - detection)
    edges = LOOKS_MISTAKEN * total + LOOKS_MISTAKEN_ALONE * float(share[~registered].sum())
    return float(np.sqrt(by_chance + edges**2 + (total * detection_error / detection) ** 2))


def _merging_error(
    track: Ints,
    looks: Floats,
    density: Floats,
    own: Floats,
    shared: Floats,
    registered: Bools,
    detection: float,
) -> float:
    """How many animals too few or too many are to be expected where sightings are merged.

    Two that stand within a box's error of each other are taken for one where no frame shows both; nobody counts those
    that all looks missed; and frames that could be laid on no other tell little where many stand within their error.
    """
    seen = np.bincount(track)
    shown = np.maximum(np.bincount(track, weights=looks) / seen, seen)
    crowd = np.bincount(track, weights=density * 4 * np.pi * own) / seen
    unseen_together = (1 - detection**2) ** shown
    never = (1 - detection) ** shown
    strangers = np.minimum(density * 4 * np.pi * (own + shared), 1.0)
    alone = MISTAKEN_ALONE * np.bincount(track, weights=np.where(registered, 0.0, strangers)) / seen
    return float(
        (
            np.minimum(crowd, 2.0) * (unseen_together + MISTAKEN_CLOSE + (1 - detection) * MISTAKEN_MISSED)
            + never
            + alone
        ).sum()
    )
