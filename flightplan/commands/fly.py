"""`overfly fly`: preflight, verified upload, flight, logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flightplan.clock import SimulatedClock
from flightplan.console import EXIT_FAILED, OverflyCommand, json_option, print_document, say
from flightplan.plan import Sortie
from flightplan.vehicle.campaign import choose_sorties, describe, fly_one
from flightplan.vehicle.flight import FlightResult, Outcome
from flightplan.vehicle.logs import FlightEvent

_EXAMPLE = """
\b
Examples:
  overfly fly plan --connect tcp:127.0.0.1:5760 --out flights
  overfly fly plan/S1.waypoints --connect serial:/dev/ttyUSB0:57600 --live --system-id 12 --out flights

\b
A vehicle that is not a simulator on this machine needs --live and its system id.
A simulator's parameters are set to what a survey needs, a real vehicle's only with --set.
Completed sorties are not flown again unless named with --sortie.
With --live one sortie is flown, the next of the plan: then comes a new battery.
Ctrl-C ends the watch, not the flight.
"""


@click.command("fly", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "--connect", "url", required=True, metavar="URL", help="tcp:, udp: or udpin:HOST:PORT, or serial:DEVICE:BAUD."
)
@click.option("--sortie", "identifier", metavar="ID", help="Fly this one only.")
@click.option("--live", is_flag=True, help="This is a real vehicle.")
@click.option("--system-id", type=click.IntRange(1, 255), metavar="N", help="The MAVLink system id of the vehicle.")
@click.option("--override", "overrides", multiple=True, metavar="NAME", help="Fly past this failed check. Repeatable.")
@click.option(
    "--set", "parameters", multiple=True, metavar="NAME=VALUE", help="Set this parameter of the vehicle. Repeatable."
)
@click.option(
    "--timeout", "timeout_s", type=float, default=30.0, show_default=True, metavar="S", help="To wait for an answer."
)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="For logs.")
@json_option
@click.pass_obj
def fly_command(
    obj: object,
    plan: Path,
    url: str,
    identifier: str | None,
    live: bool,
    system_id: int | None,
    overrides: tuple[str, ...],
    parameters: tuple[str, ...],
    timeout_s: float,
    out: Path,
    as_json: bool,
) -> None:
    """Fly a plan folder or one mission file, and log every frame with whether it counts."""
    if live and system_id is None:
        raise click.UsageError("--live needs --system-id N.")
    wanted = _parameters(parameters)
    sorties = choose_sorties(_read_sorties(plan), identifier, out)
    results: dict[str, FlightResult] = {}
    for sortie in sorties[:1] if live else sorties:
        say(f"Sortie {sortie.identifier}")
        results[sortie.identifier] = result = fly_one(
            sortie,
            url,
            out=out,
            clock=obj if isinstance(obj, SimulatedClock) else None,
            live=live,
            system_id=system_id,
            overrides=overrides,
            parameters=wanted,
            timeout_s=timeout_s,
            on_event=_show,
        )
        if result.outcome is not Outcome.COMPLETED:
            break
    left = [s.identifier for s in sorties if s.identifier not in results]
    _finish(results, left, out, as_json)


def _read_sorties(path: Path) -> tuple[Sortie, ...]:
    if path.is_dir():
        from flightplan.plan_files import load_plan

        return load_plan(path).sorties
    from flightplan.formats import read_mission

    mission = read_mission(path)
    transects = tuple(dict.fromkeys(i.transect for i in mission.items if i.transect))
    return (Sortie(path.stem, transects, mission, length_m=0.0, duration_s=0.0, energy_share=0.0),)


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


def _finish(results: dict[str, FlightResult], left: list[str], out: Path, as_json: bool) -> None:
    failed = [r for r in results.values() if r.outcome is not Outcome.COMPLETED]
    outcome = failed[0].outcome if failed else Outcome.COMPLETED
    flights = {name: describe(result) for name, result in results.items()}
    if as_json:
        print_document(
            {
                "outcome": str(outcome),
                "sorties": [{"sortie": n, **_without(f, "captures", "events", "gaps")} for n, f in flights.items()],
                "left": left,
                "capture_count": sum(f["capture_count"] for f in flights.values()),
                "on_line_count": sum(f["on_line_count"] for f in flights.values()),
                "captures": [{"sortie": n, **c} for n, f in flights.items() for c in f["captures"]],
                "gaps": [{"sortie": n, **g} for n, f in flights.items() for g in f["gaps"]],
                "events": [{"sortie": n, **e} for n, f in flights.items() for e in f["events"]],
                "datums": {"longitude_deg": "WGS 84", "altitude_msl_m": "mean sea level", "altitude_home_m": "home"},
                "log": str(out),
            }
        )
    else:
        for name, flight in flights.items():
            why = f": {flight['reason']}" if flight["reason"] else ""
            click.echo(
                f"{name}: {flight['outcome']}{why}; {flight['capture_count']} frames, "
                f"{flight['on_line_count']} on line, {len(flight['gaps'])} gaps; {flight['log']}"
            )
        if not flights:
            click.echo("Every sortie was flown before. Name one with --sortie to fly it again.")
        elif left:
            click.echo(f"Not flown yet: {', '.join(left)}")
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
