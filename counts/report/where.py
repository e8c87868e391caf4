"""Where things are: the maps of a survey with their legends, and the density of each species on a grid."""

from __future__ import annotations

from collections.abc import Collection

from counts.report.density import density_grids
from counts.report.document import Heading, LegendItem, MapFigure, Paragraph, Picture, Pictures, Section
from counts.report.facts import Facts
from counts.report.figures import draw_density
from counts.report.map import SurveyMap, draw_maps
from counts.report.words import Words


def map_figures(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> tuple[MapFigure, ...]:
    """Return the survey's maps."""
    return tuple(
        MapFigure(
            map=drawn,
            number=number,
            described=say._("Map of the survey, north up"),
            legend=_legend(drawn, say),
            caption=" ".join([say._("WGS 84, north up."), *drawn.notes]),
        )
        for number, drawn in enumerate(draw_maps(facts, say, sensitive=sensitive), start=1)
    )


def where_sections(
    facts: Facts, maps: tuple[MapFigure, ...], say: Words, *, sensitive: Collection[str] = ()
) -> tuple[Section, ...]:
    """A section for each map; densities go with the only one, or have one of their own."""
    densities = density_pictures(facts, say, sensitive=sensitive)
    told: tuple[Heading | Paragraph | Pictures, ...] = ()
    if densities:
        text = say._(
            "Animals seen in each cell for each km² of it that was searched. Cells without colour were hardly "
            "searched, pale ones were and none was seen. These are numbers seen, not estimates."
        )
        told = (Heading(say._("Density")), Pictures(densities), Paragraph(text, "note"))
    if len(maps) == 1:
        return (Section(say._("Where"), (maps[0], *told)),)
    sections = [
        Section(say._("Where, place {number} of {whole}", number=m.number, whole=len(maps)), (m,)) for m in maps
    ]
    return (*sections, Section(say._("Density"), told[1:])) if told else tuple(sections)


def density_pictures(facts: Facts, say: Words, *, sensitive: Collection[str] = ()) -> tuple[Picture, ...]:
    """Return the density of each species as a drawing."""
    return tuple(
        Picture(
            file_name=f"density-{number}",
            svg=draw_density(grid, say),
            title=grid.species,
            caption=say._("Animals seen per km² searched, in cells of {cell} m.", cell=say.whole(grid.cell_m)),
            described=say._("Density of {species}", species=grid.species),
        )
        for number, grid in enumerate(density_grids(facts, sensitive=sensitive), start=1)
    )


def _legend(drawn: SurveyMap, say: Words) -> tuple[LegendItem, ...]:
    items = [
        LegendItem(
            f"dots {'square ' * (p.mark % 2)}tone-{p.mark}",
            "dot",
            say.ngettext("{species}: {count} individual", "{species}: {count} individuals", p.count, species=p.species),
        )
        for p in drawn.points
    ]
    items += [
        LegendItem(
            f"coarse wash-{c.mark} tone-{c.mark}",
            "area",
            say.ngettext(
                "{species}: {count} individual, somewhere in the cell",
                "{species}: {count} individuals, somewhere in the cells",
                c.count,
                species=c.species,
            ),
        )
        for c in drawn.coarse
    ]
    items += [LegendItem(f"stratum s{number % 4}", "area", name) for number, name, _ in drawn.strata]
    seen = say._("ground seen, on effort") if drawn.footprints_off else say._("ground seen")
    others = (
        (drawn.footprints, "footprint", "area", seen),
        (drawn.footprints_found, "footprint found", "area", say._("with detections")),
        (drawn.footprints_off, "footprint off", "area", say._("seen, but not on effort")),
        (drawn.gaps, "gap", "area", say._("planned, but not seen")),
        (drawn.masks, "mask", "area", say._("left out: no habitat, or not to be seen")),
        (drawn.lines, "planned", "line", say._("planned transects")),
        (drawn.tracks, "track", "line", say._("flown lines")),
        (drawn.exclusions, "exclusion", "area", say._("never flown over")),
        (drawn.launch_sites, "launch", "site", say._("launch site")),
    )
    return (*items, *(LegendItem(symbol, shape, text) for there, symbol, shape, text in others if there))
