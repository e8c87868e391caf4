"""How often the offset of a camera's clock is found from the pattern of exposures, refused, or wrong.

    python benchmarks/clock_offsets.py [--n 3000]

Simulated surveys of four lines of twelve shots, 2.5 s apart with 4 % of wind, and turns of 12 to 30 s; the camera's
clock is off by up to 11 h, its shutter by 0.08 s, up to 30 % of the shots are lost and up to 10 % of the pictures are
odd; every other camera writes whole seconds. Prints JSON: found (within 0.35 s where seconds are whole, else 0.1 s, and
97 % of pictures on their shot), refused and wrong, by kind of camera and by how much was lost, and milliseconds each.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

import numpy as np

from detect.clock_offset import NoOffset, find_offset
from flightplan.frames import Floats

LINES, SHOTS = 4, 12


def survey_s(rng: np.random.Generator) -> Floats:
    """Seconds of the shots of one flight."""
    gaps = 2.5 * (1 + rng.normal(0, 0.04, LINES * SHOTS))
    gaps[SHOTS::SHOTS] += rng.uniform(12, 30, LINES - 1)
    return np.asarray(np.cumsum(gaps))


def trial(seed: int) -> tuple[str, str, str]:
    """One survey: the kind of camera, how much was lost, and how it ended."""
    rng = np.random.default_rng([seed, 44])
    whole = bool(seed % 2)
    ahead_s, lost, odd = rng.uniform(-40_000, 40_000), rng.uniform(0, 0.3), rng.uniform(0, 0.1)
    shots = survey_s(rng)
    taken = shots[rng.random(len(shots)) >= lost] + ahead_s
    taken += rng.normal(0, 0.08, len(taken))
    taken = np.concatenate([taken, rng.uniform(taken.min(), taken.max(), int(odd * len(taken)))])
    found = find_offset(np.floor(taken) if whole else taken, shots, whole_seconds=whole)
    camera = "whole seconds" if whole else "fractions"
    share = f"{10 * int(lost * 10)} to {10 * int(lost * 10) + 10} % lost"
    if isinstance(found, NoOffset):
        return camera, share, "refused"
    on_shot = np.abs(taken[found.picture] - ahead_s - shots[found.shot]) < 1.2
    right = abs(found.offset_s - ahead_s) < (0.35 if whole else 0.1) and on_shot.mean() > 0.97
    return camera, share, "found" if right else "wrong"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=3000)
    count = parser.parse_args().n
    start = time.perf_counter()
    ends = Counter(trial(seed) for seed in range(count))
    spent_ms = 1000 * (time.perf_counter() - start) / count
    table: dict[str, dict[str, dict[str, int]]] = {}
    for (camera, share, end), number in sorted(ends.items()):
        table.setdefault(camera, {}).setdefault(share, {"found": 0, "refused": 0, "wrong": 0})[end] = number
    total = {end: sum(n for key, n in ends.items() if key[2] == end) for end in ("found", "refused", "wrong")}
    print(json.dumps({"surveys": count, **total, "by_camera": table, "ms_each": round(spent_ms, 1)}, indent=2))


if __name__ == "__main__":
    main()
