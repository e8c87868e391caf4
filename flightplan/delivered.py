"""What a camera really delivers over uneven ground: overlap and ground sampling distance where they are worst."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from flightplan.areas import StudyArea
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.messages import message
from flightplan.profile import Profile
from flightplan.sorties import Flight
from flightplan.terrain import Terrain

WORTH_SAYING = 0.05
"""A share of overlap lost to hills that a plan warns of."""

_LEAST_ACROSS, _MOST_ACROSS = 5, 33
_FINEST_STEP_M, _COARSEST_STEP_M = 10.0, 60.0


@dataclass(frozen=True)
class Delivered:
    """What the strips get, at the ground nearest to the camera and at the ground farthest from it.

    Heights are above the ground anywhere in a strip, not only under the aircraft. Overlaps are the least ones, which
    the highest ground gets; negative ones are gaps. `side_overlap` is None for a sample, whose strips have gaps between
    them on purpose. `worst_at` is (longitude, latitude) where ground comes nearest. `unknown_share` of the strips is
    ground without a height.
    """

    lowest_agl_m: float
    highest_agl_m: float
    lowest_ground_m: float
    highest_ground_m: float
    finest_gsd_cm: float
    coarsest_gsd_cm: float
    front_overlap: float
    side_overlap: float | None
    worst_at: tuple[float, float]
    worst_transect: str
    unknown_share: float


def delivered(
    flights: Iterable[tuple[Flight, Profile]],
    area: StudyArea,
    terrain: Terrain,
    *,
    altitude_agl_m: float,
    strip_width_m: float,
    gsd_cm: float,
    front_overlap: float,
    side_overlap: float | None,
) -> Delivered | None:
    """Return what flights with their heights deliver of what was asked at `altitude_agl_m`; None without lines.

    Places across each strip are looked at a cell apart, 5 to 33 of them. A footprint grows with the height above the
    ground that it shows, so an overlap of p at height H is 1 − (1 − p)·H/h at height h.
    """
    heights, grounds, places, names = [], [], [], []
    for flight, profile in flights:
        home_m = float(terrain.heights_m(area.frame.to_lonlat(flight.home[None]))[0])
        for transect, at_m, points in _strips(flight, strip_width_m, terrain.cell_m):
            lonlat = area.frame.to_lonlat(points.reshape(-1, 2))
            ground_m = terrain.heights_m(lonlat).reshape(points.shape[:2])
            flown_m = home_m + np.interp(at_m, profile.distance_m, profile.altitude_home_m)
            heights.append((flown_m[:, None] - ground_m).ravel())
            grounds.append(ground_m.ravel())
            places.append(lonlat)
            names += [transect] * ground_m.size
    if not heights:
        return None
    height_m, ground_m = np.concatenate(heights), np.concatenate(grounds)
    known = np.isfinite(height_m)
    if not known.any():
        return None
    worst = int(np.nanargmin(height_m))
    low, high = float(height_m[worst]), float(np.nanmax(height_m))
    if low <= 0:
        longitude, latitude = np.concatenate(places)[worst]
        raise PlanError(
            f"the ground beside transect {names[worst]} rises {-low:.0f} m above the aircraft, within its strip",
            where=f"longitude {longitude:.5f}, latitude {latitude:.5f}",
            hint="Fly higher, or lay the lines along the slope (--heading)",
        )
    longitude, latitude = np.concatenate(places)[worst]
    return Delivered(
        lowest_agl_m=low,
        highest_agl_m=high,
        lowest_ground_m=float(np.nanmin(ground_m)),
        highest_ground_m=float(np.nanmax(ground_m)),
        finest_gsd_cm=gsd_cm * low / altitude_agl_m,
        coarsest_gsd_cm=gsd_cm * high / altitude_agl_m,
        front_overlap=_overlap(front_overlap, low / altitude_agl_m),
        side_overlap=None if side_overlap is None else _overlap(side_overlap, low / altitude_agl_m),
        worst_at=(round(float(longitude), 6), round(float(latitude), 6)),
        worst_transect=names[worst],
        unknown_share=float(1 - known.mean()),
    )


def judge(got: Delivered, *, front_overlap: float, side_overlap: float | None, accept_gaps: bool) -> list[str]:
    """Return the warnings that what is delivered calls for.

    Raises PlanError when full coverage (a `side_overlap` was asked for) would have gaps, unless they are accepted.
    """
    warnings: list[str] = []
    front, side = message("front overlap"), message("side overlap")
    for name, asked, real in ((front, front_overlap, got.front_overlap), (side, side_overlap, got.side_overlap)):
        if asked is None or real is None:
            continue
        needed = 1 - (1 - asked) ** 2 / (1 - real)
        said = message(
            "{overlap} is {real:.0%} at the highest ground ({transect}, longitude {longitude}, latitude {latitude}),"
            " where the camera is {height:.0f} m above it; asked for {asked:.0%}",
            overlap=name,
            real=float(real),
            transect=got.worst_transect,
            longitude=f"{got.worst_at[0]:.5f}",
            latitude=f"{got.worst_at[1]:.5f}",
            height=float(got.lowest_agl_m),
            asked=float(asked),
        )
        if real < -1e-9 and side_overlap is not None and not accept_gaps:
            raise PlanError(
                f"{said}: full coverage would have gaps",
                hint=f"Ask for {needed:.0%}, fly higher, turn the lines, or accept the gaps (--accept-gaps)",
            )
        if real < asked - WORTH_SAYING:
            warnings.append(
                message("{found}: there are gaps between frames", found=said)
                if real < 0
                else message("{found}; {needed:.0%} would give it", found=said, needed=float(needed))
            )
    if got.unknown_share > 0:
        warnings.append(
            message(
                "{share:.1%} of the strips is ground without a height: nothing is checked there",
                share=float(got.unknown_share),
            )
        )
    return warnings


def _strips(flight: Flight, strip_width_m: float, cell_m: float) -> Iterable[tuple[str, Floats, Floats]]:
    """Yield of each run its transect, distances along the flight (K,), and points across its strip (K, M, 2)."""
    number = int(np.clip(np.ceil(strip_width_m / cell_m) + 1, _LEAST_ACROSS, _MOST_ACROSS))
    shares = np.linspace(-0.5, 0.5, number)
    step_m = float(np.clip(cell_m, _FINEST_STEP_M, _COARSEST_STEP_M))
    flown_m = 0.0
    for way, run in zip(flight.ways, [*flight.runs, None], strict=True):
        flown_m += _length_m(way)
        if run is None or run.length_m == 0.0:
            continue
        along = (run.ends[1] - run.ends[0]) / run.length_m
        across = np.array([along[1], -along[0]]) * strip_width_m
        at = np.linspace(0.0, run.length_m, int(np.ceil(run.length_m / step_m)) + 1)
        points = run.ends[0] + at[:, None, None] * along + shares[None, :, None] * across
        yield run.transect, flown_m + at, points
        flown_m += run.length_m


def _length_m(points: Floats | Sequence[Floats]) -> float:
    return float(np.hypot(*np.diff(np.asarray(points), axis=0).T).sum())


def _overlap(asked: float, height_share: float) -> float:
    return 1 - (1 - asked) / height_share
