"""The map of a plan: the whole of it, and one of each sortie, as SVG paths in the area's local frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import shapely

from flightplan.drawing import Canvas, Label, areas_path, lines_path, meridians, parallels
from flightplan.frames import Floats
from flightplan.mission import Mission
from flightplan.mission_builder import mission_path
from flightplan.plan import Sortie, SurveyPlan
from flightplan.plan_layers import Hazards, footprints_path, hazards_of

TONES = 8
CARD_WIDTH, CARD_MAX_HEIGHT = 900.0, 520.0

_ARROW_PX = 5.0
_LABEL_ROOM_PX = 17.0
_BADGE_ROOM_PX, _BADGE_LINES = 23.0, 6
_TICK_ROOM_PX = (125.0, 70.0)
_MARGIN_SHARE = 0.05
_CARD_ASPECT = 1.7


@dataclass(frozen=True)
class SortieLines:
    """One sortie as the map draws it; `tone` numbers its colour, `badge` is its number, wordless where none fits."""

    number: int
    tone: int
    lines: str
    ways: str
    arrows: str
    badge: Label
    line_labels: tuple[Label, ...]


@dataclass(frozen=True)
class PlanMap:
    """What the map's template draws. Paths are SVG path data, `strip_px` is the width of a strip."""

    width: float
    height: float
    strata: tuple[tuple[int, str, str], ...]
    stratum_labels: tuple[Label, ...]
    exclusions: str
    not_covered: str
    kept_clear: str
    hazards: Hazards
    strips: str
    strip_px: float
    footprints: str
    frames: int
    sorties: tuple[SortieLines, ...]
    sites: tuple[Label, ...]
    meridians: tuple[Label, ...]
    parallels: tuple[Label, ...]
    scale_px: float
    scale_text: str


def map_of_plan(plan: SurveyPlan) -> PlanMap:
    """Return the map of all sorties."""
    shapes = [s.polygon for s in plan.area.strata]
    shapes += [shapely.Point(s.longitude_deg, s.latitude_deg) for s in plan.area.launch_sites]
    shapes += [shapely.LineString(mission_path(s.mission)) for s in plan.sorties]
    canvas = Canvas(plan.area.frame, tuple(shapely.total_bounds(plan.area.frame.localise(np.array(shapes)))))
    return _draw(plan, canvas, list(range(len(plan.sorties))), labelled=False)


def map_of_sortie(plan: SurveyPlan, index: int) -> PlanMap:
    """Return the map of one sortie, by its place in the plan: only what lies around its path."""
    path = shapely.LineString(mission_path(plan.sorties[index].mission))
    west, south, east, north = plan.area.frame.localise(path).bounds
    above_m = plan.design.strip_width_m
    # Landscape, so that profile, lines and checklist have room below it on a sheet.
    beside_m = max(above_m, (_CARD_ASPECT * (north - south + 2 * above_m) - (east - west)) / 2)
    bounds = (west - beside_m, south - above_m, east + beside_m, north + above_m)
    canvas = Canvas(plan.area.frame, bounds, width=CARD_WIDTH, max_height=CARD_MAX_HEIGHT)
    return _draw(plan, canvas, [index], labelled=True)


def effort_lines(mission: Mission) -> list[Floats]:
    """Return the lines flown on effort in their order, each (N, 2) geographic, in the direction of flight."""
    return [line for on, line in _stretches(mission) if on]


def _draw(plan: SurveyPlan, canvas: Canvas, shown: Sequence[int], *, labelled: bool) -> PlanMap:
    area = plan.area
    frame = shapely.box(
        -_MARGIN_SHARE * canvas.width,
        -_MARGIN_SHARE * canvas.height,
        canvas.width * (1 + _MARGIN_SHARE),
        canvas.height * (1 + _MARGIN_SHARE),
    )

    def areas(geometries: Sequence[object]) -> str:
        drawn = shapely.simplify(canvas.draw(np.array(geometries, dtype=object)), 0.2)
        parts = shapely.get_parts(shapely.intersection(drawn, frame))
        return areas_path(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])

    flown = [line for i in shown for line in effort_lines(plan.sorties[i].mission)]
    strips = [lines_path(canvas.draw(_linestrings(plan.sorties[i]))) for i in shown]
    if plan.as_flown:
        strips = [lines_path(canvas.draw(shapely.get_parts(plan.lines)))]
    footprints, frames = footprints_path(plan, flown, canvas)
    scale_px, scale_text = canvas.scale
    return PlanMap(
        width=round(canvas.width, 1),
        height=round(canvas.height, 1),
        strata=tuple((i, s.name, areas([s.polygon])) for i, s in enumerate(area.strata)),
        stratum_labels=() if labelled or len(area.strata) < 2 else _stratum_labels(plan, canvas),
        exclusions=areas(list(area.exclusions)) if area.exclusions else "",
        not_covered=areas([plan.not_covered]) if plan.not_covered is not None else "",
        kept_clear=areas(list(area.kept_clear)) if area.kept_clear else "",
        hazards=hazards_of(area, canvas, frame),
        strips="".join(strips),
        strip_px=round(plan.design.strip_width_m * canvas.px_per_m, 2),
        footprints=footprints,
        frames=frames,
        sorties=(_as_flown(plan, canvas),) if plan.as_flown else _sorties(plan, canvas, shown, labelled=labelled),
        sites=_sites(plan, canvas, shown),
        meridians=_apart(meridians(canvas)),
        parallels=_apart(parallels(canvas)),
        scale_px=scale_px,
        scale_text=scale_text,
    )


def _sorties(plan: SurveyPlan, canvas: Canvas, shown: Sequence[int], *, labelled: bool) -> tuple[SortieLines, ...]:
    """The sorties, the number of each on one of its lines where it does not lie on another's."""
    found: list[SortieLines] = []
    taken = np.empty((0, 2))
    for i in shown:
        stretches = _stretches(plan.sorties[i].mission)
        lines = [canvas.xy(line) for on, line in stretches if on]
        ways = [shapely.LineString(canvas.xy(way)) for on, way in stretches if not on]
        places = _places(lines) if lines else canvas.xy([plan.sorties[i].mission.home or (0.0, 0.0)])
        apart = np.abs(places[:, None] - taken[None]).max(axis=2).min(axis=1, initial=np.inf)
        best = int(np.argmax(np.minimum(apart, _BADGE_ROOM_PX)))
        fits = bool(apart[best] >= _BADGE_ROOM_PX)
        if fits:
            taken = np.vstack([taken, places[best]])
        x, y = places[best].tolist()
        found.append(
            SortieLines(
                number=i + 1,
                tone=i % TONES,
                lines=lines_path(np.array([shapely.LineString(xy) for xy in lines], dtype=object)),
                ways=lines_path(np.array(ways, dtype=object)),
                arrows="".join(_arrow(xy) for xy in lines),
                badge=Label(round(x, 1), round(y, 1), str(i + 1) if fits else ""),
                line_labels=_line_labels(plan.sorties[i], canvas) if labelled else (),
            )
        )
    return tuple(found)


def _as_flown(plan: SurveyPlan, canvas: Canvas) -> SortieLines:
    """The lines of a plan without sorties; which way each was flown is not in it."""
    lines = lines_path(canvas.draw(shapely.get_parts(plan.lines)))
    return SortieLines(number=0, tone=0, lines=lines, ways="", arrows="", badge=Label(0.0, 0.0, ""), line_labels=())


def _places(lines: Sequence[Floats]) -> Floats:
    """Where a sortie's number may stand, the best first: on its lines from the middle one, each from its middle."""
    middle = len(lines) // 2
    order = sorted(range(len(lines)), key=lambda k: abs(k - middle))[:_BADGE_LINES]
    shares = np.array([0.5, 0.42, 0.58, 0.25, 0.75, 0.15, 0.85])
    return np.concatenate([lines[k][0] + shares[:, None] * (lines[k][-1] - lines[k][0]) for k in order])


def _stretches(mission: Mission) -> list[tuple[bool, Floats]]:
    """The mission's path in stretches on and off effort; a line flown through several waypoints is one."""
    path = mission_path(mission)
    ends = [i.transect for i in mission.items if i.longitude_deg is not None]
    legs = ends if mission.home is None else [*ends, None]
    legs = legs[1:] if mission.home is None else legs
    found, start = [], 0
    for transect, group in groupby(legs):
        stop = start + len(list(group))
        found.append((transect is not None, path[start : stop + 1]))
        start = stop
    return found


def _linestrings(sortie: Sortie) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array([shapely.LineString(line) for line in effort_lines(sortie.mission)], dtype=object)


def _halfway(xy: Floats) -> tuple[Floats, Floats]:
    """A line's middle and its direction there (unit length; zero for a line without length)."""
    lengths = np.hypot(*np.diff(xy, axis=0).T)
    reach = np.concatenate([[0.0], np.cumsum(lengths)])
    middle = np.array([np.interp(reach[-1] / 2, reach, xy[:, k]) for k in (0, 1)])
    leg = min(int(np.searchsorted(reach, reach[-1] / 2, side="right")) - 1, len(lengths) - 1)
    step = xy[leg + 1] - xy[leg]
    return middle, step / max(float(np.hypot(*step)), 1e-9)


def _arrow(xy: Floats) -> str:
    """A barbed head a third of the way along a line, so that neighbours' and the sorties' numbers stay apart."""
    third = xy[0] + (xy[-1] - xy[0]) / 3
    _, ahead = _halfway(xy)
    aside = np.array([-ahead[1], ahead[0]])
    corners = np.stack([third + ahead * _ARROW_PX, third - (ahead - aside) * _ARROW_PX * 0.7, third])
    corners = np.vstack([corners, third - (ahead + aside) * _ARROW_PX * 0.7])
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners.tolist()) + "z"


def _line_labels(sortie: Sortie, canvas: Canvas) -> tuple[Label, ...]:
    """The transects' numbers at the lines' starts, left out where they would lie on one another."""
    one_stratum = len({t.rpartition("-")[0] for t in sortie.transects}) == 1
    names = [t for t, _ in groupby(i.transect for i in sortie.mission.items) if t is not None]
    labels: list[Label] = []
    for name, line in zip(names, effort_lines(sortie.mission), strict=False):
        stratum, _, number = name.rpartition("-")
        text = number.lstrip("0") if one_stratum else f"{stratum[:3]} {number.lstrip('0')}"
        xy = canvas.xy(line)
        _, ahead = _halfway(xy)
        x, y = xy[0] - ahead * 9
        if all(max(abs(x - other.x), abs(y - other.y)) >= _LABEL_ROOM_PX for other in labels):
            labels.append(Label(round(float(x), 1), round(float(y), 1), text))
    return tuple(labels)


def _apart(labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """Every so many of evenly spaced labels, so that they are far enough apart to read."""
    if len(labels) < 2:
        return labels
    (across_px, down_px) = abs(labels[1].x - labels[0].x), abs(labels[1].y - labels[0].y)
    crowd = max(1.0, _TICK_ROOM_PX[0] / across_px) if across_px else max(1.0, _TICK_ROOM_PX[1] / max(down_px, 1.0))
    return labels[:: int(np.ceil(crowd))]


def _sites(plan: SurveyPlan, canvas: Canvas, shown: Sequence[int]) -> tuple[Label, ...]:
    """Launch sites by name; where none is given, each place that sorties start from, without one."""
    homes = [plan.sorties[i].mission.home for i in shown]
    named = {(s.longitude_deg, s.latitude_deg): s.name for s in plan.area.launch_sites}
    if not named:
        named = {home: "" for home in homes if home is not None}
    labels = []
    for place, name in named.items():
        x, y = canvas.xy([place])[0]
        if 0 <= x <= canvas.width and 0 <= y <= canvas.height:
            labels.append(Label(round(float(x), 1), round(float(y), 1), name))
    return tuple(labels)


def _stratum_labels(plan: SurveyPlan, canvas: Canvas) -> tuple[Label, ...]:
    """Each stratum's name over its upper edge, a quarter in: launch sites are often in the middle."""
    labels = []
    for stratum in plan.area.strata:
        west, north, east, _ = canvas.draw(stratum.polygon)[0].bounds
        labels.append(Label(round(0.75 * west + 0.25 * east, 1), round(max(north - 8, 14.0), 1), stratum.name))
    return tuple(labels)
