"""Limits beside R's on the same lines: as they are, and as wide as each would have to be to hold the truth as often.

Run by virtual_surveys.py, part `widths`. Of each survey it keeps what was counted on each line and the animals that
were really in its strip. From both, this package and R estimate the park's number with 95 % limits: from the count with
the same correction, and from the animals in the strips, which is the error of sampling alone.

A method whose limits are narrow and hold too seldom is not the better one. So beside coverage and width there are the
width at equal coverage, each survey's limits stretched about its estimate (on the scale that is better for the method,
logarithmic or not) until 95 % of these surveys hold the truth, and the interval score, the width and 40 times what the
truth lies outside of it (Gneiting & Raftery 2007, eq. 43), of which a smaller one is better.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from counts.estimators import Estimate, LimitForm, jolly2, total
from counts.verification import Correction, apply
from flightplan.frames import Floats
from sim.virtual.runs import run_seeds
from sim.virtual.surveys import Counted, Setting, Surveyor

CONFIDENCE = 0.95
RESAMPLED = 400
CHOSEN, T_LIMITS = "chosen", "t limits"
R_SURVEY, R_DISTANCE = "R survey::svyratio, t", "R as Distance: R2, log-normal"
SEEN = "all seen: "
"""Before the name of a method: from the animals that were in the strips."""

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


@dataclass(frozen=True)
class Limits:
    """Estimates of the same surveys by one method, and their limits, beside the truth, each (n,)."""

    value: Floats
    lower: Floats
    upper: Floats
    truth: Floats

    def rows(self, rows: Any) -> Limits:
        """Some of the surveys."""
        return Limits(self.value[rows], self.lower[rows], self.upper[rows], self.truth[rows])

    @property
    def coverage(self) -> float:
        """The share of surveys whose limits hold the truth."""
        return float(((self.lower <= self.truth) & (self.truth <= self.upper)).mean())

    @property
    def width(self) -> float:
        """The mean width over the truth."""
        return float(((self.upper - self.lower) / self.truth).mean())

    @property
    def scores(self) -> Floats:
        """The interval score (n,) of each survey over its truth."""
        outside = np.maximum(self.lower - self.truth, 0.0) + np.maximum(self.truth - self.upper, 0.0)
        return np.asarray((self.upper - self.lower + 2 / (1 - CONFIDENCE) * outside) / self.truth)

    @property
    def width_at_equal_coverage(self) -> float:
        """The mean width over the truth of limits stretched until 95 % hold it, on the better of two scales."""
        away = self.truth - self.value
        reach = np.where(away >= 0, self.upper - self.value, self.value - self.lower)
        linear = float(np.quantile(np.abs(away) / reach, CONFIDENCE))
        plain = linear * self.width
        if not (self.lower > 0).all():
            return plain
        down, up = np.log(self.value / self.lower), np.log(self.upper / self.value)
        away = np.log(self.truth / self.value)
        by = float(np.quantile(np.abs(away) / np.where(away >= 0, up, down), CONFIDENCE))
        stretched = self.value * (np.exp(by * up) - np.exp(-by * down))
        return min(plain, float((stretched / self.truth).mean()))


def lines_of(counted: Counted) -> dict[str, Any]:
    """What a survey found line by line, as any program needs it to estimate anew; plain values."""
    lines, areas = counted.drawn.lines, counted.effort.area_m2
    number = len(lines.identifiers)
    return {
        "seed": counted.seed,
        "strata": {s.name: [float(s.area_m2), s.possible_transects] for s in counted.drawn.strata},
        "stratum": list(lines.strata),
        "area_m2": [float(a) for a in areas],
        "species": {
            one.name: {
                "truth": float(sum(one.truth.values())),
                "counted": np.bincount(one.transect, minlength=number).tolist(),
                "in_strip": np.bincount(one.in_strips, minlength=number).tolist(),
                "factor": one.correction.factor,
                "variance": one.correction.variance,
                "freedom": one.correction.degrees_of_freedom,
                "response": one.correction.response,
                "seen": dict(one.seen),
            }
            for one in counted.species
        },
    }


def widths(setting: Setting, seed: int, runs: int, kept: Path | None) -> dict[str, Any]:
    """Fly one setting, and score every method's limits by species; `kept` is a file of lines flown before."""
    records = list(_flown(setting, seed, runs, kept))
    return {kind.name: scored(limits_of(records, kind.name)) for kind in setting.recipe.species}


def scored(found: dict[str, Limits]) -> dict[str, Any]:
    """Each method's coverage, widths and interval score, and how these stand to the chosen one's."""
    rng = np.random.default_rng(1)
    number = len(found[CHOSEN].truth)
    drawn = rng.integers(0, number, (RESAMPLED, number))
    document: dict[str, Any] = {"n": number}
    for name, each in found.items():
        against = found[SEEN + CHOSEN if name.startswith(SEEN) else CHOSEN]
        ratios = [
            each.rows(rows).width_at_equal_coverage / against.rows(rows).width_at_equal_coverage for rows in drawn
        ]
        apart = each.scores - against.scores
        document[name] = {
            "coverage": each.coverage,
            "width": each.width,
            "width at equal coverage": each.width_at_equal_coverage,
            "of the chosen one's": each.width_at_equal_coverage / against.width_at_equal_coverage,
            "of the chosen one's, 95 %": np.quantile(ratios, [0.025, 0.975]).tolist(),
            "score": float(each.scores.mean()),
            "score less the chosen one's": float(apart.mean()),
            "its standard error": float(apart.std(ddof=1) / np.sqrt(number)),
            "cv": float(np.std(each.value - each.truth, ddof=1) / each.truth.mean()),
        }
    return document


def limits_of(records: Sequence[dict[str, Any]], name: str) -> dict[str, Limits]:
    """The limits of every method for one species, of the surveys that every method has limits for."""
    truth = np.array([r["species"][name]["truth"] for r in records])
    found: dict[str, Limits] = {}
    for before, key in (("", "counted"), (SEEN, "in_strip")):
        for label, form in ((CHOSEN, LimitForm.LOGNORMAL), (T_LIMITS, LimitForm.T)):
            ours = [_ours(r, name, key, form) for r in records]
            values = np.array([[e.value, e.lower, e.upper] for e in ours], dtype=np.float64)
            found[before + label] = Limits(*values.T, truth)
        theirs = _theirs(records, name, key)
        assert np.nanmax(np.abs(theirs[:, 0] / found[before + CHOSEN].value - 1)) < 1e-9
        found[before + R_SURVEY] = Limits(*theirs[:, :3].T, truth)
        found[before + R_DISTANCE] = Limits(theirs[:, 0], *theirs[:, 3:5].T, truth)
    whole = np.all(
        [np.isfinite(each.upper - each.lower) & (each.upper > each.lower) for each in found.values()], axis=0
    )
    return {label: each.rows(whole & (truth > 0)) for label, each in found.items()}


def _ours(record: dict[str, Any], name: str, key: str, form: LimitForm) -> Estimate:
    """What `counts.population` makes of these lines."""
    one, strata, area = record["species"][name], np.array(record["stratum"]), np.array(record["area_m2"])
    counts, parts = np.array(one[key]), []
    for stratum, (stratum_m2, possible) in record["strata"].items():
        mine = strata == stratum
        part = jolly2(counts[mine], area[mine], stratum_m2, possible, form=form)
        if key == "counted":
            by = Correction(
                "detection", one["factor"], one["variance"], one["freedom"], "checked", "checked",
                response=one["response"],
            )  # fmt: skip
            part = apply(part, by, verified=one["seen"].get(stratum))
        parts.append(part)
    return total(parts, names=list(record["strata"]))


def _theirs(records: Sequence[dict[str, Any]], name: str, key: str) -> Floats:
    """R's estimates (n, 5): value, limits of svyratio, limits as Distance draws them."""
    lines, runs = ["run,stratum,y,z,Z,N"], ["run,factor,factor_variance,factor_df"]
    for number, record in enumerate(records):
        one = record["species"][name]
        for stratum, y, z in zip(record["stratum"], one[key], record["area_m2"], strict=True):
            if z > 0:
                area, possible = record["strata"][stratum]
                lines.append(f"{number},{stratum},{y},{z},{area},{possible}")
        if key == "counted":
            runs.append(f"{number},{one['factor']},{one['variance']},{one['freedom']}")
        else:
            runs.append(f"{number},1,0,1000000")
    with tempfile.TemporaryDirectory() as folder:
        for file, rows in (("lines.csv", lines), ("runs.csv", runs)):
            Path(folder, file).write_text("\n".join(rows) + "\n", encoding="utf-8")
        Path(folder, "it.R").write_text(R_SCRIPT, encoding="utf-8")
        subprocess.run(["Rscript", "it.R"], cwd=folder, check=True, capture_output=True)
        found = np.genfromtxt(Path(folder, "found.csv"), delimiter=",", skip_header=1)
    return np.asarray(found[:, 1:], dtype=np.float64)


def _flown(setting: Setting, seed: int, runs: int, kept: Path | None) -> Iterator[dict[str, Any]]:
    """The lines of each survey; those in the file are not flown again."""
    known: dict[int, dict[str, Any]] = {}
    if kept is not None and kept.exists():
        whole = kept.read_text(encoding="utf-8").rpartition("\n")[0]
        known = {record["seed"]: record for record in map(json.loads, whole.splitlines())}
        kept.write_text(whole + "\n", encoding="utf-8")
    surveyor = Surveyor(setting)
    for number, one in enumerate(run_seeds(seed, runs)):
        if one not in known:
            known[one] = lines_of(surveyor.count(one))
            if kept is not None:
                with kept.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(known[one]) + "\n")
        if number % 100 == 99:
            print(f"{number + 1} of {runs}", file=sys.stderr, flush=True)
        if all(each["factor"] is not None for each in known[one]["species"].values()):
            yield known[one]
