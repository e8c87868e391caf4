"""`overfly import`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from counts.census import Census
from counts.merging import Merged, merge
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.errors import Skip
from overfly.commands.places import census_argument, find_places, workspace_option

_EXAMPLE = """
\b
Example:
  overfly import census ../from-team-south/census.gpkg
"""


@click.command("import", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("standard", type=click.Choice(["census"]))
@click.argument("path", type=click.Path(path_type=Path))
@census_argument
@workspace_option
@json_option
def import_command(standard: str, path: Path, census: str | None, workspace_folder: Path | None, as_json: bool) -> None:
    """Bring PATH into the census.

    census: another copy of the same census, from a second team or laptop. What only it has comes in, what both have is
    compared field by field: unknown fields are filled, and where both know and disagree, ours stays and the conflict is
    named (exit code 3). The other file is only read.
    """
    places = find_places(census, workspace_folder, None)
    with Census.open(places.census, create=False) as opened:
        merged = merge(opened, path)
    conflicts = [
        Skip(f"{c.table} {c.row}, {c.field}", f"{c.ours!r} stays; the other copy says {c.theirs!r}")
        for c in merged.conflicts
    ]
    finish(merged_document(merged, path), as_json=as_json, text=_text(merged, path), skipped=conflicts)


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


def _text(merged: Merged, path: Path) -> str:
    if not (merged.added or merged.filled):
        return f"{path} has nothing that is not here already"
    rows = [f"  {number:>7} {table.replace('_', ' ')}" for table, number in merged.added.items()]
    filled = sum(merged.filled.values())
    return "\n".join([f"From {path} came:", *rows, f"{filled} fields filled, {len(merged.conflicts)} conflicts"])
