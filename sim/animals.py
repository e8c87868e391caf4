"""Animals that do not change, one row each, and the draws that make herds of them: where they stand, how they walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from flightplan.frames import Floats
from sim.species import Species

OUTSIDE = -1


@dataclass(frozen=True)
class Animals:
    """Everything about the animals that does not change, one row per animal; its row number is its identity.

    `home_m` is the (east, north) an animal is at, or walks to and fro about; `stratum` is the row of the stratum it
    lives in or `OUTSIDE`; `size` is relative to an adult, `tone` is the brightness of its coat. A walking animal goes
    `range_m` along `heading_deg` and back at `speed_mps`; speed and range are 0 for one that stands.
    """

    species: npt.NDArray[np.int64]
    herd: npt.NDArray[np.int64]
    stratum: npt.NDArray[np.int64]
    home_m: Floats
    heading_deg: Floats
    size: Floats
    tone: Floats
    speed_mps: Floats
    range_m: Floats
    phase_s: Floats

    def __len__(self) -> int:
        return len(self.species)

    @classmethod
    def joined(cls, groups: Sequence[Animals]) -> Animals:
        """All of several groups; their herds are numbered on."""
        offsets = np.cumsum([0] + [int(g.herd.max()) + 1 if len(g) else 0 for g in groups])
        herd = np.concatenate([g.herd + offset for g, offset in zip(groups, offsets[:-1], strict=True)])
        others = [field.name for field in fields(cls) if field.name != "herd"]
        return cls(herd=herd, **{name: np.concatenate([getattr(g, name) for g in groups]) for name in others})

    @classmethod
    def drawn(
        cls,
        number: int,
        species: Species,
        herd: npt.NDArray[np.int64],
        home_m: Floats,
        stratum: npt.NDArray[np.int64],
        walks: Walks,
        rng: np.random.Generator,
    ) -> Animals:
        """Draw what tells the members (N,) of herds apart: size, coat, where each faces; `number` is the species'."""
        size = species.sizes(len(herd), rng)
        moves, heading = walks.moves[herd], walks.heading_deg[herd]
        wander = np.where(moves, 12.0, 35.0)
        facing = np.where(moves, heading, heading + rng.normal(0.0, 1.0, len(herd)) * wander)
        tone = rng.normal(1.0, 0.06, len(walks.moves))[herd] * rng.normal(1.0, 0.04, len(herd))
        return cls(
            species=np.full(len(herd), number, dtype=np.int64),
            herd=herd,
            stratum=stratum,
            home_m=home_m,
            heading_deg=np.mod(facing, 360.0),
            size=size,
            tone=tone,
            speed_mps=np.where(walks.moves, walks.speed_mps, 0.0)[herd],
            range_m=np.where(walks.moves, walks.range_m, 0.0)[herd],
            phase_s=rng.uniform(0, 1000.0, len(walks.moves))[herd],
        )

    def outside_of(self, exclusions: BaseGeometry) -> Animals:
        """Those that do not stand in an exclusion."""
        alive = ~shapely.contains_xy(exclusions, self.home_m)
        return replace(self, **{field.name: getattr(self, field.name)[alive] for field in fields(self)})


@dataclass(frozen=True)
class Walks:
    """How each of H herds goes: its heading, its speed, how far it goes before it turns, and whether it goes at all."""

    heading_deg: Floats
    speed_mps: Floats
    range_m: Floats
    reach_m: Floats
    moves: npt.NDArray[np.bool_]

    @classmethod
    def drawn(cls, species: Species, sizes: npt.NDArray[np.int64], rng: np.random.Generator) -> Walks:
        """Draw them for herds of so many animals; `reach_m` is how far from its place a herd would need room."""
        count = len(sizes)
        heading, speed = rng.uniform(0.0, 360.0, count), rng.uniform(*species.speed_mps, count)
        span = rng.uniform(50.0, 160.0, count)
        reach = span / 2 + species.spacing_m * (np.sqrt(sizes) + 1.0)
        return cls(heading, speed, span, reach, rng.random(count) < species.moving_share)


def around(
    places: Floats, sizes: npt.NDArray[np.int64], spacing_m: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Draw the members of herds of so many animals at places (H, 2): the herd (N,) of each, where it stands (N, 2)."""
    herd = np.repeat(np.arange(len(places)), sizes)
    rank = np.arange(len(herd)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    # Vogel's sunflower keeps the members apart; the jitter takes the pattern away.
    angle = rank * np.pi * (3 - np.sqrt(5)) + np.repeat(rng.uniform(0, 2 * np.pi, len(places)), sizes)
    radius = spacing_m * np.sqrt(rank) * rng.uniform(0.85, 1.25, len(herd))
    return herd, places[herd] + radius[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
