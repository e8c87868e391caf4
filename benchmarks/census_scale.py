"""What a census of ten million detections costs: seconds, bytes and memory, and how they grow, as one JSON document.

    python benchmarks/census_scale.py --sizes 10000 100000 1000000

For each size a new census is filled (a tenth as many captures as detections, on a planned survey of two species), then
counted as `overfly count` does, judged, and asked what the review page asks; above `--no-count` each detection is
written as an animal of its own instead. Each size runs in a process of its own, so that its peak of memory is its own.
Beside the insert stands a plain script in the same run: sqlite3's executemany of the same boxes into one bare table,
with the same durability and the same transactions. An exponent of 1 is growth in proportion.

`--parts fill`, then `--parts count`, then `--parts ask`, with one `--folder`, do the same of a large one in three
sittings: what each measured is kept beside the census, which stays until `--parts ask` is done. With `--postgis` the
census is in PostgreSQL, on a server started for it, whose own processor time is not in the seconds, but on the clock.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from simulated_census import DETECTOR, GSD_M, PER_CAPTURE, SPECIES, START, STEP_M, World, fill_captures
from sqlalchemy import NullPool, create_engine, make_url

from counts import store
from counts.audit import verify
from counts.census import Census
from counts.store import review
from counts.store.places import sightings_in
from counts.store.verdicts import VerdictEntry, add_verdicts, undo_last
from detect.detections import Detections

PARTS = ("fill", "count", "ask")
STAGES = (
    "read_ground",
    "read_reviewed",
    "place_detections",
    "resolve_individuals",
    "write_assignment",
    "write_identity",
    "core_zones",
    "measure_effort",
    "estimate_species",
    "add_estimate_run",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="Where the censuses are made; a temporary folder by default.")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="Only these steps; needs --folder.")
    parser.add_argument("--no-count", type=int, default=0, metavar="N", help="Do not count sizes above N.")
    parser.add_argument("--postgis", action="store_true", help="In PostgreSQL, on a server started here.")
    parser.add_argument("--place", help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="census-scale-") as made, server(arguments.postgis) as new_database:
        folder = arguments.folder or Path(made)
        if arguments.one:
            count = not arguments.no_count or arguments.one <= arguments.no_count
            found = measure(arguments.one, folder, count=count, parts=arguments.parts, place=arguments.place)
            print(json.dumps(found))
            return
        runs = []
        for size in arguments.sizes:
            command = [sys.executable, __file__, "--one", size, "--folder", folder, "--no-count", arguments.no_count]
            command += ["--parts", *arguments.parts]
            if arguments.postgis:
                command += ["--place", new_database(size)]
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr[-2000:], file=sys.stderr)
                runs.append({"detections": size, "failed": done.stderr.strip().splitlines()[-1:]})
                continue
            runs.append(json.loads(done.stdout))
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    print(json.dumps({"runs": runs, "exponents": exponents([r for r in runs if "failed" not in r])}, indent=1))


@contextmanager
def server(wanted: bool) -> Iterator[Callable[[int], str]]:
    """Give what makes a database and returns its URL, on a server that runs meanwhile, if one is wanted."""
    if not wanted:
        yield lambda size: ""
        return
    source = Path(__file__).parent.parent / "tests" / "postgis_server.py"
    found = importlib.util.spec_from_file_location("postgis_server", source)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    missing = module.missing()
    if missing:
        raise SystemExit(missing)
    with module.server() as url:

        def make(size: int) -> str:
            admin = make_url(url).set(drivername="postgresql+psycopg")
            with create_engine(admin, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE census_{size}")
            return make_url(url).set(database=f"census_{size}").render_as_string(hide_password=False)

        yield make


def measure(size: int, folder: Path, *, count: bool, parts: Sequence[str], place: str | None = None) -> dict[str, Any]:
    path, plain, notes = (folder / name for name in (f"census-{size}.gpkg", f"plain-{size}.db", f"notes-{size}.json"))
    if "fill" in parts:
        for old in folder.glob(f"*-{size}.*"):
            old.unlink()
    found: dict[str, Any] = {"processor_seconds": {}, "clock_seconds": {}, "peak_mb": {}, "bytes": {}}
    if notes.exists():
        found = json.loads(notes.read_text())
    seconds, clock, memory, sizes = (found[k] for k in ("processor_seconds", "clock_seconds", "peak_mb", "bytes"))

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began, on_the_clock = time.process_time(), time.perf_counter()
        yield
        seconds[name] = round(seconds.get(name, 0.0) + time.process_time() - began, 4)
        clock[name] = round(clock.get(name, 0.0) + time.perf_counter() - on_the_clock, 4)
        memory[name] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)

    world = World(max(PER_CAPTURE, size) // PER_CAPTURE)
    with Census.open(place or path) as census:
        if "fill" in parts:
            found |= fill(census, world, plain, timed)
            sizes |= {"census": pages(census), "plain": plain.stat().st_size}
            plain.unlink()
            ratio = seconds["insert detections"] / seconds["insert detections, plain sqlite3"]
            found["insert_over_plain"] = round(ratio, 2)
        if "count" in parts:
            if count:
                counted = count_it(census, timed)
                found |= {"individuals": counted.individuals, "identity": counted.identity_run_id}
            else:
                found["identity"] = place_each(census, found["run"], world, timed)
            sizes["census counted"] = pages(census)
        if "ask" in parts:
            found["queries_ms"] = queries(census, found["run"], found.get("identity"), timed)
            with timed("audit verified"), census.reading() as session:
                assert verify(session).sound
    with timed("open"):
        Census.open(place or path).close()
    found["peak_mb_whole"] = max(memory.values())
    notes.write_text(json.dumps(found))
    if "ask" in parts:
        path.unlink(missing_ok=True)
        notes.unlink()
    return found


def fill(census: Census, world: World, plain: Path, timed: Callable[[str], Any]) -> dict[str, Any]:
    """Fill a census with a survey, its captures and its detections, and a bare table with the same detections."""
    with census.writing() as session:
        survey = store.add_survey(session, world.plan, name="scale")
    keys = fill_captures(census, survey, world, timed)
    with census.writing() as session:
        run = store.open_detection_run(session, survey, DETECTOR, threshold=0.25, parameters={})
    baseline = Baseline(plain)
    total = 0
    for some in world.detections(keys):
        with timed("insert detections"), census.writing() as session:
            store.add_detections(session, run, some)
        with timed("insert detections, plain sqlite3"):
            baseline.add(some)
        total += sum(map(len, some.values()))
    baseline.close()
    return {"detections": total, "captures": len(keys), "run": run}


def pages(census: Census) -> int:
    """Return the bytes of a census, with what is still in its write-ahead log."""
    with census.engine.connect() as connection:
        if census.engine.dialect.name == "postgresql":
            return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one()) * 4096


class Baseline:
    """What a plain script would do: one bare table, sqlite3's executemany, the same durability."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(
            "CREATE TABLE detections (id INTEGER PRIMARY KEY, capture INTEGER, label TEXT, score REAL,"
            " x0 REAL, y0 REAL, x1 REAL, y1 REAL)"
        )

    def add(self, some: dict[int, Detections]) -> None:
        """Write the boxes in one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT INTO detections (capture, label, score, x0, y0, x1, y1) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (key, label, score, *corners)
                for key, found in some.items()
                for label, score, corners in zip(
                    found.labels, found.scores.tolist(), found.boxes_px.tolist(), strict=True
                )
            ),
        )
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Bring everything into the file."""
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._database.close()


def count_it(census: Census, timed: Callable[[str], Any]) -> Any:
    """Count the survey as `overfly count` does, with the time of each of its steps."""
    from overfly.chain import counting

    kept = {}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            with timed(f"count: {name}"):
                return function(*args, **more)

        return call

    for name in STAGES:
        if hasattr(counting, name):
            kept[name] = getattr(counting, name)
            setattr(counting, name, watched(name, kept[name]))
    try:
        with timed("count"):
            return counting.count_survey(census, survey="scale")
    finally:
        for name, function in kept.items():
            setattr(counting, name, function)


def place_each(census: Census, run: int, world: World, timed: Callable[[str], Any]) -> int:
    """Write every detection as an animal of its own, near its capture: the layer that counting writes, at its size."""
    with timed("read detections"), census.reading() as session:
        table = store.read_reviewed(session, run)
    line, along = np.divmod(table.capture_id - table.capture_id.min(), world.per_line)
    local = np.column_stack([(line + 0.5) * world.spacing_m - world.width_m / 2, (along + 0.5) * STEP_M])
    local += (table.boxes_px[:, :2] - [390, 290]) * GSD_M * [1, -1] - [0, world.length_m / 2]
    lonlat = world.frame.to_lonlat(local)
    entry = store.IdentityEntry(
        detection_id=table.detection_id,
        sighting_lonlat=lonlat,
        covariance_m2=np.broadcast_to(np.eye(2), (len(table), 2, 2)),
        individual=np.arange(len(table)),
        species=[SPECIES[i] for i in table.label_ids.tolist()],
        individual_lonlat=lonlat,
        transect=[f"line-{i:04d}" for i in line.tolist()],
    )
    with timed("write every detection as an individual"), census.writing() as session:
        return store.add_identity_run(session, run, entry, method="each its own", parameters={})


def queries(census: Census, run: int, identity: int | None, timed: Callable[[str], Any]) -> dict[str, dict[str, float]]:
    """Return the milliseconds, half of the time and 19 times of 20, of what the review page asks."""
    rng = np.random.default_rng([3])
    times: dict[str, list[float]] = {}

    def ask(name: str, question: Callable[[Any], Any], times_over: int = 20) -> None:
        for _ in range(times_over):
            with census.reading() as session:
                began = time.perf_counter()
                question(session)
                times.setdefault(name, []).append(1000 * (time.perf_counter() - began))

    def anywhere() -> review.Cursor:
        return review.Cursor(float(rng.uniform(0.3, 1.0)), 1 << 40)

    ask("counts by species", lambda s: review.progress(s, run))
    ask("counts from a score up", lambda s: review.progress(s, run, least_score=float(rng.uniform(0.3, 0.9))))
    ask("next unseen", lambda s: review.next_unseen(s, run, "zebra", after=anywhere()))
    ask("page of 60, somewhere", lambda s: review.page(s, run, "zebra", after=anywhere()))
    with census.reading() as session:
        first = review.unseen_page(session, run, "zebra", limit=1000)
        captures = [i.capture_id for i in review.unseen_page(session, run, "zebra", after=anywhere(), limit=20)]
    entries = [
        VerdictEntry(i.capture_id, i.detection_id, "accept", "amina", START, batch="bench", request="bench")
        for i in first
    ]
    with timed("1,000 verdicts at once"), census.writing() as session:
        add_verdicts(session, entries)
    for number in range(20):
        began = time.perf_counter()
        with census.writing() as session:
            item = review.next_unseen(session, run, "elephant")
            if item is None:
                break
            add_verdicts(session, [VerdictEntry(item.capture_id, item.detection_id, "reject", "b", START)])
        times.setdefault("a verdict, on disk", []).append(1000 * (time.perf_counter() - began))
        began = time.perf_counter()
        if number % 2:
            with census.writing() as session:
                undo_last(session, run, who="b", time_utc=START)
            times.setdefault("an undo, on disk", []).append(1000 * (time.perf_counter() - began))
    ask("next unseen, the best thousand judged", lambda s: review.next_unseen(s, run, "zebra"))
    ask("page of 60 judged", lambda s: review.judged_page(s, run, "zebra"))
    ask("a frame's boxes", lambda s: review.in_capture(s, run, captures[int(rng.integers(0, len(captures)))]))
    if identity is not None:
        with census.reading() as session:
            west, south, east, north = store.read_area(session, 1).boundary.bounds
        side = 0.004

        def window() -> tuple[float, float, float, float]:
            x, y = rng.uniform(west, east - side), rng.uniform(south, north - side)
            return (x, y, x + side, y + side)

        ask("sightings in a part of the map", lambda s: sightings_in(s, identity, window()))
    return {
        name: {"median": round(float(np.median(v)), 2), "p95": round(float(np.percentile(v, 95)), 2)}
        for name, v in times.items()
    }


def exponents(runs: list[dict[str, Any]]) -> dict[str, float]:
    """Return the exponent of growth with the number of detections, from the first size to the last."""
    if len(runs) < 2:
        return {}
    first, last = runs[0], runs[-1]
    scale = math.log(last["detections"] / first["detections"])
    grown = {
        name: math.log(last["processor_seconds"][name] / first["processor_seconds"][name]) / scale
        for name in last["processor_seconds"]
        if first["processor_seconds"].get(name, 0) > 0.01
    }
    grown["bytes"] = math.log(last["bytes"]["census"] / first["bytes"]["census"]) / scale
    grown["peak memory"] = math.log(last["peak_mb_whole"] / first["peak_mb_whole"]) / scale
    for name in last["queries_ms"]:
        grown[f"query: {name}"] = (
            math.log(last["queries_ms"][name]["median"] / first["queries_ms"][name]["median"]) / scale
        )
    return {name: round(value, 2) for name, value in grown.items()}


if __name__ == "__main__":
    main()
