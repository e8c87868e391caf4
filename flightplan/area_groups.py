"""Which pieces of a large area share a local frame, and which need one of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.errors import AreaError
from flightplan.frames import LocalFrame


@dataclass(frozen=True)
class Piece:
    """A polygon to survey as it was read: its stratum, itself (geographic), and what it is called in its file."""

    stratum: str
    polygon: Polygon | MultiPolygon
    label: str

    def numbered(self, number: int) -> Piece:
        """Return the piece in a stratum of its area's own."""
        return replace(self, stratum=f"{self.stratum} {number}")


def groups_of(pieces: Sequence[Piece], max_radius_m: float, where: str) -> list[list[Piece]]:
    """Return pieces in groups that reach no further than a radius from their centre, in the order of the file.

    Strata stay together as long as they fit, then features do, then parts of a feature. Each goes to the first group
    that it fits. Raises AreaError for a single part that fits by itself in none.
    """
    if _reach_m(pieces) <= max_radius_m:
        return [list(pieces)]
    groups: list[list[Piece]] = []
    for together in _that_fit(pieces, max_radius_m, where):
        home = next((g for g in groups if _reach_m([*g, *together]) <= max_radius_m), None)
        if home is None:
            groups.append(list(together))
        else:
            home += together
    return groups


def _that_fit(pieces: Sequence[Piece], max_radius_m: float, where: str) -> list[list[Piece]]:
    strata: dict[str, list[Piece]] = {}
    for piece in pieces:
        strata.setdefault(piece.stratum, []).append(piece)
    fitting: list[list[Piece]] = []
    for stratum in strata.values():
        if _reach_m(stratum) <= max_radius_m:
            fitting.append(stratum)
            continue
        for piece in stratum:
            if _reach_m([piece]) <= max_radius_m:
                fitting.append([piece])
                continue
            fitting += [[replace(piece, polygon=part)] for part in shapely.get_parts(piece.polygon)]
    for together in fitting:
        reach_m = _reach_m(together)
        if reach_m > max_radius_m:
            raise AreaError(
                f"a single part reaches {reach_m / 1000:.0f} km from its centre;"
                f" one local frame carries {max_radius_m / 1000:.0f} km",
                where=f"{where}, {together[0].label}",
                hint="Cut it into several polygons: each that fits is planned on its own",
            )
    return fitting


def _reach_m(pieces: Sequence[Piece]) -> float:
    polygons = [p.polygon for p in pieces]
    return LocalFrame.around(polygons).reach_m(polygons)
