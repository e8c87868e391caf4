"""How many faults in a flight's metadata the checks name, how many they make up, and how good their repairs are.

    python benchmarks/flight_checks.py FOLDER [--n 30] [--share 0.02]

FOLDER holds the pictures of flights without fault (those of `overfly demo --out DIR`, say). In each of --n draws a
share of them gets one kind of fault; prints JSON by kind: spoilt captures, how many were named, how many others were
named with them, and how many of the proposals lie within 3 degrees or metres of the value before. `clean` are the
findings without any fault.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detect.captures import Capture, find_images, read_capture
from detect.flight_checks import check_captures
from detect.poses import wrap_deg

Spoil = Callable[[Capture, np.random.Generator], Capture]


def _turned(capture: Capture, by_deg: float, **more: Any) -> Capture:
    return replace(capture, yaw_deg=wrap_deg((capture.yaw_deg or 0.0) + by_deg), **more)


def _raised(capture: Capture, by_m: float) -> Capture:
    return replace(capture, altitude_takeoff_m=(capture.altitude_takeoff_m or 0.0) + by_m)


def _either(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(low, high))


FAULTS: dict[str, tuple[str, str, Spoil]] = {
    "yaw by 180": ("yaw-flipped", "yaw_deg", lambda c, _: _turned(c, 180.0)),
    "yaw by 180, no airframe yaw": ("yaw-flipped", "yaw_deg", lambda c, _: _turned(c, 180.0, airframe_yaw_deg=None)),
    "yaw by 50 to 130": ("yaw-outlier", "yaw_deg", lambda c, rng: _turned(c, _either(rng, 50.0, 130.0))),
    "height by 15 to 60 m": (
        "height-outlier", "altitude_takeoff_m", lambda c, rng: _raised(c, _either(rng, 15.0, 60.0)),
    ),
}  # fmt: skip


def measure(captures: list[Capture], name: str, draws: int, share: float) -> dict[str, int]:
    """Spoil captures at random, again and again, and count what is found."""
    kind, field, spoil = FAULTS[name]
    right = {c.content_hash: c for c in captures}
    total: Counter[str] = Counter()
    for draw in range(draws):
        rng = np.random.default_rng([draw, list(FAULTS).index(name), 11])
        which = set(rng.choice(len(captures), max(1, round(share * len(captures))), replace=False).tolist())
        flown = [spoil(c, rng) if i in which else c for i, c in enumerate(captures)]
        truth = {captures[i].content_hash for i in which}
        proposed: dict[str, float | None] = {}
        for finding in check_captures(flown):
            if finding.kind == kind:
                values = (finding.repair or {}).get(field, (None,) * len(finding.captures))
                proposed |= dict(zip(finding.captures, values, strict=True))
        total["spoilt"] += len(truth)
        total["named"] += len(truth & proposed.keys())
        total["named_wrongly"] += len(proposed.keys() - truth)
        for content_hash in truth & proposed.keys():
            value, before = proposed[content_hash], getattr(right[content_hash], field)
            if value is not None:
                off = wrap_deg(value - before) if field == "yaw_deg" else value - before
                total["repaired_within_3"] += abs(off) < 3.0
    return {key: total[key] for key in ("spoilt", "named", "named_wrongly", "repaired_within_3")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=30, help="draws of each kind of fault")
    parser.add_argument("--share", type=float, default=0.02, help="of the captures that are spoilt")
    arguments = parser.parse_args()
    captures = [read_capture(path) for path in find_images([arguments.folder])[0]]
    document = {
        "captures": len(captures),
        "draws": arguments.n,
        "clean": dict(Counter(finding.kind for finding in check_captures(captures))),
        "faults": {name: measure(captures, name, arguments.n, arguments.share) for name in FAULTS},
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
