"""The two species of the simulated world: how big, how many together, where, and how they move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Species:
    """What the simulator needs to know of one species.

    Lengths and widths are those of an adult seen from above, head included. Herds have 1 + a negative binomial number
    of animals (mean `herd_mean` − 1, shape `herd_shape`). `cover_preference` is how many times denser herds are in
    full woodland than on average; 2 − that on open ground. `ages` holds (share, size relative to an adult).
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
)

SPECIES = (ELEPHANT, ZEBRA)
