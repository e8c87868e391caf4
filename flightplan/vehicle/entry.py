"""A flight that was watched, as a line of the logbook."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from flightplan.vehicle.link import Link
from flightplan.vehicle.logbook import LogbookEntry
from flightplan.vehicle.logs import iso_utc
from flightplan.vehicle.outcome import Outcome
from flightplan.vehicle.setup import FlightSetup
from flightplan.vehicle.watch import FlightWatch

_REMARKABLE = ("failsafe", "abort", "order", "traffic-warning", "link", "refusal")


def log_entry(
    link: Link,
    watch: FlightWatch,
    setup: FlightSetup,
    folder: Path,
    outcome: Outcome,
    reason: str | None,
    overrides: Collection[str],
) -> LogbookEntry:
    """Return the logbook's line of a flight that was armed."""
    crew, track = setup.crew, watch.track
    began_s, ended_s = watch.armed_s, watch.over_s
    first, last = (track[0], track[-1]) if track else ((None, None), (None, None))
    dialect = link.dialect
    remarks = [e.text for e in watch.events if e.kind in _REMARKABLE]
    return LogbookEntry(
        date=iso_utc(began_s if began_s is not None else link.clock.now_s())[:10],
        sortie=setup.sortie.identifier if setup.sortie else folder.name,
        pilot=crew.pilot,
        observer=crew.observer,
        aircraft=crew.aircraft or (setup.drone.name if setup.drone else None),
        registration=crew.registration,
        autopilot=f"{dialect.firmware} {dialect.airframe}",
        system_id=link.system_id,
        simulated=setup.simulated,
        departure_utc=None if began_s is None else iso_utc(began_s),
        departure_longitude_deg=first[0],
        departure_latitude_deg=first[1],
        arrival_utc=None if ended_s is None else iso_utc(ended_s),
        arrival_longitude_deg=last[0] if watch.over else None,
        arrival_latitude_deg=last[1] if watch.over else None,
        seconds=None if began_s is None or ended_s is None else round(ended_s - began_s, 1),
        landings=int(watch.over),
        distance_m=round(watch.distance_m, 1),
        highest_home_m=None if watch.highest_home_m is None else round(watch.highest_home_m, 1),
        battery=crew.battery,
        charge_before=watch.charge_before,
        charge_after=watch.charge,
        used_mah=watch.used_mah,
        purpose=crew.purpose,
        outcome=str(outcome),
        reason=reason,
        frames=len(watch.captures),
        frames_on_line=sum(c.on_line for c in watch.captures),
        overrides=" ".join(sorted(overrides)) or None,
        remarks="; ".join(dict.fromkeys(remarks)) or None,
        log=str(folder),
    )
