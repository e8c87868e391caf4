"""Kill -9 while the outbox is being sent, over and over: each item delivered once, in order, and nothing lost.

A service on the loopback that knows no idempotency keys takes `--items` events; the sending process is killed at a
random request, before or after the service took it, or while it writes, `--n` times in all; then the rest is sent.

    python benchmarks/outbox_kill.py --n 100
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from counts import store
from counts.audit import verify
from counts.census import Census
from counts.store import outbox

ROOT = Path(__file__).parent.parent
SEND = """
import sys
from counts.census import Census
from counts.exchange import services
path, url = sys.argv[1:]
with Census.open(path, create=False) as census, services.open_service("earthranger", url, services.Token("t")) as there:
    services.send(census, there)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--items", type=int, default=0, help="events; three for each kill unless said otherwise")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    items = asked.items or 3 * asked.n
    spec = importlib.util.spec_from_file_location("recorded", ROOT / "tests" / "counts" / "recorded_service.py")
    recorded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorded)
    rng = np.random.default_rng([asked.seed])
    with tempfile.TemporaryDirectory() as folder, recorded.RecordedService(knows_keys=False) as service:
        path = Path(folder) / "census.gpkg"
        events = [
            outbox.OutgoingItem(
                f"event/{i}", "", "/api/v1.0/activity/events",
                {"time": "2026-02-14T06:00:00Z", "event_details": {"overfly_key": str(i)}},
            )
            for i in range(items)
        ]  # fmt: skip
        with Census.open(path) as census, census.writing() as session:
            survey = store.add_survey(session, name="s")
            outbox.queue_items(session, survey, "earthranger", service.url, events, datetime.now(UTC))
        killed, unfinished = 0, 0
        start = time.perf_counter()
        for _ in range(asked.n):
            process = subprocess.Popen([sys.executable, "-c", SEND, str(path), service.url])
            at = int(rng.integers(1, 4))
            how = (recorded.CUT_BEFORE, recorded.CUT_AFTER, recorded.OK)[int(rng.integers(3))]
            service.posts, service.script = 0, [recorded.OK] * (at - 1) + [how]

            def kill(number: int, at: int = at, process: subprocess.Popen = process) -> None:
                if number == at:
                    os.kill(process.pid, signal.SIGKILL)

            service.on_post = kill
            killed += process.wait() == -signal.SIGKILL
            with Census.open(path, create=False) as census, census.reading() as session:
                unfinished += not verify(session).sound
        service.on_post = lambda number: None
        subprocess.run([sys.executable, "-c", SEND, str(path), service.url], check=True)
        with Census.open(path, create=False) as census, census.reading() as session:
            ended = outbox.outcomes(session, "earthranger", service.url)
            sound = verify(session).sound
        got = [int(body["event_details"]["overfly_key"]) for _, _, body in service.accepted]
    print(
        json.dumps(
            {
                "items": items,
                "kills": killed,
                "delivered": len(got),
                "twice": len(got) - len(set(got)),
                "missing": items - len(set(got)),
                "in_order": got == sorted(got),
                "outcomes": ended,
                "audit_sound": sound and not unfinished,
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
