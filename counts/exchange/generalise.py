"""Positions of sensitive species, made coarse: a cell of a fixed grid instead of a point."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyproj

from flightplan.frames import Floats

CELL_DEG = 0.1
STATEMENT = (
    f"Position given as the centre of a {CELL_DEG:g} degree cell; time of day, transect and picture withheld: the "
    "species is marked as sensitive"
)
_GEOD = pyproj.Geod(ellps="WGS84")


def coarsen(lonlat: npt.ArrayLike, cell_deg: float = CELL_DEG) -> Floats:
    """Return the centres (N, 2) of the grid cells that positions (N, 2), longitude first, lie in.

    The grid starts at 0, 0 and knows nothing of the data, so a cell's centre tells the cell and nothing else. A tenth
    of a degree is the second of the four classes of Chapman (2020), Current Best Practices for Generalizing Sensitive
    Species Occurrence Data, GBIF.
    """
    points = np.asarray(lonlat, dtype=np.float64).reshape(-1, 2)
    centres: Floats = np.round((np.floor(points / cell_deg) + 0.5) * cell_deg, 9)
    return centres


def cell_radius_m(centres: npt.ArrayLike, cell_deg: float = CELL_DEG) -> Floats:
    """Return the distance (N,) from a cell's centre to its furthest corner: the one nearer the equator."""
    points = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
    half = cell_deg / 2
    nearer = np.where(points[:, 1] > 0, points[:, 1] - half, points[:, 1] + half)
    _, _, metres = _GEOD.inv(points[:, 0], points[:, 1], points[:, 0] + half, nearer)
    return np.asarray(metres, dtype=np.float64)
