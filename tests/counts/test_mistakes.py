"""The mistakes found in public code (reference, "Mistakes"), each made on purpose: a law that holds here fails there.

A mistake is made in a copy of the module's own source, so that a test which no longer makes it fails as well.
"""

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

import counts.assignment
import counts.effort
import counts.estimators.bootstrap
import counts.estimators.jolly
import counts.estimators.limits
from counts.assignment import TransectLines
from counts.estimators import jolly1, jolly2, jolly3
from counts.population import Estimation, SampleEstimator, estimate_population
from flightplan.design import StratumDesign, Transect
from flightplan.frames import LocalFrame

# The package has a function of the same name.
LIMITS = sys.modules["counts.estimators.limits"]
COUNTS = np.array([14.0, 9, 22, 11, 17, 3, 0, 26])
AREAS = np.array([2.1, 1.4, 2.6, 1.9, 2.3, 1.2, 2.0, 2.9])
STRATUM_KM2, POSSIBLE = 120.0, 60.0


def broken(module: types.ModuleType, *changes: tuple[str, str]) -> types.ModuleType:
    """Return a copy of a module with a mistake typed into its source."""
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    for right, wrong in changes:
        assert source.count(right) == 1, f"the mistake can no longer be made: {right}"
        source = source.replace(right, wrong)
    copy = types.ModuleType(module.__name__)
    copy.__file__ = module.__file__
    copy.__package__ = module.__package__
    original, sys.modules[module.__name__] = sys.modules[module.__name__], copy
    try:
        exec(compile(source, module.__file__, "exec"), copy.__dict__)
    finally:
        sys.modules[module.__name__] = original
    return copy


def fails(law: Callable[..., None], *given: Any) -> bool:
    try:
        law(*given)
    except AssertionError:
        return True
    return False


def law_of_jolly_2(jolly: Any) -> None:
    """Norton-Griffiths 1978: N(N−n)/n · (s_y² − 2R·s_zy + R²·s_z²), with the covariance of counts and areas."""
    n, ratio = len(COUNTS), COUNTS.sum() / AREAS.sum()
    (s_yy, s_zy), (_, s_zz) = np.cov(COUNTS, AREAS)
    variance = POSSIBLE * (POSSIBLE - n) / n * (s_yy - 2 * ratio * s_zy + ratio**2 * s_zz)
    found = jolly.jolly2(COUNTS, AREAS, STRATUM_KM2, POSSIBLE)
    assert found.standard_error == pytest.approx(variance**0.5, rel=1e-9)


def test_jolly_2_keeps_its_brackets_and_the_covariance_in_them() -> None:
    law_of_jolly_2(counts.estimators.jolly)
    right = "spread_squared = float((residual**2).sum() / (n - 1))"
    for wrong in (
        # n typed for the covariance
        "spread_squared = float(y.var(ddof=1) - 2 * ratio * n + ratio**2 * z.var(ddof=1))",
        # the covariance forgotten
        "spread_squared = float(y.var(ddof=1) + ratio**2 * z.var(ddof=1))",
        # the brackets lost: the expansion multiplies the first term alone
        "spread_squared = float(y.var(ddof=1) + (ratio**2 * z.var(ddof=1)"
        " - 2 * ratio * np.cov(y, z)[0, 1]) / _expansion(big_n, n))",
    ):
        mistaken = broken(counts.estimators.jolly, (right, wrong))
        assert fails(law_of_jolly_2, mistaken), wrong
        off = mistaken.jolly2(COUNTS, AREAS, STRATUM_KM2, POSSIBLE).standard_error
        assert off != pytest.approx(jolly2(COUNTS, AREAS, STRATUM_KM2, POSSIBLE).standard_error, rel=0.03)


def law_of_95_percent() -> None:
    """Eight units: seven degrees of freedom, 2.5 % beyond each end. 2.3646 from any table; 1.8946 is for 90 %."""
    for found in (
        jolly1(COUNTS, POSSIBLE),
        jolly2(COUNTS, AREAS, STRATUM_KM2, POSSIBLE),
        jolly3(COUNTS, AREAS, STRATUM_KM2),
    ):
        assert found.upper is not None
        assert found.value is not None
        assert found.standard_error is not None
        assert (found.upper - found.value) / found.standard_error == pytest.approx(2.364624, rel=1e-6)


def test_limits_of_95_percent_are_not_those_of_90(monkeypatch: pytest.MonkeyPatch) -> None:
    law_of_95_percent()
    mistaken = broken(LIMITS, ("upper_tail = (1 + confidence) / 2", "upper_tail = confidence"))
    assert mistaken.t_quantile(7, 0.95) == pytest.approx(1.894579, rel=1e-6)
    monkeypatch.setattr(LIMITS, "t_quantile", mistaken.t_quantile)
    assert fails(law_of_95_percent)


def law_of_one_unit(jolly: Any) -> None:
    """One transect has no spread: no error, no limits, and the reason."""
    for found in (
        jolly.jolly1([14.0], 60.0),
        jolly.jolly2([14.0], [2.1], STRATUM_KM2, POSSIBLE),
        jolly.jolly3([14.0], [2.1], STRATUM_KM2),
    ):
        assert found.standard_error is None
        assert (found.lower, found.upper) == (None, None)
        assert "at least two" in (found.reason or "")


def test_one_transect_has_no_interval_without_width() -> None:
    law_of_one_unit(counts.estimators.jolly)
    mistaken = broken(
        counts.estimators.jolly,
        ("    elif n < 2:\n", "    elif n < 1:\n"),
        ("    elif not variance > 0:\n", "    elif not variance >= 0:\n"),
        (
            "    return estimate(\n        value,\n        components,\n",
            "    if n == 1:\n        return Estimate(value, 0.0, value, value, 0.0, df, method, n, None, seen)\n"
            "    return estimate(\n        value,\n        components,\n",
        ),
    )
    assert mistaken.jolly2([14.0], [2.1], STRATUM_KM2, POSSIBLE).upper is not None
    assert fails(law_of_one_unit, mistaken)
    # Without the first guard alone the second still holds: no width is never a measurement.
    half = broken(counts.estimators.jolly, ("    elif n < 2:\n", "    elif n < 1:\n"))
    assert half.jolly2([14.0], [2.1], STRATUM_KM2, POSSIBLE).lower is None


def law_of_the_bootstrap(bootstrap: Any) -> None:
    """Resampled transects have the spread of the linearised ratio, less the (n−1)/n of drawing from the sample."""
    rng = np.random.default_rng(5)
    areas = rng.uniform(1.5, 2.5, 24)
    seen = rng.poisson(8 * areas * rng.gamma(4, 0.25, 24)).astype(float)
    n, residual = len(areas), seen - seen.sum() / areas.sum() * areas
    expected = STRATUM_KM2 / (n * areas.mean()) * np.sqrt((residual**2).sum())
    found, _ = bootstrap.bootstrap_ratio([seen], [areas], [STRATUM_KM2], seed=3, replicates=8000)
    assert found.standard_error == pytest.approx(expected, rel=0.05)


def test_a_transect_drawn_twice_counts_twice() -> None:
    law_of_the_bootstrap(counts.estimators.bootstrap)
    right = "times = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), size=replicates)"
    mistaken = broken(counts.estimators.bootstrap, (right, right.replace("rng.", "np.minimum(1, rng.") + ")"))
    assert fails(law_of_the_bootstrap, mistaken), "x in sample: a unit drawn three times counts once"


FRAME = LocalFrame(34.83, -2.33)
LINES, LENGTH_M, STRIP_M, STEP_M = 10, 960.0, 96.0, 60.0


def line(number: int) -> Transect:
    ends = [[number * 400.0, 0.0], [number * 400.0, LENGTH_M]]
    start, end = (tuple(p) for p in FRAME.to_lonlat(ends).tolist())
    return Transect(f"T{number}", "park", number + 1, ((start, end),), LENGTH_M, STRIP_M * LENGTH_M)  # type: ignore[arg-type]


TRANSECTS = tuple(line(i) for i in range(LINES))
STRATUM = StratumDesign("park", LINES * 400 * LENGTH_M, LINES * 400.0, LINES * 400 / STRIP_M, TRANSECTS)
OF_LINES = TransectLines.of(TRANSECTS, FRAME)
CENTRES = np.array([[i * 400.0, STEP_M * (k + 0.5)] for i in range(LINES) for k in range(16)])


def footprints(width_m: float = STRIP_M, shift_m: float = 0.0) -> Any:
    corners = CENTRES + np.array([shift_m, 0.0])
    half = np.array([width_m / 2, 36.0])
    return shapely.box(*(corners - half).T, *(corners + half).T)


def law_of_units() -> None:
    """Density differs from line to line and hardly along one: the error is that between lines."""
    assigned = counts.assignment.assign_to_transects(CENTRES, np.zeros(len(CENTRES)), OF_LINES, cross_track_limit_m=5.0)
    effort = counts.effort.measure_effort(footprints(), assigned, OF_LINES)
    on_lines = np.repeat(np.arange(LINES), [0, 3, 40, 8, 1, 22, 0, 30, 5, 12])
    plain = estimate_population("zebra", on_lines, effort, OF_LINES, [STRATUM]).total
    asked = Estimation(SampleEstimator.BOOTSTRAP)
    drawn = estimate_population("zebra", on_lines, effort, OF_LINES, [STRATUM], how=asked).total
    assert drawn.units == LINES
    # No finite-population correction, and (n−1)/n of drawing from the sample.
    correction = np.sqrt((LINES - 1) / LINES / (1 - LINES / (STRATUM.possible_transects or 0)))
    assert drawn.cv == pytest.approx(plain.cv * correction, rel=0.1)


def test_transects_are_resampled_and_not_their_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    law_of_units()
    right = counts.estimators.bootstrap_ratio

    def of_frames(seen: Any, areas: Any, strata: Any, **options: Any) -> Any:
        split = [[np.repeat(np.asarray(a) / 16, 16) for a in each] for each in (seen, areas)]
        return right(*split, strata, **options)

    monkeypatch.setattr("counts.population.bootstrap_ratio", of_frames)
    assert fails(law_of_units)


def law_of_two_cameras(effort: Any) -> None:
    """Two cameras side by side see 60 m each and 20 m of it together: 100 m of strip, each square metre once."""
    both = np.concatenate([footprints(60.0, -20.0), footprints(60.0, 20.0)])
    places = np.concatenate([CENTRES, CENTRES])
    assigned = counts.assignment.assign_to_transects(places, np.zeros(len(places)), OF_LINES, cross_track_limit_m=5.0)
    found = effort.measure_effort(both, assigned, OF_LINES)
    assert found.area_m2 == pytest.approx(np.full(LINES, 100.0 * (LENGTH_M + 12.0)))


def test_ground_that_two_cameras_see_at_once_is_searched_once() -> None:
    law_of_two_cameras(counts.effort)
    summed = "np.array([shapely.area(footprints[assignment.transect == i]).sum() for i in range(number)])"
    mistaken = broken(counts.effort, ("    area = shapely.area(strips)\n", f"    area = {summed}\n"))
    assert fails(law_of_two_cameras, mistaken)


def law_of_unknown_heights(assignment: Any) -> None:
    """A picture without a height is off effort, is told of, and its ground was not searched."""
    heights = np.full(len(CENTRES), 80.0)
    heights[[20, 21, 22]] = np.nan
    found = assignment.assign_to_transects(
        CENTRES, np.zeros(len(CENTRES)), assignment.TransectLines.of(TRANSECTS, FRAME),
        cross_track_limit_m=5.0, heights_agl_m=heights, height_limits_m=(60.0, 100.0),
    )  # fmt: skip
    text = "height above ground outside the limits, or unknown"
    assert found.tally.get(text) == 3
    assert [found.reason(i) for i in (19, 20, 21, 22)] == [None, text, text, text]
    effort = counts.effort.measure_effort(footprints(), found, OF_LINES, planned_width_m=STRIP_M)
    # Three frames of 60 m, but for the 6 m at either end that their neighbours' footprints reach into.
    assert effort.area_m2[0] - effort.area_m2[1] == pytest.approx((180.0 - 12.0) * STRIP_M)
    assert any(note.startswith("T1: 16128 m² of its strip were not seen") for note in effort.notes)


def test_a_picture_without_a_height_is_never_dropped_in_silence() -> None:
    law_of_unknown_heights(counts.assignment)
    right = "        codes[~((height >= height_limits_m[0]) & (height <= height_limits_m[1]))] = OffEffort.HEIGHT\n"
    as_flown = right.replace("codes[~(", "codes[np.isfinite(height) & ~(")
    assert fails(law_of_unknown_heights, broken(counts.assignment, (right, as_flown))), "unknown taken as planned"
    silent = ("return None if code is OffEffort.ON_EFFORT else code.text", "return None")
    assert fails(law_of_unknown_heights, broken(counts.assignment, silent)), "off effort, and nobody is told"
    tally = ("for code in OffEffort if (self.codes == code).any()", "for code in (OffEffort.ON_EFFORT,)")
    assert fails(law_of_unknown_heights, broken(counts.assignment, tally)), "left out of the tally"
