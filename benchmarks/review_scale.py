"""What the review page takes over a census of a million detections in a hundred thousand frames, as one JSON document.

    python benchmarks/review_scale.py --sizes 260 1000000

Each size is a census of its own (made as `census_scale.py` makes them, each detection an animal of its own, with pairs
to be asked about), served by `overfly review` in a process of its own on loopback and asked over HTTP what a browser
asks: the page with its scripts, what it reads for its first screen, the crops that a screen of 1440 by 900 shows over
six connections, the next detection, the next frame with its tiles, a frame of 48 megapixels, verdicts, undo, pairs, the
map and the dashboard. Beside the milliseconds on the clock stand those that the server's process worked, which do not
depend on who else uses the machine, and both as ratios to the first size.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sqlalchemy import select, update

sys.path.insert(0, str(Path(__file__).parent))
import census_scale as scale
from simulated_census import DETECTOR, PER_CAPTURE, SPECIES, START, World, fill_captures

from counts import store
from counts.census import Census
from counts.schema import Capture as CaptureRow
from counts.schema import Detection
from counts.store import review
from counts.store.pairs import PairEntry, add_pairs
from counts.store.verdicts import VerdictEntry, add_verdicts
from detect.captures import Capture
from detect.detections import Detections

API = "/api/v1"
FIRST_SCREEN = 28
CONNECTIONS = 6
LARGE = (8000, 6000)
PAIRS_SHARE = 0.02
LABEL = "zebra"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[260, 1_000_000])
    parser.add_argument("--times", type=int, default=20, help="How often each question is asked.")
    parser.add_argument("--judged", type=float, default=0.1, help="The share of detections judged beforehand.")
    parser.add_argument("--folder", type=Path, help="Where the censuses are made and kept; temporary by default.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="review-scale-") as made:
        runs = [measure(size, asked.folder or Path(made), asked) for size in asked.sizes]
    first = runs[0]["milliseconds"]
    for run in runs[1:]:
        run["ratios"] = {
            name: {kind: round(run["milliseconds"][name][kind] / max(first[name][kind], 0.01), 2) for kind in KINDS}
            for name in first
            if name in run["milliseconds"]
        }
    print(json.dumps({"runs": runs}, indent=1))


KINDS = ("clock", "worked")


def measure(size: int, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    path = folder / f"review-{size}.gpkg"
    if not path.exists():
        make(path, size, asked.judged)
    work = folder / f"work-{size}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    shutil.copy(path, work / "census.gpkg")
    draw_pictures(work)
    began = time.perf_counter()
    with serving(work) as server:
        started = 1000 * (time.perf_counter() - began)
        times = Times(server)
        facts = ask(server, times, asked.times, find_large(work))
    shutil.rmtree(work)
    return {"detections": size, **facts, "server_started_ms": round(started), "milliseconds": times.document()}


def make(path: Path, size: int, judged: float) -> None:
    """Make a census: captures, detections, sightings, individuals, pairs, and a share of detections judged."""
    world = World(max(PER_CAPTURE, size) // PER_CAPTURE)
    partial = path.with_suffix(".making.gpkg")
    partial.unlink(missing_ok=True)

    @contextmanager
    def timed(_: str) -> Iterator[None]:
        yield

    with Census.open(partial) as census:
        with census.writing() as session:
            survey = store.add_survey(session, world.plan, name="scale")
        keys = fill_captures(census, survey, world, timed)
        with census.writing() as session:
            run = store.open_detection_run(session, survey, DETECTOR, threshold=0.25, parameters={})
            large = Capture(Path("images/large.jpg"), "f" * 64, *LARGE)
            key = store.add_captures(session, survey, [store.CaptureEntry(large)]).added[0]
            some = Detections(
                np.array([[3000.0, 3000, 3040, 3040]]), np.array([0.5]), np.array([1]), SPECIES,
                DETECTOR.content_hash,
            )  # fmt: skip
        for found in world.detections(keys):
            with census.writing() as session:
                store.add_detections(session, run, found)
        identity = scale.place_each(census, run, world, timed)
        with census.writing() as session:
            store.add_detections(session, run, {key: some})
            ids = np.array(session.scalars(select(Detection.fid).where(Detection.run_id == run)).all())
            rng = np.random.default_rng([9])
            first = np.sort(rng.choice(len(ids) - 2, max(1, int(PAIRS_SHARE * len(ids))), replace=False))
            pairs = [PairEntry(int(ids[i]), int(ids[i + 1]), True, 3.0, 0.5, "likely") for i in first.tolist()]
            add_pairs(session, identity, pairs)
        judge_some(census, ids[:: max(1, round(1 / judged))] if judged else ids[:0])
    partial.rename(path)


def judge_some(census: Census, ids: Any) -> None:
    for start in range(0, len(ids), 5000):
        with census.writing() as session:
            wanted = [int(i) for i in ids[start : start + 5000]]
            rows = session.execute(select(Detection.fid, Detection.capture_id).where(Detection.fid.in_(wanted)))
            entries = [
                VerdictEntry(capture, key, "reject" if key % 5 == 0 else "accept", "amina", START)
                for key, capture in rows
            ]
            add_verdicts(session, entries)


def draw_pictures(work: Path) -> None:
    """Draw the pictures that the first screens show, and the large one."""
    rng = np.random.default_rng([4])
    pixels = rng.integers(90, 130, (600, 800, 3), dtype=np.uint8)
    with Census.open(work / "census.gpkg") as census, census.reading() as session:
        run = store.latest_detection_run(session, 1)
        assert run is not None
        items = review.unseen_page(session, run.run_id, LABEL, limit=300)
        paths = dict.fromkeys(i.path for i in items)
        frames = session.scalars(select(CaptureRow.path).order_by(CaptureRow.fid).limit(60)).all()
    hashes = {}
    for number, path in enumerate([*paths, *frames]):
        held = io.BytesIO()
        pixels[0, 0] = number % 250
        Image.fromarray(pixels).save(held, "JPEG", quality=85)
        # What follows a JPEG's end is not looked at: no two of them are one file.
        hashes[path] = write(work / path, held.getvalue() + path.encode())
    held = io.BytesIO()
    Image.fromarray(np.tile(pixels, (10, 10, 1))).save(held, "JPEG", quality=85)
    hashes["images/large.jpg"] = write(work / "images" / "large.jpg", held.getvalue())
    with Census.open(work / "census.gpkg") as census, census.writing() as session:
        for path, known in hashes.items():
            session.execute(update(CaptureRow).where(CaptureRow.path == path).values(content_hash=known))


def write(file: Path, content: bytes) -> str:
    """Write a picture; returns its hash, without which the page would not show it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


class Server:
    """A running server and a connection to it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port, self.process = port, process
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str, **query: Any) -> Any:
        """Ask, and return what JSON or bytes came back."""
        return self._ask("GET", path, query, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send, and return the answer."""
        return self._ask("POST", path, {}, json.dumps(body))

    def _ask(self, method: str, path: str, query: dict[str, Any], body: str | None) -> Any:
        target = path + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")
        self._connection.request(
            method, target, body, {"X-Overfly": "1", "Content-Type": "application/json", "Connection": "keep-alive"}
        )
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 204):
            raise SystemExit(f"{method} {target}: {answer.status} {content[:300]!r}")
        return json.loads(content) if answer.headers.get_content_type() == "application/json" else content

    def again(self) -> Server:
        """Another connection to it."""
        return Server(self.port, self.process)

    def worked_ms(self) -> float:
        """The milliseconds that the server's process has been on a processor (Linux: clock_getcpuclockid)."""
        return 1000 * time.clock_gettime((~self.process.pid << 3) | 2)


@contextmanager
def serving(work: Path) -> Iterator[Server]:
    """Run `overfly review` over the census in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parent.parent
    code = "import sys; from overfly.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "review", "census.gpkg", "--no-browser", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=work, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(1200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.05)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait()


class Times:
    """Milliseconds of questions by name: on the clock, and worked by the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._found: dict[str, list[tuple[float, float]]] = {}

    def of(self, name: str, question: Callable[[], Any]) -> Any:
        """Ask once."""
        worked, began = self._server.worked_ms(), time.perf_counter()
        answer = question()
        taken = 1000 * (time.perf_counter() - began)
        self._found.setdefault(name, []).append((taken, self._server.worked_ms() - worked))
        return answer

    def document(self) -> dict[str, dict[str, float]]:
        """Half of the time, and 19 times of 20."""
        return {
            name: {
                "clock": round(float(np.median([v[0] for v in values])), 2),
                "clock_p95": round(float(np.percentile([v[0] for v in values], 95)), 2),
                "worked": round(float(np.median([v[1] for v in values])), 2),
                "worked_most": round(max(v[1] for v in values), 2),
            }
            for name, values in self._found.items()
        }


def ask(server: Server, times: Times, over: int, large: int) -> dict[str, Any]:
    """Ask what a browser asks, and return what was there."""
    numbers = itertools.count()
    rng = np.random.default_rng([5])

    def request() -> str:
        return f"review-scale-{next(numbers)}"

    page = times.of("first page, first time: page and what it reads", lambda: first_page(server))
    crops = [i["detection_id"] for i in page["items"][:FIRST_SCREEN]]
    times.of("first page, first time: its crops", lambda: read_crops(server, crops))
    for _ in range(over):
        times.of("page and what it reads", lambda: first_page(server))
    times.of("its crops again", lambda: read_crops(server, crops))

    item = page["items"][0]
    for _ in range(over):
        after = {"after_score": item["score"], "after_id": item["detection_id"]}
        item = times.of("next item", lambda a=after: server.get(f"{API}/items/next", label=LABEL, **a))
        times.of("its crop", lambda i=item: server.get(f"{API}/detections/{i['detection_id']}/crop.jpg", size=192))
        cut = {"after_score": round(float(rng.uniform(0.3, 1.0)), 4), "after_id": 1 << 40}
        times.of("next item, anywhere", lambda c=cut: server.get(f"{API}/items/next", label=LABEL, **c))
        times.of("page of 60, anywhere", lambda c=cut: server.get(f"{API}/items", label=LABEL, limit=60, **c))
        times.of("progress", lambda: server.get(f"{API}/progress"))

    captures = list(dict.fromkeys(i["capture_id"] for i in page["items"]))
    for key in [*range(1, over + 1), *captures][:over]:
        times.of("next frame", lambda k=key: frame(server, k))
    tile = f"{API}/captures/{large}/tiles"
    times.of("frame of 48 megapixels, first time: something seen", lambda: server.get(f"{tile}/0/0/0.jpg"))
    times.of("frame of 48 megapixels, first time", lambda: frame(server, large))
    for _ in range(5):
        times.of("frame of 48 megapixels", lambda: frame(server, large))

    for _ in range(over):
        item = server.get(f"{API}/items/next", label=LABEL)
        one = {"action": "accept", "detection_id": item["detection_id"]}
        times.of("verdict", lambda o=one: server.post(f"{API}/verdicts", {"request": request(), "verdicts": [o]}))
        times.of("undo", lambda: server.post(f"{API}/undo", {"request": request()}))
    many = server.get(f"{API}/items", label=LABEL, limit=100)["items"]
    verdicts = [{"action": "accept", "detection_id": i["detection_id"]} for i in many]
    for _ in range(3):
        times.of(
            "100 verdicts at once", lambda: server.post(f"{API}/verdicts", {"request": request(), "verdicts": verdicts})
        )
        times.of("undo of them", lambda: server.post(f"{API}/undo", {"request": request()}))

    for _ in range(max(3, over // 4)):
        times.of("pairs: how far", lambda: server.get(f"{API}/pairs/progress"))
        pair = times.of("pairs: next", lambda: server.get(f"{API}/pairs/next"))
        if pair is None:
            break
        said = {"request": request(), "pair_id": pair["pair_id"], "answer": "unsure"}
        times.of("pairs: answer", lambda s=said: server.post(f"{API}/pairs/answers", s))
        times.of("pairs: undo", lambda: server.post(f"{API}/pairs/undo", {"request": request()}))

    for _ in range(3):
        bounds = times.of("map: lines, tracks, gaps", lambda: server.get(f"{API}/map"))["bounds"]
        whole = dict(zip(("west", "south", "east", "north"), bounds, strict=True))
        times.of("map: sightings, all of the park", lambda w=whole: server.get(f"{API}/map/sightings", **w))
        times.of("dashboard", lambda: server.get(f"{API}/dashboard"))
        times.of("sample", lambda: server.get(f"{API}/sample"))
    for _ in range(over):
        side = 0.004
        west = float(rng.uniform(bounds[0], max(bounds[0], bounds[2] - side)))
        south = float(rng.uniform(bounds[1], max(bounds[1], bounds[3] - side)))
        part = {"west": west, "south": south, "east": west + side, "north": south + side}
        times.of("map: sightings in a part", lambda p=part: server.get(f"{API}/map/sightings", **p))
        times.of("map: footprints in a part", lambda p=part: server.get(f"{API}/map/footprints", **p))
    seen = {p["label"]: p["total"] for p in server.get(f"{API}/progress")}
    return {"labels": seen, "captures": server.get(f"{API}/dashboard")["captures"]}


def first_page(server: Server) -> dict[str, Any]:
    """The page, its style and scripts, and what the scripts read before the first screen stands."""
    html = server.get("/").decode()
    known: set[str] = set()
    waiting = re.findall(r'(?:src|href)="(/(?:static|vendor)/[^"]+)"', html)
    while waiting:
        name = waiting.pop()
        if name not in known:
            known.add(name)
            waiting += re.findall(r'from "(/static/[^"]+)"', server.get(name).decode())
    server.get(f"{API}/progress", least_score=0)
    server.get(f"{API}/scores", label=LABEL)
    page: dict[str, Any] = server.get(f"{API}/items", label=LABEL, state="unseen", least_score=0, limit=60)
    return page


def read_crops(server: Server, ids: Sequence[int]) -> None:
    """Read crops over as many connections as a browser has."""

    def some(part: Sequence[int]) -> None:
        connection = server.again()
        for key in part:
            connection.get(f"{API}/detections/{key}/crop.jpg", size=192)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(some, [ids[i::CONNECTIONS] for i in range(CONNECTIONS)]))


def frame(server: Server, capture: int) -> None:
    """What the page of a whole frame asks: itself, the frame's facts and boxes, and the tiles that fill a screen."""
    server.get(f"/frames/{capture}")
    facts = server.get(f"{API}/captures/{capture}")
    server.get(f"{API}/captures/{capture}/items")
    level = next(n for n in range(facts["levels"]) if n == facts["levels"] - 1 or facts["tile_px"] << n >= 1200)
    scale_down = 1 << (facts["levels"] - 1 - level)
    for column in range(min(3, -(-facts["width_px"] // (facts["tile_px"] * scale_down)))):
        for row in range(min(2, -(-facts["height_px"] // (facts["tile_px"] * scale_down)))):
            server.get(f"{API}/captures/{capture}/tiles/{level}/{column}/{row}.jpg")


def find_large(work: Path) -> int:
    """The key of the large frame, without asking the server, which would draw it ahead."""
    with Census.open(work / "census.gpkg") as census, census.reading() as session:
        return session.scalars(select(CaptureRow.fid).where(CaptureRow.path == "images/large.jpg")).one()


if __name__ == "__main__":
    main()
