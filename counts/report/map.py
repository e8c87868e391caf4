"""The report's map: one inline SVG, drawn in the survey's local frame, north up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import shapely
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from counts.report.bearings import degrees, north
from counts.report.coarse import CoarseCells, coarse_cells, coarse_text
from counts.report.facts import Facts
from counts.report.raster import burnt
from counts.report.words import Words
from counts.store.captures import FootprintTable
from counts.store.identity import IndividualTable
from flightplan.areas import LaunchSite
from flightplan.drawing import Canvas, Label, areas_path, lines_path, meridians, parallels
from flightplan.ellipsoid import to_geocentric
from flightplan.frames import LocalFrame

MOST_FOOTPRINTS = 3_000
MOST_POINTS = 6_000
BINS_ACROSS = 90
RASTER_WIDTHS = (1_400, 700, 350)
MOST_CHARACTERS = 1_200_000
MARKS = 6
APART_M = 5_000.0
MOST_MAPS = 8


@dataclass(frozen=True)
class Points:
    """One species' symbols as the data of a path; `mark` is its number among the symbols."""

    species: str
    mark: int
    path: str
    count: int


@dataclass(frozen=True)
class SurveyMap:
    """What the map's template draws. Paths are SVG path data; `notes` say what was left off or drawn together."""

    width: float
    height: float
    strata: tuple[tuple[int, str, str], ...]
    stratum_labels: tuple[Label, ...]
    exclusions: str
    lines: str
    tracks: str
    footprints: str
    footprints_off: str
    footprints_found: str
    gaps: str
    masks: str
    points: tuple[Points, ...]
    coarse: tuple[CoarseCells, ...]
    launch_sites: tuple[Label, ...]
    meridians: tuple[Label, ...]
    parallels: tuple[Label, ...]
    north: str
    scale_px: float
    scale_text: str
    notes: tuple[str, ...]


def draw_maps(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> tuple[SurveyMap, ...]:
    """Return the map of a survey; none when nothing in it has a place.

    Pictures that were brought in without an area may come from places far apart: each place has a map of its own.
    """
    parts = (_draw(part, facts.labels, say, sensitive) for part in _places(facts))
    return tuple(drawn for drawn in parts if drawn is not None)


def _places(facts: Facts) -> list[Facts]:
    """The survey's parts that lie further than `APART_M` from each other, the largest first."""
    table, animals = facts.footprints, facts.individuals
    if facts.area is not None or len(table.polygons) < 2:
        return [facts]
    middles = shapely.get_coordinates(shapely.centroid(table.polygons))
    where = to_geocentric(middles, np.zeros(len(middles)))
    # Neighbours on a grid of cells join, so that a million pictures cost no more than their cells.
    cells, cell = np.unique(np.floor(where / APART_M), axis=0, return_inverse=True)
    near = KDTree(cells).query_pairs(1.8, output_type="ndarray")
    graph = sparse.coo_array((np.ones(len(near)), (near[:, 0], near[:, 1])), shape=(len(cells), len(cells)))
    count, group = connected_components(graph, directed=False)
    if count == 1 or count > MOST_MAPS:
        return [facts]
    place = group[cell.ravel()]
    near_animal = np.empty(0, dtype=np.int64)
    if animals is not None and len(animals):
        _, nearest = KDTree(where).query(to_geocentric(animals.lonlat, np.zeros(len(animals))))
        near_animal = place[nearest]
    parts = []
    for number in np.argsort(-np.bincount(place), kind="stable").tolist():
        rows, of_animals = place == number, np.flatnonzero(near_animal == number)
        parts.append(
            replace(
                facts,
                footprints=FootprintTable(**{f.name: getattr(table, f.name)[rows] for f in fields(FootprintTable)}),
                individuals=None if animals is None else _only(animals, of_animals),
            )
        )
    return parts


def _only(animals: IndividualTable, rows: npt.NDArray[np.int64]) -> IndividualTable:
    return replace(
        animals,
        individual_id=animals.individual_id[rows],
        number=animals.number[rows],
        species=animals.species[rows],
        lonlat=animals.lonlat[rows],
        sightings=animals.sightings[rows],
        transect=tuple(animals.transect[i] for i in rows.tolist()),
    )


def _draw(facts: Facts, species: Sequence[str], say: Words, sensitive: Collection[str]) -> SurveyMap | None:
    shapes = _everything(facts, sensitive)
    if len(shapes) == 0:
        return None
    frame = facts.area.frame if facts.area else LocalFrame.around(shapes)
    local = frame.localise(shapes)
    canvas = Canvas(frame, tuple(shapely.total_bounds(local)))
    notes: list[str] = []
    # Footprints are the first of all shapes, and are many: they are projected once.
    seen = shapely.transform(local[: len(facts.footprints.polygons)], canvas.place)
    on, off, found = _footprints(facts, seen, canvas, say, sensitive, notes)
    area = facts.area
    segments = [segment for s in facts.strata for t in s.transects for segment in t.segments]
    scale_px, scale = canvas.scale
    length, unit = scale.split()
    return SurveyMap(
        width=round(canvas.width, 1),
        height=round(canvas.height, 1),
        strata=tuple((i, s.name, areas_path(canvas.draw(s.polygon))) for i, s in enumerate(area.strata))
        if area
        else (),
        stratum_labels=_stratum_labels(facts, canvas),
        exclusions=areas_path(canvas.draw(list(area.exclusions))) if area and area.exclusions else "",
        lines=lines_path(canvas.draw([shapely.LineString(part) for part in segments])) if segments else "",
        tracks=lines_path(shapely.simplify(canvas.draw([f.track for f in facts.flights if f.track is not None]), 0.5)),
        footprints=on,
        footprints_off=off,
        footprints_found=found,
        gaps=areas_path(canvas.draw([g.polygon for g in facts.gaps])) if facts.gaps else "",
        masks=areas_path(canvas.draw([m.polygon for m in facts.masks])) if facts.masks else "",
        points=_points(facts, species, canvas, say, sensitive, notes),
        coarse=coarse_cells(facts, canvas, {name: i % MARKS for i, name in enumerate(species)}, sensitive),
        launch_sites=tuple(_label(canvas, s) for s in area.launch_sites) if area else (),
        meridians=tuple(replace(tick, text=degrees(tick.text, say)) for tick in meridians(canvas)),
        parallels=tuple(replace(tick, text=degrees(tick.text, say)) for tick in parallels(canvas)),
        north=north(say),
        scale_px=scale_px,
        scale_text=say._("{length} km", length=length) if unit == "km" else say._("{length} m", length=length),
        notes=tuple(notes),
    )


def _everything(facts: Facts, sensitive: Collection[str]) -> npt.NDArray[np.object_]:
    shapes: list[object] = list(facts.footprints.polygons)
    if facts.area:
        shapes += [s.polygon for s in facts.area.strata]
        shapes += [shapely.Point(s.longitude_deg, s.latitude_deg) for s in facts.area.launch_sites]
    if facts.individuals is not None and len(facts.individuals):
        # Where the map ends would tell of a sensitive animal at its edge.
        open_places = ~np.isin(facts.individuals.species, list(sensitive))
        shapes += list(shapely.points(facts.individuals.lonlat[open_places]))
    return np.array(shapes, dtype=object)


def _footprints(
    facts: Facts,
    shapes: npt.NDArray[np.object_],
    canvas: Canvas,
    say: Words,
    sensitive: Collection[str],
    notes: list[str],
) -> tuple[str, str, str]:
    """Return the paths of footprints on effort, off effort, and (without individuals) of those with detections.

    `shapes` (N,) are the footprints in the drawing's units.
    """
    table = facts.footprints
    if len(table.polygons) == 0:
        return "", "", ""
    on = table.on_effort if facts.strata else np.ones(len(table.polygons), dtype=bool)
    found = np.zeros(len(on), dtype=bool)
    hidden = sorted(set(sensitive) & set(facts.detections_by_label))
    if facts.individuals is None and hidden:
        notes.append(
            say._(
                "Which pictures have detections is withheld: {species} is marked as sensitive.",
                species=say.listed(hidden),
            )
        )
    elif facts.individuals is None:
        found = np.isin(table.capture_id, list(facts.captures_with_detections))
    if len(shapes) <= MOST_FOOTPRINTS:
        return areas_path(shapes[on & ~found]), areas_path(shapes[~on]), areas_path(shapes[on & found])
    groups = (shapes[on & ~found], shapes[~on], shapes[on & found])
    for columns in RASTER_WIDTHS:
        cell_px = canvas.width / columns
        paths = [_cells(group, canvas, columns) for group in groups]
        if sum(map(len, paths)) <= MOST_CHARACTERS:
            break
    notes.append(
        say.ngettext(
            "The {count} footprint is drawn as cells of {cell} m whose middle it covers.",
            "The {count} footprints are drawn together: each cell of {cell} m whose middle one of them covers is "
            "filled.",
            len(shapes),
            cell=say.decimal(cell_px / canvas.px_per_m),
        )
    )
    return paths[0], paths[1], paths[2]


def _cells(shapes: npt.NDArray[np.object_], canvas: Canvas, columns: int) -> str:
    """Fill a grid under the shapes and return it as rectangles: runs of cells, joined where rows repeat them."""
    if len(shapes) == 0:
        return ""
    cell_px = canvas.width / columns
    rows = int(np.ceil(canvas.height / cell_px))
    grid = burnt(shapes, cell_px, rows, columns)
    edges = np.diff(np.pad(grid.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    order = np.lexsort((row, stop, start))
    row, start, stop = row[order], start[order], stop[order]
    first = np.ones(len(row), dtype=bool)
    first[1:] = (np.diff(start) != 0) | (np.diff(stop) != 0) | (np.diff(row) != 1)
    top = np.flatnonzero(first)
    high = np.diff(np.append(top, len(row)))
    x, y, w, h = (np.char.mod("%.1f", v * cell_px) for v in (start[top], row[top], (stop - start)[top], high))
    return "".join(f"M{a} {b}h{c}v{d}h-{c}z" for a, b, c, d in zip(x, y, w, h, strict=True))


def _points(
    facts: Facts, names: Sequence[str], canvas: Canvas, say: Words, sensitive: Collection[str], notes: list[str]
) -> tuple[Points, ...]:
    table = facts.individuals
    if table is None or len(table) == 0:
        return ()
    found = []
    for number, species in enumerate(names):
        lonlat = table.lonlat[table.species == species]
        if len(lonlat) == 0:
            continue
        if species in sensitive:
            notes.append(coarse_text(species, say))
            continue
        xy = canvas.xy(lonlat)
        if len(xy) > MOST_POINTS:
            cell = canvas.width / BINS_ACROSS
            xy = (np.unique(np.floor(xy / cell), axis=0) + 0.5) * cell
            notes.append(
                say.ngettext(
                    "{species}: {count} individual is drawn as a cell of {cell} m.",
                    "{species}: {count} individuals are too many to draw one by one; each symbol is a cell of {cell} m "
                    "with at least one of them.",
                    len(lonlat),
                    species=species,
                    cell=say.whole(cell / canvas.px_per_m),
                )
            )
        # A dot is a stroke's cap; a stroke of no length has no square cap in PDF.
        path = "".join(f"M{x:.1f} {y:.1f}h.01" for x, y in xy.tolist())
        found.append(Points(species, number % MARKS, path, len(lonlat)))
    return tuple(found)


def _label(canvas: Canvas, site: LaunchSite) -> Label:
    x, y = canvas.xy([(site.longitude_deg, site.latitude_deg)])[0]
    return Label(round(float(x), 1), round(float(y), 1), site.name)


def _stratum_labels(facts: Facts, canvas: Canvas) -> tuple[Label, ...]:
    if not facts.area:
        return ()
    labels = []
    for stratum in facts.area.strata:
        west, south, _, north = canvas.draw(stratum.polygon)[0].bounds
        labels.append(Label(round(west + 14, 1), round((south + north) / 2, 1), stratum.name))
    return tuple(labels)
