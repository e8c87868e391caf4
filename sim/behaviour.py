"""What animals do by the hour, and what they do about a drone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flightplan.frames import Floats

DAY_S = 86_400.0


@dataclass(frozen=True)
class Behaviour:
    """How a species spends its day; the plain one walks at any hour, is never hidden, and minds nothing.

    Hours are of the sun's day, (from, to), over midnight where the second is the smaller; None is the whole day for
    `active_hours`, in which walkers walk, and never for `shade_hours`, in which the share `shade_share` of the animals
    stands under the nearest tree. An animal is `surface_s` at the surface of the water, then `dive_s` below it, over
    and over. Animals within `flees_within_m` of a drone lower than `flees_below_m` have gone away from it, by `flee_m`
    where it is right above and by nothing at that distance.
    """

    active_hours: tuple[float, float] | None = None
    shade_hours: tuple[float, float] | None = None
    shade_share: float = 0.0
    surface_s: float = 0.0
    dive_s: float = 0.0
    flees_within_m: float = 0.0
    flees_below_m: float = 0.0
    flee_m: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether it changes nothing."""
        return self == PLAIN

    def walked_s(self, time_s: Floats, longitude_deg: float) -> Floats:
        """The seconds spent walking until a time (N,), in seconds UTC, by an animal that walks when it is active."""
        if self.active_hours is None:
            return time_s
        begin, end = (hour * 3600.0 for hour in self.active_hours)
        length = (end - begin) % DAY_S or DAY_S
        # The day begins when the animals get up.
        days, since = np.divmod(time_s + longitude_deg / 15.0 * 3600.0 - begin, DAY_S)
        return np.asarray(days * length + np.minimum(since, length))

    def in_shade(self, time_s: Floats, longitude_deg: float, luck: Floats) -> npt.NDArray[np.bool_]:
        """Which animals (N,), each with a luck of its own from 0 to 1, seek the shade at a time (N,)."""
        if self.shade_hours is None or self.shade_share <= 0:
            return np.zeros(len(luck), dtype=np.bool_)
        begin, end = self.shade_hours
        hour = (time_s / 3600.0 + longitude_deg / 15.0) % 24.0
        within = (hour >= begin) & (hour < end) if begin <= end else (hour >= begin) | (hour < end)
        return np.asarray(within & (luck < self.shade_share), dtype=np.bool_)

    def is_under_water(self, time_s: Floats, luck: Floats) -> npt.NDArray[np.bool_]:
        """Which animals (N,) are below the surface at a time (N,)."""
        if self.dive_s <= 0:
            return np.zeros(len(luck), dtype=np.bool_)
        round_s = self.surface_s + self.dive_s
        return np.asarray((time_s + luck * round_s) % round_s >= self.surface_s, dtype=np.bool_)

    def away(self, local_m: Floats, drone: tuple[float, float, float]) -> Floats:
        """How far (N, 2) animals at places (N, 2) have gone from a drone at east, north and a height above ground."""
        moved = np.zeros_like(local_m)
        if self.flee_m <= 0 or drone[2] >= self.flees_below_m:
            return moved
        offset = local_m - np.array(drone[:2])
        distance = np.hypot(offset[:, 0], offset[:, 1])
        near = distance < self.flees_within_m
        way = offset[near] / np.maximum(distance[near], 1e-6)[:, None]
        moved[near] = way * (self.flee_m * (1 - distance[near] / self.flees_within_m))[:, None]
        return moved


PLAIN = Behaviour()
