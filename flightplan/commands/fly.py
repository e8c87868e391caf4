"""`overfly fly`: preflight, verified upload, flight, logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flightplan.clock import SimulatedClock
from flightplan.commands.fly_options import FlyOptions, fly_options, table_of
from flightplan.commands.fly_together import addresses, fly_together, read_separation
from flightplan.console import EXIT_FAILED, EXIT_SKIPPED, OverflyCommand, json_option, print_document, say
from flightplan.errors import WorkspaceError
from flightplan.plan import Sortie, SurveyPlan
from flightplan.terrain import Terrain
from flightplan.vehicle.campaign import authorise, choose_sorties, describe, fly_one, resume_one
from flightplan.vehicle.controls import HELP, Keyboard
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.link import Link
from flightplan.vehicle.loading import restore_parameters
from flightplan.vehicle.logs import FlightEvent
from flightplan.vehicle.resume import Assessment, assess, log_folders

_CHECKS = "checks"
_EXAMPLE = """
\b
Examples:
  overfly fly plan --connect tcp:127.0.0.1:5760 --out flights
  overfly fly plan/S1.waypoints --connect serial:/dev/ttyUSB0:57600 --live --system-id 12 --out flights
  overfly fly plan --check --connect udpin:0.0.0.0:14550 --live --system-id 1 --out flights
  overfly fly plan --resume --connect tcp:127.0.0.1:5760 --out flights
  overfly fly plan --connect tcp:127.0.0.1:5760 --connect tcp:127.0.0.1:5770 --out flights

\b
A vehicle that is not a simulator on this machine needs --live and its system id.
A simulator's parameters are set to what a survey needs, a real vehicle's with --set, --set-parameters or your yes;
each change is in the flight's parameters.jsonl, and --restore-parameters takes them back.
--check prints the preflight table and arms nothing. Nothing flies past a fail without --override NAME.
In the air: p pauses, c continues, r returns home, l lands.
Completed sorties are not flown again unless named with --sortie.
With --live one sortie is flown, the next of the plan: then comes a new battery.
--resume reads the logs in --out, and flies only what no good frame covers of each sortie that has been begun:
from the last good frame less the overlap, in folders named SORTIE-resume-N; then it says what is still missing.
A vehicle found in the air with a mission of this plan or of a flight in --out, because the program that watched it was
ended, is watched on to its landing; with any other mission it is left alone.
Several --connect fly the sorties together: each take-off waits until its way is clear of those in the air, vehicles
that come too close wait in the air, and one that fails does not stop the others. A digit chooses one for keys, a all.
Ctrl-C ends the watch, not the flight.
"""


@click.command("fly", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "--connect",
    "connect",
    required=True,
    multiple=True,
    metavar="URL",
    help="tcp:, udp: or udpin:HOST:PORT, or serial:DEVICE:BAUD. Repeat it for several vehicles.",
)
@click.option("--sortie", "identifier", metavar="ID", help="Fly this one only.")
@click.option("--live", is_flag=True, help="This is a real vehicle.")
@click.option(
    "--system-id",
    "system_ids",
    type=click.IntRange(1, 255),
    multiple=True,
    metavar="N",
    help="The MAVLink system id of the vehicle; of several, one for each --connect.",
)
@click.option(
    "--separation",
    metavar="M,M",
    help="Between several vehicles: metres over the ground, or in height. [default: the plan's, else 50,15]",
)
@click.option("--override", "overrides", multiple=True, metavar="NAME", help="Fly past this failed check. Repeatable.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="Set this parameter of the vehicle. Repeatable."
)
@click.option(
    "--timeout", "timeout_s", type=float, default=30.0, show_default=True, metavar="S", help="To wait for an answer."
)
@click.option("--resume", is_flag=True, help="Fly what earlier flights in --out have missed.")
@click.option(
    "--launch",
    type=(float, float),
    metavar="LON LAT",
    help="With --resume: where you stand, when it is not where the sortie began.",
)
@click.option(
    "--terrain",
    type=click.Path(path_type=Path),
    metavar="DEM",
    help="The elevation model that the plan was made with: height above ground from here, and --resume.",
)
@fly_options
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="For logs.")
@json_option
@click.pass_obj
def fly_command(
    obj: object,
    plan: Path,
    connect: tuple[str, ...],
    identifier: str | None,
    live: bool,
    system_ids: tuple[int, ...],
    separation: str | None,
    overrides: tuple[str, ...],
    parameters: tuple[str, ...],
    timeout_s: float,
    resume: bool,
    launch: tuple[float, float] | None,
    terrain: Path | None,
    out: Path,
    as_json: bool,
    options: FlyOptions,
) -> None:
    """Fly a plan folder or one mission file, and log every frame with whether it counts."""
    urls, apart_m = addresses(connect), read_separation(separation)
    if live and not system_ids:
        raise click.UsageError("--live needs --system-id N.")
    if system_ids and len(system_ids) != len(urls):
        raise click.UsageError("Give as many --system-id as --connect, in the same order.")
    url, system_id = urls[0], system_ids[0] if system_ids else None
    if launch is not None and not resume:
        raise click.UsageError("--launch goes with --resume: a plan has its launch sites.")
    if options.check_only and resume:
        raise click.UsageError("--check looks at a flight of the plan; --resume chooses its own.")
    if options.restore_parameters:
        _restore(url, options, timeout_s, out, as_json, live=live, system_id=system_id)
        return
    survey = _read_plan(plan)
    model = None if terrain is None else Terrain.from_file(terrain, survey.area.surroundings_deg if survey else None)
    with Keyboard() as keyboard:
        if keyboard.is_terminal:
            say(HELP)
        flying: dict[str, Any] = {
            "out": out / _CHECKS if options.check_only else out,
            "clock": obj if isinstance(obj, SimulatedClock) else None,
            "live": live,
            "system_id": system_id,
            "overrides": overrides,
            "parameters": _parameters(parameters),
            "timeout_s": timeout_s,
            "setup": options.setup(
                survey.drone if survey else None,
                model,
                keyboard,
                live=live,
                planned_wind=survey.wind if survey else None,
            ),
            "signing": options.signing(),
            "on_event": _show,
        }
        if len(urls) > 1:
            flown = fly_together(
                survey, urls, identifier=identifier, system_ids=system_ids, apart_m=apart_m, resume=resume, model=model,
                launch=launch, keyboard=keyboard, flying=flying,
            )  # fmt: skip
            _finish(flown.results, flown.left, out, as_json, flown.assessed, flown.vehicles)
            return
        if resume:
            _resume(survey, plan, identifier, model, launch, url, as_json, flying)
            return
        sorties = choose_sorties(survey.sorties if survey else (_read_sortie(plan),), identifier, out)
        results: dict[str, FlightResult] = {}
        for sortie in sorties[:1] if live else sorties:
            if sortie.identifier in results:
                continue
            say(f"Sortie {sortie.identifier}")
            result = fly_one(sortie, url, others=survey.sorties if survey else (), **flying)
            results[result.log.name] = result
            if result.outcome is not Outcome.COMPLETED or result.log.name != sortie.identifier:
                break
    left = [s.identifier for s in sorties if s.identifier not in results]
    _finish(results, left, out, as_json)


def _resume(
    plan: SurveyPlan | None,
    folder: Path,
    identifier: str | None,
    model: Terrain | None,
    launch: tuple[float, float] | None,
    url: str,
    as_json: bool,
    flying: dict[str, Any],
) -> None:
    if plan is None:
        raise WorkspaceError(
            "a mission file does not say where may be flown", where=str(folder), hint="Resume from the plan's folder"
        )
    out = flying["out"]
    named = [s for s in plan.sorties if identifier in (None, s.identifier)]
    if not named:
        raise WorkspaceError(f"there is no sortie {identifier}", where=str(folder))
    begun = [s for s in named if log_folders(out, s.identifier)]
    results: dict[str, FlightResult] = {}
    left: dict[str, Assessment] = {}

    def tell(resumed: Sortie, before: Assessment) -> None:
        say(f"Sortie {resumed.identifier}: {before.missing_m:.0f} m of {before.line_m:.0f} m are missing")

    for sortie in begun:
        left[sortie.identifier] = assess(plan, sortie, log_folders(out, sortie.identifier))
    for sortie in begun:
        while left[sortie.identifier].missing:
            before_m = left[sortie.identifier].missing_m
            result, after = resume_one(plan, sortie, url, launch=launch, terrain=model, on_sortie=tell, **flying)
            left[sortie.identifier] = after
            if result is None:
                break
            results[result.log.name] = result
            # A flight that is cut short is looked at by a person first; so is one that brought nothing back.
            if result.outcome is not Outcome.COMPLETED or flying["live"] or after.missing_m >= before_m:
                break
        if results and (flying["live"] or [*results.values()][-1].outcome is not Outcome.COMPLETED):
            break
    not_begun = [s.identifier for s in named if s not in begun]
    _finish(results, not_begun, out, as_json, left)


def _restore(
    url: str, options: FlyOptions, timeout_s: float, out: Path, as_json: bool, *, live: bool, system_id: int | None
) -> None:
    with Link.connect(url, timeout_s=timeout_s, system_id=system_id, signing=options.signing()) as link:
        authorise(link, live=live, system_id=system_id)
        restored = restore_parameters(link, out, lambda kind, text: say(f"  {kind}: {text}"))
    if as_json:
        print_document({"restored": restored, "log": str(out)})
    elif not restored:
        click.echo("No settings of this vehicle were changed.")


def _read_plan(path: Path) -> SurveyPlan | None:
    """Read a plan's folder, or its plan.json; None for one mission file."""
    if path.is_file() and path.suffix != ".json":
        return None
    from flightplan.plan_files import load_plan_to_fly

    return load_plan_to_fly(path)


def _read_sortie(path: Path) -> Sortie:
    from flightplan.formats import read_mission

    mission = read_mission(path)
    transects = tuple(dict.fromkeys(i.transect for i in mission.items if i.transect))
    return Sortie(path.stem, transects, mission, length_m=0.0, duration_s=0.0, energy_share=0.0)


def _parameters(texts: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.upper()] = float(value)
        except ValueError as error:
            raise click.BadParameter(f"{text} is not NAME=VALUE with a number", param_hint="--set") from error
    return found


def _show(event: FlightEvent) -> None:
    say(f"  {event.time_utc[11:19]} {event.kind}: {event.text}")


def _finish(
    results: dict[str, FlightResult],
    left: list[str],
    out: Path,
    as_json: bool,
    assessed: dict[str, Assessment] | None = None,
    vehicles: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Print the flights; after resuming, `assessed` is what all flights of each sortie together leave.

    `vehicles` are those that flew together, with what kept one from going on.
    """
    failed = [r for r in results.values() if r.outcome not in (Outcome.COMPLETED, Outcome.CHECKED)]
    outcome = next((r.outcome for r in results.values() if r.outcome is not Outcome.COMPLETED), Outcome.COMPLETED)
    flights = {name: describe(result) for name, result in results.items()}
    gaps = [{"sortie": n, **g} for n, f in flights.items() for g in f["gaps"]]
    if assessed is not None:
        gaps = [{"sortie": n, **asdict(m)} for n, a in assessed.items() for m in a.missing]
    if as_json:
        print_document(
            {
                "outcome": str(outcome),
                "sorties": [{"sortie": n, **_without(f, "captures", "events", "gaps")} for n, f in flights.items()],
                "left": left,
                "capture_count": sum(f["capture_count"] for f in flights.values()),
                "on_line_count": sum(f["on_line_count"] for f in flights.values()),
                "captures": [{"sortie": n, **c} for n, f in flights.items() for c in f["captures"]],
                "gaps": gaps,
                "events": [{"sortie": n, **e} for n, f in flights.items() for e in f["events"]],
                "datums": {"longitude_deg": "WGS 84", "altitude_msl_m": "mean sea level", "altitude_home_m": "home"},
                "log": str(out),
                **({"vehicles": vehicles} if vehicles else {}),
            }
        )
    else:
        for name, flight in flights.items():
            if flight["outcome"] in (Outcome.CHECKED, Outcome.NOT_FLOWN):
                click.echo(table_of(flight["preflight"]))
            why = f": {flight['reason']}" if flight["reason"] else ""
            click.echo(
                f"{name}: {flight['outcome']}{why}; {flight['capture_count']} frames, "
                f"{flight['on_line_count']} on line, {len(flight['gaps'])} gaps; {flight['log']}"
            )
        for name, assessment in (assessed or {}).items():
            click.echo(f"{name}: {len(assessment.missing)} gaps left, {assessment.missing_m:.0f} m")
            for m in assessment.missing:
                click.echo(f"  {m.transect}, line {m.line}: {m.from_m:.0f} to {m.to_m:.0f} m")
        if assessed == {}:
            click.echo("No sortie has been begun: there is nothing to resume.")
        elif assessed is None and not flights and not left:
            click.echo("Every sortie was flown before. Name one with --sortie to fly it again.")
        elif left:
            click.echo(f"Not flown yet: {', '.join(left)}")
    for vehicle in vehicles:
        if vehicle["error"]:
            say(f"Vehicle {vehicle['number']}: {vehicle['error']}")
    if failed or any(v["error"] for v in vehicles):
        raise click.exceptions.Exit(EXIT_FAILED)
    if any(a.missing for a in (assessed or {}).values()):
        raise click.exceptions.Exit(EXIT_SKIPPED)


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
