"""What a network of camera traps tells a count: where a species is, and which marked animals came by on which day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from counts.store.elsewhere import CameraEntry, DeploymentEntry

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Presence:
    """A species at the cameras: `events` counts each event once; `animals` is the sum of what they count.

    An animal that comes by twice is in that sum twice; it is None where an event does not say how many there were.
    `deployments` are those that saw it, `of_deployments` those that could have. `naive_occupancy` is their share: a
    floor of where the species is, for cameras miss.
    """

    species: str
    events: int
    animals: int | None
    deployments: tuple[str, ...]
    of_deployments: int
    camera_days: float
    first_utc: datetime
    last_utc: datetime

    @property
    def naive_occupancy(self) -> float | None:
        """The share of deployments that saw the species, None without any."""
        return len(self.deployments) / self.of_deployments if self.of_deployments else None


@dataclass(frozen=True)
class CaptureHistory:
    """Which marked animal (M) was seen on which day (D): `seen` is (M, D)."""

    species: str
    individuals: tuple[str, ...]
    days: npt.NDArray[np.datetime64]
    seen: npt.NDArray[np.bool_]


def presence(deployments: Sequence[DeploymentEntry], observations: Sequence[CameraEntry]) -> tuple[Presence, ...]:
    """Return where each species was seen, by name: the scientific name where a checklist was sure, else as it was said.

    Where a deployment has both media- and event-based observations, only the events count: they tell of the same
    animals.
    """
    days = {d.identifier: (d.end_utc - d.start_utc).total_seconds() / _DAY_S for d in deployments}
    by_species: dict[str, list[CameraEntry]] = {}
    for seen in once(observations):
        by_species.setdefault(seen.scientific_name or seen.species or "", []).append(seen)
    found = []
    for species, rows in sorted(by_species.items()):
        if not species:
            continue
        counts = [row.count for row in rows if row.count is not None]
        found.append(
            Presence(
                species=species,
                events=len(rows),
                animals=sum(counts) if len(counts) == len(rows) else None,
                deployments=tuple(dict.fromkeys(row.deployment for row in rows)),
                of_deployments=len(days),
                camera_days=sum(days.values()),
                first_utc=min(row.start_utc for row in rows),
                last_utc=max(row.end_utc for row in rows),
            )
        )
    return tuple(found)


def capture_history(observations: Sequence[CameraEntry], species: str) -> CaptureHistory:
    """Return on which UTC days each marked animal of a species was seen; days without any mark between are kept."""
    marked = [
        o for o in observations if o.kind == "animal" and o.individual and species in (o.scientific_name, o.species)
    ]
    names = tuple(sorted({str(o.individual) for o in marked}))
    stamps = np.array([np.datetime64(round(o.start_utc.timestamp()), "s").astype("datetime64[D]") for o in marked])
    if not marked:
        return CaptureHistory(species, (), np.empty(0, dtype="datetime64[D]"), np.zeros((0, 0), dtype=bool))
    days = np.arange(stamps.min(), stamps.max() + np.timedelta64(1, "D"))
    seen = np.zeros((len(names), len(days)), dtype=bool)
    rows = [names.index(str(o.individual)) for o in marked]
    seen[rows, (stamps - days[0]).astype(np.int64)] = True
    return CaptureHistory(species, names, days, seen)


def once(observations: Sequence[CameraEntry]) -> list[CameraEntry]:
    """Return the animals seen, each visit once: its event, where a deployment has events, else its pictures."""
    animals = [o for o in observations if o.kind == "animal"]
    with_events = {o.deployment for o in animals if o.level == "event"}
    return [o for o in animals if o.level == "event" or o.deployment not in with_events]
