"""Hold the CVs that `overfly design` foretells against what virtual surveys of the same designs then deliver.

    python benchmarks/design_precision.py --runs 500

Twelve settings: three clumpings × (12 lines a stratum, systematic and at random; 8 lines; 24 lines). Each is flown
`--runs` times with lines drawn anew, through identity, effort, verification and estimators. Prints one JSON document:
for each species the CV foretold with its Monte-Carlo error, the one delivered with its 95 % limits, and their ratio.
With `--journal DIR` a run that is killed goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from virtual_surveys import HERDS, OVERLAP, TRIGGER_M, WIDTH_M, flying, world

from flightplan.design import RANDOM, SYSTEMATIC
from sim.virtual.estimating import CHOSEN
from sim.virtual.populations import Ground
from sim.virtual.precision import Foresight
from sim.virtual.runs import WithoutPictures, run_seeds, run_surveys
from sim.virtual.scores import score
from sim.virtual.surveys import Setting

DESIGNS = ((SYSTEMATIC, 12), (RANDOM, 12), (SYSTEMATIC, 8), (SYSTEMATIC, 24))
WITHIN = 0.10


def compare(kind: str, lines: int, clumping: str, options: argparse.Namespace) -> dict[str, Any]:
    """One setting: foretold and delivered, by species."""
    flown, recipe = flying(kind, lines), world(clumping)
    started = time.process_time()
    foretold = Foresight(
        Ground.of(flown.area),
        recipe,
        heading_deg=flown.design.heading_deg,
        strip_width_m=WIDTH_M,
        trigger_m=TRIGGER_M,
        front_overlap=OVERLAP,
        seed=options.seed + 1,
    ).of(flown.design)
    took_s = time.process_time() - started
    name = f"{kind}-{lines}-{clumping}".replace(" ", "-")
    rows = run_surveys(
        WithoutPictures(Setting(flown, recipe, redraw=True)),
        run_seeds(options.seed, options.runs),
        processes=options.processes,
        journal=None if options.journal is None else options.journal / f"{name}.jsonl",
    )
    found: dict[str, Any] = {}
    for species, told in foretold.items():
        delivered = score([row[species][CHOSEN] for row in rows])
        found[species] = {
            "foretold": told.cv,
            "foretold_error": told.cv_error,
            "of sampling": told.sampling,
            "of checking": told.checking,
            "delivered": delivered.cv,
            "delivered_interval": delivered.cv_interval,
            "ratio": told.cv / delivered.cv if delivered.cv else None,
            "seconds_to_foretell": took_s,
        }
        print(f"{name}, {species}: {found[species]}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Compare every setting and print the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--journal", type=Path)
    options = parser.parse_args()
    if options.journal is not None:
        options.journal.mkdir(parents=True, exist_ok=True)
    found = {
        f"{kind}, {lines} lines, {clumping}": compare(kind, lines, clumping, options)
        for kind, lines in DESIGNS
        for clumping in HERDS
    }
    ratios = [one["ratio"] for each in found.values() for one in each.values() if one["ratio"]]
    document = {
        "runs": options.runs,
        "seed": options.seed,
        "settings": found,
        "within_a_tenth": sum(abs(r - 1) <= WITHIN for r in ratios),
        "of": len(ratios),
        "furthest": max(ratios, key=lambda r: abs(r - 1)),
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
