"""Counting a survey in the census: verdicts, checked samples, masks, availability and estimators all count."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner, Result
from sqlalchemy import select

from counts.availability import availability_of
from counts.census import Census
from counts.estimators import EncounterVariance, LimitForm
from counts.masks import NO_HABITAT, NOT_SEEN
from counts.population import Estimation, SampleEstimator
from counts.report import write_report
from counts.schema import Capture, Detection
from counts.store import MaskEntry, add_masks, find_survey, latest_detection_run, read_area, read_effort, read_gaps
from counts.store.samples import first_counts, latest_sample, read_frames
from counts.store.verdicts import VerdictEntry, add_verdicts
from overfly.chain import Counted, count_survey
from overfly.chain.verifying import draw_for_people
from overfly.cli import main

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def total(counted: Counted, species: str):
    return next(e for e in counted.estimates if e.species == species and e.stratum is None)


def of(counted: Counted, species: str, stratum: str):
    return next(e for e in counted.estimates if (e.species, e.stratum) == (species, stratum))


def judge(census: Census, action: str, where=None, **after) -> int:
    with census.writing() as session:
        query = select(Detection).order_by(Detection.fid)
        found = session.scalars(query if where is None else query.where(where)).all()
        entries = [
            VerdictEntry(d.capture_id, d.fid, action, "amina", NOON, after=after or None, batch="all") for d in found
        ]
        return len(add_verdicts(session, entries))


def count(census: Census, **options) -> Counted:
    return count_survey(census, **options)


def test_what_people_rejected_or_relabelled_is_what_is_counted(filled: Census) -> None:
    before = count(filled)
    animals = {s: total(before, s).individuals for s in ("elephant", "zebra")}
    assert min(animals.values()) > 10
    assert judge(filled, "reject", Detection.label == "zebra") > 10
    after = count(filled)
    assert (total(after, "zebra").individuals, total(after, "elephant").individuals) == (0, animals["elephant"])
    assert after.identity_run_id != before.identity_run_id
    judge(filled, "relabel", Detection.label == "zebra", label="wildebeest")
    again = count(filled)
    assert total(again, "wildebeest").individuals == animals["zebra"]
    assert total(again, "zebra").value == 0


def test_a_drawn_animal_counts_and_counting_twice_writes_nothing_new(filled: Census) -> None:
    before = count(filled)
    empty = sorted(set(range(1, before.captures + 1)) - set(captures_with_detections(filled)))
    with filled.writing() as session:
        entry = VerdictEntry(
            empty[40], None, "add", "amina", NOON, after={"label": "zebra", "box_px": [390, 290, 410, 310]}
        )
        add_verdicts(session, [entry])
    after = count(filled)
    assert total(after, "zebra").individuals == total(before, "zebra").individuals + 1
    assert count(filled).estimate_run_id == after.estimate_run_id


def captures_with_detections(census: Census) -> list[int]:
    with census.reading() as session:
        return list(session.scalars(select(Detection.capture_id).distinct()))


def test_a_checked_sample_stays_in_the_census_and_corrects_later_counts(filled: Census) -> None:
    asked: list[int] = []

    def two_more(frames):
        asked.extend(f.capture_id for f in frames)
        return {f.capture_id: {"elephant": 2, "zebra": 0} for f in frames}

    first = count(filled, verifier=two_more, who="amina", verify_positive=30, verify_zero=30)
    assert first.verified_frames == len(asked) == 60
    (source,) = {c.source for c in first.corrections}
    assert "of 2026-wet, drawn at random and checked by amina" in source
    again = count(filled, verifier=two_more, who="amina", verify_positive=30, verify_zero=30)
    assert len(asked) == 60, "nobody is asked twice"
    without = count(filled)
    assert (
        [e.value for e in without.estimates] == [e.value for e in again.estimates] == [e.value for e in first.estimates]
    )
    # What people saw also says how surely one in view is found, for species that they saw enough of.
    assert first.recall["elephant"] == again.recall["elephant"] == without.recall["elephant"]
    assert (first.recall["elephant"].source, first.recall["elephant"].looks) == ("checked", 120)
    assert first.recall["zebra"].source != "checked"
    assert first.identity_run_id == again.identity_run_id == without.identity_run_id
    # The frames stay those that were drawn, whatever people decide about detections afterwards.
    judge(filled, "reject", Detection.label == "zebra")
    assert count(filled).verified_frames == 60
    with filled.reading() as session:
        survey = find_survey(session, "2026-wet")
        sample = latest_sample(session, survey.survey_id)
        frames = read_frames(session, sample)
        counts = first_counts(session, sample)
    assert {f.entry.sample_stratum for f in frames} == {"zero", "positive"}
    assert all(len(ring) >= 4 for f in frames for ring in f.entry.zone_px)
    assert sum(bool(f.entry.zone_px) for f in frames) > 55, "a zone is empty where the line leaves the land"
    assert counts[frames[0].frame_id] == {"elephant": 2, "zebra": 0}


def test_of_two_people_who_checked_a_frame_the_first_counts(filled: Census) -> None:
    def saying(number: int):
        return lambda frames: {f.capture_id: {"elephant": number, "zebra": 0} for f in frames[:20] + frames[-20:]}

    count(filled, verifier=saying(1), who="amina", verify_positive=40, verify_zero=40)
    counted = count(filled, verifier=saying(3), who="ben", verify_positive=40, verify_zero=40)
    assert counted.verified_frames > 40
    (source,) = {c.source for c in counted.corrections}
    assert source.endswith("checked by amina, ben")
    with filled.reading() as session:
        sample = latest_sample(session, find_survey(session, "2026-wet").survey_id)
        counts = first_counts(session, sample)
    assert sorted({c["elephant"] for c in counts.values()}) == [1, 3]
    assert sum(c["elephant"] == 1 for c in counts.values()) == 40


@pytest.mark.parametrize("kind", [NO_HABITAT, NOT_SEEN])
def test_a_masked_half_leaves_the_search_and_water_the_stratum(filled: Census, kind: str) -> None:
    plain = count(filled)
    with filled.writing() as session:
        survey = find_survey(session, "2026-wet")
        area = read_area(session, survey.survey_id)
        west, south, east, north = shapely.total_bounds([s.polygon for s in area.strata])
        add_masks(session, survey.survey_id, [MaskEntry(kind, shapely.box(west, south, (west + east) / 2, north), "h")])
    masked = count(filled)
    before, after = of(plain, "elephant", "floodplain"), of(masked, "elephant", "floodplain")
    assert after.area_searched_m2 == pytest.approx(before.area_searched_m2 * 6 / 13, rel=0.04)
    share = 0.5 if kind == NO_HABITAT else 1.0
    assert after.area_m2 == pytest.approx(before.area_m2 * share, rel=0.04)
    assert after.individuals < before.individuals
    assert after.value == pytest.approx(after.individuals / after.area_searched_m2 * after.area_m2)
    with filled.reading() as session:
        effort = read_effort(session, masked.estimate_run_id)
    whole = [e for e in effort if e.area_searched_m2 == 0]
    assert whole
    # Where a village was left out of the line, less was searched before already.
    assert all(0.5 < e.masked_area_m2 / e.planned_area_m2 < 1.05 for e in whole)


def test_availability_divides_by_stratum_and_hour_and_keeps_its_own_variance(filled: Census) -> None:
    plain = count(filled)
    value = {"species": "elephant", "standard_error": 0.05, "source": "collars"}
    # The flights were from half past six UTC on: nine in the morning by the sun at 34.8° east.
    tables = [
        {**value, "value": 0.5, "stratum": "woodland", "hours": [6, 18]},
        {**value, "value": 0.1, "stratum": "woodland", "hours": [18, 6]},
        {**value, "value": 0.8, "stratum": "floodplain"},
    ]
    found = count(filled, availability=availability_of({"availability": tables}))
    for stratum, share in (("woodland", 0.5), ("floodplain", 0.8)):
        before, after = of(plain, "elephant", stratum), of(found, "elephant", stratum)
        assert after.value == pytest.approx(before.value / share)
        assert after.components["sampling"] == pytest.approx(before.components["sampling"] / share**2)
        assert after.components["availability"] == pytest.approx((after.value * 0.05 / share) ** 2)
    assert total(found, "zebra").value == total(plain, "zebra").value
    (line,) = found.corrections
    assert (line.kind, line.species, line.source) == ("availability", "elephant", "collars")
    assert sum(c["individuals"] for c in line.details.values()) == total(plain, "elephant").individuals


@pytest.mark.parametrize("estimator", [*SampleEstimator])
def test_other_estimators_give_their_own_error_for_much_the_same_number(
    filled: Census, estimator: SampleEstimator
) -> None:
    plain = total(count(filled), "elephant")
    found = total(count(filled, how=Estimation(estimator)), "elephant")
    if estimator is SampleEstimator.TOTAL:
        assert (found.value, found.lower) == (found.individuals, None)
    else:
        assert found.value == pytest.approx(plain.value, rel=0.05)
        assert found.cv == pytest.approx(plain.cv, rel=0.4)
    if estimator is SampleEstimator.JOLLY_2:
        assert found == plain


def test_spread_limits_and_confidence_are_those_asked_for(filled: Census) -> None:
    plain = total(count(filled), "elephant")
    how = Estimation(spread=EncounterVariance.O2, form=LimitForm.T, confidence=0.8)
    found = total(count(filled, how=how), "elephant")
    assert "O2" in found.method
    assert (found.limits_form, found.confidence, found.value) == ("t", 0.8, plain.value)
    assert found.lower + found.upper == pytest.approx(2 * found.value)


def test_gaps_are_kept_with_their_line_and_their_ground(filled: Census) -> None:
    counted = count(filled)
    with filled.reading() as session:
        gaps = read_gaps(session, counted.estimate_run_id)
    lines = {line.transect: line for line in counted.flown}
    assert sum(g.area_m2 for g in gaps) == pytest.approx(sum(1 for g in gaps) * np.mean([g.area_m2 for g in gaps]))
    for gap in gaps:
        assert gap.area_m2 > 1
        assert lines[gap.transect].covered_share < 1.001
    assert all(line.height_mean_m == pytest.approx(80, abs=2) for line in counted.flown)
    assert sum(line.captures for line in counted.flown) == counted.on_effort


def test_the_report_maps_gaps_and_masks_and_says_what_was_flown(filled: Census, tmp_path: Path) -> None:
    with filled.writing() as session:
        survey = find_survey(session, "2026-wet")
        lake = shapely.box(34.82, -2.336, 34.824, -2.332)
        add_masks(session, survey.survey_id, [MaskEntry(NO_HABITAT, lake, "lake.gpkg")])
        for capture in session.scalars(select(Capture).where(Capture.fid.in_(range(40, 46)))):
            capture.refused = "blurred"
    counted = count(filled)
    page = write_report(filled, "2026-wet", tmp_path / "report.html").read_text(encoding="utf-8")
    assert "planned, but not seen" in page
    assert "no habitat, or not to be seen" in page
    (line,) = [x for x in counted.flown if max((g.length_m for g in x.gaps), default=0) > 300]
    gap = max(line.gaps, key=lambda g: g.length_m)
    assert f"{gap.from_m:.0f} to {gap.to_m:.0f}" in page
    covered, planned = (sum(getattr(x, n) for x in counted.flown) / 1000 for n in ("covered_m", "planned_m"))
    assert f"{covered:.1f} of {planned:.1f} km of planned line were seen" in page


def run(census: Census, *arguments: object) -> Result:
    result = CliRunner().invoke(main, ["count", census.where, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_the_command_takes_masks_availability_and_an_estimator(filled: Census, tmp_path: Path) -> None:
    plain = json.loads(run(filled, "--json").stdout)
    with filled.reading() as session:
        area = read_area(session, find_survey(session, "2026-wet").survey_id)
    west, south, east, north = shapely.total_bounds([s.polygon for s in area.strata])
    lake = shapely.box(west, south, west + (east - west) / 4, north)
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(lake)}
    (tmp_path / "lake.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (tmp_path / "a.toml").write_text(
        '[[availability]]\nspecies = "zebra"\nvalue = 0.5\nstandard_error = 0.1\nsource = "collars"\n'
    )
    options = ("--not-habitat", tmp_path / "lake.geojson", "--availability", tmp_path / "a.toml")
    found = json.loads(run(filled, *options, "--limits", "t", "--json").stdout)
    assert found["area_searched_km2"] < 0.85 * plain["area_searched_km2"]
    assert {e["limits_form"] for e in found["estimates"] if e["lower"]} == {"t"}
    assert [c["kind"] for c in found["corrections"]] == ["availability"]
    # The mask stays with the survey.
    assert json.loads(run(filled, "--json").stdout)["area_searched_km2"] == found["area_searched_km2"]
    assert "of planned line covered" in run(filled).stdout


def test_a_filled_in_sample_corrects_and_its_frames_are_those_drawn(filled: Census, tmp_path: Path) -> None:
    drawn = tmp_path / "check.csv"
    run(filled, "--draw", drawn, "--sample", 20, 20)
    with drawn.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    for row in rows:
        row["elephant"], row["zebra"] = "1", "0"
    with drawn.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    found = json.loads(run(filled, "--verified", drawn, "--who", "A. Ranger", "--sample", 20, 20, "--json").stdout)
    assert found["verified_frames"] == 40
    with filled.reading() as session:
        info = latest_detection_run(session, find_survey(session, "2026-wet").survey_id)
    assert found["detection_run_id"] == info.run_id
    assert json.loads(run(filled, "--json").stdout)["verified_frames"] == 40


def test_people_get_the_sample_that_counting_draws(filled: Census, tmp_path: Path) -> None:
    drawn = tmp_path / "check.csv"
    sample_id = draw_for_people(filled, who="chief", positive=12, zero=9, seed=4)
    run(filled, "--draw", drawn, "--sample", 12, 9, "--seed", 4)
    with filled.reading() as session:
        assert latest_sample(session, find_survey(session, "2026-wet").survey_id) == sample_id
        frames = read_frames(session, sample_id)
    with drawn.open(newline="") as file:
        assert len(frames) == len(list(csv.DictReader(file))) == 21
    assert [f.entry.sample_stratum for f in frames].count("zero") == 9
    assert sum(bool(f.entry.zone_px) for f in frames) > 15
    keys = [f.entry.capture_id for f in frames]
    assert abs(np.corrcoef(keys, range(len(keys)))[0, 1]) < 0.7, "half a sample is one of all the area"
