"""`overfly compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from counts.census import Census
from counts.comparison import Comparison, SeasonChange, SeasonTrend, compare_surveys
from flightplan.console import OverflyCommand, finish, json_option
from flightplan.errors import EstimateError, Skip
from overfly.commands.places import find_places, workspace_option


@click.command("compare", cls=OverflyCommand)
@click.argument("names", metavar="[CENSUS] A B [MORE]...", nargs=-1, required=True)
@click.option("--anyway", is_flag=True, help="Compare numbers of different ground too, and say so.")
@workspace_option
@json_option
def compare_command(names: tuple[str, ...], anyway: bool, workspace_folder: Path | None, as_json: bool) -> None:
    """Compare the surveys A and B of a census: the change of each species, and what change could have been seen.

    Difference and ratio with 95 % limits per stratum and in all, from each survey's newest count; the error of a
    correction that both share is counted once. What the surveys did not do alike is listed, and numbers of different
    ground are not compared (exit code 3; 1 when nothing is left). Choose the difference or the ratio before you look.
    Three surveys or more, in order of time, also give a trend. The smallest change is what such surveys show with 80 %
    power at 5 %, two-sided.

    \b
    Examples:
      overfly compare 2026-wet 2027-wet
      overfly compare census.gpkg 2025-wet 2026-wet 2027-wet --json
    """  # noqa: D301 (click's own mark)
    census, surveys = _split(names)
    if len(surveys) < 2:
        raise click.UsageError("Name two surveys at least, the earlier first.")
    places = find_places(census, workspace_folder, surveys[0])
    with Census.open(places.census, create=False) as opened, opened.reading() as session:
        found = compare_surveys(session, surveys, anyway=anyway)
    told: list[SeasonChange | SeasonTrend] = [*found.changes, *found.trends]
    if found.changes and all(c.refused for c in found.changes):
        raise EstimateError(
            f"nothing can be compared: {found.changes[-1].reason}",
            where=", ".join(surveys),
            hint="Different ground holds different animals; --anyway compares the numbers all the same. "
            + "; ".join(_unlike(found)),
        )
    skips = [Skip(_of(item), item.reason or "") for item in told if item.refused]
    finish({"census": places.shown, **asdict(found)}, as_json=as_json, text=_text(found), skipped=skips)


def _split(names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The census is what is a file, or is written like one or like a database's address."""
    first = names[0]
    if "://" in first or first.endswith((".gpkg", ".sqlite")) or Path(first).is_file():
        return first, names[1:]
    return None, names


def _of(item: SeasonChange | SeasonTrend) -> str:
    what = f"{item.species}, {item.stratum or 'total'}"
    if isinstance(item, SeasonTrend):
        return f"trend of {what}"
    return f"{what}, {item.first_survey} to {item.second_survey}"


def _unlike(found: Comparison) -> list[str]:
    return [
        f"{pair.first_survey} and {pair.second_survey} differ in {d.what}: {d.first}, {d.second}"
        for pair in found.differences
        for d in pair.differences
    ]


def _text(found: Comparison) -> str:
    lines = _unlike(found) or ["The surveys have the same area and protocol."]
    pair = ""
    for item in found.changes:
        if item.refused:
            continue
        if pair != (pair := f"{item.first_survey} to {item.second_survey}:"):
            lines.append(pair)
        about = f"{item.species:<12} {item.stratum or 'total':<14} {_number(item.first)} to {_number(item.second)}"
        if item.change is None or item.detectable is None:
            lines.append(f"{about}   not compared: {item.reason}")
            continue
        c, d = item.change, item.detectable
        lines.append(
            f"{about}   difference {c.difference:+.0f} ({c.difference_lower:+.0f} to {c.difference_upper:+.0f}, "
            f"p {c.p_linear:.3f}), ratio {c.ratio:.2f} ({c.ratio_lower:.2f} to {c.ratio_upper:.2f}, p {c.p_log:.3f}); "
            f"could have seen a fall of {d.decline:.0%} or a rise of {d.growth:.0%}"
        )
    if any(not line.refused for line in found.trends):
        lines.append(f"{found.surveys[0]} to {found.surveys[-1]}, {len(found.surveys)} surveys:")
    for line in found.trends:
        if line.refused:
            continue
        about = f"{line.species:<12} {line.stratum or 'total':<14}"
        t = line.trend
        lines.append(
            f"{about} no trend: {line.reason}"
            if t is None
            else f"{about} {t.growth - 1:+.0%} a year ({t.growth_lower - 1:+.0%} to {t.growth_upper - 1:+.0%}, "
            f"p {t.p_two_sided:.3f})"
        )
    return "\n".join([*lines, *(f"Note: {note}." for note in found.notes)])


def _number(value: Any) -> str:
    return "unknown" if value is None else f"{value:.0f}"
