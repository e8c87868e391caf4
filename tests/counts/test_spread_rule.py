"""Which variance between transects is used is read from the design that was recorded, and said in the estimate."""

import numpy as np
import pytest
from click.testing import CliRunner

from counts.census import Census
from counts.estimators import EncounterVariance, jolly2
from counts.estimators.encounter_rate import spread_freedom
from counts.population import Estimation
from counts.spread_rule import spread_of, trend
from flightplan.design import COMPLEMENTARY, FULL, KINDS, RANDOM, SEGMENTED, SYSTEMATIC, ZIGZAG
from overfly.chain import count_survey
from overfly.cli import main

RISING = [0, 1, 1, 3, 2, 4, 6, 5, 8, 9, 9, 12]
LEVEL = [5, 0, 7, 1, 6, 2, 2, 9, 0, 3, 8, 1]
AREAS = np.ones(12)


@pytest.mark.parametrize("kind", KINDS)
def test_unless_asked_every_design_has_the_variance_of_a_random_sample(kind: str) -> None:
    for counts in (RISING, LEVEL):
        assert spread_of(kind, counts, AREAS)[0] is None


@pytest.mark.parametrize("kind", [RANDOM, SEGMENTED, ZIGZAG, COMPLEMENTARY, FULL])
def test_a_trend_is_followed_across_systematic_lines_alone(kind: str) -> None:
    assert spread_of(kind, RISING, AREAS, follow_trend=True)[0] is None
    assert spread_of(SYSTEMATIC, RISING, AREAS, follow_trend=True)[0] is EncounterVariance.O2
    assert spread_of(SYSTEMATIC, LEVEL, AREAS, follow_trend=True)[0] is None


def test_each_design_has_its_reason() -> None:
    said = {kind: spread_of(kind, RISING, AREAS)[1] or "" for kind in KINDS}
    assert "as the lines were drawn" in said[RANDOM]
    assert "on the safe side where neighbours are alike" in said[ZIGZAG]
    assert "segments" in said[SEGMENTED]
    assert "density rises across them (rank correlation 0.98" in said[SYSTEMATIC]
    assert "density falls" in (spread_of(SYSTEMATIC, RISING[::-1], AREAS)[1] or "")
    assert said[FULL] == ""


def test_one_large_herd_and_lines_that_were_not_flown_are_no_trend() -> None:
    herd = [2, 1, 3, 2, 1, 2, 3, 1, 2, 1, 3, 400]
    assert spread_of(SYSTEMATIC, herd, AREAS, follow_trend=True)[0] is None
    missing = np.where(np.arange(12) % 3 == 0, 0.0, 1.0)
    gaps = np.where(missing > 0, RISING, 0)
    found = trend(gaps, missing)
    assert found is not None
    assert found[0] > 0.9, "a line without effort is no line without animals"
    assert trend(RISING[:7], AREAS[:7]) is None
    assert "fewer than 8" in (spread_of(SYSTEMATIC, RISING[:7], AREAS[:7], follow_trend=True)[1] or "")


def test_neighbouring_differences_share_lines_so_they_have_fewer_degrees_of_freedom() -> None:
    """Against the variance of the variance itself, simulated: df = 2·E²/Var."""
    rng = np.random.default_rng(1)
    squares = (np.diff(rng.normal(size=(40_000, 12)), axis=1) ** 2).sum(axis=1)
    assert spread_freedom(EncounterVariance.O2, 12) == pytest.approx(2 * squares.mean() ** 2 / squares.var(), rel=0.03)
    assert [spread_freedom(kind, 12) for kind in (None, EncounterVariance.R2, EncounterVariance.S2)] == [11, 11, 6]
    wide, narrow = (jolly2(LEVEL, AREAS, 60, 60, spread=kind) for kind in (EncounterVariance.SUCCESSIVE, None))
    assert narrow.degrees_of_freedom == pytest.approx(11)
    assert wide.degrees_of_freedom == pytest.approx(2 * 11**2 / 32)


def test_a_count_says_which_variance_it_took_and_why(filled: Census) -> None:
    plain = count_survey(filled, species=["zebra"])
    (said,) = {note for e in plain.estimates for note in e.notes}
    assert said == "variance between lines: a random sample's, for no trend across them is evident"
    followed = count_survey(filled, species=["zebra"], how=Estimation(follow_trend=True))
    assert [(e.value, e.lower, e.upper) for e in followed.estimates] == [
        (e.value, e.lower, e.upper) for e in plain.estimates
    ]
    asked = count_survey(filled, species=["zebra"], how=Estimation(spread=EncounterVariance.S2))
    assert all("S2" in e.method and not e.notes for e in asked.estimates), "what a person asked for needs no reason"


def test_the_command_takes_auto(filled: Census) -> None:
    done = CliRunner().invoke(main, ["count", str(filled.where), "--spread", "auto", "--json"])
    assert done.exit_code == 0, done.output
    assert "no trend across them is evident" in done.stdout
