"""The species of the simulated world: how big, of what shape and colour, how many together, where, how they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.behaviour import PLAIN, Behaviour


@dataclass(frozen=True)
class Species:
    """What the simulator needs to know of one species.

    Lengths and widths are those of an adult seen from above, head included. Herds have 1 + a negative binomial number
    of animals (mean `herd_mean` − 1, shape `herd_shape`). `cover_preference` is how many times denser herds are in
    full woodland than on average; 2 − that on open ground. `ages` holds (share, size relative to an adult). `shape` is
    how it is drawn (`sim.bodies`), `coat` its colour in sRGB, `stripe_m` the width of
    a stripe and the gap beside it, `behaviour` its day.
    """

    name: str
    length_m: float
    width_m: float
    height_m: float
    herd_mean: float
    herd_shape: float
    spacing_m: float
    herds_per_km2: float
    cover_preference: float
    moving_share: float
    speed_mps: tuple[float, float]
    ages: tuple[tuple[float, float], ...]
    shape: str = "equid"
    coat: tuple[float, float, float] = (184.0, 178.0, 166.0)
    stripe_m: float = 0.0
    behaviour: Behaviour = PLAIN

    def herd_sizes(self, herds: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Draw the number of animals of each of `herds` herds."""
        more = self.herd_mean - 1.0
        drawn = rng.negative_binomial(self.herd_shape, self.herd_shape / (self.herd_shape + more), herds)
        return 1 + np.asarray(drawn, dtype=np.int64)

    def sizes(self, animals: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
        """Draw each animal's size relative to an adult."""
        shares = np.array([share for share, _ in self.ages])
        relative = np.array([size for _, size in self.ages])
        return relative[rng.choice(len(shares), animals, p=shares / shares.sum())] * rng.normal(1.0, 0.04, animals)


ELEPHANT = Species(
    name="elephant",
    length_m=5.5,
    width_m=2.4,
    height_m=2.9,
    herd_mean=4.0,
    herd_shape=1.6,
    spacing_m=7.5,
    herds_per_km2=10.5,
    cover_preference=1.3,
    moving_share=0.3,
    speed_mps=(0.4, 1.2),
    ages=((0.55, 1.0), (0.25, 0.78), (0.20, 0.52)),
    shape="elephant",
    coat=(112.0, 103.0, 94.0),
)

ZEBRA = Species(
    name="zebra",
    length_m=2.3,
    width_m=0.7,
    height_m=1.4,
    herd_mean=6.0,
    herd_shape=1.6,
    spacing_m=5.0,
    herds_per_km2=10.5,
    cover_preference=0.75,
    moving_share=0.3,
    speed_mps=(0.4, 1.4),
    ages=((0.68, 1.0), (0.20, 0.88), (0.12, 0.68)),
    stripe_m=0.19,
)

# Lengths and widths after field guides (Kingdon 2015), seen from above with the head; herds are of that order.
BUFFALO = Species(
    name="buffalo", length_m=2.9, width_m=1.1, height_m=1.5, herd_mean=25.0, herd_shape=0.8, spacing_m=3.0,
    herds_per_km2=0.5, cover_preference=1.0, moving_share=0.2, speed_mps=(0.3, 1.0),
    ages=((0.6, 1.0), (0.25, 0.8), (0.15, 0.55)), shape="bovid", coat=(58.0, 50.0, 45.0),
)  # fmt: skip
WILDEBEEST = Species(
    name="wildebeest", length_m=2.2, width_m=0.65, height_m=1.3, herd_mean=30.0, herd_shape=0.6, spacing_m=4.0,
    herds_per_km2=0.6, cover_preference=0.6, moving_share=0.4, speed_mps=(0.4, 1.4),
    ages=((0.65, 1.0), (0.2, 0.85), (0.15, 0.6)), shape="bovid", coat=(104.0, 98.0, 92.0),
)  # fmt: skip
GIRAFFE = Species(
    name="giraffe", length_m=4.2, width_m=0.9, height_m=4.6, herd_mean=4.0, herd_shape=1.2, spacing_m=12.0,
    herds_per_km2=0.6, cover_preference=1.4, moving_share=0.3, speed_mps=(0.4, 1.3),
    ages=((0.7, 1.0), (0.2, 0.8), (0.1, 0.6)), shape="equid", coat=(176.0, 134.0, 84.0),
)  # fmt: skip
HIPPO = Species(
    name="hippo", length_m=3.5, width_m=1.5, height_m=0.7, herd_mean=12.0, herd_shape=1.5, spacing_m=2.2,
    herds_per_km2=0.3, cover_preference=0.5, moving_share=0.0, speed_mps=(0.0, 0.1),
    ages=((0.7, 1.0), (0.2, 0.75), (0.1, 0.45)), shape="bovid", coat=(112.0, 82.0, 78.0),
    behaviour=Behaviour(surface_s=40.0, dive_s=80.0),
)  # fmt: skip
ANTELOPE = Species(
    name="antelope", length_m=1.6, width_m=0.45, height_m=1.0, herd_mean=8.0, herd_shape=1.0, spacing_m=3.5,
    herds_per_km2=3.0, cover_preference=1.1, moving_share=0.3, speed_mps=(0.3, 1.4),
    ages=((0.7, 1.0), (0.3, 0.7)), shape="bovid", coat=(170.0, 124.0, 78.0),
    behaviour=Behaviour(flees_within_m=60.0, flees_below_m=60.0, flee_m=25.0),
)  # fmt: skip
PELICAN = Species(
    name="pelican", length_m=1.4, width_m=0.6, height_m=0.8, herd_mean=120.0, herd_shape=0.5, spacing_m=1.1,
    herds_per_km2=0.3, cover_preference=0.2, moving_share=0.0, speed_mps=(0.0, 0.1),
    ages=((0.85, 1.0), (0.15, 0.8)), shape="bird", coat=(238.0, 234.0, 224.0),
)  # fmt: skip

SPECIES = (ELEPHANT, ZEBRA)
"""Those of the demo."""

KNOWN = (*SPECIES, BUFFALO, WILDEBEEST, GIRAFFE, HIPPO, ANTELOPE, PELICAN)
"""All that have a body to draw."""
