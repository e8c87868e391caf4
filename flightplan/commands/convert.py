"""`overfly convert`: any mission file to any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from flightplan.console import OverflyCommand, finish, json_option, say
from flightplan.errors import MissionFormatError
from flightplan.formats import (
    SUFFIXES,
    fence_and_rally_paths,
    lost_in,
    read_mission_and_rest,
    write_fence_and_rally,
    write_mission,
)
from flightplan.mission import CAPACITIES, Mission, does_not_fit

_EXAMPLE = """
\b
Examples:
  overfly convert survey.plan survey.waypoints
  overfly convert flight.waypoints flight.kmz --json
"""


@click.command("convert", cls=OverflyCommand, epilog=_EXAMPLE)
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace OUT where it exists.")
@json_option
def convert_command(source: Path, target: Path, overwrite: bool, as_json: bool) -> None:
    """Convert the mission file IN to OUT, in the format of OUT's suffix.

    Reads QGroundControl .plan (survey and corridor patterns become the items they hold), QGC WPL 110 (missions, fences,
    rally points), DJI WPML .kmz, Litchi .csv, and the KML and GeoJSON that overfly writes. Writes .plan, .waypoints,
    .kmz, .kml, .csv, .geojson. What cannot be read of IN or carried by OUT, and what ArduPilot or PX4 has no room for,
    is named on stderr; for .waypoints, fence and rally points go to files of their own beside it.
    """
    mission, unread = read_mission_and_rest(source)
    beside = fence_and_rally_paths(mission, target.with_suffix("")) if target.suffix.lower() == ".waypoints" else {}
    for path in (target, *beside.values()):
        if path.exists() and not overwrite:
            raise MissionFormatError("exists already", where=str(path), hint="Say --overwrite to replace it")
    written = {target.suffix[1:].lower(): write_mission(mission, target)}
    lost = list(lost_in(mission, target.suffix))
    if target.suffix.lower() == ".waypoints":
        written |= write_fence_and_rally(mission, target.with_suffix(""))
        lost = [phrase for phrase in lost if phrase not in ("the fence", "the rally points")]
    for phrase in unread:
        say(f"Not read from {source.name}: {phrase}")
    for phrase in lost:
        say(f"Not carried by {SUFFIXES[target.suffix.lower()]}: {phrase}")
    too_long = [] if target.suffix.lower() not in (".plan", ".waypoints") else list(_too_long(mission))
    for phrase in too_long:
        say(f"Warning: {phrase}")
    document = {
        "files": {kind: str(path) for kind, path in written.items()},
        "items": len(mission.items),
        "fence": len(mission.fence) + len(mission.fence_circles),
        "rally": len(mission.rally),
        "unread": list(unread),
        "lost": lost,
        "too_long": too_long,
    }
    names = ", ".join(str(path) for path in written.values())
    finish(document, as_json=as_json, text=f"{len(mission.items)} items written to {names}")


def _too_long(mission: Mission) -> Iterator[str]:
    for name in ("ardupilot", "px4"):
        yield from does_not_fit(mission, CAPACITIES[name])
