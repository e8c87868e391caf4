"""Kill -9 in the middle of verbs that write: nothing is lost, nothing is broken, and the next try ends the same."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERBS = ("ingest", "import census", "verdicts")


def test_a_census_survives_a_kill_in_the_middle_of_verbs_that_write():
    words = [word for verb in VERBS for word in ("--verb", verb)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "killed.py"), "--times", str(len(VERBS)), "--seed", "2", *words],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert {name: len(verb["faults"]) for name, verb in said["verbs"].items()} == dict.fromkeys(VERBS, 0)
    assert said["total"]["kills"] == len(VERBS)
