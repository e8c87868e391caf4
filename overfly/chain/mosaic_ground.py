"""What a survey's orthomosaics show of its area, and in which part of which of them a detection lies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import shapely

from counts.columns import canonical_json
from counts.mosaic_parts import Parts, SharedGround, cut_into_parts, part_side_m, share_ground
from counts.overlay import overlay
from counts.store.detections import DetectionTable
from detect.orthomosaics import outline_error_m
from flightplan.design import StratumDesign
from overfly.chain.ground import Ints, Sightings, SurveyGround, place_detections

Geometries = npt.NDArray[np.object_]


@dataclass(frozen=True)
class MosaicsShown:
    """The ground of M mosaics, in the survey's metric frame.

    `rows` (M,) are their captures, `outlines` (M,) what they show, `shared` which of them answers for what. `strata`
    (S,) and `land` (S,), what of them is to be searched; a survey without an area has one of no name, which is all that
    is shown.
    """

    ground: SurveyGround
    rows: Ints
    outlines: Geometries
    shared: SharedGround
    strata: tuple[StratumDesign, ...]
    land: Geometries
    parts: Parts

    @cached_property
    def shown_m2(self) -> npt.NDArray[np.float64]:
        """The area shown in each stratum (S,), each place once."""
        area = np.bincount(self.parts.stratum, self.parts.areas_m2, minlength=len(self.strata))
        return area.astype(np.float64)

    @cached_property
    def gaps(self) -> Geometries:
        """What of each stratum's land (S,) no mosaic shows."""
        missing: Geometries = overlay(shapely.difference, self.land, overlay(shapely.union_all, self.outlines))
        return missing

    @property
    def mosaics_in(self) -> Ints:
        """How many mosaics answer for ground in each stratum (S,)."""
        pairs = {*zip(self.parts.stratum.tolist(), self.parts.mosaic.tolist(), strict=True)}
        return np.bincount([stratum for stratum, _ in pairs], minlength=len(self.strata)).astype(np.int64)

    @property
    def mark(self) -> str:
        """What tells this cut into parts from any other, on any machine."""
        told = [
            [self.ground.captures[int(row)].capture.content_hash for row in self.rows],
            self.parts.side_m,
            len(self.parts),
            [round(s.area_m2) for s in self.strata],
        ]
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]

    def parts_of(self, sightings: Sightings) -> Ints:
        """The part (N,) that each sighting counts in, −1 outside of the land and where another mosaic answers."""
        points = sightings.local_m
        mosaic = np.searchsorted(self.rows, sightings.capture)
        known = (mosaic < len(self.rows)) & (self.rows[np.minimum(mosaic, len(self.rows) - 1)] == sightings.capture)
        stratum = np.full(len(points), -1, dtype=np.int64)
        for index, land in enumerate(self.land):
            shapely.prepare(land)
            stratum[shapely.contains_xy(land, points[:, 0], points[:, 1])] = index
        counted = np.flatnonzero(known & (stratum >= 0))
        counted = counted[self._answers(points[counted], mosaic[counted])]
        part = np.full(len(points), -1, dtype=np.int64)
        part[counted] = self.parts.holding(points[counted], mosaic[counted], stratum[counted])
        return part

    def detected(self, table: DetectionTable) -> Ints:
        """How many detections (P,) lie in each part."""
        part = self.parts_of(place_detections(self.ground, table))
        return np.bincount(part[part >= 0], minlength=len(self.parts)).astype(np.int64)

    def _answers(self, points: npt.NDArray[np.float64], mosaic: Ints) -> npt.NDArray[np.bool_]:
        """Whether the mosaic (N,) that shows a point (N, 2) is the one which answers for it."""
        where = shapely.points(points)
        captures = [self.ground.captures[int(row)].capture for row in self.rows]
        # What the detector found in the last pixels of a mosaic lies on its ground, wherever its outline was drawn.
        reach = np.array([outline_error_m(capture) for capture in captures])
        answers = np.asarray(shapely.dwithin(self.outlines[mosaic], where, reach[mosaic]), dtype=np.bool_)
        if len(self.rows) > 1:
            point, shown_by = shapely.STRtree(self.outlines).query(where, predicate="intersects")
            before = self.shared.turn[shown_by] < self.shared.turn[mosaic[point]]
            answers[point[before]] = False
        return answers


def mosaics_shown(ground: SurveyGround) -> MosaicsShown:
    """Work out what the mosaics of a survey show, and cut it into parts."""
    rows = np.flatnonzero(~shapely.is_missing(ground.footprints)).astype(np.int64)
    outlines = ground.footprints[rows]
    gsd_cm = np.array([_gsd_cm(ground, row) for row in rows.tolist()], dtype=np.float64)
    shared = share_ground(outlines, gsd_cm)
    strata = ground.strata
    if ground.searchable:
        land = np.array([ground.searchable[s.name] for s in strata], dtype=object)
    else:
        land = np.array([overlay(shapely.union_all, outlines)], dtype=object)
        strata = (StratumDesign("", float(shapely.area(land[0])), 0.0, None, ()),)
    side_m = part_side_m(float(shapely.area(land).sum()), float(gsd_cm.min(initial=np.inf))) if len(rows) else 1.0
    return MosaicsShown(ground, rows, outlines, shared, strata, land, cut_into_parts(shared.own, list(land), side_m))


def _gsd_cm(ground: SurveyGround, row: int) -> float:
    place = ground.captures[row].capture.georeference
    assert place is not None
    return place.gsd_cm
