"""Hover and capture: the aircraft stops for each picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightplan.frames import Floats


@dataclass(frozen=True)
class Hover:
    """Stops on a line, no more than `apart_m` from each other, of `hold_s` seconds before each picture."""

    apart_m: float
    hold_s: float

    def stops_m(self, length_m: float) -> Floats:
        """Return where on a line of a length the stops are: equally far apart, at both its ends too."""
        number = int(np.ceil(length_m / self.apart_m - 1e-9)) + 1
        return np.linspace(0.0, length_m, max(number, 2))
