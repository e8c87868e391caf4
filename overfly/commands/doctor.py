"""`overfly doctor`."""

from __future__ import annotations

import dataclasses
import sys

import click

from flightplan.console import EXIT_DONE, EXIT_FAILED, OverflyCommand, json_option, print_document
from overfly.commands.places import census_argument
from overfly.doctor import Verdict, examine, examine_census


@click.command("doctor", cls=OverflyCommand)
@census_argument
@json_option
def doctor_command(census: str | None, as_json: bool) -> None:
    """Say what works on this machine and what does not, and with CENSUS whether that census is as it was written.

    A census is whole when its file is sound and its audit holds: every row is as the writer who added it left it.

    \b
    Examples:
      overfly doctor
      overfly doctor census.gpkg
    """  # noqa: D301 (click's own mark)
    checks = examine() if census is None else (*examine(), *examine_census(census))
    failed = [c for c in checks if c.verdict is Verdict.FAIL]
    if as_json:
        print_document({"ok": not failed, "checks": [dataclasses.asdict(c) for c in checks]})
    else:
        for check in checks:
            remedy = f"  -> {check.remedy}" if check.remedy and check.verdict is not Verdict.PASS else ""
            click.echo(f"{check.verdict.value:<7} {check.name:<18} {check.seen}{remedy}")
    sys.exit(EXIT_FAILED if failed else EXIT_DONE)
