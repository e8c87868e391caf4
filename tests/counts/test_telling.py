"""Who is who in the census: pairs to ask about, answers that hold, and what walking does to a count."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from counts.census import Census
from counts.herds import Herds, herds_of, sizes
from counts.identity import AmbiguousPair, Doubt, resolve
from counts.looks import Looks, thinned
from counts.movement import Survey, simulate_movement
from counts.passes import Passes
from counts.report import write_report
from counts.schema import Sighting
from counts.schema import Survey as StoredSurvey
from counts.store import read_individuals
from counts.store.pairs import PairAnswer, add_answer, read_pairs
from counts.store.received import SourceEntry, add_fixes, add_source
from flightplan.errors import EstimateError
from overfly.chain import Counted, count_survey
from overfly.chain.walking import walking_speeds
from overfly.cli import main

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def count(census: Census, **options) -> Counted:
    return count_survey(census, **options)


def answer(census: Census, first: int, second: int, said: str, undoes: int | None = None) -> int:
    with census.writing() as session:
        return add_answer(session, PairAnswer(first, second, said, "amina", NOON, undoes=undoes))


def animal_of(census: Census, counted: Counted, *detections: int) -> list[int | None]:
    with census.reading() as session:
        rows = session.execute(
            select(Sighting.detection_id, Sighting.individual_id).where(
                Sighting.identity_run_id == counted.identity_run_id
            )
        )
        of = dict(rows.all())
    return [of[d] for d in detections]


def merged_pair(census: Census, counted: Counted) -> tuple[int, int]:
    with census.reading() as session:
        rows = session.execute(
            select(Sighting.individual_id, Sighting.detection_id)
            .where(Sighting.identity_run_id == counted.identity_run_id, Sighting.individual_id.is_not(None))
            .order_by(Sighting.detection_id)
        ).all()
    first: dict[int, int] = {}
    for individual, detection in rows:
        if individual in first:
            return first[individual], detection
        first[individual] = detection
    raise AssertionError("nothing was merged")


def test_an_answer_about_a_pair_holds_at_every_later_count_until_it_is_taken_back(filled: Census) -> None:
    before = count(filled)
    first, second = merged_pair(filled, before)
    said = answer(filled, first, second, "different")
    after = count(filled)
    one, other = animal_of(filled, after, first, second)
    assert one != other
    assert (after.individuals, after.pair_answers) == (before.individuals + 1, 1)
    answer(filled, first, second, "undo", undoes=said)
    assert count(filled).individuals == before.individuals


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identity that is in doubt about its first merged pair, until somebody has answered."""

    def unsure(*arguments, **options):
        found = resolve(*arguments, **options)
        merged = int(np.flatnonzero(found.sightings[found.individual] > 1)[0])
        other = int(np.flatnonzero(found.individual == found.individual[merged])[1])
        doubt = AmbiguousPair(merged, other, 5.0, Doubt.FAR, 0.8123, 2.5)
        return replace(found, ambiguous=() if options["same"] else (doubt,))

    monkeypatch.setattr("overfly.chain.resolving.resolve", unsure)


@pytest.mark.usefixtures("doubtful")
def test_pairs_that_place_cannot_settle_wait_in_the_census_and_answered_ones_do_not(filled: Census) -> None:
    counted = count(filled)
    with filled.reading() as session:
        ((_, pair),) = read_pairs(session, counted.identity_run_id)
    assert counted.ambiguous_pairs == 1
    assert (pair.together, pair.probability, pair.distance_m, pair.reason) == (True, 0.8123, 2.5, str(Doubt.FAR))
    one, other = animal_of(filled, counted, pair.first_id, pair.second_id)
    assert one == other
    answer(filled, pair.first_id, pair.second_id, "same")
    again = count(filled)
    assert (again.ambiguous_pairs, again.pair_answers) == (0, 1)
    assert len(set(animal_of(filled, again, pair.first_id, pair.second_id))) == 1
    with filled.reading() as session:
        assert read_pairs(session, again.identity_run_id) == ()


@pytest.mark.usefixtures("doubtful")
def test_the_command_and_the_report_say_what_merging_and_walking_do(filled: Census, tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["count", filled.where, *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    found = json.loads(run("--simulate-movement", "2", "--json"))
    chosen, fewest, most = found["merge_counts"]["zebra"]
    assert fewest <= chosen <= most
    walked = found["movement"]["zebra"]
    assert (walked["worlds"], walked["speed_mps"]) == (2, 1.5)
    assert abs(walked["bias"]) < 0.2
    text = run("--simulate-movement", "2")
    assert f"zebra: {chosen} animals; {fewest} if all that could be one are, {most} if none are" in text
    assert f"2 simulated surveys counted {walked['bias']:+.1%}" in text
    assert f"{found['ambiguous_pairs']} pairs may be one animal or two" in text
    page = write_report(filled, "2026-wet", tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"zebra {chosen} ({fewest} to {most})" in page
    assert f"the mean was {'+' if walked['bias'] > 0 else '−'}{abs(walked['bias']):.1%}".replace("%", "\u00a0%") in page
    assert json.loads(run("--json"))["movement"] == {}


def test_full_coverage_looks_at_all_its_frames_and_says_unasked_what_walking_does(filled: Census) -> None:
    with filled.writing() as session:
        for survey in session.scalars(select(StoredSurvey)):
            survey.design_kind = "full"
    counted = count(filled)
    assert set(counted.movement) == set(counted.merge_counts)
    for name, walked in counted.movement.items():
        chosen, fewest, most = counted.merge_counts[name]
        assert fewest <= chosen <= most
        assert walked.bias_error is not None
        assert abs(walked.bias) < 0.1 + 3 * walked.bias_error
    assert count(filled, worlds=0).movement == {}


def test_a_herd_is_who_stands_within_fifty_metres_of_another_of_its_kind_and_unit() -> None:
    x = np.array([0.0, 40.0, 80.0, 200.0, 240.0, 0.0, 40.0, 500.0])
    labels = np.array(["zebra"] * 5 + ["elephant", "zebra", "zebra"])
    unit = np.array([1, 1, 1, 1, 1, 1, 2, -1])
    herd = herds_of(np.column_stack([x, np.zeros(8)]), labels, unit)
    assert herd.tolist() == [1, 1, 1, 2, 2, 3, 4, -1]
    assert sizes(herd, labels)["zebra"] == Herds(herds=3, mean_size=2.0, largest=3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 1)), min_size=1, max_size=40), st.randoms())
def test_herds_are_the_same_whatever_the_order_of_the_animals(rows: list[tuple[int, int]], shuffle) -> None:
    def told(some):
        herd = herds_of(
            np.array([(x, 0.0) for x, _ in some]), np.array(["z"] * len(some)), np.array([u for _, u in some])
        )
        return {frozenset(np.flatnonzero(herd == h).tolist()) for h in np.unique(herd)}

    order = list(range(len(rows)))
    shuffle.shuffle(order)
    mixed = told([rows[i] for i in order])
    assert {frozenset(order[i] for i in group) for group in mixed} == told(rows)


def test_individuals_in_the_census_know_their_herd(filled: Census) -> None:
    counted = count(filled)
    with filled.reading() as session:
        table = read_individuals(session, counted.identity_run_id)
    counts = np.array([name is not None for name in table.transect])
    assert ((table.herd > 0) == counts).all()
    for name, herds in counted.herds.items():
        assert herds == sizes(table.herd, table.species)[name]
        assert herds.herds * herds.mean_size == pytest.approx((table.species[counts] == name).sum())


def test_collars_say_how_fast_their_species_walks(filled: Census) -> None:
    with filled.writing() as session:
        put_collar(session, "Equus quagga", step_m=30.0)
    with filled.reading() as session:
        speeds = walking_speeds(session, ["zebra", "elephant"], 1.5)
    assert speeds["elephant"] == 1.5
    assert speeds["zebra"] == pytest.approx(0.5, rel=0.01)


def put_collar(session, taxon: str, step_m: float) -> None:
    """150 fixes a minute apart, each `step_m` further north; then one a day later and far away."""
    source = add_source(
        session, SourceEntry("movebank", "z.csv", "movebank:1", "0" * 64), found=151, added=151, skips=[], time_utc=NOON
    )
    north = -2.3 + np.append(np.arange(150) * step_m, 90_000.0) / 110_574
    add_fixes(
        session,
        source,
        "movebank:1",
        "Zawadi",
        taxon=taxon,
        times_utc=[NOON + timedelta(minutes=k) for k in range(150)] + [NOON + timedelta(days=1)],
        lonlat=np.column_stack([np.full(151, 34.8), north]),
        tags=[None] * 151,
    )


def strips(side: float = 0.5, lines: int = 5) -> Survey:
    """Lines to and fro over 200 m, frames of 60 by 45 m each 1.35 s, turns of 12 s; recall 0.9, 1 m of error."""
    boxes, of_line, times, corners, ends = [], [], [], [], []
    clock = 0.0
    for line in range(lines):
        x, began = line * 60 * (1 - side), clock
        for y in np.arange(0, 201, 13.5) if line % 2 == 0 else np.arange(0, 201, 13.5)[::-1]:
            boxes.append(shapely.box(x - 30, y - 22.5, x + 30, y + 22.5))
            of_line.append(line)
            times.append(clock := clock + 1.35)
        corners.append([(x - 30, -22.5), (x + 30, -22.5), (x + 30, 225), (x - 30, 225)])
        ends.append((began, clock) if line % 2 == 0 else (clock, began))
        clock += 12.0
    looks = Looks.checked(boxes, of_line, times)
    passes = Passes.checked([], corners, ends, 0, looks)
    return Survey(looks, np.zeros(len(boxes), dtype=np.int64), passes, np.eye(2), np.eye(2) * 0.1, 0.9)


def places(count: int, width_m: float) -> np.ndarray:
    return np.random.default_rng(5).uniform((0, 0), (width_m, 200), (count, 2))


@pytest.mark.parametrize(("speed", "limit"), [(0.0, 0.02), (1.5, 0.05)])
def test_full_coverage_counts_walkers_and_others_right_on_average(speed: float, limit: float) -> None:
    survey = strips()
    found = simulate_movement(survey, places(120, 120.0), speed_limit_mps=speed, worlds=5)
    assert abs(found.bias) <= limit + 2 * found.bias_error
    assert found.in_frames == pytest.approx(1.0, abs=0.01 if speed == 0 else 0.6)


def test_simulated_surveys_are_the_same_each_time() -> None:
    once, again = (simulate_movement(strips(lines=2), places(9, 30.0), speed_limit_mps=1.0, worlds=2) for _ in "ab")
    assert once == again


def test_a_single_strip_sees_more_animals_walk_through_it_than_stand_on_it() -> None:
    survey = strips(lines=1)
    alone = replace(survey, passes=None, unit=survey.looks.of_pass)
    still = simulate_movement(alone, places(40, 1.0), speed_limit_mps=0.0, worlds=2)
    walking = simulate_movement(alone, places(40, 1.0), speed_limit_mps=6.0, worlds=8)
    assert still.in_frames == 1.0
    # Frames 45 m long pass at 10 m/s over a strip 60 m wide: those that walk across it come into view from the sides.
    assert walking.in_frames > 1.05
    assert walking.bias > 2 * walking.bias_error


def test_no_animals_are_not_simulated() -> None:
    with pytest.raises(EstimateError, match="no animals"):
        simulate_movement(strips(), np.empty((0, 2)), speed_limit_mps=1.0)


def test_as_many_are_picked_as_the_weights_add_up_to_and_evenly_along_the_way() -> None:
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.1, 0.9, 200)
    order = rng.permutation(200)
    picked = thinned(weights, order)
    assert picked.sum() == round(weights.sum())
    assert np.abs(np.cumsum(picked[order]) - np.cumsum(weights[order])).max() <= 1.0
    assert thinned(np.array([1.4, 0.3, 0.3]), np.arange(3)).tolist() == [True, True, False]


def test_a_place_has_as_many_looks_as_frames_show_it() -> None:
    looks = Looks.checked([shapely.box(0, 0, 10, 10), shapely.box(5, 0, 15, 10)], [0, 1], [0.0, 3.0])
    assert looks.number_at(np.array([[2.0, 5.0], [7.0, 5.0], [40.0, 5.0]])).tolist() == [1, 2, 1]
    with pytest.raises(EstimateError, match="no footprint or no time"):
        Looks.checked([None], [0], [0.0])
    with pytest.raises(EstimateError, match="1 frames, but 2 passes"):
        Looks.checked([shapely.box(0, 0, 1, 1)], [0, 1], [0.0])
