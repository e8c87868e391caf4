"""`overfly design`: a design drawn many times, and, with animals to expect, what it would tell of them."""

from __future__ import annotations

import copy
import csv
import io
import shlex
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import click

from counts.census import Census
from flightplan.areas import StudyArea, avoiding, read_area
from flightplan.cameras import camera_from_file, camera_named
from flightplan.commands.design import design_command as draw_a_design
from flightplan.commands.design_options import design_asked, efforts_said
from flightplan.console import OverflyCommand, finish, say
from flightplan.design import SYSTEMATIC
from flightplan.drones import drone_from_file
from flightplan.errors import UnreadableFileError
from flightplan.request import DesignRequest, PlanRequest
from overfly.commands.places import workspace_option
from overfly.expected import Expected, expected_from_census, expected_numbers
from overfly.precision import ENOUGH_LINES, Budget, EffortRow, PrecisionTable, precision_table
from overfly.precision_figure import precision_page, precision_png, precision_svg
from overfly.workspace import Workspace
from sim.virtual import read_world
from sim.virtual.world_file import check_strata

_FIGURES = (".svg", ".png", ".html", ".csv")
_HOW = (
    "CVs by quick simulation: {worlds} worlds of such herds, each crossed by the lines of several draws, plus the"
    " variance of checking a sample of frames; `overfly sim survey` flies the whole survey"
)
_EXAMPLE = (
    (draw_a_design.epilog or "")
    + """
  overfly design park.geojson --camera "DJI Mavic 3E wide" --gsd 2 --expect zebra=600,5 --expect elephant=400,4
      --drone "DJI Mavic 3 Enterprise" --days 3 --out precision.svg
  overfly design park.geojson --width 96 --lines 15 --last census.gpkg --cv 15 --json
"""
)

_OPTIONS = (
    click.option(
        "--world",
        "world_file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Animals to expect, their herds and the detector, as TOML (docs/simulate.md): tells precision.",
    ),
    click.option(
        "--expect",
        multiple=True,
        metavar="SPECIES=N[,HERD]|FILE",
        help="The same in short: animals in the area, and in a herd on average; or a .csv. May be given again.",
    ),
    click.option("--last", "last_census", metavar="CENSUS", help="The same from what an earlier survey found."),
    click.option("--last-survey", metavar="NAME", help="Which survey of --last, instead of its latest."),
    click.option(
        "--cv",
        "cv_percent",
        type=click.FloatRange(0, 100, min_open=True),
        metavar="PCT",
        help="Choose the least effort that reaches it.",
    ),
    click.option("--drone", metavar="NAME|FILE", help="Plan each effort's flights, with --camera."),
    click.option("--speed", "speed_mps", type=float, metavar="M/S", help="With --drone: speed on the lines."),
    click.option("--drones", type=click.IntRange(1, 20), default=1, show_default=True, metavar="N", help="At once."),
    click.option(
        "--hours",
        "hours_a_day",
        type=click.FloatRange(0, 24, min_open=True),
        default=4.0,
        show_default=True,
        metavar="H",
        help="Of flying a day.",
    ),
    click.option("--days", type=click.IntRange(1), metavar="N", help="Choose the most effort that fits these days."),
    click.option("--batteries", type=click.IntRange(1), metavar="N", help="And so many batteries, one a sortie."),
)
_PRECISION = ("world_file", "expect", "last_census")
_OWN = (*_PRECISION, "last_survey", "cv_percent", "drone", "speed_mps", "drones", "hours_a_day", "days", "batteries")


def _params() -> list[click.Parameter]:
    params = [copy.copy(p) for p in draw_a_design.params]
    for param in params:
        if param.name == "area":
            param.required = False
        if param.name == "out":
            param.help = (
                "Where the coverage map goes: .png, .html, .tif or .csv; with animals to expect, where the figure goes:"
                " .svg, .png or .html, or the table: .csv. May be given again."
            )
    return params


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda decorated, option: option(decorated), reversed(_OPTIONS), command)


@click.command("design", cls=OverflyCommand, params=_params(), epilog=_EXAMPLE)
@_options
@workspace_option
@click.pass_context
def design_command(ctx: click.Context, /, workspace_folder: Path | None, **asked: Any) -> None:
    """Draw a design over AREA many times: lines, length, sampled share, and how likely each place is to be seen.

    With animals to expect (--world, --expect or --last) it tells instead how precise the survey will be: the CV of each
    species' estimate against effort, the change that two such surveys would show, the best allocation over strata,
    batteries and days, and the plan to make. Efforts are multiples of the one said, of 12 lines a stratum when none is.

    What a line sees is --width, or what a camera's pictures hold (--camera with --gsd or --height). Without either,
    lines and their length are all that is told.
    """
    own = {name: asked.pop(name) for name in _OWN}
    if asked["area"] is None:
        workspace = Workspace.find(Path.cwd(), workspace_folder)
        if workspace is None:
            raise click.UsageError("AREA is missing, and this folder is in no workspace.")
        asked["area"] = workspace.area_path
    said = sum(bool(own[name]) for name in _PRECISION)
    if not said:
        strange = [n for n in ("last_survey", "cv_percent", "drone", "days", "batteries") if own[n] is not None]
        if strange:
            raise click.UsageError("Precision needs animals to expect: --world, --expect or --last.")
        ctx.invoke(draw_a_design, **asked)
        return
    if said > 1:
        raise click.UsageError("Say one of --world, --expect and --last.")
    _precision(asked, own)


def _precision(asked: dict[str, Any], own: dict[str, Any]) -> None:
    outs = tuple(asked.pop("out"))
    strange = [str(o) for o in outs if o.suffix.lower() not in _FIGURES]
    if strange:
        raise click.UsageError(f"--out {strange[0]} is not one of {', '.join(_FIGURES)}.")
    as_json, area_file = asked.pop("as_json"), asked.pop("area")
    crs, field, avoid = (asked.pop(k) for k in ("crs", "strata_field", "avoid"))
    area = reduce(avoiding, avoid, read_area(area_file, crs=crs, strata_field=field))
    for unused in ("draws", "cell_m", "buffer_m"):
        asked.pop(unused)
    camera, gsd_cm, height_m, width_m = (asked.pop(k) for k in ("camera", "gsd_cm", "altitude_agl_m", "strip_width_m"))
    picture = None
    if (camera is None) == (width_m is None):
        raise click.UsageError("Precision needs --width, or --camera with --gsd or --height.")
    if camera is not None:
        if (gsd_cm is None) == (height_m is None):
            raise click.UsageError("--camera needs one of --gsd and --height.")
        taken_by = camera_from_file(Path(camera)) if Path(camera).is_file() else camera_named(camera)
        picture = PlanRequest(camera=taken_by, gsd_cm=gsd_cm, altitude_agl_m=height_m)
        width_m, along_m = taken_by.footprint_m(picture.height_m())
        trigger_m = along_m * (1 - picture.front_overlap)
    elif own["drone"] is not None:
        raise click.UsageError("--drone needs --camera: what is photographed says how it is flown.")
    kind = asked.pop("kind") or SYSTEMATIC
    if not efforts_said(asked):
        asked["min_lines"] = ENOUGH_LINES
    elif efforts_said(asked) > 1:
        raise click.UsageError("Say the effort in one way.")
    expected = _expected(own, area)
    flown = None
    if picture is not None and own["drone"] is not None:
        drone = drone_from_file(Path(own["drone"])) if Path(own["drone"]).is_file() else own["drone"]
        flown = PlanRequest(
            camera=picture.camera, gsd_cm=gsd_cm, altitude_agl_m=height_m, drone=drone, speed_mps=own["speed_mps"]
        )
    elif own["days"] is not None or own["batteries"] is not None:
        raise click.UsageError("--days and --batteries need --drone and --camera.")
    table = precision_table(
        area,
        expected.world,
        DesignRequest(kind=kind, **design_asked(asked)),
        strip_width_m=float(width_m),
        trigger_m=float(trigger_m) if picture is not None else None,
        flown=flown,
        budget=Budget(own["days"], own["batteries"], own["hours_a_day"], own["drones"]),
        target_cv=None if own["cv_percent"] is None else own["cv_percent"] / 100,
    )
    seen = _seen_words(camera, gsd_cm, height_m)
    document = precision_document(table, expected, _plan_command(table, area_file, seen, own), outs)
    for path in outs:
        _write(path, table, document)
    for warning in document["warnings"]:
        say(f"Warning: {warning}")
    finish(document, as_json=as_json, text=_text(table, document))


def precision_document(
    table: PrecisionTable, expected: Expected, plan_command: str | None, outs: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """Return what `overfly design --json` prints of precision."""
    chosen = None if table.chosen is None else table.rows[table.chosen]
    warnings = []
    if chosen is not None and chosen.few_lines:
        warnings.append(
            f"fewer than {ENOUGH_LINES} lines in {', '.join(chosen.few_lines)}: limits will be wide, and for herds in"
            " clusters hold less often than they say; ask for closer or shorter lines (--lines, --heading)"
        )
    warnings += [f"{skip.item} is left out: {skip.reason}" for skip in table.skips]
    return {
        "area_km2": round(table.area.area_m2 / 1e6, 4),
        "efforts": [_row(row) for row in table.rows],
        "chosen": table.chosen,
        "why": table.reason,
        "plan_command": plan_command,
        "expected": list(expected.notes),
        "how": _HOW.format(worlds=table.worlds),
        "warnings": warnings,
        "files": [str(o) for o in outs],
    }


def _row(row: EffortRow) -> dict[str, Any]:
    return {
        "times_asked": row.factor,
        "length_km": round(row.length_km, 3),
        "lines": {name: round(n, 2) for name, n in row.lines.items()},
        "spacing_m": {name: round(row.design.spacing_in(name), 2) for name in row.lines},
        "sampled_share": round(row.share, 5),
        "frames": round(row.frames),
        "allocation": row.allocation,
        "cv": row.cv,
        "cv_other_allocation": row.other_cv,
        "species": {
            name: {
                "number": told.precision.number,
                "cv": told.precision.cv,
                "cv_monte_carlo_error": told.precision.cv_error,
                "sampling": told.precision.sampling,
                "checking": told.precision.checking,
                "availability": told.precision.availability,
                "degrees_of_freedom": told.degrees_of_freedom,
                "decline_seen": told.decline,
                "growth_seen": told.growth,
            }
            for name, told in row.species.items()
        },
        "batteries": None if row.flights is None else row.flights.sorties,
        "hours": None if row.flights is None else round(row.flights.hours, 3),
        "days": None if row.flights is None else row.flights.days,
        "flights_reason": row.reason,
        "few_lines": list(row.few_lines),
    }


def _expected(own: Mapping[str, Any], area: StudyArea) -> Expected:
    strata = [s.name for s in area.strata]
    if own["world_file"] is not None:
        world = read_world(own["world_file"])
        check_strata(world, strata, str(own["world_file"]))
        return Expected(world, (f"the world of {own['world_file']}",))
    if own["expect"]:
        return expected_numbers(own["expect"], area)
    with Census.open(own["last_census"], read_only=True) as census:
        return expected_from_census(census, area, survey=own["last_survey"])


def _seen_words(camera: str | None, gsd_cm: float | None, height_m: float | None) -> list[str]:
    if camera is None:
        return []
    return ["--camera", camera, *(["--gsd", f"{gsd_cm:g}"] if gsd_cm is not None else ["--height", f"{height_m:g}"])]


def _plan_command(table: PrecisionTable, area_file: Path, seen: list[str], own: Mapping[str, Any]) -> str | None:
    """The `overfly plan` that makes the chosen effort."""
    if table.chosen is None:
        return None
    design = table.rows[table.chosen].design
    words = ["overfly", "plan", str(area_file), *(seen or ["--camera", "CAMERA", "--gsd", "CM"])]
    words += ["--design", design.kind, "--heading", f"{design.heading_deg:.4g}", "--seed", str(design.seed)]
    for stratum in table.area.strata:
        words += ["--stratum-spacing", f"{stratum.name}={design.spacing_in(stratum.name):.1f}"]
    if own["drone"] is not None:
        words += ["--drone", str(own["drone"])]
        words += ["--speed", f"{own['speed_mps']:g}"] if own["speed_mps"] is not None else []
        words += ["--drones", str(own["drones"])] if own["drones"] > 1 else []
    return shlex.join([*words, "--out", "plan"])


def _text(table: PrecisionTable, document: Mapping[str, Any]) -> str:
    species = list(table.rows[0].species)
    width = max(12, *(len(s) + 2 for s in species))
    lines = [
        "  line km  lines  seen  "
        + "".join(f"{'CV ' + s:>{width + 3}}" for s in species)
        + "".join(f"{'decline ' + s:>{width + 8}}" for s in species)
        + "  batteries  hours  days"
    ]
    for i, row in enumerate(table.rows):
        flights = row.flights
        cells = "".join(f"{row.species[s].precision.cv:>{width + 3}.1%}" for s in species)
        for s in species:
            decline = row.species[s].decline
            cells += f"{'-' if decline is None else f'{decline:.0%}':>{width + 8}}"
        cells += (
            f"{'-':>11}{'-':>7}{'-':>6}"
            if flights is None
            else f"{flights.sorties:>11}{flights.hours:>7.1f}{flights.days:>6}"
        )
        mark = ">" if i == table.chosen else " "
        few = "  few lines" if row.few_lines else ""
        lines.append(f"{mark} {row.length_km:>7.1f}{sum(row.lines.values()):>7.0f}{row.share:>6.0%}  {cells}{few}")
    lines.append(f"{'>' if table.chosen is not None else 'None chosen:'} {table.reason}")
    if table.chosen is not None and table.rows[table.chosen].allocation != "as asked":
        lines.append("  its lines are shared out over strata by Neyman's rule, which is more precise than as asked")
    lines += [f"  {note}" for note in document["expected"]]
    lines.append("  decline: what two such surveys would show with a power of 80 % at 5 %, two-sided")
    lines.append(f"  {document['how']}")
    if document["plan_command"]:
        lines.append(f"Next: {document['plan_command']}")
    return "\n".join([*lines, *(f"Written to {path}" for path in document["files"])])


def _table_csv(document: Mapping[str, Any]) -> str:
    species = list(document["efforts"][0]["species"])
    strata = list(document["efforts"][0]["lines"])
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\n").writerow
    write(
        ["length_km", "sampled_share", *[f"lines {s}" for s in strata], *[f"spacing_m {s}" for s in strata]]
        + [f"{what} {s}" for s in species for what in ("cv", "decline_seen")]
        + ["batteries", "hours", "days"]
    )
    for row in document["efforts"]:
        write(
            [row["length_km"], row["sampled_share"], *row["lines"].values(), *row["spacing_m"].values()]
            + [row["species"][s][what] for s in species for what in ("cv", "decline_seen")]
            + [row["batteries"], row["hours"], row["days"]]
        )
    return buffer.getvalue()


def _write(path: Path, table: PrecisionTable, document: Mapping[str, Any]) -> None:
    kind = path.suffix.lower()
    try:
        if kind == ".png":
            path.write_bytes(precision_png(table))
            return
        text = precision_svg(table) if kind == ".svg" else _table_csv(document)
        path.write_text(precision_page(table, document) if kind == ".html" else text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UnreadableFileError(f"cannot be written: {error.strerror}", where=str(path)) from error
