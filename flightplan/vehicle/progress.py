"""How far a flight has come: lines and metres, what is left of the battery's work."""

from __future__ import annotations

from dataclasses import dataclass

from flightplan.vehicle.effort import EffortMap


@dataclass(frozen=True)
class Progress:
    """Where on the lines a vehicle is. `share` is of the length of all lines, 0 to 1."""

    transect: str
    number: int
    count: int
    share: float

    def need(self, energy_share: float | None) -> float | None:
        """Return what the rest of the flight takes, of a full battery, as planned; None when nobody planned it."""
        return None if energy_share is None else energy_share * (1 - self.share)


def progress_at(effort: EffortMap, item: int | None) -> Progress | None:
    """Return the progress when the vehicle sets out to an item, None off effort."""
    transect = effort.transect_at(item)
    if transect is None or item is None:
        return None
    lengths = [leg.length_m for leg in effort.legs]
    before = sum(leg.length_m for leg in effort.legs if leg.end_item < item)
    number = effort.transects.index(transect) + 1
    return Progress(transect, number, len(effort.transects), before / sum(lengths) if sum(lengths) else 0.0)
