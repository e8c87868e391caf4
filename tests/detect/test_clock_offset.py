"""How far the camera's clock is ahead of the vehicle's, told by the pattern of the shots alone."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.clock_offset import ClockOffset, NoOffset, find_offset

_spec = importlib.util.spec_from_file_location("flown_shots", Path(__file__).with_name("flown_shots.py"))
flown_shots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flown_shots)
START_S, survey_s = flown_shots.START_S, flown_shots.survey_s


# The clock's offset


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(-40_000, 40_000),
    st.floats(0, 0.3),
    st.floats(0, 0.1),
    st.booleans(),
)
def test_a_survey_with_turns_tells_the_offset_whatever_is_lost_or_added(seed, ahead_s, lost, added, whole) -> None:
    rng = np.random.default_rng([seed, 4])
    shots = survey_s(4, 12, seed)
    taken = shots[rng.random(len(shots)) >= lost] + ahead_s
    taken = taken + rng.normal(0, 0.08, len(taken))
    odd = rng.uniform(taken.min(), taken.max(), int(added * len(taken)))
    taken = rng.permutation(np.concatenate([taken, odd]))
    found = find_offset(np.floor(taken) if whole else taken, shots, whole_seconds=whole)
    if isinstance(found, NoOffset):
        # With whole seconds and much lost it may be refused (1 in 100), never wrong.
        assert whole
        assert "more than one offset" in found.reason
        return
    assert found.offset_s == pytest.approx(ahead_s, abs=0.35 if whole else 0.1)
    right = np.abs(taken[found.picture] - ahead_s - shots[found.shot]) < 1.2
    assert right.mean() > 0.97


def test_few_offsets_are_refused_with_whole_seconds_and_a_shot_in_ten_lost() -> None:
    told = 0
    for seed in range(40):
        rng = np.random.default_rng([seed, 9])
        shots = survey_s(4, 12, seed)
        taken = np.floor(shots[rng.random(48) >= 0.1] + rng.uniform(-4e4, 4e4))
        told += isinstance(find_offset(taken, shots, whole_seconds=True), ClockOffset)
    assert told >= 39


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 60), st.floats(1.5, 6.0))
def test_shots_like_clockwork_tell_no_offset_and_both_rivals_are_named(seed, count, interval) -> None:
    rng = np.random.default_rng([seed, 6])
    shots = START_S + interval * np.arange(count + 3.0)
    found = find_offset(shots[2:-1] + 77.0 + rng.normal(0, 0.03, count), shots)
    assert isinstance(found, NoOffset)
    assert "more than one offset" in found.reason
    assert "1 to 403 is asked for" in found.reason


def test_pictures_of_another_flight_are_not_laid_on_this_one() -> None:
    found = find_offset(survey_s(4, 12, 1) + 500.0, survey_s(4, 12, 2))
    assert isinstance(found, NoOffset)


def test_too_few_pictures_tell_nothing() -> None:
    assert isinstance(find_offset(survey_s()[:3], survey_s()), NoOffset)


def test_a_thousand_pictures_of_a_day_are_laid_on_its_flights() -> None:
    shots = np.concatenate([survey_s(9, 40, n) + 4000.0 * n for n in range(3)])
    found = find_offset(np.floor(shots[100:] - 3600.25), shots, whole_seconds=True)
    assert isinstance(found, ClockOffset)
    assert found.offset_s == pytest.approx(-3600.25, abs=0.2)
    assert (found.shot == found.picture + 100).mean() > 0.99
