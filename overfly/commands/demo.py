"""`overfly demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from flightplan.console import EXIT_DONE, EXIT_SKIPPED, OverflyCommand, json_option, print_document, say
from overfly.demo import run_demo


@click.command("demo", cls=OverflyCommand)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another seed, another survey.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="The workspace to make, or to go on with.",
)
@json_option
def demo_command(seed: int, folder: Path, as_json: bool) -> None:
    """Run the whole chain over an invented park: plan, fly, photograph, detect, count, estimate, report.

    Takes two minutes or less on two cores, and no network. Killed, it goes on where it stopped.

    \b
    Example:
      overfly demo --seed 7 --out demo-7
    """  # noqa: D301 (click's own mark)
    with TerminalStage() as stage:
        document = run_demo(folder, seed, stage)
    if as_json:
        print_document(document)
    else:
        click.echo(_table(document))
    for skip in document["skipped"]:
        say(f"Skipped: {skip['item']}: {skip['reason']}")
    sys.exit(EXIT_SKIPPED if document["skipped"] else EXIT_DONE)


def _table(document: dict[str, Any]) -> str:
    lines = [
        "",
        f"{'species':<10} {'stratum':<12} {'truth':>6} {'estimate':>9} {'95 % limits':>17} {'CV':>6}",
    ]
    for e in document["estimates"]:
        limits = "none" if e["lower"] is None else f"{e['lower']:.0f} to {e['upper']:.0f}"
        value = "none" if e["estimate"] is None else f"{e['estimate']:.0f}"
        cv = "" if e["cv"] is None else f"{e['cv']:.0%}"
        truth = document["truth"][e["species"]][e["stratum"]]
        lines.append(f"{e['species']:<10} {e['stratum']:<12} {truth:>6} {value:>9} {limits:>17} {cv:>6}")
    lines += [
        "",
        f"{document['captures']} frames of {len(document['sorties'])} sorties, {document['area_searched_km2']:.2f} of "
        f"{document['area_km2']:.2f} km² searched, {document['individuals']} animals counted once each, "
        f"{document['verified_frames']} frames checked",
        f"report  {document['report']}",
        f"census  {document['census']}",
        f"{document['seconds']:.0f} s",
    ]
    return "\n".join(lines)


class TerminalStage:
    """What the demo does, on stderr: a live bar on a terminal, one line a step anywhere else."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> TerminalStage:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()

    def step(self, text: str) -> None:
        """A step begins: the one before is done."""
        self._finish()
        if self._console.is_terminal:
            self._bar = self._bars.add_task(text, total=None)
        else:
            self._console.print(text, markup=False)

    def _finish(self) -> None:
        if self._bar is not None:
            total = next(t for t in self._bars.tasks if t.id == self._bar).total or 1
            self._bars.update(self._bar, total=total, completed=total)
            self._bar = None

    def note(self, text: str) -> None:
        """Something worth knowing about the present step."""
        if self._bar is not None:
            task = next(t for t in self._bars.tasks if t.id == self._bar)
            self._bars.update(self._bar, description=f"{task.description}: {text}")
        else:
            self._console.print(f"  {text}", markup=False)

    def progress(self, done: int, total: int) -> None:
        """How far the present step has come."""
        if self._bar is not None:
            self._bars.update(self._bar, completed=done, total=total)
