"""Survey designs: where to look, and with what probability.

A transect is the sampling unit of the statistics: one line of the design across one stratum. A hole or a concavity cuts
it into segments; they stay one transect.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SurveyDesign:
    """What was asked for, enough to draw the same lines again.

    `kind` is "systematic" (parallel lines, one random start per stratum) or "full" (full coverage: neighbouring strips
    touch or overlap). `heading_deg` is the direction of the lines, clockwise from true north.
    """

    kind: str
    seed: int
    heading_deg: float
    spacing_m: float
    strip_width_m: float


@dataclass(frozen=True)
class Transect:
    """One line flown on effort.

    `segments` are ((lon, lat), (lon, lat)) pairs in the line's own direction; `position` orders the transects of a stratum
    in space (1 is the first along the baseline); `strip_area_m2` is the part of the strip inside the stratum.
    """

    identifier: str
    stratum: str
    position: int
    segments: tuple[tuple[tuple[float, float], tuple[float, float]], ...]
    length_m: float
    strip_area_m2: float


@dataclass(frozen=True)
class StratumDesign:
    """What the statistics need of one stratum: its area, and how many transects were possible.

    `possible_transects` is the length of the baseline over the strip width (N of Jolly's method 2).
    """

    name: str
    area_m2: float
    baseline_m: float
    possible_transects: float
    transects: tuple[Transect, ...]
