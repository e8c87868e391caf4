"""Is each animal counted once? Full coverage of a patch with animals, over a grid of settings, as one JSON document.

    python benchmarks/identity.py --seeds 3
    python benchmarks/identity.py --sightings 1000000

A patch is flown in lines to and fro; animals keep a least distance from each other and walk, each at its own speed
(0.6 to 1 times the one given), in circles of 15 m, or with `--together` straight on, within 0.4 rad of the herd's way.
The pose error given is the standard deviation per axis of what all boxes of a frame have in common: 10 % of its
variance stays the same along a line (a receiver's offset), 90 % is each frame's own. Each box has another 0.3 m of its
own, the independent error. The truth is the number of animals that were in some frame; `present` that of all animals,
of which some may have walked past every frame. Beside the tool's count stands that of merging within a fixed radius of
two standard deviations, as a simple script would. A world is flagged where the count itself says that it is likelier
than one to ten to be off by more than the limit, 2 % for animals at rest and 5 % for those that walk. The table is by
overlap and speed: the mean error over worlds (spacings, recalls, pose errors, seeds) with its standard error, and the
worst.

With `--sightings` the time and the memory of one large survey are measured instead, as a sample (one unit a line) and
in full coverage: herds of eight, `--density` animals a square kilometre, frames overlapping by 70 % and lines by 50 %.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import shapely
from scipy import sparse
from scipy.spatial import KDTree

from counts.identity import resolve
from counts.looks import Looks
from counts.passes import Passes

ACROSS_M, ALONG_M, SPEED_MPS, TURN_S = 60.0, 45.0, 10.0, 12.0
LINE_SHARE, FRAME_SHARE, BOX_M, SWING_M = 0.10, 0.90, 0.3, 1.0
OVERLAPS = ((0.7, 0.6), (0.8, 0.8), (0.7, 0.0))
SPACINGS_M = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
SPEEDS_MPS = (0.0, 0.3, 0.8, 1.5)
RECALLS = (0.8, 1.0)
ERRORS_M = (1.0, 2.0, 5.0)
MOST_ANIMALS = 400
CIRCLE_M = 15.0
PATCH_M = 240.0


@dataclass(frozen=True)
class Cell:
    """One setting of the grid."""

    front: float
    side: float
    spacing_m: float
    walk_mps: float
    recall: float
    error_m: float
    together: bool = False


@dataclass(frozen=True)
class Sightings:
    """What the frames showed."""

    points: np.ndarray
    times: np.ndarray
    frames: np.ndarray
    lines: np.ndarray
    animal: np.ndarray
    footprints: np.ndarray
    in_frames: int
    present: int
    looks: Looks
    swaths: np.ndarray
    swath_times: np.ndarray


def animals(spacing_m: float, rng: np.random.Generator) -> np.ndarray:
    """A herd in the middle of the patch, at random but for the least distance that its members keep."""
    side = min(PATCH_M * 0.8, 1.6 * spacing_m * np.sqrt(MOST_ANIMALS))
    tried = rng.uniform(-side / 2, side / 2, (20 * MOST_ANIMALS, 2))
    near = KDTree(tried).query_ball_point(tried, spacing_m)
    kept = np.zeros(len(tried), dtype=bool)
    for index, others in enumerate(near):
        if kept.sum() == MOST_ANIMALS:
            break
        kept[index] = not kept[others].any()
    return tried[kept]


def fly(cell: Cell, seed: int) -> Sightings:
    """Fly over the patch and return what is seen."""
    rng, swings = np.random.default_rng([seed, 0x1D]), np.random.default_rng([seed, 0x5E])
    herd = animals(cell.spacing_m, rng)
    walk = cell.walk_mps * rng.uniform(0.6, 1.0, len(herd))
    phase, turning = rng.uniform(0, 2 * np.pi, len(herd)), rng.choice([-1.0, 1.0], len(herd))
    heading = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.4, len(herd))

    def there_at(time_s: float) -> np.ndarray:
        if cell.together:
            return herd + (walk * time_s)[:, None] * np.column_stack([np.cos(heading), np.sin(heading)])
        angle = phase + turning * walk * time_s / CIRCLE_M
        return herd + CIRCLE_M * (walk > 0)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])

    half = PATCH_M / 2
    parts, boxes, seen = [], [], np.zeros(len(herd), dtype=bool)
    box_lines, box_times = [], []
    swaths, swath_times = [], []
    clock, number = 0.0, 0
    lines = np.arange(-half, half + 1e-9, ACROSS_M * (1 - cell.side))
    middle_s = len(lines) * (PATCH_M / SPEED_MPS + TURN_S) / 2
    for line, x in enumerate(lines):
        offset = rng.normal(0, cell.error_m * np.sqrt(LINE_SHARE), 2)
        stations = np.arange(-half, half + 1e-9, ALONG_M * (1 - cell.front))
        began = clock
        for y in stations if line % 2 == 0 else stations[::-1]:
            clock += ALONG_M * (1 - cell.front) / SPEED_MPS
            there = there_at(clock - middle_s)
            here_x, here_y = np.array([x, y]) + swings.normal(0, SWING_M, 2)
            inside = (abs(there[:, 0] - here_x) <= ACROSS_M / 2) & (abs(there[:, 1] - here_y) <= ALONG_M / 2)
            seen |= inside
            found = np.flatnonzero(inside & (rng.random(len(herd)) < cell.recall))
            moved = offset + rng.normal(0, cell.error_m * np.sqrt(FRAME_SHARE), 2)
            points = there[found] + moved + rng.normal(0, BOX_M, (len(found), 2))
            parts.append(
                (points, np.full(len(found), clock), np.full(len(found), number), np.full(len(found), line), found)
            )
            corners = [here_x - ACROSS_M / 2, here_y - ALONG_M / 2, here_x + ACROSS_M / 2, here_y + ALONG_M / 2]
            boxes.append(shapely.transform(shapely.box(*corners), lambda c, m=moved: c + m))
            box_lines.append(line)
            box_times.append(clock)
            number += 1
        west, east, near, far = x - ACROSS_M / 2, x + ACROSS_M / 2, -half - ALONG_M / 2, half + ALONG_M / 2
        swaths.append([(west, near), (east, near), (east, far), (west, far)])
        swath_times.append((began, clock) if line % 2 == 0 else (clock, began))
        clock += TURN_S
    points, times, frames, line_of, animal = (np.concatenate(p) for p in zip(*parts, strict=True))
    return Sightings(
        points,
        times,
        frames,
        line_of,
        animal,
        np.array(boxes)[frames],
        int(seen.sum()),
        len(herd),
        Looks.checked(np.array(boxes), box_lines, box_times),
        np.array(swaths),
        np.array(swath_times),
    )


def by_radius(s: Sightings, radius_m: float) -> int:
    """What a simple script counts: everything within a radius, in different frames, is one.

    Of a crowd each sighting is joined with its nearest 64, which hang together as all do.
    """
    tree = KDTree(s.points)
    _, other = tree.query(s.points, k=min(65, len(s.points)), distance_upper_bound=radius_m)
    one = np.repeat(np.arange(len(s.points)), other.shape[1])
    pairs = np.column_stack([one, other.ravel()])[other.ravel() < len(s.points)]
    pairs = pairs[s.frames[pairs[:, 0]] != s.frames[pairs[:, 1]]]
    graph = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(s.points),) * 2)
    return int(sparse.csgraph.connected_components(graph, directed=False)[0])


def run(task: tuple[Cell, int]) -> dict[str, object]:
    """Count one patch."""
    cell, seed = task
    s = fly(cell, seed)
    n = len(s.points)
    began = time.perf_counter()
    found = resolve(
        s.points,
        np.tile(np.eye(2) * (cell.error_m**2 + BOX_M**2), (n, 1, 1)),
        s.times,
        s.frames,
        np.zeros(n),
        np.full(n, "zebra"),
        np.full(n, 0.8),
        speed_limit_mps=cell.walk_mps,
        detection_probability=min(cell.recall, 0.999),
        shared_within_frame=cell.error_m**2 / (cell.error_m**2 + BOX_M**2),
        footprints=s.footprints,
        passes=Passes.checked(s.lines, s.swaths, s.swath_times, n, s.looks),
    )
    counts = found.counts["zebra"]
    return {
        **asdict(cell),
        "seed": seed,
        "truth": s.in_frames,
        "present": s.present,
        "detected": len(np.unique(s.animal)),
        "sightings": n,
        "chosen": counts.chosen,
        "merge_all": counts.merge_all,
        "merge_none": counts.merge_none,
        "radius": by_radius(s, 2 * cell.error_m),
        "untold": counts.untold,
        "error": counts.error / s.in_frames,
        "passed": counts.passed / s.in_frames,
        "flagged": counts.doubtful(0.02 if cell.walk_mps == 0 else 0.05),
        "ambiguous": len(found.ambiguous),
        "seconds": round(time.perf_counter() - began, 3),
    }


def summary(rows: list[dict[str, object]]) -> list[str]:
    """The grid by overlap and speed, errors in percent: how far off the worlds are on average, and the worst."""
    groups: dict[tuple[object, ...], list[dict[str, object]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in ("front", "side", "walk_mps")), []).append(row)
    lines = [
        "| front/side | m/s | worlds | in frames, mean | s.e. | worst | present, mean | worst | radius, median |"
        " flagged | beyond the limit | not flagged |"
    ]
    lines.append("|" + "---|" * 12)
    for (front, side, walk), some in sorted(groups.items()):
        off, here, radius = (
            np.array([100 * (r[counted] / r[truth] - 1) for r in some])
            for counted, truth in (("chosen", "truth"), ("chosen", "present"), ("radius", "truth"))
        )
        error = off.std(ddof=1) / np.sqrt(len(off)) if len(off) > 1 else float("nan")
        flagged = sum(bool(r["flagged"]) for r in some)
        beyond = [r for r in some if not within(r)]
        lines.append(
            f"| {front:.0%}/{side:.0%} | {walk} | {len(off)} | {off.mean():+.1f} | {error:.1f} |"
            f" {off[np.argmax(abs(off))]:+.1f} | {here.mean():+.1f} | {here[np.argmax(abs(here))]:+.1f} |"
            f" {np.median(radius):+.0f} | {flagged} | {len(beyond)} | {sum(not r['flagged'] for r in beyond)} |"
        )
    return lines


def within(row: dict[str, object]) -> bool:
    """Whether a cell is within the limits: 2 % for animals at rest, 5 % where they walk, or one animal."""
    limit = max((0.02 if row["walk_mps"] == 0 else 0.05) * row["truth"], 1)
    return abs(row["chosen"] - row["truth"]) <= limit


def large(sightings: int, full: bool, density: float) -> dict[str, object]:
    """Resolve one large survey."""
    rng = np.random.default_rng([sightings, full])
    side = 0.5 if full else 0.0
    count, length = round(sightings / (6.0 if full else 3.0)), 5000.0
    lines = max(2, round(count / (density * 1e-6) / length / (ACROSS_M * (1 - side))))
    herds = rng.uniform((0, 0), (lines * ACROSS_M * (1 - side), length), (max(1, count // 8), 2))
    where = herds[rng.integers(0, len(herds), count)] + rng.normal(0, 12.0, (count, 2))
    where = where[np.argsort(where[:, 0])]
    step, stations = ALONG_M * 0.3, int(length / (ALONG_M * 0.3))
    parts, boxes, times, swaths, ends, clock = [], [], [], [], [], 0.0
    for line in range(lines):
        x = (line + 0.5) * ACROSS_M * (1 - side)
        low, high = np.searchsorted(where[:, 0], [x - ACROSS_M / 2, x + ACROSS_M / 2])
        here = where[low:high]
        first = np.ceil((here[:, 1] - ALONG_M / 2) / step).astype(int)
        looks = np.floor((here[:, 1] + ALONG_M / 2) / step).astype(int) - first + 1
        row = np.repeat(np.arange(len(here)), looks)
        station = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(looks) - looks, looks)
        found = (station >= 0) & (station < stations) & (rng.random(len(row)) < 0.9)
        row, station = row[found], station[found]
        shift = rng.normal(0, 2.0, (stations, 2))
        y = np.arange(stations) * step
        when = clock + (y if line % 2 == 0 else y[::-1]) / SPEED_MPS
        points = here[row] + shift[station] + rng.normal(0, BOX_M, (len(row), 2))
        parts.append((points, when[station], line * stations + station, np.full(len(row), line)))
        corners = (x - ACROSS_M / 2, y - ALONG_M / 2, x + ACROSS_M / 2, y + ALONG_M / 2)
        boxes.append(shapely.box(*(c + shift[:, i % 2] for i, c in enumerate(corners))))
        times.append(when)
        west, east, near, far = x - ACROSS_M / 2, x + ACROSS_M / 2, -ALONG_M / 2, length + ALONG_M / 2
        swaths.append([(west, near), (east, near), (east, far), (west, far)])
        ends.append((when[0], when[-1]))
        clock = float(when.max()) + TURN_S
    points, seen, frames, line_of = (np.concatenate(p) for p in zip(*parts, strict=True))
    footprints, n = np.concatenate(boxes), len(points)
    all_looks = Looks.checked(footprints, np.repeat(np.arange(lines), stations), np.concatenate(times))
    began = time.perf_counter(), time.process_time()
    found = resolve(
        points,
        np.tile(np.eye(2) * (2.0**2 + BOX_M**2), (n, 1, 1)),
        seen,
        frames,
        np.zeros(n) if full else line_of,
        np.full(n, "zebra"),
        np.full(n, 0.8),
        speed_limit_mps=0.5,
        shared_within_frame=2.0**2 / (2.0**2 + BOX_M**2),
        footprints=footprints[frames],
        passes=Passes.checked(line_of, swaths, ends, n, all_looks) if full else None,
    )
    return {
        "full_coverage": full,
        "sightings": n,
        "frames": len(footprints),
        "animals": count,
        "per_km2": density,
        "counted": found.counts["zebra"].chosen,
        "untold": found.counts["zebra"].untold,
        "ambiguous": len(found.ambiguous),
        "seconds": round(time.perf_counter() - began[0], 1),
        "cpu_seconds": round(time.process_time() - began[1], 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Run the grid, or one large survey."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sightings", type=int, help="measure time and memory of a survey of about so many instead")
    parser.add_argument("--density", type=float, default=60.0, help="animals to the square kilometre of that survey")
    parser.add_argument("--seeds", type=int, default=1, help="worlds of each cell")
    parser.add_argument("--first-seed", type=int, default=1, help="the seed of the first world")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth cell")
    parser.add_argument("--start", type=int, default=0, help="from this cell on")
    parser.add_argument("--together", action="store_true", help="herds that walk one way")
    for name, usual, what in (
        ("sides", sorted({side for _, side in OVERLAPS}), "side overlaps"),
        ("spacings", SPACINGS_M, "metres between animals"),
        ("speeds", SPEEDS_MPS, "m/s that they walk"),
        ("recalls", RECALLS, "chances that one in view is found"),
        ("errors", ERRORS_M, "metres that poses are off"),
    ):
        parser.add_argument(f"--{name}", type=float, nargs="+", default=usual, help=f"only these {what}")
    asked = parser.parse_args()
    if asked.sightings:
        json.dump(
            {"large": [large(asked.sightings, full, asked.density) for full in (False, True)]}, sys.stdout, indent=1
        )
        return
    cells = [
        Cell(*overlap, spacing, walk, recall, error, asked.together)
        for overlap, spacing, walk, recall, error in itertools.product(
            [o for o in OVERLAPS if o[1] in asked.sides], asked.spacings, asked.speeds, asked.recalls, asked.errors
        )
    ][asked.start :: asked.every]
    tasks = [(cell, asked.first_seed + seed) for seed in range(asked.seeds) for cell in cells]
    with ProcessPoolExecutor(asked.processes) as pool:
        rows = []
        for row in pool.map(run, tasks):
            rows.append(row)
            error = row["chosen"] / row["truth"] - 1
            radius = row["radius"] / row["truth"] - 1
            setting = f"{row['front']:.1f}/{row['side']:.1f} {row['spacing_m']:>4} m {row['walk_mps']} m/s"
            print(
                f"{setting} r{row['recall']} e{row['error_m']}: {row['truth']} {error:+.3f}  radius {radius:+.2f}"
                f" untold {row['untold']} {row['seconds']} s",
                file=sys.stderr,
            )
    print("\n".join(summary(rows)), file=sys.stderr)
    out = [r for r in rows if not within(r)]
    said = sum(bool(r["flagged"]) for r in out)
    print(f"{len(rows)} worlds, {len(out)} out of limits, {said} of them flagged as not to be told", file=sys.stderr)
    json.dump({"cells": rows, "table": summary(rows)}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
