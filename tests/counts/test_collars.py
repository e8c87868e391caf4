"""Collars and cameras: what they tell a count, with the animal and not the fix as the unit."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from counts.availability import read_availability
from counts.cameras import capture_history, presence
from counts.collars import HourShare, availability_by_hour, availability_file, marks_present, speed_quantiles
from counts.store.elsewhere import CameraEntry, DeploymentEntry
from counts.store.received import AnimalTrack
from flightplan.errors import EstimateError

START = np.datetime64("2026-02-14T00:00:00", "ms")
# A degree of longitude on the equator of WGS 84: 6 378 137 m x pi / 180.
DEGREE_M = 111_319.4908


def track(name, speeds_mps, gap_s=600, taxon="Loxodonta africana", longitude=34.8):
    steps = np.concatenate([[0.0], np.cumsum(np.asarray(speeds_mps) * gap_s / DEGREE_M)])
    times = START + np.arange(len(steps)) * np.timedelta64(gap_s * 1000, "ms")
    return AnimalTrack("study", name, taxon, (), times, np.column_stack([longitude + steps, np.zeros(len(steps))]))


def test_an_animal_that_reports_often_weighs_no_more_than_one_that_reports_seldom():
    often, seldom = track("a", [1.0] * 99), track("b", [0.2])
    (found,) = speed_quantiles([often, seldom], (0.25, 0.5, 0.75))
    assert (found.animals, found.steps) == (2, 100)
    assert found.quantiles_mps == pytest.approx((0.2, 0.2, 1.0), rel=1e-4)


def test_long_gaps_and_impossible_speeds_say_nothing_of_how_fast_an_animal_goes():
    (found,) = speed_quantiles([track("a", [0.5, 90.0, 0.5]), track("b", [3.0], gap_s=7200)], (0.99,))
    assert (found.animals, found.steps, found.typical_gap_s) == (1, 2, 600.0)
    assert found.at(0.99) == pytest.approx(0.5, rel=1e-4)
    assert [s.item for s in found.skips] == ["a"]


def test_species_are_kept_apart_and_a_probability_is_one():
    found = speed_quantiles([track("a", [1.0]), track("z", [2.0], taxon="Equus quagga"), track("x", [3.0], taxon=None)])
    assert [s.taxon for s in found] == ["Equus quagga", "Loxodonta africana", None]
    with pytest.raises(EstimateError):
        speed_quantiles([], (1.5,))


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.floats(0, 1))
def test_a_quantile_of_one_animal_is_that_of_its_own_speeds(speeds, probability):
    (found,) = speed_quantiles([track("a", speeds)], (probability,))
    own = np.quantile(speeds, probability, method="inverted_cdf")
    assert found.quantiles_mps[0] == pytest.approx(own, rel=1e-3, abs=1e-3)


def test_the_share_of_time_in_the_open_is_per_local_hour_and_its_error_between_animals():
    # Hourly fixes: one animal in the open before noon, one always, at three hours east of Greenwich.
    hours = START + np.arange(48) * np.timedelta64(3_600_000, "ms")
    local = (np.arange(48) + 3) % 24
    half = np.where(local < 12, 34.85, 34.95)
    tracks = [
        AnimalTrack("s", "half", "x", (), hours, np.column_stack([half, np.zeros(48)])),
        AnimalTrack("s", "always", "x", (), hours, np.column_stack([np.full(48, 34.85), np.zeros(48)])),
    ]
    found = availability_by_hour(tracks, box(34.8, -1, 34.9, 1), utc_offset_h=3)
    assert [h.hour for h in found] == list(range(24))
    assert {h.share for h in found[:12]} == {1.0}
    assert {h.share for h in found[12:]} == {0.5}
    # Shares 0 and 1 of two animals: a standard deviation of 0.7071, over the root of two.
    assert found[18].se == pytest.approx(0.5)
    assert (found[18].animals, found[18].fixes) == (2, 4)
    one = availability_by_hour(tracks[:1], box(34.8, -1, 34.9, 1), utc_offset_h=3)
    assert one[18].se is None, "one animal says nothing of how animals differ"


def test_an_hour_without_a_fix_has_no_share_and_animals_elsewhere_do_not_count():
    tracks = [track("a", [0.0]), track("far", [0.0], longitude=40.0)]
    found = availability_by_hour(tracks, box(34, -1, 35, 1), within=box(34, -1, 36, 1), utc_offset_h=0)
    assert (found[0].share, found[0].animals) == (1.0, 1)
    assert (found[5].share, found[5].se, found[5].fixes) == (None, None, 0)


def test_the_hours_become_the_file_that_a_count_reads(tmp_path):
    shares = [HourShare(6, 0.625, 0.05, 3, 40), HourShare(7, None, None, 0, 0), HourShare(8, 1.0, None, 1, 4)]
    shares += [HourShare(9, 0.0, 0.0, 2, 9), HourShare(23, 0.5, 0.1, 2, 8)]
    text, skips = availability_file('hippo "big"', shares, "collars, 2025")
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    found = read_availability(tmp_path / "a.toml")
    assert [(c.species, c.rate.value, c.rate.standard_error, c.from_h, c.until_h) for c in found.classes] == [
        ('hippo "big"', 0.625, 0.05, 6.0, 7.0),
        ('hippo "big"', 0.5, 0.1, 23.0, 24.0),
    ]
    assert {c.rate.source for c in found.classes} == {"collars, 2025"}, "the same animals: one measurement"
    assert "# 40 records of 3 animals\n" in text
    assert [s.item for s in skips] == ["hour 7", "hour 8", "hour 9"]


def test_a_mark_is_where_its_fix_nearest_to_the_survey_was_and_unknown_without_one():
    inside, outside, long_ago = track("in", [0.1] * 5), track("out", [0.1] * 5, longitude=36.0), track("old", [0.1])
    old = AnimalTrack("s", "old", None, (), long_ago.times_utc - np.timedelta64(3, "D"), long_ago.lonlat)
    start = datetime(2026, 2, 14, 0, 20, tzinfo=UTC)
    marks = marks_present([inside, outside, old], box(34, -1, 35, 1), start, start + timedelta(minutes=10))
    assert [(m.individual, m.inside, m.gap_s) for m in marks] == [("in", True, 0.0), ("out", False, 0.0)]
    assert marks[0].longitude_deg == pytest.approx(34.8 + 2 * 60 / DEGREE_M)


DAY = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENTS = [
    DeploymentEntry("d1", 34.8, -2.3, DAY, DAY + timedelta(days=10)),
    DeploymentEntry("d2", 34.9, -2.3, DAY, DAY + timedelta(days=5)),
]


def seen(identifier, deployment, day, level="event", kind="animal", count=1, **more):
    time = DAY + timedelta(days=day, hours=6)
    return CameraEntry(identifier, deployment, time, time, level, kind, "elephant", None, count, **more)


def test_an_event_and_its_pictures_are_one_visit():
    observations = [
        seen("e", "d1", 1, count=3),
        seen("m", "d1", 1, level="media", count=2),
        seen("b", "d2", 2, kind="blank", count=None),
    ]
    (found,) = presence(DEPLOYMENTS, observations)
    assert (found.species, found.events, found.animals, found.deployments) == ("elephant", 1, 3, ("d1",))
    assert (found.of_deployments, found.camera_days, found.naive_occupancy) == (2, 15.0, 0.5)


def test_where_one_visit_does_not_say_how_many_their_sum_is_not_known():
    (found,) = presence(DEPLOYMENTS, [seen("a", "d1", 1), seen("b", "d1", 2, count=None)])
    assert (found.events, found.animals) == (2, None)


def test_a_capture_history_has_every_day_between_the_first_and_the_last():
    observations = [
        seen("1", "d1", 0, individual="Tim"),
        seen("2", "d2", 3, individual="Tim"),
        seen("3", "d2", 3, individual="Una"),
        seen("4", "d2", 2),
    ]
    found = capture_history(observations, "elephant")
    assert found.individuals == ("Tim", "Una")
    assert found.seen.tolist() == [[True, False, False, True], [False, False, False, True]]
    assert capture_history(observations, "zebra").seen.shape == (0, 0)
