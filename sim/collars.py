"""Known individuals: some of a world's animals wear collars, whose tracks are written as Movebank's CSV."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.animals import OUTSIDE
from sim.world import World

COLUMNS = (
    "event-id",
    "visible",
    "timestamp",
    "location-long",
    "location-lat",
    "individual-taxon-canonical-name",
    "tag-local-identifier",
    "individual-local-identifier",
)
ERROR_M = 5.0


def collared(world: World, count: int) -> npt.NDArray[np.int64]:
    """Draw which animals of the area wear a collar: rows, rising, the same for the same world."""
    lives_here = np.flatnonzero(world.animals.stratum != OUTSIDE)
    rng = np.random.default_rng([world.seed, 6211])
    return np.sort(rng.choice(lives_here, min(count, len(lives_here)), replace=False)).astype(np.int64)


def write_collars(world: World, count: int, begin_s: float, end_s: float, path: Path, *, every_s: float = 600.0) -> int:
    """Write the tracks of `count` collared animals over a time, a fix `every_s` with `ERROR_M` per axis; return fixes.

    An individual's name is its species and its row in the world, which the truth of frames names it by.
    """
    rows = collared(world, count)
    times = np.arange(begin_s, end_s + every_s, every_s)
    rng = np.random.default_rng([world.seed, 6212])
    path.parent.mkdir(parents=True, exist_ok=True)
    number = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(COLUMNS)
        for time_s in times.tolist():
            local = world.positions(time_s, rows).local_m + rng.normal(0.0, ERROR_M, (len(rows), 2))
            lonlat = world.area.frame.to_lonlat(local)
            when = datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S.000")
            for row, (longitude, latitude) in zip(rows.tolist(), lonlat.tolist(), strict=True):
                number += 1
                name = world.species[world.animals.species[row]].name
                identifier = f"{name}-{row}"
                table.writerow(
                    [number, "true", when, f"{longitude:.7f}", f"{latitude:.7f}", name, f"collar-{row}", identifier]
                )
    return number
