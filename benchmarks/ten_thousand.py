"""A folder of captures, one in a hundred broken, through ingest and detect, killed at random moments and gone on with.

    python benchmarks/ten_thousand.py --n 10000 --kills 5

Writes small unique JPEGs with a drone's EXIF and XMP, breaks some of them in every way that `broken_pictures.py` lists,
and runs the two verbs twice: once in peace, once with SIGKILL at random moments until they are done. Prints one JSON
document: whether each broken one is named with its reason and the rest is done, what was done twice, seconds, rates
and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from broken_pictures import BREAKAGES, Card, make_card

_NOTE_BYTES = 9
THRESHOLD = 0.01


# Running


@dataclass
class Runs:
    """What the runs of one verb took: seconds and peak memory of each, kills, and what they worked on, by line."""

    seconds: list[float]
    peak_mb: list[float]
    kills: int
    worked_on: Path
    code: int = 0
    cpu_s: list[float] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The pictures worked on, once for each time."""
        return self.worked_on.read_text().splitlines() if self.worked_on.exists() else []


def run(verb: list[str], log: Path, n: int, *, kills: int = 0, seed: int = 1) -> Runs:
    """Run a verb of overfly over n pictures to its end, killing it so many times at random points of what is left."""
    rng = np.random.default_rng([seed, kills, len(verb)])
    runs = Runs([], [], 0, log)
    while True:
        done = len(runs.lines)
        stop_at = done + rng.uniform(0.02, 0.6) * (n - done) if runs.kills < kills else np.inf
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, "--as-overfly", str(log), *verb],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            found, status, usage = os.wait4(process.pid, os.WNOHANG)
            if found:
                break
            if log.exists() and log.stat().st_size > stop_at * _NOTE_BYTES:
                process.send_signal(signal.SIGKILL)
                _, status, usage = os.wait4(process.pid, 0)
                break
            time.sleep(0.002)
        process.returncode = os.waitstatus_to_exitcode(status)
        runs.seconds.append(time.perf_counter() - begun)
        runs.cpu_s.append(usage.ru_utime + usage.ru_stime)
        runs.peak_mb.append(usage.ru_maxrss / 1024)
        if process.returncode == -signal.SIGKILL:
            runs.kills += 1
            continue
        runs.code = process.returncode
        return runs


def as_overfly(log: Path, words: list[str]) -> None:
    """Be overfly, and write down each picture that is decoded for a look at it, and each that the network is run on."""
    import detect.pipeline
    import overfly.chain.ingesting
    from overfly.cli import main

    notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    look, tile = overfly.chain.ingesting.look_at, detect.pipeline.detect_tile

    def noted_look(path: Path, data: bytes) -> Any:
        os.write(notes, b"%08x\n" % zlib.crc32(data))
        return look(path, data)

    def noted_tile(raster: Any, *others: Any) -> Any:
        found = tile(raster, *others)
        os.write(notes, b"%08x\n" % zlib.crc32(np.ascontiguousarray(raster.pixels)))
        return found

    overfly.chain.ingesting.look_at = noted_look  # type: ignore[assignment]
    detect.pipeline.detect_tile = noted_tile  # type: ignore[assignment]
    main(words, prog_name="overfly")


# Looking at what came of it


def contents(census: Path) -> dict[str, Any]:
    """All that a census says of its pictures, in a form that two censuses can be compared by."""
    with sqlite3.connect(f"file:{census}?mode=ro", uri=True) as db:
        captures = {row[0]: row[1:] for row in db.execute("SELECT content_hash, path, findings, refused FROM captures")}
        looked = Counter(
            row[0]
            for row in db.execute(
                "SELECT c.content_hash FROM detection_run_captures d JOIN captures c ON c.fid = d.capture_id"
            )
        )
        boxes = sorted(
            db.execute(
                "SELECT c.content_hash, d.label, d.score, d.x_min_px, d.y_min_px, d.x_max_px, d.y_max_px "
                "FROM detections d JOIN captures c ON c.fid = d.capture_id"
            )
        )
        skips = sorted(db.execute("SELECT stage, item, reason FROM skips"))
        placed = db.execute("SELECT count(*) FROM footprints").fetchone()[0]
    return {"captures": captures, "looked": looked, "boxes": boxes, "skips": skips, "placed": placed}


def faults(card: Card, found: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be: a broken one not named, or not with its reason; a good one not done, or not once."""
    by_name = {
        Path(path).name: (key, findings, refused) for key, (path, findings, refused) in found["captures"].items()
    }
    skips: dict[str, list[tuple[str, str]]] = {}
    for stage, item, reason in found["skips"]:
        skips.setdefault(Path(item).name.replace("\\n", "\n").replace("\\udce9", "\ufffd"), []).append((stage, reason))
    for name, way in card.broken.items():
        said = skips.get(name, [])
        stages = Counter(stage for stage, _ in said)
        findings = json.loads(by_name[name][1]) if name in by_name else []
        if not any(way.says in text for text in (*(reason for _, reason in said), *findings)):
            yield f"{way.name}: {name} is not named with its reason ({said or findings})"
        if any(count > 1 for count in stages.values()):
            yield f"{way.name}: {name} is named {stages}"
        looked = name in by_name and found["looked"][by_name[name][0]]
        if way.left_out == bool(looked):
            yield f"{way.name}: {name} was {'' if looked else 'not '}looked at"
    for name in card.healthy:
        if name not in by_name:
            yield f"{name} is not in the census"
        elif found["looked"][by_name[name][0]] != 1 or by_name[name][2] is not None:
            yield f"{name} was looked at {found['looked'][by_name[name][0]]} times ({by_name[name][2]})"
        if name in skips:
            yield f"{name} is blamed: {skips[name]}"


def audit_is_sound(census: Path) -> bool:
    """Whether every row is as some run wrote it."""
    from counts.audit import verify
    from counts.census import Census

    with Census.open(census, create=False) as opened, opened.reading() as session:
        return verify(session).sound


def compare(folder: Path, n: int, *, kills: int, seed: int = 1, every_way: bool = False) -> dict[str, Any]:
    """Make the card, run both verbs in peace and under kills, and say what differs."""
    begun = time.perf_counter()
    card = make_card(folder / "DCIM", n, seed=seed, every_way=every_way)
    made_s = time.perf_counter() - begun
    result: dict[str, Any] = {
        "captures": n,
        "broken": len(card.broken),
        "ways": len({w.name for w in card.broken.values()}),
    }
    result["seconds to write them"] = round(made_s, 1)
    found = {}
    for kind, times in (("in peace", 0), ("killed", kills)):
        census = folder / f"{kind.replace(' ', '-')}.gpkg"
        for verb, words in (
            ("ingest", [str(card.folder)]),
            ("detect", ["--threshold", str(THRESHOLD)]),
        ):
            log = folder / f"{verb}-{kind}.log"
            words = [verb, *words, "--census", str(census), "--json"]
            runs = run(words, log, n, kills=times, seed=seed)
            lines = Counter(runs.lines)
            result[f"{verb} {kind}"] = {
                "seconds": [round(s, 1) for s in runs.seconds],
                "processor seconds": [round(s, 1) for s in runs.cpu_s],
                "captures per second": round(n / sum(runs.seconds), 1),
                "peak MB": round(max(runs.peak_mb)),
                "exit code": runs.code,
                "kills": runs.kills,
                "pictures worked on": len(lines),
                "worked on again": sum(lines.values()) - len(lines),
            }
        found[kind] = contents(census)
        result[f"faults {kind}"] = list(faults(card, found[kind]))
        result[f"audit sound {kind}"] = audit_is_sound(census)
    result["same census"] = found["in peace"] == found["killed"]
    result["detections"] = len(found["in peace"]["boxes"])
    result["placed"] = found["in peace"]["placed"]
    return result


def main() -> None:
    if len(sys.argv) > 3 and sys.argv[1] == "--as-overfly":
        as_overfly(Path(sys.argv[2]), sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=3, help="of each verb")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/overfly-ten-thousand"))
    parser.add_argument("--list", action="store_true", help="print the ways in which captures are broken")
    options = parser.parse_args()
    if options.list:
        for way in BREAKAGES:
            print(f"{way.name}: {way.how}; {'left out' if way.left_out else 'kept'}: {way.says!r}")
        return
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    print(
        json.dumps(compare(options.folder, options.n, kills=options.kills, seed=options.seed, every_way=True), indent=1)
    )


if __name__ == "__main__":
    main()
