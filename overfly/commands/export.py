"""`overfly export`."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from counts.census import Census
from counts.exchange import STANDARDS, ExportOptions, export_survey
from counts.exchange.checklist import read_checklist
from counts.exchange.names import LICENCES
from counts.exchange.services import SERVICES
from counts.picture_files import PictureFiles
from counts.store import latest_survey
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import UnreadableFileError
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option
from overfly.commands.sending import plan_sending, send_survey

_MAX_MAPPING_BYTES = 1 << 20


def _folders(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Path | None, ...]:
    """Folders as paths; None for the option alone."""
    for value in values:
        if value and not Path(value).is_dir():
            raise click.BadParameter(f"there is no folder {value!r}")
    return tuple(Path(value) if value else None for value in values)


@click.command("export", cls=OverflyCommand)
@click.argument("standard", type=click.Choice(list(STANDARDS)))
@census_argument
@survey_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where it goes: a folder for csv, geojson, yolo and earthranger, else a file.",
)
@click.option("--to", "target", metavar="URL", help="Send it to a live service (earthranger, smart, geojson).")
@click.option("--dry-run", is_flag=True, help="With --to: show what would be sent, and send nothing.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The service's secret, instead of the one in the environment.",
)
@click.option("--area", metavar="UUID", help="The conservation area (smart --to).")
@click.option("--provider", default="overfly", show_default=True, metavar="NAME", help="Who sends (earthranger --to).")
@click.option(
    "--sensitive",
    multiple=True,
    metavar="LABEL",
    help="Tell of this species only the tenth of a degree and the day; may be given several times.",
)
@click.option("--blur-listed", is_flag=True, help="Species that the checklist lists are sensitive.")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Which layers (csv, geojson, geopackage).")
@click.option("--taxon", "taxa", multiple=True, metavar="LABEL=NAME", help="A label's scientific name (darwincore).")
@click.option("--checklist", type=click.Path(path_type=Path), metavar="FILE", help="Names of species, with their keys.")
@click.option("--licence", type=click.Choice(list(LICENCES)), help="The data's licence (darwincore).")
@click.option("--publisher", metavar="NAME", help="Who publishes the data (darwincore).")
@click.option("--country", metavar="CC", help="The country's code with two letters (darwincore).")
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.toml",
    help="What labels are called there (smart, earthranger).",
)
@click.option(
    "--data-model",
    type=click.Path(path_type=Path),
    metavar="FILE.xml",
    help="The park's SMART data model; the mapping is checked against it.",
)
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="The park's time zone (smart).")
@click.option(
    "--pictures",
    multiple=True,
    is_flag=False,
    flag_value="",
    callback=_folders,
    metavar="[FOLDER]",
    help="Each waypoint has what its picture shows (smart); a FOLDER is where pictures are now that are not where they "
    "were (smart, coco, yolo), and may be given several times.",
)
@workspace_option
@json_option
def export_command(
    standard: str,
    census: str | None,
    survey: str | None,
    out: Path | None,
    target: str | None,
    dry_run: bool,
    token_file: Path | None,
    area: str | None,
    provider: str,
    sensitive: tuple[str, ...],
    blur_listed: bool,
    layers: tuple[str, ...],
    taxa: tuple[str, ...],
    checklist: Path | None,
    licence: str | None,
    publisher: str | None,
    country: str | None,
    mapping: Path | None,
    data_model: Path | None,
    zone: str,
    pictures: tuple[Path | None, ...],
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Hand a survey on in a standard that others read; the census stays as it is.

    Layers are individuals, sightings, estimates, strata, transects and footprints. smart needs a mapping, a table for
    each label: [species.elephant] with category, count (the attribute that takes the number) and attributes;
    earthranger takes one with event_type in place of category.

    With --to what is told goes to a service, through an outbox in the census: each item once, in order, with its own
    key. Without a connection it stays there; run the same again. The secret is in OVERFLY_EARTHRANGER_TOKEN,
    OVERFLY_SMART_LOGIN (NAME:PASSWORD) or OVERFLY_SERVICE_TOKEN (geojson), or in --token-file.

    \b
    Examples:
      overfly export csv --out tables
      overfly export geopackage census.gpkg --survey 2026-wet --out for-others.gpkg --layer individuals
      overfly export darwincore --out 2026-wet.zip --sensitive rhino --taxon "rhino=Diceros bicornis"
      overfly export darwincore --out 2026-wet.zip --checklist species.csv --blur-listed --licence CC-BY-4.0
      overfly export smart --mapping smart.toml --data-model park.xml --zone Africa/Dar_es_Salaam --out smart.json
      overfly export earthranger --to https://park.pamdas.org --dry-run
    """  # noqa: D301 (click's own mark)
    if (out is None) == (target is None):
        raise click.UsageError("Name where it goes: --out PATH, or --to URL.")
    if target is not None and standard not in SERVICES:
        raise click.UsageError(f"--to sends {', '.join(SERVICES)}; {standard} goes to --out PATH.")
    options = ExportOptions(
        layers=layers,
        taxa=_taxa(taxa),
        publisher=publisher,
        country=country,
        mapping={} if mapping is None else _read_mapping(mapping),
        zone=zone,
        checklist=None if checklist is None else read_checklist(checklist),
        licence=licence,
        data_model=data_model,
        blur_listed=blur_listed,
        pictures=bool(pictures),
    )
    places = find_places(census, workspace_folder, survey)
    folders = [folder for folder in pictures if folder is not None]
    options = replace(options, files=PictureFiles.of_census(places.census, folders))
    with Census.open(places.census, create=False) as opened:
        name = places.survey
        if name is None:
            with opened.reading() as session:
                name = latest_survey(session).name
        if target is not None:
            said = (opened, name, standard, target, options, sensitive, area, provider)
            document, text, skips = plan_sending(*said) if dry_run else send_survey(*said, token_file)
            finish(document, as_json=as_json, text=text, skipped=skips)
        if out is None:
            return
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
        "unresolved": [{"name": s.item, "reason": s.reason} for s in done.unresolved],
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
