"""`overfly import`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

import overfly
from counts import collars
from counts.census import Census
from counts.exchange.checklist import read_checklist
from counts.exchange.importing import STANDARDS_IN, Imported, ImportOptions, import_standard
from counts.merging import Merged, merge
from counts.store.received import read_tracks
from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import Skip
from overfly.commands.fetching import import_live, is_address
from overfly.commands.places import census_argument, find_places, survey_option, workspace_option

_EXAMPLE = """
\b
Examples:
  overfly import census ../from-team-south/census.gpkg
  overfly import checklist species.csv
  overfly import movebank collars.csv
  overfly import camtrapdp cameras.zip --checklist species.csv
  overfly import smart patrols.xml --zone Africa/Dar_es_Salaam
  overfly import earthranger https://park.pamdas.org --since 2026-01-01
  overfly import sightings rangers.csv --column species=Art
"""


@click.command("import", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("standard", type=click.Choice(["census", *STANDARDS_IN]))
@click.argument("path", metavar="PATH_OR_URL")
@census_argument
@survey_option
@click.option(
    "--name", metavar="NAME", help="What its identifiers belong to (study, site, project), if not the file's."
)
@click.option("--checklist", type=click.Path(path_type=Path), metavar="FILE", help="Names of species, with their keys.")
@click.option("--zone", default="UTC", show_default=True, metavar="NAME", help="Time zone of clocks that say none.")
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="A column by hand (sightings, smart).")
@click.option(
    "--species-key", default="species", show_default=True, metavar="KEY", help="SMART's attribute for species."
)
@click.option(
    "--count-key", default="numberofanimals", show_default=True, metavar="KEY", help="SMART's attribute for numbers."
)
@click.option(
    "--attachments",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the pictures that came with SMART's sightings there.",
)
@click.option("--since", type=click.DateTime(), metavar="DATE", help="Tracks from then on (earthranger from a URL).")
@click.option("--until", type=click.DateTime(), metavar="DATE", help="Tracks up to then (earthranger from a URL).")
@click.option("--patrol", "patrols", multiple=True, metavar="UUID", help="A patrol to fetch (smart from a URL).")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The service's secret, instead of the one in the environment.",
)
@workspace_option
@json_option
def import_command(
    standard: str,
    path: str,
    census: str | None,
    survey: str | None,
    name: str | None,
    checklist: Path | None,
    zone: str,
    columns: tuple[str, ...],
    species_key: str,
    count_key: str,
    attachments: Path | None,
    since: datetime | None,
    until: datetime | None,
    patrols: tuple[str, ...],
    token_file: Path | None,
    workspace_folder: Path | None,
    as_json: bool,
) -> None:
    """Bring a file into the census. The same again adds nothing; what cannot be used is named by its line.

    census: another copy of the same census, from a second team or laptop. What only it has comes in, what both have is
    compared field by field: unknown fields are filled, and where both know and disagree, ours stays and the conflict is
    named (exit code 3). The other file is only read.

    movebank, earthranger: collars (CSV of a study; answers of subject tracks or observations). camtrapdp: a package of
    a camera network (folder or zip). smart: patrols as XML, GeoJSON, GPX, CSV or Shapefile. sightings: CSV or GeoJSON
    points. checklist: a table of species. coco, yolo, detections (CSV): boxes, as a detection layer of --survey.

    From a URL: earthranger fetches the tracks of all subjects that are wildlife, smart the waypoints of each --patrol.
    The secret is in OVERFLY_EARTHRANGER_TOKEN or OVERFLY_SMART_LOGIN (NAME:PASSWORD), or in --token-file.
    """
    places = find_places(census, workspace_folder, survey)
    with Census.open(places.census, create=False) as opened:
        if standard == "census":
            _merge(opened, Path(path), as_json)
        options = ImportOptions(
            origin=name,
            zone=zone,
            checklist=None if checklist is None else read_checklist(checklist),
            columns=_pairs(columns),
            survey=places.survey,
            species_key=species_key,
            count_key=count_key,
            attachments=attachments,
            code_version=overfly.__version__,
        )
        if is_address(path):
            done = import_live(
                opened,
                standard,
                path,
                options,
                token_file=token_file,
                since=None if since is None else since.replace(tzinfo=UTC),
                until=None if until is None else until.replace(tzinfo=UTC),
                patrols=patrols,
            )
        else:
            done = import_standard(opened, standard, Path(path), options, now=datetime.now(UTC))
        document = imported_document(done, standard, path, opened)
    for note in done.notes:
        say(note)
    for unknown in done.unresolved:
        say(f"Name not resolved: {unknown.item}: {unknown.reason}")
    finish(document, as_json=as_json, text=_said(done, path), skipped=done.skips)


def imported_document(done: Imported, standard: str, path: Path | str, census: Census) -> dict[str, Any]:
    """Return what `overfly import STANDARD --json` prints; of collars also how fast their animals go."""
    document: dict[str, Any] = {
        "standard": standard,
        "from": str(path),
        "origin": done.origin,
        "found": done.found,
        "added": dict(done.added),
        "known_since": None if done.known_since is None else done.known_since.isoformat(),
        "unresolved": [{"name": s.item, "reason": s.reason} for s in done.unresolved],
        "notes": list(done.notes),
    }
    if standard in ("movebank", "earthranger"):
        with census.reading() as session:
            speeds = collars.speed_quantiles(read_tracks(session))
        document["speeds"] = [
            {
                "taxon": s.taxon,
                "animals": s.animals,
                "steps": s.steps,
                "typical_gap_s": s.typical_gap_s,
                "quantiles_mps": {f"{p:g}": round(v, 3) for p, v in zip(s.probabilities, s.quantiles_mps, strict=True)},
            }
            for s in speeds
        ]
    return document


def merged_document(merged: Merged, path: Path) -> dict[str, Any]:
    """Return what `overfly import census --json` prints."""
    return {
        "from": str(path),
        "added": dict(merged.added),
        "filled": dict(merged.filled),
        "conflicts": [
            {"table": c.table, "row": c.row, "field": c.field, "ours": c.ours, "theirs": c.theirs}
            for c in merged.conflicts
        ],
        "writers": list(merged.writers),
    }


def _merge(census: Census, path: Path, as_json: bool) -> None:
    merged = merge(census, path)
    conflicts = [
        Skip(f"{c.table} {c.row}, {c.field}", f"{c.ours!r} stays; the other copy says {c.theirs!r}")
        for c in merged.conflicts
    ]
    finish(merged_document(merged, path), as_json=as_json, text=_text(merged, path), skipped=conflicts)


def _said(done: Imported, path: str) -> str:
    if done.known_since is not None:
        return f"{path} was brought in before, on {done.known_since:%Y-%m-%d}: nothing added"
    added = ", ".join(f"{number:,} {kind}" for kind, number in done.added.items()) or "nothing new"
    return f"{path}: {added} (of {done.found:,} found; {done.origin})"


def _text(merged: Merged, path: Path) -> str:
    if not (merged.added or merged.filled):
        return f"{path} has nothing that is not here already"
    rows = [f"  {number:>7} {table.replace('_', ' ')}" for table, number in merged.added.items()]
    filled = sum(merged.filled.values())
    return "\n".join([f"From {path} came:", *rows, f"{filled} fields filled, {len(merged.conflicts)} conflicts"])


def _pairs(said: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in said]
    if any(not name or not column for name, _, column in pairs):
        raise click.UsageError("--column is FIELD=COLUMN, like --column species=Art.")
    return {name.strip(): column.strip() for name, _, column in pairs}
