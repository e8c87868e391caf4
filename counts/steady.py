"""What a flight's own smoothness tells of its poses' errors.

An aircraft does not jump between two exposures. Where the footprints of a pass scatter around a smooth course no more
than the poses' errors explain, the scatter is those errors, and is taken out; where they scatter more (the camera did
swing, and the poses say so), only the part that errors are likely to have in it (the shrinkage of a random effect:
Henderson 1975). What stays the same along a pass cannot show in this way, and remains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import shapely

from counts.observed import Observed
from counts.passes import Passes
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

DEGREES = (1, 2, 3, 5)
FEWEST_FRAMES = 8

ALONG_A_PASS = 0.1
"""At least so much of a pose's variance stays the same along a pass, where nothing shows it."""


@dataclass(frozen=True)
class Steadied:
    """What to take off each frame (F, 2), metres, and the variance of the pose that remains, m² per axis (F,)."""

    shift: Floats
    left_m2: Floats


def steady(s: Observed, passes: Passes) -> tuple[Observed, Passes]:
    """What the smoothness of the flight tells of the poses' errors, taken out of sightings and frames."""
    if passes.looks is None:
        return s, passes
    row = passes.looks.row_of(s.passes, s.times)
    shared = np.trace(s.covariances - s.own, axis1=1, axis2=2) / 2
    usual = float(np.median(shared))
    if usual <= 0 or (row < 0).any():
        return s, passes
    found = steadied(passes.looks.footprints, passes.looks.of_pass, passes.looks.times_s, usual)
    left = np.minimum(found.left_m2[row] / usual, 1.0)
    shift = found.shift[row]
    steady = replace(
        s,
        points=s.points - shift,
        covariances=s.own + (s.covariances - s.own) * left[:, None, None],
        corners=None if s.corners is None else s.corners - shift[:, None],
    )
    return steady, replace(passes, looks=passes.looks.moved(found.shift))


def steadied(footprints: npt.NDArray[np.object_], of_pass: Ints, times_s: Floats, shared_m2: float) -> Steadied:
    """Return how far frames lie from the smooth course of their pass, by as much as is rather error than flight.

    `shared_m2` is the variance per axis of a frame's pose. The course is the polynomial in time that explains the
    footprints' middles best for its degree (Akaike 1974).
    """
    middle = shapely.get_coordinates(shapely.centroid(footprints))
    off, lever = np.zeros((len(middle), 2)), np.ones(len(middle))
    squares, free = 0.0, 0
    for value in np.unique(of_pass).tolist():
        rows = np.flatnonzero(of_pass == value)
        if len(rows) < FEWEST_FRAMES:
            continue
        fits = [_course(middle[rows], times_s[rows], degree) for degree in DEGREES if len(rows) > degree + 4]
        _, off[rows], lever[rows], left = min(fits, key=lambda fit: fit[0])
        squares, free = squares + float((off[rows] ** 2).sum()), free + 2 * left
    if not free:
        return Steadied(off, np.full(len(middle), shared_m2))
    scatter = squares / free
    own = min(shared_m2, scatter)
    part = own / max(scatter, 1e-12)
    remains = own * (1 - part * (1 - lever)) + max(shared_m2 - own, ALONG_A_PASS * shared_m2)
    return Steadied(part * off, np.where(lever < 1, np.minimum(remains, shared_m2), shared_m2))


def _course(middle: Floats, times: Floats, degree: int) -> tuple[float, Floats, Floats, int]:
    """Akaike's criterion, residuals (n, 2), leverage (n,) and degrees of freedom of a polynomial course."""
    when = 2 * (times - times.min()) / max(float(np.ptp(times)), 1e-9) - 1
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(when, degree))
    off = middle - basis @ (basis.T @ middle)
    left = len(times) - degree - 1
    variance = max(float((off**2).sum()) / (2 * len(times)), 1e-12)
    lever = (basis**2).sum(axis=1)
    return 2 * len(times) * np.log(variance) + 4 * (degree + 1), off, np.minimum(lever, 1.0), left
