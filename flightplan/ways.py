"""The ways that join the lines of a flight: out from home, from line to line, and home."""

from __future__ import annotations

from dataclasses import dataclass

from flightplan.frames import Floats
from flightplan.ordering import Run
from flightplan.paths import Airspace


@dataclass(frozen=True)
class Ways:
    """Ways of an aircraft that turns on the spot: the shortest legal path."""

    airspace: Airspace

    def out(self, home: Floats, run: Run) -> Floats:
        """Return the way from home to a run's start, (N, 2), both included."""
        return self.airspace.route(home, run.ends[0])

    def between(self, before: Run, after: Run) -> Floats:
        """Return the way from one run's end to the next one's start, (N, 2), both included."""
        return self.airspace.route(before.ends[1], after.ends[0])

    def back(self, run: Run, home: Floats) -> Floats:
        """Return the way from a run's end to home, (N, 2), both included."""
        return self.airspace.route(run.ends[1], home)
