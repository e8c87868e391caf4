"""How often ground is looked at by the pictures of a plan, by raster, from nothing but its missions.

Pictures are where the mission items say: at the start of each triggered stretch and each trigger distance after it, and
wherever a single capture is asked for. Footprints are rectangles of the camera's pixels on level ground. Nothing of the
planner's own geometry is used: another plane, no strips, no airspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyproj
import shapely

from flightplan.areas import StudyArea
from flightplan.mission import Mission
from flightplan.plan import SurveyPlan

Floats = npt.NDArray[np.float64]

TRIGGER, CAPTURE = 206, 2000
# Positions are written to a tenth of a millimetre or so, and two projections differ by less than a thousandth.
_SLACK_M, _SLACK_SHARE = 0.05, 0.001


class Plane:
    """A transverse Mercator plane around an area."""

    def __init__(self, area: StudyArea) -> None:
        centre = shapely.union_all([s.polygon for s in area.strata]).centroid
        plane = f"+proj=tmerc +lat_0={centre.y} +lon_0={centre.x} +k=1 +datum=WGS84 +units=m"
        self._project = pyproj.Transformer.from_crs("EPSG:4326", plane, always_xy=True).transform

    def points(self, lonlat: Floats) -> Floats:
        """Return (longitude, latitude) rows as metres."""
        return np.column_stack(self._project(*lonlat.T)) if len(lonlat) else np.empty((0, 2))

    def shape(self, geometry: Any) -> Any:
        """Return a geographic geometry in metres, its edges drawn finely."""
        return shapely.transform(shapely.segmentize(geometry, 0.001), self.points)


@dataclass(frozen=True)
class Pictures:
    """Where pictures are taken, (N, 2) metres, and the direction of flight at each, (N, 2) of length 1."""

    places: Floats
    along: Floats


def pictures_of(mission: Mission, plane: Plane) -> Pictures:
    """Read back where a mission takes its pictures."""
    places: list[Floats] = []
    along: list[Floats] = []
    here: Floats | None = None
    towards = np.array([0.0, 1.0])
    apart_m, flown_m = 0.0, 0.0
    pending: list[int] = []
    for item in mission.items:
        if item.command == TRIGGER:
            apart_m = item.params[0]
            if apart_m > 0 and item.params[2] == 1 and here is not None:
                places.append(here[None])
                pending.append(len(along))
                along.append(towards[None])
            flown_m = 0.0
        elif item.command == CAPTURE and here is not None:
            places.append(here[None])
            along.append(towards[None])
            pending.append(len(along) - 1)
        if item.longitude_deg is None or item.latitude_deg is None:
            continue
        there = plane.points(np.array([[item.longitude_deg, item.latitude_deg]]))[0]
        if here is not None:
            length_m = float(np.hypot(*(there - here)))
            if length_m > 1e-6:
                towards = (there - here) / length_m
                # A picture at the start of a line is taken flying along it.
                for i in pending:
                    along[i] = towards[None]
                pending = []
            if apart_m > 0 and length_m > 0:
                at = np.arange(apart_m - flown_m, length_m + 1e-6, apart_m)
                places.append(here + at[:, None] * towards)
                along.append(np.repeat(towards[None], len(at), axis=0))
                flown_m = (flown_m + length_m) % apart_m if len(at) == 0 else length_m - float(at[-1])
        here = there
    if not places:
        return Pictures(np.empty((0, 2)), np.empty((0, 2)))
    return Pictures(np.concatenate(places), np.concatenate(along))


@dataclass(frozen=True)
class Looks:
    """Counts of looks at pixel centres (N, 2) on the ground of an area.

    `inside_m` is each one's distance from the border and from exclusions, `listed` whether the plan names it as left
    out, `wanted` what front and side overlap promise.
    """

    places: Floats
    looks: npt.NDArray[np.int64]
    inside_m: Floats
    listed: npt.NDArray[np.bool_]
    wanted: int
    footprint_m: tuple[float, float]

    @cached_property
    def unseen(self) -> int:
        """Pixels seen by nothing that the plan does not name."""
        return int(((self.looks == 0) & ~self.listed).sum())

    @cached_property
    def too_few(self) -> int:
        """Pixels more than one footprint inside with fewer looks than asked."""
        return int(((self.looks < self.wanted) & self._deep).sum())

    @cached_property
    def deep(self) -> int:
        """Pixels more than one footprint inside."""
        return int(self._deep.sum())

    @property
    def _deep(self) -> npt.NDArray[np.bool_]:
        return self.inside_m > max(self.footprint_m)

    @property
    def named_but_seen(self) -> int:
        """Pixels that the plan names as left out and that a picture sees all the same."""
        return int((self.listed & (self.looks > 0)).sum())


def looks_at(plan: SurveyPlan, *, side_overlap: float, pixels_a_footprint: float = 12.0) -> Looks:
    """Count the looks of a plan at every pixel centre of its area."""
    plane, camera = Plane(plan.area), plan.camera
    across_m = camera.image_width_px * plan.gsd_cm / 100
    along_m = camera.image_height_px * plan.gsd_cm / 100
    ground = plane.shape(shapely.union_all([s.polygon for s in plan.area.strata]))
    if plan.area.exclusions:
        ground = shapely.difference(ground, plane.shape(shapely.union_all(list(plan.area.exclusions))))
    angle = np.radians(plan.design.heading_deg)
    # Rows are (across, along) the lines; east and north times this.
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    pixel_m = min(across_m, along_m) / pixels_a_footprint
    rotated = shapely.transform(ground, lambda p: p @ turned)
    west, south, east, north = shapely.bounds(rotated)
    columns, rows = int((east - west) / pixel_m) + 1, int((north - south) / pixel_m) + 1
    counts = np.zeros((columns + 1, rows + 1), dtype=np.int64)
    slack_m = _SLACK_M + _SLACK_SHARE * min(across_m, along_m)
    for sortie in plan.sorties:
        pictures = pictures_of(sortie.mission, plane)
        centres = pictures.places @ turned
        lengthwise = np.abs((pictures.along @ turned)[:, 1]) > 0.7
        wide = np.where(lengthwise, across_m, along_m) / 2 + slack_m
        high = np.where(lengthwise, along_m, across_m) / 2 + slack_m
        # Pixel i has its centre at (i + 1/2) pixels.
        low_x = np.clip(np.ceil((centres[:, 0] - wide - west) / pixel_m - 0.5), 0, columns).astype(np.intp)
        high_x = np.clip(np.floor((centres[:, 0] + wide - west) / pixel_m - 0.5) + 1, 0, columns).astype(np.intp)
        low_y = np.clip(np.ceil((centres[:, 1] - high - south) / pixel_m - 0.5), 0, rows).astype(np.intp)
        high_y = np.clip(np.floor((centres[:, 1] + high - south) / pixel_m - 0.5) + 1, 0, rows).astype(np.intp)
        for x, y, sign in ((low_x, low_y, 1), (high_x, high_y, 1), (low_x, high_y, -1), (high_x, low_y, -1)):
            np.add.at(counts, (x, y), sign)
    looks = counts.cumsum(axis=0).cumsum(axis=1)[:columns, :rows]
    x, y = np.meshgrid(
        west + (np.arange(columns) + 0.5) * pixel_m, south + (np.arange(rows) + 0.5) * pixel_m, indexing="ij"
    )
    shapely.prepare(rotated)
    held = shapely.contains_xy(rotated, x, y)
    places = np.column_stack([x[held], y[held]])
    border = shapely.boundary(rotated)
    shapely.prepare(border)
    inside_m = np.concatenate(
        [
            shapely.distance(border, shapely.points(part))
            for part in np.array_split(places, max(1, len(places) // 200_000))
        ]
    )
    listed = np.zeros(len(places), dtype=bool)
    if plan.not_covered is not None:
        # A pixel's centre within a tenth of a pixel of ground that is named counts as on it.
        named = shapely.buffer(shapely.transform(plane.shape(plan.not_covered), lambda p: p @ turned), pixel_m / 10)
        shapely.prepare(named)
        listed = shapely.contains_xy(named, *places.T)
    wanted = int(1 / (1 - side_overlap) + 1e-6) * int(1 / (1 - plan.front_overlap) + 1e-6)
    return Looks(places, looks[held], inside_m, listed, wanted * (2 if plan.design.refly else 1), (across_m, along_m))
