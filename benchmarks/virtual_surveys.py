"""Score the estimates over thousands of virtual surveys: coverage, bias, width, and what else could have been done.

    python benchmarks/virtual_surveys.py coverage --runs 1000      # two designs × three clumpings, 12 lines a stratum
    python benchmarks/virtual_surveys.py lines --runs 500          # 4, 6, 8 and 12 lines a stratum
    python benchmarks/virtual_surveys.py r --runs 100              # widths and coverage beside R's, on the same data
    python benchmarks/virtual_surveys.py transfer --runs 500       # a detector of another world
    python benchmarks/virtual_surveys.py pixels --runs 30          # with pictures and without, on the same worlds

Prints one JSON document; progress on stderr. With `--journal DIR` a run that is killed goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.design import RANDOM, SYSTEMATIC, default_allowance_m, draw_design, resolve_design
from flightplan.paths import Airspace
from flightplan.request import DEFAULT_BUFFER_M, DesignRequest
from sim.park import demo_area
from sim.virtual.estimating import CHOSEN, estimate_all
from sim.virtual.flights import Flying
from sim.virtual.recipe import Counting, DetectorErrors, Inhabitants, WorldRecipe
from sim.virtual.runs import WithoutPictures, run_seeds, run_surveys
from sim.virtual.scores import score
from sim.virtual.surveys import Counted, Setting, Surveyor

WIDTH_M, TRIGGER_M, SPEED_MPS, OVERLAP = 96.0, 57.6, 12.0, 0.2
DESIGNS = (SYSTEMATIC, RANDOM)
HERDS = {
    # Mean and shape of herds; herds in a cluster and its radius.
    "small herds": {"herd_mean": 2.0, "herd_shape": 2.0},
    "herds": {"herd_mean": 5.0, "herd_shape": 1.6},
    "herds in clusters": {"herd_mean": 8.0, "herd_shape": 1.0, "cluster_herds": 3.0, "cluster_radius_m": 250.0},
}
SPREADS = DetectorErrors(herd_spread=0.3, frame_spread=0.2, animal_spread=0.3, alarm_frame_spread=0.5)


def park(scale: float) -> StudyArea:
    """The demo park; `scale` times as long and wide."""
    area = demo_area()
    if scale == 1.0:
        return area
    from shapely import affinity

    def grown(polygon: Any) -> Any:
        return affinity.scale(polygon, scale, scale, origin=(34.83, -2.33))

    return replace(
        area,
        strata=tuple(replace(s, polygon=grown(s.polygon)) for s in area.strata),
        exclusions=tuple(grown(e) for e in area.exclusions),
    )


def flying(kind: str, lines: int, scale: float = 1.0, seed: int = 1) -> Flying:
    """A design with so many lines a stratum at least, over the demo park."""
    area = park(scale)
    design = resolve_design(
        area, DesignRequest(kind=kind, min_lines=lines, heading_deg=0.0, seed=seed), strip_width_m=WIDTH_M
    )
    room_m = default_allowance_m(WIDTH_M)
    strata = draw_design(area, design, Airspace.over(area, allowance_m=room_m, buffer_m=DEFAULT_BUFFER_M))
    return Flying.designed(area, design, strata, trigger_m=TRIGGER_M, speed_mps=SPEED_MPS, front_overlap=OVERLAP)


def world(clumping: str, *, factor: float = 1.0) -> WorldRecipe:
    """Elephants and zebras of one clumping, found as the shipped model's card says."""
    herds: dict[str, Any] = HERDS[clumping]
    return WorldRecipe(
        (
            Inhabitants(
                "elephant",
                {"woodland": 50.0 * factor, "floodplain": 34.0 * factor},
                herd_spacing_m=7.5,
                moving_share=0.3,
                recall=0.864,
                precision=0.894,
                **herds,
            ),
            Inhabitants(
                "zebra",
                {"woodland": 45.0 * factor, "floodplain": 75.0 * factor},
                moving_share=0.3,
                speed_mps=(0.4, 1.4),
                recall=0.842,
                precision=0.750,
                **herds,
            ),
        ),
        SPREADS,
    )


def scores(setting: Setting, options: argparse.Namespace, name: str) -> dict[str, Any]:
    """Fly the surveys of one setting and score every estimator, by species."""
    started = time.perf_counter()
    journal = None if options.journal is None else options.journal / f"{name.replace(' ', '-')}.jsonl"
    rows = run_surveys(
        WithoutPictures(setting), run_seeds(options.seed, options.runs), processes=options.processes, journal=journal
    )
    found = {kind: {e: score([row[kind][e] for row in rows]).document() for e in rows[0][kind]} for kind in rows[0]}
    for kind, each in found.items():
        one = each[CHOSEN]
        print(
            f"{name}, {kind}: coverage {one['coverage']:.3f} {[round(x, 3) for x in one['coverage_interval']]},"
            f" bias {one['bias']:+.3f} {[round(x, 3) for x in one['bias_interval']]}, CV {one['cv']:.3f}"
            f" (stated {one['stated_cv']:.3f}), width {one['mean_width']:.3f}; "
            + ", ".join(f"{e} {s['coverage']:.3f}/{s['mean_width']:.3f}" for e, s in each.items() if e != CHOSEN)
            + f"; {(time.perf_counter() - started) / max(len(rows), 1):.3f} s a survey",
            file=sys.stderr,
            flush=True,
        )
    return found


def coverage(options: argparse.Namespace) -> dict[str, Any]:
    """Two designs × three clumpings, 12 lines a stratum."""
    return {
        f"{kind}, {clumping}": scores(
            Setting(flying(kind, 12, options.scale), world(clumping), redraw=True), options, f"{kind}, {clumping}"
        )
        for clumping in HERDS
        for kind in DESIGNS
    }


def lines(options: argparse.Namespace) -> dict[str, Any]:
    """Few lines a stratum, by clumping."""
    return {
        f"{number} lines, {clumping}": scores(
            Setting(flying(SYSTEMATIC, number, options.scale), world(clumping), redraw=True),
            options,
            f"{number} lines, {clumping}",
        )
        for number in (4, 6, 8)
        for clumping in HERDS
    }


CARD = {
    # Recall and precision on flights over the land that chose the thresholds, and over land that the detector never saw
    # (docs/cards/simulated.md), then those of a world where it does badly.
    "elephant": {"stated": (0.935, 0.956), "another world": (0.868, 0.933), "a world it does badly in": (0.60, 0.70)},
    "zebra": {"stated": (0.866, 0.926), "another world": (0.872, 0.751), "a world it does badly in": (0.55, 0.60)},
}


def transfer(options: argparse.Namespace) -> dict[str, Any]:
    """A detector whose card was measured in one world, flown over others: by its card, and corrected by checking."""
    document = {}
    for where in ("another world", "a world it does badly in"):
        plain = world("herds")
        recipe = replace(
            plain,
            species=tuple(
                replace(
                    kind,
                    recall=CARD[kind.name][where][0],
                    precision=CARD[kind.name][where][1],
                    stated_recall=CARD[kind.name]["stated"][0],
                    stated_precision=CARD[kind.name]["stated"][1],
                )
                for kind in plain.species
            ),
        )
        flown = flying(SYSTEMATIC, 12, options.scale)
        document[where] = scores(Setting(flown, recipe, redraw=True), options, f"transfer, {where}")
    return document


R_SCRIPT = """
suppressMessages(library(survey))
options(survey.lonely.psu = "adjust")
lines <- read.csv("lines.csv"); runs <- read.csv("runs.csv")
by_run <- split(lines, lines$run)
out <- lapply(seq_len(nrow(runs)), function(i) {
  run <- runs[i, ]; total <- 0; v_srs <- 0; v_r2 <- 0; df <- 0; parts <- NULL
  for (one in split(by_run[[as.character(run$run)]], by_run[[as.character(run$run)]]$stratum)) {
    Z <- one$Z[1]; n <- nrow(one)
    one$N <- pmax(one$N, n)
    fit <- svyratio(~y, ~z, svydesign(ids = ~1, fpc = ~N, data = one))
    total <- total + Z * coef(fit); v_srs <- v_srs + Z^2 * as.numeric(vcov(fit)); df <- df + n - 1
    # Encounter rate variance R2 (Fewster et al. 2009), Distance's for lines at random, lengths as areas.
    L <- sum(one$z)
    r2 <- n / (L^2 * (n - 1)) * sum(one$z^2 * (one$y / one$z - sum(one$y) / L)^2)
    v_r2 <- v_r2 + Z^2 * r2; parts <- rbind(parts, c(Z^2 * r2, n - 1))
  }
  k <- run$factor; cvk2 <- run$factor_variance / k^2; N <- total * k
  se <- N * sqrt(v_srs / total^2 + cvk2)
  t <- qt(0.975, df)
  cv <- sqrt(v_r2 / total^2 + cvk2)
  dfd <- (v_r2 / total^2 + cvk2)^2 / (sum((parts[, 1] / total^2)^2 / parts[, 2]) + cvk2^2 / run$factor_df)
  C <- exp(qt(0.975, dfd) * sqrt(log(1 + cv^2)))
  c(run$run, N, N - t * se, N + t * se, N / C, N * C)
})
out <- as.data.frame(do.call(rbind, out)); names(out) <- c("run", "value", "lower", "upper", "lower_ln", "upper_ln")
write.csv(out, "found.csv", row.names = FALSE)
"""


def beside_r(options: argparse.Namespace) -> dict[str, Any]:
    """Width and coverage of the chosen limits beside R's on the same lines; both take the same correction."""
    document = {}
    for clumping in HERDS:
        for kind in DESIGNS:
            setting = Setting(flying(kind, 12, options.scale), world(clumping), redraw=True)
            surveyor = Surveyor(setting)
            counted = [surveyor.count(seed) for seed in run_seeds(options.seed, options.runs)]
            document[f"{kind}, {clumping}"] = _beside_r(counted, setting.recipe)
            print(f"{kind}, {clumping}: {document[f'{kind}, {clumping}']}", file=sys.stderr, flush=True)
    return document


def _beside_r(counted: Sequence[Counted], recipe: WorldRecipe) -> dict[str, Any]:
    lines, runs, ours = ["run,stratum,y,z,Z,N"], ["run,factor,factor_variance,factor_df"], []
    for survey in counted:
        results = estimate_all(survey, recipe)
        for one in survey.species:
            by, number = one.correction, len(ours)
            animals = np.bincount(one.transect, minlength=len(survey.drawn.lines.identifiers))
            for stratum in survey.drawn.strata:
                lines += [
                    f"{number},{stratum.name},{animals[i]},{survey.effort.area_m2[i]},{stratum.area_m2},"
                    f"{stratum.possible_transects}"
                    for i, name in enumerate(survey.drawn.lines.strata)
                    if name == stratum.name and survey.effort.area_m2[i] > 0
                ]
            runs.append(f"{number},{by.factor},{by.variance},{by.degrees_of_freedom}")
            ours.append((one.name, results[one.name][CHOSEN], results[one.name]["t limits"]))
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("lines.csv", lines), ("runs.csv", runs)):
            Path(folder, name).write_text("\n".join(rows) + "\n", encoding="utf-8")
        Path(folder, "it.R").write_text(R_SCRIPT, encoding="utf-8")
        subprocess.run(["Rscript", "it.R"], cwd=folder, check=True, capture_output=True)
        theirs = np.genfromtxt(Path(folder, "found.csv"), delimiter=",", skip_header=1)
    document: dict[str, Any] = {}
    for name in dict.fromkeys(o[0] for o in ours):
        rows = [i for i, o in enumerate(ours) if o[0] == name]
        truth = np.array([ours[i][1].truth for i in rows])
        limits = {
            CHOSEN: np.array([(ours[i][1].lower, ours[i][1].upper) for i in rows], dtype=float),
            "t limits": np.array([(ours[i][2].lower, ours[i][2].upper) for i in rows], dtype=float),
            "R survey::svyratio, t": theirs[rows][:, 2:4],
            "R as Distance: R2, log-normal": theirs[rows][:, 4:6],
        }
        value = np.array([ours[i][1].value for i in rows])
        document[name] = {
            "estimates differ by at most": float(np.abs(value / theirs[rows, 1] - 1).max()),
            **{
                label: {
                    "width": float(((each[:, 1] - each[:, 0]) / truth).mean()),
                    "coverage": float(((each[:, 0] <= truth) & (truth <= each[:, 1])).mean()),
                }
                for label, each in limits.items()
            },
        }
    return document


def pixels(options: argparse.Namespace) -> dict[str, Any]:
    """One setting with pictures, and without on the same worlds with the detector's errors as measured there."""
    from overfly.pixel_surveys import WithPictures

    plan, recipe = small_plan(), small_world()
    keep = options.journal / "pictures"
    seeds = run_seeds(options.seed, options.runs)
    journal = options.journal / "pixels.jsonl"
    seen = run_surveys(
        WithPictures(plan, recipe, keep=keep),
        seeds,
        journal=journal,
        progress=lambda done, total: print(f"{done} of {total}", file=sys.stderr, flush=True),
    )
    quality = measured([keep / f"survey-{seed}" for seed in seeds], [kind.name for kind in recipe.species])
    found = replace(
        recipe,
        species=tuple(
            replace(kind, recall=quality[kind.name]["recall"], precision=quality[kind.name]["precision"])
            for kind in recipe.species
        ),
    )
    drawn = run_surveys(WithoutPictures(Setting(Flying.of(plan), found)), seeds)
    document: dict[str, Any] = {"detector": quality, "species": {}}
    for name in quality:
        both = [(a[name], b[name]) for a, b in zip(seen, drawn, strict=True)]
        truth = np.array([a[CHOSEN].truth for a, _ in both])
        assert all(a[CHOSEN].truth == b[CHOSEN].truth for a, b in both)
        document["species"][name] = {
            estimator: {
                "with pictures": score([a[estimator] for a, _ in both]).document(),
                "without": score([b[estimator] for _, b in both]).document(),
                "difference": _paired(
                    [(a[estimator].value or 0.0) for a, _ in both],
                    [(b[estimator].value or 0.0) for _, b in both],
                    truth,
                ),
                "difference of stated CV": _paired(
                    [(a[estimator].cv or np.nan) for a, _ in both],
                    [(b[estimator].cv or np.nan) for _, b in both],
                    np.ones(len(truth)),
                ),
            }
            for estimator in (CHOSEN, "not corrected")
        }
    return document


def small_plan() -> Any:
    """Two strata of 1.5 by 0.5 km, six lines each: some 110 pictures of 800 × 600 pixels."""
    from flightplan.areas import LaunchSite, Stratum
    from flightplan.cameras import camera_named
    from flightplan.frames import LocalFrame
    from flightplan.planning import plan_survey
    from flightplan.request import PlanRequest

    frame = LocalFrame(34.83, -2.33)

    def box(west: float, east: float) -> Any:
        corners = frame.to_lonlat([(west, -250), (east, -250), (east, 250), (west, 250)])
        return shapely.Polygon([(round(x, 7), round(y, 7)) for x, y in corners.tolist()])

    strata = (Stratum("woodland", box(-1500, 0)), Stratum("floodplain", box(0, 1500)))
    area = StudyArea(name="small", strata=strata, exclusions=(), launch_sites=(LaunchSite("camp", 34.83, -2.33),))
    request = PlanRequest(
        camera=camera_named("overfly-demo"),
        altitude_agl_m=80.0,
        front_overlap=OVERLAP,
        min_lines=6,
        heading_deg=0.0,
        drone="overfly-demo",
        speed_mps=SPEED_MPS,
        seed=1,
    )
    return plan_survey(area, request)


def small_world() -> WorldRecipe:
    """As many animals as a small area needs for its surveys to say something."""
    return WorldRecipe(
        (
            Inhabitants("elephant", {"": 150.0}, herd_mean=3.0, herd_spacing_m=7.5, moving_share=0.2),
            Inhabitants("zebra", {"": 200.0}, herd_mean=4.0, moving_share=0.2, speed_mps=(0.4, 1.4)),
        ),
        counting=Counting(30, 20),
    )


def measured(folders: Sequence[Path], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Recall and precision of what the censuses hold against the truth of their pictures, box by box."""
    from scipy.optimize import linear_sum_assignment

    from counts.census import Census
    from counts.store import find_survey, latest_detection_run, read_captures
    from counts.store.detections import read_detections
    from overfly.pixel_surveys import SURVEY
    from sim.flights import TRUTH_FILE, read_truth

    right, shown, found = (dict.fromkeys(names, 0) for _ in range(3))
    for folder in folders:
        truths = {
            f"{path.parent.name}/{truth.frame}": truth
            for path in sorted((folder / "images").glob(f"*/{TRUTH_FILE}"))
            for truth in read_truth(path)
        }
        with Census.open(str(folder / "census.gpkg")) as census, census.reading() as session:
            survey_id = find_survey(session, SURVEY).survey_id
            run = latest_detection_run(session, survey_id)
            table = read_detections(session, run.run_id)
            paths = {c.capture_id: Path(c.capture.path) for c in read_captures(session, survey_id)}
        labels = np.array(table.labels)[table.label_ids] if len(table) else np.empty(0, dtype=str)
        for capture, path in paths.items():
            truth = truths[f"{path.parent.name}/{path.name}"]
            for name in names:
                real = np.array([a.box_px for a in truth.animals if a.species == name]).reshape(-1, 4)
                boxes = table.boxes_px[(table.capture_id == capture) & (labels == name)]
                shown[name] += len(real)
                found[name] += len(boxes)
                if len(real) and len(boxes):
                    middles = (real[:, None, :2] + real[:, None, 2:]) / 2 - (
                        boxes[None, :, :2] + boxes[None, :, 2:]
                    ) / 2
                    apart = np.hypot(*np.moveaxis(middles, -1, 0))
                    near = apart < 0.6 * (real[:, 2:] - real[:, :2]).max(axis=1)[:, None]
                    rows, columns = linear_sum_assignment(np.where(near, apart, 1e6))
                    right[name] += int(near[rows, columns].sum())
    return {
        name: {
            "recall": right[name] / shown[name],
            "precision": right[name] / found[name],
            "animals shown": shown[name],
            "boxes": found[name],
        }
        for name in names
    }


def _paired(first: Sequence[float], second: Sequence[float], truth: Any) -> dict[str, float]:
    """The mean of the differences relative to the truth, and its Monte-Carlo standard error."""
    apart = (np.array(first) - np.array(second)) / truth
    apart = apart[np.isfinite(apart)]
    return {"mean": float(apart.mean()), "standard_error": float(apart.std(ddof=1) / np.sqrt(len(apart)))}


PARTS = {"coverage": coverage, "lines": lines, "r": beside_r, "transfer": transfer, "pixels": pixels}


def main() -> None:
    """Run a part and print its document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--journal", type=Path)
    options = parser.parse_args()
    if options.journal is not None:
        options.journal.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    document = {"part": options.part, "runs": options.runs, "seed": options.seed, "scale": options.scale}
    document |= {"found": PARTS[options.part](options), "seconds": time.perf_counter() - started}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
