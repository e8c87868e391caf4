"""Overlays of polygons that do not fail where edges all but coincide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import shapely

GRID_M = 1e-6
"""Where exact overlay fails, coordinates are rounded to this: a thousandth of a millimetre."""


def overlay(operation: Callable[..., Any], *shapes: Any) -> Any:
    """Return what a shapely overlay of geometries in metres gives: exactly, or else on a grid of `GRID_M`.

    Footprints of a straight flight share edges but for a rounding, and GEOS refuses some such pairs with a
    TopologyException; on a grid it never does (Martin Davis, OverlayNG, 2020).
    """
    try:
        return operation(*shapes)
    except shapely.GEOSException:
        return operation(*shapes, grid_size=GRID_M)
