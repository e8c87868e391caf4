"""The height of mean sea level above the ellipsoid, or a refusal: never a silent zero.

Without its grid PROJ returns heights unchanged and raises nothing: 17 m wrong in the Serengeti, 36 m in Ohio.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import numpy.typing as npt
import pyproj
from pyproj.transformer import TransformerGroup

from flightplan.errors import TerrainError
from flightplan.frames import Floats

_ELLIPSOID = "EPSG:4979"
# WGS 84 with EGM2008 height, and with EGM96 height: they differ by about a metre, the better one first.
_SEA_LEVELS = ("EPSG:9518", "EPSG:9707")
_HINT = "Install PROJ's grids (Debian: proj-data; else `projsync --file us_nga_egm96_15.tif`)"


def geoid_height_m(lonlat: npt.ArrayLike) -> Floats:
    """Heights (N,) of the geoid above the WGS 84 ellipsoid at degrees (N, 2).

    A height above the ellipsoid less this is the height above mean sea level. Raises TerrainError where no geoid grid
    is installed, or the grid does not reach.
    """
    points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    transformer = _to_sea_level()
    if transformer is None:
        raise TerrainError("heights above sea level and above the ellipsoid need a geoid, and none is here", hint=_HINT)
    _, _, sea_level = transformer.transform(points[:, 0], points[:, 1], np.zeros(len(points)))
    height = -np.asarray(sea_level, dtype=np.float64)
    if not np.isfinite(height).all():
        raise TerrainError("the geoid's grid does not reach there", hint=_HINT)
    return height


@cache
def _to_sea_level() -> pyproj.Transformer | None:
    for sea_level in _SEA_LEVELS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            group = TransformerGroup(_ELLIPSOID, sea_level, always_xy=True)
        if group.best_available and group.transformers:
            transformer: pyproj.Transformer = group.transformers[0]
            return transformer
    return None
