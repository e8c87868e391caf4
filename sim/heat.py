"""What a thermal camera sees of the simulated world: warm ground, cool leaves, warm bodies, as grey levels.

Grey levels stand for temperatures at the surface, white hot, as a camera with automatic gain would show them: bare soil
in the sun above grass, canopies below both (their leaves keep near the air's temperature), animals above all in the
early hours. There are no radiometric temperatures in the files.
"""

from __future__ import annotations

import numpy as np

from sim.noise import Reals

SHADE = 0.9
"""Ground in the shade is a little cooler, and stays so for a while after the sun has moved on."""

_GROUND, _BODY = 96.0, 214.0
_OF_THINGS = {"tree": 66.0, "bush": 76.0, "rock": 128.0, "mound": 122.0, "log": 104.0}


def of_ground(picture: Reals) -> None:
    """Turn the colours of bare ground (H, W, 3) into levels of heat, in place: what is red and dry is warm."""
    warmth = picture[..., 0] - 0.6 * picture[..., 1]
    level = np.float32(_GROUND) + np.float32(0.45) * (warmth - np.float32(70.0))
    picture[:] = np.clip(level, 50.0, 150.0)[..., None]


def of_thing(kind: str, light: Reals) -> Reals:
    """The levels (…, 3) of a thing of one kind, a little warmer where the sun stands on it."""
    level = np.float32(_OF_THINGS.get(kind, _GROUND)) * (np.float32(0.9) + np.float32(0.1) * light)
    return np.repeat(level[..., None], 3, axis=-1)


def of_animal(coverage: Reals) -> Reals:
    """The levels (…, 3) of an animal: one temperature all over."""
    return np.full((*coverage.shape, 3), _BODY, dtype=np.float32)
