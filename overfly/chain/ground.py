"""A survey on the ground, in one metric frame: its lines, its captures on them, and where its detections lie."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy.orm import Session

from counts.assignment import Assignment, TransectLines, assign_to_transects
from counts.masks import mask_strata
from counts.store import (
    CaptureTable,
    SurveyInfo,
    read_area,
    read_capture_table,
    read_footprints,
    read_masks,
    read_strata,
)
from counts.store.detections import DetectionTable
from detect.georef import Pose, PoseErrors, ground_to_pixel, place
from detect.orthomosaics import place_in_mosaic
from flightplan.camera import Camera
from flightplan.design import StratumDesign, Transect
from flightplan.errors import GeoreferenceError
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain
from overfly.chain.standing import Standing, check_standing, read_standing

Ints = npt.NDArray[np.int64]

CROSS_TRACK_SHARE = 0.25
"""How far off its line a capture may be and still count for it, as a share of the strip's width."""

HEIGHT_SHARE = 0.25
"""How far from the planned height above ground a capture may be and still count, as a share of it."""

_COURSE_REACH = 2.0
_SEGMENT_M = 10.0


@dataclass(frozen=True)
class SurveyGround:
    """Everything about a survey's geometry that counting needs.

    One row per usable capture: `captures`, `footprints` (shapely polygons in metres, None where unknown), `positions_m`
    (C, 2), `heights_agl_m` (NaN where unknown) and `assignment`. One per transect: `transects`, `lines`, `land`, the
    stratum less exclusions and masks, and `masked`, what the masks took. `strata` have the area of their habitat, whose
    ground is in `habitat` by their names, and in `searchable` what of it could be seen.
    """

    info: SurveyInfo
    frame: LocalFrame
    strata: tuple[StratumDesign, ...]
    transects: tuple[Transect, ...]
    lines: TransectLines
    land: tuple[shapely.Geometry, ...]
    captures: CaptureTable
    footprints: npt.NDArray[np.object_]
    positions_m: Floats
    times_s: Floats
    assignment: Assignment
    heights_agl_m: Floats
    masked: tuple[shapely.Geometry, ...] = ()
    standing: Standing = field(default_factory=Standing)
    habitat: Mapping[str, shapely.Geometry] = field(default_factory=dict)
    searchable: Mapping[str, shapely.Geometry] = field(default_factory=dict)

    @property
    def by_mosaic(self) -> bool:
        """Whether all that was looked at are orthomosaics: they show each place once, whatever lines were planned."""
        return bool(len(self.captures)) and bool(self.captures.mosaics.all())

    @property
    def planned(self) -> bool:
        """Whether the survey has a design, without which nothing can be estimated."""
        return bool(self.transects)

    def by_capture(self, capture_id: Ints, number: Ints) -> Ints:
        """Return the numbers (M,) given for keys (M,) of captures as one for each capture (C,), 0 where none is."""
        row = self.captures.rows_of(capture_id)
        numbers = np.zeros(len(self.captures), dtype=np.int64)
        numbers[row[row >= 0]] = number[row >= 0]
        return numbers

    def in_picture(self, index: int, geometry: shapely.Geometry) -> shapely.Geometry:
        """Return a geometry on the ground, in the frame's metres, in the pixels of a capture (the first: 0 to 1)."""
        capture = self.captures[index].capture
        if (mosaic := capture.georeference) is not None:
            return shapely.transform(
                shapely.segmentize(geometry, _SEGMENT_M), lambda local: mosaic.to_pixels(self.frame.to_lonlat(local))
            )
        assert capture.camera is not None
        camera, stand = capture.camera, self.standing.of(capture, self.captures[index].sortie)

        def project(local: Floats) -> Floats:
            lonlat = self.frame.to_lonlat(local)
            return ground_to_pixel(camera, stand.pose, lonlat, stand.terrain.heights_m(lonlat)) + 0.5

        return shapely.transform(shapely.segmentize(geometry, _SEGMENT_M), project)


def read_ground(
    session: Session,
    info: SurveyInfo,
    *,
    ground_msl_m: float | None = None,
    terrain: Terrain | None = None,
    looked_at: Collection[int] | None = None,
) -> SurveyGround:
    """Read a survey's geometry and put each capture on its transect, or say why it is on none.

    `ground_msl_m` is the level of the ground for captures without a height above take-off, `terrain` the elevation
    model that they were brought in with. `looked_at` are the captures that a detector has looked at: nothing was
    searched in the others.
    """
    standing = read_standing(session, info.survey_id, ground_msl_m=ground_msl_m, terrain=terrain)
    check_standing(session, info.survey_id, standing)
    captures = read_capture_table(session, info.survey_id, usable=True)
    if looked_at is not None:
        seen = np.fromiter(looked_at, dtype=np.int64, count=len(looked_at))
        captures = captures.rows(np.isin(captures.capture_id, seen))
    strata = read_strata(session, info.survey_id)
    area = read_area(session, info.survey_id)
    table = read_footprints(session, info.survey_id)
    frame = area.frame if area is not None else _frame_of(captures)
    transects = tuple(t for s in strata for t in s.transects)
    lines = TransectLines.of(transects, frame)
    land: tuple[shapely.Geometry, ...] = ()
    hidden: tuple[shapely.Geometry, ...] = ()
    habitat: dict[str, shapely.Geometry] = {}
    of_stratum: dict[str, shapely.Geometry] = {}
    if area is not None:
        masks = read_masks(session, info.survey_id)
        names = [s.name for s in area.strata]
        masked = mask_strata(area.local_strata, masks, frame)
        of_stratum = dict(zip(names, masked.searchable, strict=True))
        habitat = dict(zip(names, masked.habitat, strict=True))
        land = tuple(of_stratum[t.stratum] for t in transects)
        if masks:
            off = dict(zip(names, shapely.difference(list(area.local_strata), masked.searchable), strict=True))
            hidden = tuple(off[t.stratum] for t in transects)
            less = dict(zip(names, masked.no_habitat_m2.tolist(), strict=True))
            strata = tuple(replace(s, area_m2=s.area_m2 - less[s.name]) for s in strata)
    row = captures.rows_of(table.capture_id)
    footprints = np.full(len(captures), None, dtype=object)
    heights = np.full(len(captures), np.nan)
    known = row >= 0
    if known.any():
        footprints[row[known]] = frame.localise(table.polygons[known])
        heights[row[known]] = table.altitude_agl_m[known]
    positions = frame.to_local(captures.lonlat)
    positions[~np.isfinite(positions).all(axis=1)] = np.nan
    times = captures.times_s
    return SurveyGround(
        info=info,
        frame=frame,
        strata=strata,
        transects=transects,
        lines=lines,
        land=land,
        captures=captures,
        footprints=footprints,
        positions_m=positions,
        times_s=times,
        assignment=_assign(info, captures, positions, times, lines, footprints, heights),
        heights_agl_m=heights,
        masked=hidden,
        standing=standing,
        habitat=habitat,
        searchable=of_stratum,
    )


def _assign(
    info: SurveyInfo,
    captures: CaptureTable,
    positions: Floats,
    times: Floats,
    lines: TransectLines,
    footprints: npt.NDArray[np.object_],
    heights: Floats,
) -> Assignment:
    trigger_m = info.trigger_distance_m or 0.0
    width_m, height_m = info.strip_width_m, info.altitude_agl_m
    return assign_to_transects(
        positions,
        courses_deg(positions, times, captures.sorties, reach_m=_COURSE_REACH * trigger_m),
        lines,
        cross_track_limit_m=CROSS_TRACK_SHARE * width_m if width_m else 0.0,
        end_slack_m=trigger_m,
        heights_agl_m=heights,
        height_limits_m=(height_m * (1 - HEIGHT_SHARE), height_m * (1 + HEIGHT_SHARE)) if height_m else None,
        footprints=footprints,
    )


def courses_deg(positions: Floats, times: Floats, sorties: Sequence[str | None], *, reach_m: float) -> Floats:
    """Direction of flight (N,) at each capture, clockwise from the frame's north, from the captures before and after.

    The heading of a picture says nothing of it, for a camera may be mounted any way round. Only neighbours of the same
    sortie within `reach_m` are asked; NaN where there is none, or no time.
    """
    count = len(positions)
    course = np.full(count, np.nan)
    names = np.array([s or "" for s in sorties], dtype=np.str_)
    known = np.flatnonzero(np.isfinite(positions).all(axis=1) & np.isfinite(times))
    if len(known) < 2:
        return course
    order = known[np.lexsort((times[known], names[known]))]
    step = np.diff(positions[order], axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    near = (names[order][1:] == names[order][:-1]) & (length > 0) & (length <= reach_m)
    step = np.where(near[:, None], step, 0.0)
    way = np.zeros((len(order), 2))
    way[1:] += step
    way[:-1] += step
    moved = np.hypot(way[:, 0], way[:, 1]) > 0
    course[order[moved]] = np.degrees(np.arctan2(way[moved, 0], way[moved, 1])) % 360.0
    return course


@dataclass(frozen=True)
class Sightings:
    """Detections on the ground, one row for each that could be placed.

    `detection` (N,) are rows of the detection table, `capture` (N,) rows of the survey's captures. `lonlat` (N, 2),
    `local_m` (N, 2); `covariance_m2` (N, 2, 2) with all errors, `independent_m2` (N, 2, 2) without those common to a
    sortie.
    """

    detection: Ints
    capture: Ints
    labels: npt.NDArray[np.str_]
    scores: Floats
    lonlat: Floats
    local_m: Floats
    covariance_m2: Floats
    independent_m2: Floats

    def __len__(self) -> int:
        return len(self.detection)


def place_detections(ground: SurveyGround, table: DetectionTable) -> Sightings:
    """Place the centres of boxes on the ground, all captures of one camera at once; orthomosaics say it themselves."""
    capture = ground.captures.rows_of(table.capture_id)
    # A box's edges are in the frame where the first pixel covers 0 to 1, a camera's pixels are named by their centres.
    centres = (table.boxes_px[:, :2] + table.boxes_px[:, 2:]) / 2 - 0.5
    lonlat = np.full((len(table), 2), np.nan)
    covariance, common = np.full((2, len(table), 2, 2), np.nan)
    kinds, kind, poses = _by_camera(ground, capture)
    # What people drew where the detector has not looked stands on no ground that was searched.
    of = np.where(capture >= 0, kind[capture], _UNPLACED)
    order = np.argsort(of, kind="stable")
    for (camera, terrain, errors), start, stop in zip(
        kinds, *(np.searchsorted(of, range(len(kinds)), side=side, sorter=order) for side in _SIDES), strict=True
    ):
        for chosen in np.split(order[start:stop], range(_PLACED_AT_ONCE, stop - start, _PLACED_AT_ONCE)):
            placed = place(camera, Pose(*poses[capture[chosen]].T), centres[chosen], terrain, errors)
            lonlat[chosen], covariance[chosen], common[chosen] = placed.lonlat, placed.covariance_m2, placed.common_m2
    for index in np.unique(capture[of == _MOSAIC]).tolist():
        chosen = np.flatnonzero(capture == index)
        placed = place_in_mosaic(ground.captures[index].capture, centres[chosen] + 0.5)
        lonlat[chosen], covariance[chosen], common[chosen] = placed.lonlat, placed.covariance_m2, placed.common_m2
    known = np.flatnonzero(np.isfinite(lonlat).all(axis=1))
    names = np.array(table.labels, dtype=np.str_) if table.labels else np.empty(0, dtype=np.str_)
    common = np.subtract(covariance, common, out=common)
    # Where all are placed, as nearly always, nothing is copied.
    some = slice(None) if len(known) == len(table) else known
    return Sightings(
        detection=known,
        capture=capture[some],
        labels=names[table.label_ids[some]],
        scores=table.scores[some],
        lonlat=lonlat[some],
        local_m=ground.frame.to_local(lonlat[some]) if len(known) else np.empty((0, 2)),
        covariance_m2=covariance[some],
        independent_m2=common[some],
    )


_Kind = tuple[Camera, Terrain, PoseErrors]
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
_PLACED_AT_ONCE = 500_000
_UNPLACED, _MOSAIC = -1, -2


def _by_camera(ground: SurveyGround, captures: Ints) -> tuple[list[_Kind], Ints, Floats]:
    """Tell captures with detections apart by camera, level of the ground and accuracy.

    Returns the kinds, the kind (C,) of each capture of the survey, and the poses (C, 6) of those that have one.
    """
    kinds: dict[tuple[Camera, float, PoseErrors], tuple[int, _Kind]] = {}
    kind = np.full(len(ground.captures), _UNPLACED, dtype=np.int64)
    poses = np.full((len(ground.captures), 6), np.nan)
    for index in np.unique(captures).tolist():
        stored = ground.captures[index]
        capture = stored.capture
        if capture.georeference is not None:
            kind[index] = _MOSAIC
        if capture.georeference is not None or capture.camera is None:
            continue
        try:
            stand = ground.standing.of(capture, stored.sortie)
        except GeoreferenceError:
            continue  # named when it was brought in; without a footprint it is off effort
        errors = PoseErrors.of(capture)
        key = (capture.camera, stand.terrain.range_m[0], errors)
        kind[index] = kinds.setdefault(key, (len(kinds), (capture.camera, stand.terrain, errors)))[0]
        p = stand.pose
        poses[index] = p.longitude_deg, p.latitude_deg, p.height_m, p.yaw_deg, p.pitch_deg, p.roll_deg
    return [found for _, found in kinds.values()], kind, poses


def _frame_of(captures: CaptureTable) -> LocalFrame:
    known = captures.lonlat[np.isfinite(captures.lonlat).all(axis=1)]
    return LocalFrame.around(shapely.multipoints(known)) if len(known) else LocalFrame(0.0, 0.0)
