"""`overfly export`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from counts.census import Census
from counts.exchange import STANDARDS, ExportOptions, export_survey
from counts.store import latest_survey
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import UnreadableFileError
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option

_MAX_MAPPING_BYTES = 1 << 20


@click.command("export", cls=OverflyCommand)
@click.argument("standard", type=click.Choice(list(STANDARDS)))
@census_argument
@survey_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    required=True,
    help="Where it goes: a folder for csv, geojson, yolo and earthranger, else a file.",
)
@click.option(
    "--sensitive",
    multiple=True,
    metavar="LABEL",
    help="Tell of this species only the tenth of a degree and the day; may be given several times.",
)
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Which layers (csv, geojson, geopackage).")
@click.option("--taxon", "taxa", multiple=True, metavar="LABEL=NAME", help="A label's scientific name (darwincore).")
@click.option("--publisher", metavar="NAME", help="Who publishes the data (darwincore).")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.toml",
    help="What labels are called there (smart, earthranger).",
)
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="The park's time zone (smart).")
@workspace_option
@json_option
def export_command(
    standard: str,
    census: str | None,
    survey: str | None,
    out: Path,
    sensitive: tuple[str, ...],
    layers: tuple[str, ...],
    taxa: tuple[str, ...],
    publisher: str | None,
    mapping: Path | None,
    zone: str,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Hand a survey on in a standard that others read; the census stays as it is.

    Layers are individuals, sightings, estimates, strata, transects and footprints. smart needs a mapping, a table for
    each label: [species.elephant] with category, count (the attribute that takes the number) and attributes;
    earthranger takes one with event_type in place of category.

    \b
    Examples:
      overfly export csv --out tables
      overfly export geopackage census.gpkg --survey 2026-wet --out for-others.gpkg --layer individuals
      overfly export darwincore --out 2026-wet.zip --sensitive rhino --taxon "rhino=Diceros bicornis"
      overfly export smart --mapping smart.toml --zone Africa/Dar_es_Salaam --out smart.json
    """  # noqa: D301 (click's own mark)
    options = ExportOptions(
        layers=layers,
        taxa=_taxa(taxa),
        publisher=publisher,
        mapping={} if mapping is None else _read_mapping(mapping),
        zone=zone,
    )
    places = find_places(census, workspace_folder, survey)
    with Census.open(places.census, create=False) as opened:
        name = places.survey
        if name is None:
            with opened.reading() as session:
                name = latest_survey(session).name
        done = export_survey(opened, name, standard, out, sensitive=sensitive, options=options)
    for note in done.notes:
        say(note)
    document = {
        "standard": standard,
        "survey": name,
        "census": places.shown,
        "files": [str(path) for path in done.files],
        "counts": dict(done.counts),
        "notes": list(done.notes),
    }
    text = f"{out}: " + ", ".join(f"{number:,} {noun}" for noun, number in done.counts.items())
    finish(document, as_json=as_json, text=text, skipped=done.skips)


def _taxa(said: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in said]
    if any(not label or not name.strip() for label, _, name in pairs):
        raise click.UsageError('--taxon is LABEL=NAME, like --taxon "elephant=Loxodonta africana".')
    return {label: name.strip() for label, _, name in pairs}


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_MAPPING_BYTES:
            raise UnreadableFileError("the mapping is over 1 MB", where=str(path))
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"the mapping is not valid TOML ({error})", where=str(path)) from error
