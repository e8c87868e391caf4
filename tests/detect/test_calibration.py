"""Scores as probabilities: learnt curves rise, come back from text as they were, and are right about how often."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.calibration import Curve, Method, calibrated_detector, fit_calibration, read_calibration, reliability
from detect.detections import Detections, sorted_detections
from detect.detectors import load_detector
from detect.detectors.model_facts import ModelFacts, Thresholds
from detect.models import shipped_model
from flightplan.errors import DetectorError

Flags = npt.NDArray[np.bool_]
METHODS: tuple[Method, ...] = ("platt", "isotonic")


def overconfident(n: int, seed: int = 5) -> tuple[npt.NDArray[np.float64], Flags]:
    """Scores whose square is how often they are right."""
    rng = np.random.default_rng([seed])
    scores = rng.uniform(0.01, 0.99, n)
    return scores, rng.random(n) < scores**2


@pytest.mark.parametrize("method", METHODS)
def test_what_was_learnt_on_some_flights_holds_on_others(method: Method) -> None:
    scores, right = overconfident(4000)
    learnt = fit_calibration(scores, ["kob"] * 4000, right, method=method)
    assert learnt is not None
    scores, right = overconfident(20000, seed=6)
    made = learnt.apply(scores, ["kob"] * 20000)
    before, after = reliability(scores, right), reliability(made, right)
    assert before.error is not None
    assert after.error is not None
    # |s - s²| is 1/6 on average.
    assert before.error == pytest.approx(1 / 6, abs=0.01)
    assert after.error < 0.03
    assert after.brier is not None
    assert before.brier is not None
    assert after.brier < before.brier


def test_isotonic_regression_of_a_few_is_the_one_worked_out_by_hand() -> None:
    # Right or wrong by rising score: 0 1 0 0 1 1: the 1 before two 0s is pooled with them to a third.
    scores = np.repeat([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 6)
    right = np.repeat([False, True, False, False, True, True], 6)
    learnt = fit_calibration(scores, ["a"] * 36, right, method="isotonic")
    assert learnt is not None
    made = learnt.apply(np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9]), ["a"] * 8)
    assert made.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3, 1, 1, 1], abs=1e-6)


def test_platt_scaling_finds_the_curve_that_made_the_data() -> None:
    rng = np.random.default_rng([3])
    scores = rng.uniform(0.02, 0.98, 60_000)
    logit = np.log(scores / (1 - scores))
    right = rng.random(60_000) < 1 / (1 + np.exp(-(0.6 * logit - 1.1)))
    learnt = fit_calibration(scores, ["a"] * 60_000, right)
    assert learnt is not None
    assert learnt.all_labels.knots == pytest.approx((0.6, -1.1), abs=0.04)


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 200))
def test_a_better_score_is_never_a_worse_probability(method: Method, seed: int, n: int) -> None:
    rng = np.random.default_rng([seed])
    scores, right = np.round(rng.random(n), 2), rng.random(n) < 0.4
    learnt = fit_calibration(scores, ["a"] * n, right, method=method)
    if learnt is None:
        assert n < 30 or min(right.sum(), (~right).sum()) < 5
        return
    made = learnt.apply(np.linspace(0, 1, 101), ["a"] * 101)
    assert np.all(np.diff(made) >= 0)
    assert made.min() >= 0
    assert made.max() <= 1
    again = read_calibration(learnt.to_json())
    assert again.apply(scores, ["a"] * n) == pytest.approx(learnt.apply(scores, ["a"] * n), abs=1e-5)


def test_a_label_with_too_few_marks_is_calibrated_as_all_are() -> None:
    scores, right = overconfident(500)
    labels = ["kob"] * 480 + ["topi"] * 20
    learnt = fit_calibration(scores, labels, right)
    assert learnt is not None
    assert list(learnt.labels) == ["kob"]
    one = np.array([0.5])
    assert learnt.apply(one, ["topi"])[0] == learnt.all_labels(one)[0]
    assert learnt.apply(one, ["kob"])[0] == learnt.labels["kob"](one)[0]
    assert fit_calibration(scores[:20], labels[:20], right[:20]) is None


def test_reliability_by_hand() -> None:
    found = reliability(np.array([0.95, 0.85, 0.85, 1.0]), np.array([True, True, False, True]))
    assert found.n == (0, 0, 0, 0, 0, 0, 0, 0, 2, 2)
    assert found.score[8:] == pytest.approx((0.85, 0.975))
    assert found.right[8:] == (0.5, 1.0)
    assert found.right[0] is None
    assert found.error == pytest.approx((2 * 0.35 + 2 * 0.025) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.15**2 + 0.85**2) / 4)
    assert reliability(np.empty(0), np.empty(0, bool)).error is None


class Fixed:
    """A detector that finds the same three things in every tile."""

    names = ("kob", "topi")
    content_hash = "f" * 64
    fixed_tile_px = None

    def __init__(self, threshold: float | None = None, calibration: str = "") -> None:
        self.facts = ModelFacts("detect", self.names, 0.2, calibration=calibration)
        self.thresholds = Thresholds.choose(self.facts, threshold, None)
        self.threshold = self.thresholds.lowest

    def detect_batch(self, tiles: Sequence[npt.NDArray[np.uint8]]) -> list[Detections]:
        boxes = [[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]]
        found = sorted_detections(boxes, [0.9, 0.5, 0.25], [0, 1, 0], self.names, self.content_hash)
        return [found.take(found.scores >= self.threshold) for _ in tiles]


TILES = [np.zeros((64, 64, 3), np.uint8)]


def test_a_calibrated_detector_gives_probabilities_and_is_another_run() -> None:
    scores, right = overconfident(4000)
    learnt = fit_calibration(scores, ["kob"] * 4000, right)
    assert learnt is not None
    plain = Fixed(calibration=learnt.to_json())
    made = calibrated_detector(lambda **asked: Fixed(**asked, calibration=learnt.to_json()))
    (before,), (after,) = plain.detect_batch(TILES), made.detect_batch(TILES)
    assert after.scores == pytest.approx(learnt.apply(before.scores, before.labels), abs=1e-6)
    assert after.scores[0] == pytest.approx(0.81, abs=0.05)
    assert after.labels == before.labels
    assert made.content_hash != plain.content_hash
    assert after.detector == made.content_hash
    # The model's own threshold, 0.2, is a probability of about 0.04.
    assert made.threshold == pytest.approx(0.04, abs=0.03)


def test_thresholds_asked_of_a_calibrated_detector_are_probabilities() -> None:
    scores, right = overconfident(4000)
    learnt = fit_calibration(scores, ["kob"] * 4000, right)
    assert learnt is not None

    def load(**asked: float) -> Fixed:
        return Fixed(asked.get("threshold"), learnt.to_json())

    def found(threshold: float | None, thresholds: dict[str, float] | None = None) -> list[str]:
        (one,) = calibrated_detector(load, threshold, thresholds).detect_batch(TILES)
        return [f"{label} {score:.1f}" for label, score in zip(one.labels, one.scores, strict=True)]

    # 0.9, 0.5 and 0.25 are about 0.8, 0.25 and 0.06.
    assert found(0.7) == ["kob 0.8"]
    assert found(0.15) == ["kob 0.8", "topi 0.2"] or found(0.15) == ["kob 0.8", "topi 0.3"]
    assert len(found(0.01)) == 3
    assert found(None, {"kob": 0.95})[0].startswith("topi")
    assert found(0.7, {"topi": 0.1})[1].startswith("topi")
    with pytest.raises(DetectorError, match="does not know 'oribi'"):
        found(None, {"oribi": 0.5})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"n":1,"all":{"method":"platt","knots":[-1,0],"values":[]},"labels":{}}',
        '{"n":1,"all":{"method":"isotonic","knots":[0.1,0.2],"values":[0.5,0.4]},"labels":{}}',
        '{"n":1,"all":{"method":"isotonic","knots":[],"values":[]},"labels":{}}',
        '{"n":1,"all":{"method":"platt","knots":[NaN,0],"values":[]},"labels":{}}',
    ],
)
def test_what_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(DetectorError, match="calibration"):
        calibrated_detector(lambda **asked: Fixed(**asked, calibration=text))


def test_the_shipped_model_has_no_calibration_and_says_so() -> None:
    with pytest.raises(DetectorError, match="no calibration"):
        load_detector(shipped_model(), threads=1, calibrated=True)


def test_the_lowest_score_for_a_probability_is_where_a_curve_first_reaches_it() -> None:
    scores, right = overconfident(4000)
    learnt = fit_calibration(scores, ["kob"] * 4000, right)
    assert learnt is not None
    low = learnt.lowest_score(0.5)
    assert learnt.apply(np.array([low]), ["kob"])[0] >= 0.5 > learnt.apply(np.array([low - 0.002]), ["kob"])[0]
    assert Curve("isotonic", (0.0, 1.0), (0.0, 0.4))(np.array([0.5]))[0] == pytest.approx(0.2)
