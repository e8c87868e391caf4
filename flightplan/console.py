"""What every command of overfly shares: exit codes, one JSON document on stdout, talk on stderr, one clear error.

Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage, 3 done but with items skipped, each named.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from flightplan.errors import OverflyError, Skip

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_SKIPPED = 0, 1, 2, 3

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")


class OverflyCommand(click.Command):
    """A command that turns an OverflyError into one sentence on stderr and exit code 1."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        # A command keeps the help option of its first call, so it is the same when called by `overfly` and alone.
        context = {"help_option_names": ["-h", "--help"], **(settings.pop("context_settings", None) or {})}
        super().__init__(name, context_settings=context, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error raised on purpose ends it with its own words."""
        try:
            return super().invoke(ctx)
        except OverflyError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(EXIT_FAILED)


def say(message: str) -> None:
    """Print a line for the person at the terminal, on stderr."""
    click.echo(message, err=True)


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def finish(document: Mapping[str, Any], *, as_json: bool, text: str, skipped: Iterable[Skip] = ()) -> None:
    """Print the result and leave with 0, or with 3 when items were skipped, each named on stderr."""
    skips = list(skipped)
    if as_json:
        full = {**document, "skipped": [{"item": s.item, "reason": s.reason} for s in skips]}
        print_document(full)
    else:
        click.echo(text)
    for skip in skips:
        say(f"Skipped: {skip.item}: {skip.reason}")
    sys.exit(EXIT_SKIPPED if skips else EXIT_DONE)
