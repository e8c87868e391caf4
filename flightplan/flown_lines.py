"""The design of flights that nobody planned here: transects from where pictures were taken.

Straight runs of pictures become lines, and lines transects of the strata they cross, as `flightplan.design` draws them.
What cannot be read from pictures is whether the first line was placed at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import SHORTEST_SEGMENT_M, baseline, merge_intervals
from flightplan.design import FULL, SYSTEMATIC, StratumDesign, SurveyDesign, Transect
from flightplan.errors import DesignError
from flightplan.frames import Floats
from flightplan.messages import message, plural_message

_MOST_TURNED_DEG = 15.0
_SAME_LINE, _SAME_SAMPLED_LINE = 0.12, 0.5
_EVEN = 0.15


@dataclass(frozen=True)
class FlownLines:
    """What was flown, as a design, the transects of each stratum, and what to know about them."""

    design: SurveyDesign
    strata: tuple[StratumDesign, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Line:
    """Places of pictures that lie on one line, a straight one: its middle, unit direction, and the runs along it."""

    middle: Floats
    unit: Floats
    spans: Floats

    @classmethod
    def through(cls, runs: Sequence[Floats], unit: Floats) -> _Line:
        """The line that fits several runs best, pointing the way of `unit`; each run reaches half a step further."""
        places = np.concatenate(runs)
        middle = places.mean(axis=0)
        fitted = np.linalg.svd(places - middle, full_matrices=False)[2][0]
        fitted = fitted if fitted @ unit >= 0 else -fitted
        spans = []
        for run in runs:
            along = np.sort((run - middle) @ fitted)
            half = float(np.median(np.diff(along))) / 2
            spans.append((along[0] - half, along[-1] + half))
        return cls(middle, fitted, np.array(spans))

    @property
    def length_m(self) -> float:
        """The length of its runs."""
        return float((self.spans[:, 1] - self.spans[:, 0]).sum())

    def over(self, polygon: shapely.Geometry, strip_width_m: float) -> Floats:
        """From where to where (P, 2) along it its strip holds some of a polygon, in metres from its middle."""
        ends = self.middle + self.spans[:, :, None] * self.unit
        strip = shapely.buffer(shapely.linestrings(ends), strip_width_m / 2, cap_style="flat")
        seen = shapely.get_parts(shapely.intersection(shapely.union_all(strip), polygon))
        pieces = [(shapely.get_coordinates(p) - self.middle) @ self.unit for p in seen if p.area > 0]
        bounds = np.array([(p.min(), p.max()) for p in pieces]).reshape(-1, 2)
        if not len(bounds):
            return bounds
        starts, reaches = merge_intervals(bounds[:, 0], bounds[:, 1])
        merged = np.column_stack([starts, reaches])
        return merged[merged[:, 1] - merged[:, 0] >= SHORTEST_SEGMENT_M]


def lines_as_flown(area: StudyArea, runs: Sequence[Floats], strip_width_m: float) -> FlownLines:
    """Make transects of straight runs of pictures.

    Each of `runs` (N, 2) is where the pictures of one were taken, in their order, in metres of the area's frame.
    `strip_width_m` is the ground they show across the line. Runs on one line are one transect of each stratum that
    their strip lies over, for as long as it does; less than a strip's width of it, and than half of the run, is none.
    Runs across the others are left out, and counted in a warning. The design is full coverage where strips
    touch, systematic otherwise. Raises DesignError where a stratum has no line.
    """
    straight = [_Line.through([run], run[-1] - run[0]) for run in runs if len(run) >= 2]
    strata, spacings, warnings = [], [], []
    headings: list[tuple[float, float]] = []
    crossing: set[int] = set()
    for stratum, polygon in zip(area.strata, area.local_strata, strict=True):
        inside = np.array([_length_over(line, polygon, strip_width_m) for line in straight])
        there = np.flatnonzero(inside >= np.minimum(strip_width_m, [line.length_m / 2 for line in straight]))
        if not len(there):
            raise DesignError(
                "no line was flown over it",
                where=f"stratum {stratum.name}",
                hint="Leave it out of the area, or name more pictures",
            )
        heading_deg = _heading_deg([straight[i].unit for i in there], inside[there])
        unit = np.array([np.sin(np.radians(heading_deg)), np.cos(np.radians(heading_deg))])
        along = [int(i) for i in there if _turned_deg(straight[i].unit, unit) <= _MOST_TURNED_DEG]
        crossing.update(set(there.tolist()) - set(along))
        lines = _lines([runs[i] for i in along], unit, polygon, strip_width_m)
        transects = _transects(area, stratum.name, polygon, lines, strip_width_m)
        _, _, filled = baseline(polygon, heading_deg)
        strata.append(
            StratumDesign(stratum.name, float(polygon.area), filled, filled / strip_width_m, tuple(transects))
        )
        apart = np.diff([_to_the_right(line.middle, unit) for line in lines])
        headings.append((heading_deg, float(inside[along].sum())))
        spacings.append(float(np.median(apart)) if len(apart) else filled)
        warnings += _warnings(stratum.name, apart)
    heading_deg = max(headings, key=lambda h: h[1])[0]
    spacing_m = float(np.median(spacings))
    design = SurveyDesign(
        kind=FULL if max(spacings) <= strip_width_m else SYSTEMATIC,
        seed=0,
        heading_deg=heading_deg,
        spacing_m=spacing_m,
        strip_width_m=strip_width_m,
        stratum_spacing_m=tuple((s.name, m) for s, m in zip(strata, spacings, strict=True) if m != spacing_m),
    )
    if crossing:
        warnings.append(
            plural_message(
                "{count} straight run of pictures across the lines belongs to no transect",
                "{count} straight runs of pictures across the lines belong to no transect",
                len(crossing),
            )
        )
    return FlownLines(design, tuple(strata), tuple(warnings))


def _length_over(line: _Line, polygon: shapely.Geometry, strip_width_m: float) -> float:
    spans = line.over(polygon, strip_width_m)
    return float((spans[:, 1] - spans[:, 0]).sum())


def _heading_deg(units: Sequence[Floats], weights: Floats) -> float:
    """The direction that most of the length goes, either way, in [0, 180)."""
    angles = np.array([np.degrees(np.arctan2(*u)) for u in units]) % 180.0
    apart = np.abs((angles[:, None] - angles + 90.0) % 180.0 - 90.0)
    most = int(np.argmax((apart <= _MOST_TURNED_DEG) @ weights))
    near = apart[most] <= _MOST_TURNED_DEG
    vector = (weights[near] * np.exp(2j * np.radians(angles[near]))).sum()
    return float(np.degrees(np.angle(vector)) / 2 % 180.0)


def _turned_deg(unit: Floats, other: Floats) -> float:
    return float(np.degrees(np.arccos(min(1.0, abs(float(unit @ other))))))


def _to_the_right(point: Floats, unit: Floats) -> float:
    return float(point[0] * unit[1] - point[1] * unit[0])


def _lines(runs: Sequence[Floats], unit: Floats, polygon: shapely.Geometry, strip_width_m: float) -> list[_Line]:
    """Runs that lie on one line together, from left to right.

    Neighbouring lines of full coverage may overlap by four fifths; a sampled line flown again may lie beside itself.
    """
    across = np.array([_across(run, unit, polygon, strip_width_m) for run in runs])
    order = np.argsort(across, kind="stable")
    groups = _grouped(across[order], _SAME_LINE * strip_width_m)
    middles = np.array([across[order][groups == g].mean() for g in range(groups[-1] + 1)])
    if len(middles) > 1 and float(np.median(np.diff(middles))) > strip_width_m:
        groups = _grouped(across[order], _SAME_SAMPLED_LINE * strip_width_m)
    return [_Line.through([runs[i] for i in order[groups == g]], unit) for g in range(groups[-1] + 1)]


def _across(run: Floats, unit: Floats, polygon: shapely.Geometry, strip_width_m: float) -> float:
    """How far to the right a run passes, in the middle of what of it sees a polygon."""
    line = _Line.through([run], unit)
    return _to_the_right(line.middle + line.over(polygon, strip_width_m).mean() * line.unit, unit)


def _grouped(values: Floats, apart: float) -> Floats:
    """The group of each of sorted values: a step of more than `apart` begins another."""
    return np.concatenate([[0], np.cumsum(np.diff(values) > apart)])


def _transects(
    area: StudyArea, stratum: str, polygon: shapely.Geometry, lines: Sequence[_Line], strip_width_m: float
) -> list[Transect]:
    transects: list[Transect] = []
    for line in lines:
        spans = line.over(polygon, strip_width_m)
        if not len(spans):
            continue
        ends = line.middle + spans[:, :, None] * line.unit
        lonlat = area.frame.to_lonlat(ends.reshape(-1, 2)).reshape(-1, 2, 2).tolist()
        strip = shapely.union_all(shapely.buffer(shapely.linestrings(ends), strip_width_m / 2, cap_style="flat"))
        position = len(transects) + 1
        transects.append(
            Transect(
                f"{stratum}-{position:03d}",
                stratum,
                position,
                tuple(((a[0], a[1]), (b[0], b[1])) for a, b in lonlat),
                float((spans[:, 1] - spans[:, 0]).sum()),
                float(shapely.intersection(strip, polygon).area),
            )
        )
    return transects


def _warnings(stratum: str, apart_m: Floats) -> list[str]:
    if not len(apart_m):
        return [message("stratum {stratum} has one transect: its variance cannot be estimated", stratum=stratum)]
    uneven = float(np.std(apart_m) / np.mean(apart_m))
    if len(apart_m) < 2 or uneven <= _EVEN:
        return []
    return [
        message(
            "the distances between the lines of stratum {stratum} vary by {share:.0%} (standard deviation over mean):"
            " it was not seen evenly, and an estimate from these lines may be off where animals stand unevenly too",
            stratum=stratum,
            share=uneven,
        )
    ]
