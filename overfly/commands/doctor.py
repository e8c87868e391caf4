"""`overfly doctor`."""

from __future__ import annotations

import dataclasses
import sys

import click

from flightplan.console import EXIT_DONE, EXIT_FAILED, OverflyCommand, json_option, print_document
from overfly.doctor import Verdict, examine


@click.command("doctor", cls=OverflyCommand)
@json_option
def doctor_command(as_json: bool) -> None:
    """Say what works on this machine and what does not.

    \b
    Example:
      overfly doctor
    """  # noqa: D301 (click's own mark)
    checks = examine()
    failed = [c for c in checks if c.verdict is Verdict.FAIL]
    if as_json:
        print_document({"ok": not failed, "checks": [dataclasses.asdict(c) for c in checks]})
    else:
        for check in checks:
            remedy = f"  -> {check.remedy}" if check.remedy and check.verdict is not Verdict.PASS else ""
            click.echo(f"{check.verdict.value:<7} {check.name:<18} {check.seen}{remedy}")
    sys.exit(EXIT_FAILED if failed else EXIT_DONE)
