"""Line of sight from a launch site: what of a path the ground hides from the pilot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.areas import StudyArea
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.messages import message
from flightplan.terrain import Terrain

EYE_M = 1.7
_EARTH_M = 6_371_000.0
_REFRACTION = 0.13
_STEP_M = 25.0
_MOST_POINTS, _MOST_SAMPLES = 2_000, 250


@dataclass(frozen=True)
class Visibility:
    """What a pilot at the launch site sees of a path over bare ground.

    `hidden_share` of its length and `longest_hidden_m` are out of sight; `longest_hidden_at` is (longitude, latitude)
    of the middle of that stretch, None when all is seen.
    """

    hidden_share: float
    longest_hidden_m: float
    longest_hidden_at: tuple[float, float] | None


def line_of_sight(
    path: Floats, distance_m: Floats, altitude_home_m: Floats, area: StudyArea, terrain: Terrain
) -> Visibility:
    """Return what of a local path (N, 2), which starts at home, is hidden from there.

    Heights above home are given at distances along the path (K,), straight between them. A ray from the pilot's eye,
    1.7 m above ground, is hidden where the ground, raised by the Earth's curve less refraction (k = 0.13), reaches
    above it; it is sampled at each cell, in 250 places at most. Trees are not known to an elevation model of the
    ground. Voids hide nothing.
    """
    legs = np.hypot(*np.diff(path, axis=0).T)
    corners = np.concatenate([[0.0], np.cumsum(legs)])
    number = int(np.clip(np.ceil(corners[-1] / _STEP_M), 2, _MOST_POINTS))
    # Cells of equal length along the path: the share hidden is a mean over them.
    at = (np.arange(number) + 0.5) * corners[-1] / number
    points = np.column_stack([np.interp(at, corners, path[:, k]) for k in (0, 1)])
    home = path[0]
    home_m = float(terrain.heights_m(area.frame.to_lonlat(home[None]))[0])
    away_m = np.hypot(*(points - home).T)
    target_m = home_m + np.interp(at, distance_m, altitude_home_m)
    samples = int(np.clip(np.ceil(away_m.max() / min(terrain.cell_m, _STEP_M)), 8, _MOST_SAMPLES))
    along = (np.arange(samples) + 0.5) / samples
    rays = home + along[:, None, None] * (points - home)
    ground_m = terrain.heights_m(area.frame.to_lonlat(rays.reshape(-1, 2))).reshape(samples, number)
    bulge_m = (1 - _REFRACTION) * along[:, None] * (1 - along[:, None]) * away_m**2 / (2 * _EARTH_M)
    eye_m = home_m + EYE_M
    sight_m = eye_m + along[:, None] * (target_m - eye_m)
    with np.errstate(invalid="ignore"):
        hidden = (ground_m + bulge_m > sight_m).any(axis=0)
    if not hidden.any():
        return Visibility(0.0, 0.0, None)
    start, end = _longest(hidden)
    longitude, latitude = area.frame.to_lonlat(points[(start + end - 1) // 2][None])[0]
    return Visibility(
        float(hidden.mean()),
        float((end - start) * corners[-1] / number),
        (round(float(longitude), 6), round(float(latitude), 6)),
    )


def judge_sight(seen: Sequence[tuple[str, float, Visibility]], *, must_see: bool) -> list[str]:
    """Return the warnings that flights (name, length, what is seen of it) call for.

    Raises PlanError when something is hidden that must be seen.
    """
    hidden = [(name, v) for name, _, v in seen if v.longest_hidden_at is not None]
    if not hidden:
        return []
    share = sum(v.hidden_share * length_m for _, length_m, v in seen) / sum(length_m for _, length_m, _ in seen)
    name, worst = max(hidden, key=lambda h: h[1].longest_hidden_m)
    assert worst.longest_hidden_at is not None
    longitude, latitude = worst.longest_hidden_at
    said = message(
        "the ground hides {share:.1%} of the way from the launch site; the longest stretch, {length:.0f} m of {sortie},"
        " lies around longitude {longitude}, latitude {latitude}",
        share=float(share),
        length=float(worst.longest_hidden_m),
        sortie=name,
        longitude=f"{longitude:.5f}",
        latitude=f"{latitude:.5f}",
    )
    if must_see:
        raise PlanError(said, hint="Launch from higher ground, add a launch site, or fly higher")
    return [said]


def _longest(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the longest stretch of True, as (first, one past its last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])
