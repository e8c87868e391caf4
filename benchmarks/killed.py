"""Kill -9 in the middle of every verb that writes, over and over; then look at what is left, as one JSON document.

    python benchmarks/killed.py --times 100

Each time a verb runs as a process of its own on a fresh copy of its census and is killed at a random moment. Then the
census has to open, be sound (SQLite's integrity and foreign keys, the audit's chains and digests), have every row it
had before and everything that was acknowledged; and the verb run again has to end as if nothing had happened: with the
rows of a run that was never killed. Moments after the verb had ended are counted apart.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from killed_censuses import CENSUS, ROOT, URL, Databases, Files, is_there, kept_in, load_module, place_of
from PIL import Image
from shapely.geometry import box, mapping
from sqlalchemy import func, select

from counts import store
from counts.audit import verify
from counts.census import Census
from counts.schema import Base, Detection, Verdict
from counts.store.verdicts import VerdictEntry, add_verdict
from flightplan.errors import CensusError
from overfly.cli import main as overfly

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PICTURES = 24
VERDICTS = 60
FILES_ONLY = frozenset({"init"})
NOT_COMPARED = frozenset({"audit", "imports"})
"""What says when and how often something was done, and so is not the same after a second try."""


@dataclass
class Verb:
    """A verb that writes: what it starts from (a census of `states`), and what is run in a folder."""

    start: str | None
    run: Callable[[Path], None]
    acknowledged: Callable[[Path, str], bool] = lambda folder, said: True
    done_before: str | None = None
    """What it says when it is run again after it had done its work; None where it says what it said before."""


@dataclass
class Result:
    """What became of one verb."""

    kills: int = 0
    after_the_end: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=100, help="Kills in all.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verb", choices=sorted(VERBS), action="append")
    parser.add_argument("--postgis", action="store_true", help="The census is in PostgreSQL, on a server started here.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="overfly-killed-") as folder, kept_in(asked.postgis) as home:
        results = kill_all(Path(folder), home, times=asked.times, seed=asked.seed, verbs=asked.verb)
    total = Counter()
    for result in results.values():
        total += Counter(kills=result.kills, after_the_end=result.after_the_end, faults=len(result.faults))
    print(json.dumps({"total": dict(total), "verbs": {k: vars(v) for k, v in results.items()}}, indent=1))
    sys.exit(1 if total["faults"] else 0)


def kill_all(folder: Path, home: Files, *, times: int, seed: int, verbs: list[str] | None = None) -> dict[str, Result]:
    """Kill each verb `times` / verbs times, and return what became of each."""
    names = verbs or [name for name in VERBS if name not in FILES_ONLY or not isinstance(home, Databases)]
    states = make_states(folder / "states", home, names)
    rng = np.random.default_rng([seed])
    results = {name: Result() for name in names}
    whole: dict[str, tuple[float, dict[str, str]]] = {}
    for number in range(times):
        name = names[number % len(names)]
        if name not in whole:
            work = fresh(folder / f"{name}-whole", home, states, VERBS[name])
            began = time.perf_counter()
            pid = start(VERBS[name], work)
            assert os.waitpid(pid, 0)[1] == 0, (work / "said").read_text()
            whole[name] = (time.perf_counter() - began, rows_of(work))
            home.drop(work)
        ended = results[name].after_the_end
        kill_once(folder / f"{name}-{number}", home, states, VERBS[name], whole[name], rng, results[name])
        if results[name].after_the_end > ended:  # the machine has less to do by now
            whole[name] = (0.7 * whole[name][0], whole[name][1])
    return results


def kill_once(
    work: Path,
    home: Files,
    states: dict[str, str],
    verb: Verb,
    whole: tuple[float, dict[str, str]],
    rng: Any,
    result: Result,
) -> None:
    """Kill a verb once, look at what is left, and run it again to its end."""
    fresh(work, home, states, verb)
    before = counts_of(work)
    result.seconds = round(whole[0], 2)
    pid = start(verb, work)
    time.sleep(rng.uniform(0.0, whole[0]))
    ended, _ = os.waitpid(pid, os.WNOHANG)
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    result.kills += 1
    result.after_the_end += bool(ended)
    said = (work / "said").read_text()
    faults = look_at(work, before)
    if not verb.acknowledged(work, said):
        faults.append("something acknowledged is missing")
    pid = start(verb, work)
    if os.waitpid(pid, 0)[1] != 0 and not (verb.done_before and verb.done_before in (work / "said").read_text()):
        faults.append(f"run again it failed: {(work / 'said').read_text()[-300:]}")
    else:
        faults += look_at(work, before)
        now = rows_of(work)
        faults += [f"run again it ended with other rows of {t}" for t in now if now[t] != whole[1].get(t)]
    result.faults += faults
    home.drop(work)


def start(verb: Verb, work: Path) -> int:
    """Run a verb in a process of its own, what it says in the file "said", and return its id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.chdir(work)
        said = os.open(work / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        out = io.TextIOWrapper(os.fdopen(1, "wb", 0), write_through=True)
        with redirect_stdout(out), redirect_stderr(out):
            try:
                verb.run(work)
                status = 0
            except SystemExit as end:
                status = 0 if end.code in (0, 3, None) else 1
            except BaseException as error:
                print(f"{type(error).__name__}: {error}")
    finally:
        os._exit(status)


def look_at(work: Path, before: Counter[str]) -> list[str]:
    """Return what is wrong with the census in a folder."""
    if not is_there(work):
        return ["the census is gone"] if before else []
    faults = []
    try:
        with Census.open(place_of(work), create=False) as census, census.reading() as session:
            found = verify(session)
            faults += [f"audit: {flaw.what}" for flaw in found.flaws]
            if census.engine.dialect.name == "sqlite":
                database = session.connection().exec_driver_sql("PRAGMA integrity_check").scalars().all()
                faults += [f"integrity: {line}" for line in database if line != "ok"]
                broken = session.connection().exec_driver_sql("PRAGMA foreign_key_check").all()
                faults += [f"foreign keys: {row}" for row in broken]
    except Exception as error:
        # A census whose making was killed is made the next time, as an empty file is.
        if before:
            faults.append(f"does not open: {error}")
        return faults
    now = counts_of(work)
    faults += [f"{before[t] - now[t]} rows of {t} are gone" for t in before if now[t] < before[t]]
    return faults


def counts_of(work: Path) -> Counter[str]:
    if not is_there(work):
        return Counter()
    try:
        opened = Census.open(place_of(work), create=False)
    except CensusError:
        return Counter()  # its making was killed, or nobody has begun it
    with opened as census, census.reading() as session:
        return Counter(
            {
                t.name: session.execute(select(func.count()).select_from(t)).scalar_one()
                for t in Base.metadata.sorted_tables
                if t.name not in ("tallies", "review_states")
            }
        )


def rows_of(work: Path) -> dict[str, str]:
    """Return a hash of the rows of each table of a folder's census, but for `NOT_COMPARED` and `TIMES`.

    Keys are told by their order: a transaction that is taken back leaves a gap between those that PostgreSQL gives.
    """
    hashes: dict[str, str] = {}
    if not is_there(work):
        return hashes
    place: dict[str, dict[int, int]] = {}
    with Census.open(place_of(work), create=False) as census, census.engine.connect() as database:
        for table in Base.metadata.sorted_tables:
            keys = database.exec_driver_sql(f'SELECT fid FROM "{table.name}" ORDER BY fid').scalars().all()
            place[table.name] = {key: i for i, key in enumerate(keys)}
        for table in Base.metadata.sorted_tables:
            if table.name in NOT_COMPARED:
                continue
            columns = [c for c in table.columns if (table.name, c.name) not in TIMES]
            points_to = [next((key.column.table.name for key in c.foreign_keys), None) for c in columns]
            points_to[0] = table.name
            names = ", ".join(f'"{c.name}"' for c in columns)
            rows = [
                tuple(
                    value if to is None or value is None else place[to][value]
                    for value, to in zip(row, points_to, strict=True)
                )
                for row in database.exec_driver_sql(f'SELECT {names} FROM "{table.name}" ORDER BY fid')
            ]
            hashes[table.name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return hashes


TIMES = frozenset(
    {
        ("verification_samples", "time_utc"),
        ("samples", "time_utc"),
        ("sample_assignments", "time_utc"),
        ("sample_counts", "time_utc"),
        ("received_sources", "time_utc"),
        ("detection_runs", "asked"),
    }
)
"""When something was written, and how often a run was asked for."""


def fresh(work: Path, home: Files, states: dict[str, str], verb: Verb) -> Path:
    """Make a folder with a copy of what a verb starts from."""
    work.mkdir(parents=True)
    (work / "said").touch()  # a process killed at once has said nothing
    home.copy(None if verb.start is None else states[verb.start], work)
    for name in ("park.geojson", "pictures", "other.gpkg", "check.csv", "collars.csv"):
        (work / name).symlink_to(Path(states["folder"]) / name)
    return work


def make_states(folder: Path, home: Files, verbs: list[str]) -> dict[str, str]:
    """Make the censuses that verbs start from, and the files they read."""
    folder.mkdir(parents=True)
    states = {"folder": str(folder)}
    (folder / "park.geojson").write_text(json.dumps(mapping(box(34.8, -2.35, 34.83, -2.33))))
    pictures(folder / "pictures")
    survey = _survey_of_the_tests()
    checks = "count --verified" in verbs
    needed = {VERBS[name].start for name in verbs} | {"filled", "other"} | ({"found"} if checks else set())
    for name in ("found", "filled", "other"):
        if name not in needed:
            continue
        place = home.make(folder, name) if name != "other" else str(folder / "other.gpkg")
        with Census.open(place) as census:
            if name == "found":
                plan = survey.make_plan()
                with census.writing() as session:
                    key = store.add_survey(session, plan, name="2026-wet")
                    captures = survey._fly(session, key, plan)
                survey._detect(census, key, plan, captures, survey.SPECIES, np.random.default_rng([3]))
            else:
                survey.fill_census(census)
        states[name] = place
    with Census.open(folder / "other.gpkg") as census:
        survey.fill_census(census, name="2027-wet", seed=4)
    (folder / "collars.csv").write_text(
        "event-id,timestamp,location-long,location-lat,individual-local-identifier,visible\n"
        + "".join(
            f"{i},2026-02-14 {i // 60:02d}:{i % 60:02d}:00,{34.8 + i / 1e4},-2.33,animal {i % 3},true\n"
            for i in range(600)
        )
    )
    if "ingested" in needed:
        work = folder / "ingesting"
        work.mkdir()
        home.copy(None, work)
        (work / "pictures").symlink_to(folder / "pictures")
        assert os.waitpid(start(VERBS["ingest"], work), 0)[1] == 0, (work / "said").read_text()
        states["ingested"] = place_of(work)
    if not checks:
        return states
    drawing = folder / "drawing"
    drawing.mkdir()
    home.copy(states["found"], drawing)
    assert os.waitpid(start(VERBS["count --draw"], drawing), 0)[1] == 0, (drawing / "said").read_text()
    with (drawing / "drawn.csv").open(newline="") as asked, (folder / "check.csv").open("w", newline="") as answered:
        rows = csv.DictReader(asked)
        writer = csv.DictWriter(answered, rows.fieldnames or [])
        writer.writeheader()
        writer.writerows({**row, **{name: row[name] or "1" for name in survey.SPECIES}} for row in rows)
    return states


def pictures(folder: Path) -> None:
    """Make small pictures with a place each."""
    folder.mkdir()
    rng = np.random.default_rng([1])
    for i in range(PICTURES):
        pixels = rng.integers(90, 130, (240, 320, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "overfly", "killed"
        exif[0x9003] = f"2026:02:14 06:{i:02d}:00"
        exif.get_ifd(0x8825).update(
            {1: "S", 2: (2.0, 20.0, float(i)), 3: "E", 4: (34.0, 49.0, float(i)), 5: b"\x00", 6: 80.0}
        )
        Image.fromarray(pixels).save(folder / f"{i:03d}.jpg", exif=exif)


def _survey_of_the_tests() -> ModuleType:
    return load_module("surveys", ROOT / "tests" / "counts" / "conftest.py")


def command(*words: str) -> Callable[[Path], None]:
    """Return a run of the command line; where it says "census.gpkg", the folder's census is meant."""
    return lambda work: overfly([_here(work) if word == CENSUS else word for word in words], standalone_mode=True)


def _here(work: Path) -> str:
    return place_of(work) if (work / URL).exists() else CENSUS


def draw_verdicts(work: Path) -> None:
    """Judge detections one by one, and say so once each is on disk; what is there from before is not judged again."""
    with Census.open(place_of(work)) as census:
        for number in range(VERDICTS):
            with census.writing() as session:
                found = session.scalars(select(Detection).order_by(Detection.fid).offset(number)).first()
                after = {"label": "zebra", "box_px": [1, 1, 9, 9]} if number % 3 == 0 else None
                entry = VerdictEntry(
                    found.capture_id, None if after else found.fid, "add" if after else "reject", "amina", NOON,
                    after=after, request=f"request-{number}",
                )  # fmt: skip
                key = add_verdict(session, entry)
            print(f"verdict {key}", flush=True)


def verdicts_are_there(work: Path, said: str) -> bool:
    keys = {int(line.split()[1]) for line in said.splitlines() if line.startswith("verdict ")}
    with Census.open(place_of(work), create=False) as census, census.reading() as session:
        return keys <= set(session.scalars(select(Verdict.fid)))


VERBS = {
    "init": Verb(None, command("init", "park.geojson", "park"), done_before="already is a workspace"),
    "ingest": Verb(None, command("ingest", "pictures", "--census", "census.gpkg", "--survey", "s")),
    "ingest into one": Verb("filled", command("ingest", "pictures", "--census", "census.gpkg", "--survey", "2026-wet")),
    "detect": Verb("ingested", command("detect", "--census", "census.gpkg", "--survey", "s")),
    "count": Verb("found", command("count", "census.gpkg")),
    "count --draw": Verb("found", command("count", "census.gpkg", "--draw", "drawn.csv")),
    "count --verified": Verb("found", command("count", "census.gpkg", "--verified", "check.csv", "--who", "amina")),
    "import census": Verb("filled", command("import", "census", "other.gpkg", "census.gpkg")),
    "import movebank": Verb("filled", command("import", "movebank", "collars.csv", "census.gpkg")),
    "verdicts": Verb("filled", draw_verdicts, verdicts_are_there),
    "report": Verb("filled", command("report", "census.gpkg", "--out", "report.html")),
    "export": Verb("filled", command("export", "geopackage", "census.gpkg", "--out", "for-others.gpkg")),
}

if __name__ == "__main__":
    main()
