"""Seasons are compared over the same ground only, each error counted once, and what could have been seen is said."""

import json
import math
import shutil
from datetime import timedelta

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sqlalchemy import select, update

from counts import schema
from counts.census import Census
from counts.comparison import compare_surveys, shared_error
from counts.protocols import differences, read_protocol
from counts.seasons import change, detectable_change, trend
from flightplan.areas import write_area
from flightplan.errors import CensusError, EstimateError
from overfly.cli import main

NAMES = ("2026-wet", "2027-wet", "2028-wet")
TOTAL = ("elephant", None)


@pytest.fixture(scope="module")
def three_years(tmp_path_factory, filled_file, fill):
    """Three filled surveys, a year and other pictures apart, with corrections that were each measured anew."""
    path = tmp_path_factory.mktemp("seasons") / "census.gpkg"
    shutil.copy(filled_file, path)
    with Census.open(path) as census:
        for number, name in enumerate(NAMES[1:], start=1):
            key = fill(census, name=name, seed=3 + number)
            with census.writing() as session:
                for row in session.scalars(select(schema.Capture).where(schema.Capture.survey_id == key)):
                    row.time_utc += timedelta(days=365 * number)
                    row.content_hash = f"{number:02d}" + row.content_hash[2:]
    return path


@pytest.fixture
def seasons(three_years, tmp_path):
    with Census.open(shutil.copy(three_years, tmp_path / "census.gpkg")) as census:
        yield census


def compare(census, *names, **options):
    with census.reading() as session:
        return compare_surveys(session, names or NAMES[:2], **options)


def protocols(census, *names):
    with census.reading() as session:
        return [read_protocol(session, name) for name in names or NAMES[:2]]


def one(found, species="elephant", stratum=None):
    return next(c for c in found if (c.species, c.stratum) == (species, stratum))


def put(census, table, where, **values):
    with census.writing() as session:
        session.execute(update(table).where(where).values(**values))


def second_survey(census):
    with census.reading() as session:
        return session.scalars(select(schema.Survey.fid).where(schema.Survey.name == NAMES[1])).one()


def move_stratum(census, name, degrees):
    key = second_survey(census)
    of = (schema.Stratum.survey_id == key) & (schema.Stratum.name == name)
    with census.writing() as session:
        row = session.scalars(select(schema.Stratum).where(of)).one()
        row.polygon = shapely.transform(row.polygon, lambda xy: xy + np.array([degrees, 0.0]))


def carry_over(census):
    """The second survey takes the first one's checked pictures: one measurement for both."""
    key = second_survey(census)
    with census.writing() as session:
        for row in session.scalars(select(schema.Capture).where(schema.Capture.survey_id == key)):
            row.content_hash = session.scalars(
                select(schema.Capture.content_hash).where(
                    schema.Capture.survey_id != key, schema.Capture.path == row.path
                ).order_by(schema.Capture.fid)
            ).first()  # fmt: skip


class TestNumbers:
    def test_the_difference_has_the_limits_of_students_t(self):
        few = change(1000, 150**2, 700, 120**2, first_df=11, second_df=12)
        df = (150**2 + 120**2) ** 2 / (150**4 / 11 + 120**4 / 12)
        reach = stats.t.ppf(0.975, df) * math.hypot(150, 120)
        assert (few.difference_lower, few.difference_upper) == pytest.approx((-300 - reach, -300 + reach))
        assert few.p_linear == pytest.approx(2 * stats.t.sf(300 / math.hypot(150, 120), df))

    def test_a_95_percent_interval_is_not_the_90_percent_one(self):
        told = change(1000, 150**2, 700, 120**2)
        assert (told.difference_upper + 300) / math.hypot(150, 120) == pytest.approx(1.959964, rel=1e-6)

    def test_limits_leave_out_no_change_just_when_the_test_does(self):
        for second in range(400, 1000, 20):
            told = change(1000, 150**2, second, 120**2, first_df=11, second_df=12)
            assert (told.p_linear < 0.05) == (told.difference_upper < 0)
            assert (told.p_log < 0.05) == (told.ratio_upper < 1)

    def test_an_error_that_is_all_shared_gives_no_zero_width(self):
        with pytest.raises(EstimateError, match="share all of their error"):
            change(1000, 100**2, 500, 50**2, shared_cv=0.1)
        with pytest.raises(EstimateError, match="share all of their error"):
            detectable_change(0.1, 0.1, shared_cv=0.1)
        with pytest.raises(EstimateError, match="share all of their error"):
            trend([1, 2, 3], [10, 20, 30], [1, 4, 9], shared_cv=np.full((3, 3), 0.1))

    def test_a_change_that_could_have_been_seen_is_seen_in_four_of_five_surveys(self):
        """Simulated on the log scale, where the test is exact; 1.2 % is three standard errors of 10,000 draws."""
        sigma = [math.sqrt(math.log1p(cv**2)) for cv in (0.2, 0.3)]
        could = detectable_change(0.2, 0.3)
        rng = np.random.default_rng([6, 5])
        for ratio in (1 - could.decline, 1 + could.growth):
            found = math.log(ratio) + rng.normal(0, sigma[1], 10_000) - rng.normal(0, sigma[0], 10_000)
            assert np.mean(abs(found) / math.hypot(*sigma) > 1.959964) == pytest.approx(0.8, abs=0.012)

    def test_few_lines_see_less_than_many(self):
        assert detectable_change(0.2, 0.2, first_df=8, second_df=8).decline > detectable_change(0.2, 0.2).decline

    def test_a_shared_correction_hides_less_of_a_change(self):
        assert detectable_change(0.2, 0.2, shared_cv=0.15).decline < detectable_change(0.2, 0.2).decline

    def test_equal_errors_of_20_percent_see_a_fall_of_54_percent_at_80_percent_power(self):
        told = detectable_change(0.2, 0.2)
        assert told.decline == pytest.approx(1 - math.exp(-2.801585 * math.sqrt(2 * math.log(1.04))), rel=1e-6)
        assert told.decline == pytest.approx(0.5438, abs=1e-4)

    @given(
        st.lists(st.floats(50, 5000), min_size=3, max_size=6),
        st.floats(0.05, 0.4),
        st.floats(0.01, 0.3),
    )
    def test_what_every_survey_shares_drops_out_of_the_trend(self, numbers, own_cv, shared_cv):
        n, k = np.array(numbers), len(numbers)
        both = n**2 * ((1 + own_cv**2) * (1 + shared_cv**2) - 1)
        alone = trend(range(k), n, n**2 * own_cv**2)
        shared = trend(range(k), n, both, shared_cv=np.full((k, k), shared_cv))
        assert shared.slope_log_per_year == pytest.approx(alone.slope_log_per_year, rel=1e-6, abs=1e-9)
        assert shared.slope_se == pytest.approx(alone.slope_se, rel=1e-6)
        assert trend(range(k), n, both).slope_se > shared.slope_se


def test_rates_of_sika_deer_dung_used_in_two_years_cancel_in_the_ratio(shared_data):
    """v11: the decay rate's error is a part of each year's; used for two years, the ratio is free of it."""
    vector = json.loads((shared_data / "counts" / "v11_multiplier_sikadeer.json").read_text())
    rate = 13 / 163
    assert "decay 163 d (SE 13)" in vector["source"]["values"]
    own = 0.2
    both = own**2 + rate**2
    told = change(900, 900**2 * both, 600, 600**2 * both, shared_cv=rate)
    bare = change(900, (900 * own) ** 2, 600, (600 * own) ** 2)
    assert (told.ratio_lower, told.ratio_upper) == pytest.approx((bare.ratio_lower, bare.ratio_upper))


class TestProtocols:
    def test_two_seasons_flown_alike_differ_in_nothing(self, seasons):
        assert differences(*protocols(seasons)) == ()

    @pytest.mark.parametrize(
        ("column", "value", "what"),
        [
            ("strip_width_m", 120.0, "strip width, m"),
            ("altitude_agl_m", 100.0, "height above ground, m"),
            ("gsd_cm", 15.0, "pixel on the ground, cm"),
            ("design_kind", "full", "design"),
            ("season", "dry season 2027", "season"),
            ("gsd_cm", None, "pixel on the ground, cm"),
        ],
    )
    def test_what_was_not_done_alike_is_named(self, seasons, column, value, what):
        put(seasons, schema.Survey, schema.Survey.name == NAMES[1], **{column: value})
        found = compare(seasons)
        assert [d.what for d in found.differences[0].differences] == [what]
        assert one(found.changes).change is not None

    def test_the_year_in_a_seasons_name_is_no_difference(self, seasons):
        put(seasons, schema.Survey, schema.Survey.name == NAMES[1], season="Wet season 2027")
        assert differences(*protocols(seasons)) == ()

    @pytest.mark.parametrize(("days", "what"), [(180, ["time of year"]), (-30, []), (335, []), (60, ["time of year"])])
    def test_another_time_of_the_year_is_named(self, seasons, days, what):
        key = second_survey(seasons)
        with seasons.writing() as session:
            for row in session.scalars(select(schema.Capture).where(schema.Capture.survey_id == key)):
                row.time_utc += timedelta(days=days)
        assert [d.what for d in differences(*protocols(seasons))] == what

    def test_another_detector_and_threshold_are_named(self, seasons):
        key = second_survey(seasons)
        with seasons.writing() as session:
            other = schema.Detector(content_hash="cd" * 32, name="other", task="detect", labels=["elephant", "zebra"])
            session.add(other)
            session.flush()
            run = session.scalars(select(schema.DetectionRun).where(schema.DetectionRun.survey_id == key)).one()
            run.detector_id, run.threshold = other.fid, 0.4
            for row in session.scalars(
                select(schema.Correction).join(schema.EstimateRun).where(schema.EstimateRun.survey_id == key)
            ):
                session.delete(row)
        found = compare(seasons)
        assert [d.what for d in found.differences[0].differences] == [
            "detector", "threshold", "corrections of elephant", "corrections of zebra",
        ]  # fmt: skip
        assert "elephant, zebra was not corrected" in found.notes[0]

    def test_numbers_of_different_ground_are_not_subtracted(self, seasons):
        move_stratum(seasons, "woodland", 0.01)
        found = compare(seasons)
        assert {d.what for d in found.differences[0].differences if d.area} == {"area", "stratum woodland"}
        for stratum in (None, "woodland"):
            refused = one(found.changes, stratum=stratum)
            assert refused.refused
            assert refused.change is None
            assert "not the same ground" in refused.reason
        assert one(found.changes, stratum="floodplain").change is not None

    def test_different_ground_is_compared_when_one_insists_and_the_note_says_so(self, seasons):
        move_stratum(seasons, "woodland", 0.01)
        found = compare(seasons, anyway=True)
        assert one(found.changes).change is not None
        assert "different ground" in found.notes[0]

    def test_a_boundary_drawn_a_hair_otherwise_is_the_same_ground(self, seasons):
        move_stratum(seasons, "woodland", 1e-5)
        assert differences(*protocols(seasons)) == ()


class TestSharedErrors:
    def test_each_seasons_own_checked_sample_is_a_measurement_of_its_own(self, seasons):
        """Both corrections read alike to the last digit, but were measured on different pictures."""
        assert shared_error(*protocols(seasons), TOTAL) == ((), 0.0)

    def test_one_checked_sample_used_twice_is_one_error(self, seasons):
        separate = one(compare(seasons).changes)
        carry_over(seasons)
        names, cv = shared_error(*protocols(seasons), TOTAL)
        together = one(compare(seasons).changes)
        assert names == together.shared == ("detection",)
        assert cv == pytest.approx(math.sqrt(0.0021) / 1.06, rel=0.1)
        assert together.change.difference == separate.change.difference
        lost = 2 * together.first * together.second * cv**2
        assert together.change.difference_se**2 == pytest.approx(separate.change.difference_se**2 - lost)
        assert together.change.ratio_upper < separate.change.ratio_upper
        assert together.detectable.decline < separate.detectable.decline

    def test_a_correction_of_another_value_is_another_measurement(self, seasons):
        carry_over(seasons)
        key = second_survey(seasons)
        with seasons.reading() as session:
            run = session.scalars(select(schema.EstimateRun.fid).where(schema.EstimateRun.survey_id == key)).one()
        put(seasons, schema.Correction, schema.Correction.estimate_run_id == run, factor=1.07)
        assert shared_error(*protocols(seasons), TOTAL) == ((), 0.0)


class TestWhatIsNotKnown:
    def test_none_seen_in_a_season_gives_no_change_and_the_reason(self, seasons):
        put_estimate(seasons, value=0.0, se=None, lower=None, upper=None, limits_reason="none seen")
        told = one(compare(seasons).changes)
        assert told.change is None
        assert told.detectable is None
        assert told.reason == "2027-wet: none seen, so there is no error to compare by"
        assert not told.refused

    def test_an_error_that_is_not_known_gives_no_limits_of_zero_width(self, seasons):
        put_estimate(seasons, se=None, lower=None, upper=None, limits_reason="one unit has no spread")
        told = one(compare(seasons).changes)
        assert told.change is None
        assert told.reason == "2027-wet: one unit has no spread"

    def test_surveys_that_are_not_there_or_the_same_are_refused(self, seasons):
        with pytest.raises(CensusError, match="1999"):
            compare(seasons, NAMES[0], "1999")
        with pytest.raises(EstimateError, match="two different surveys"):
            compare(seasons, NAMES[0], NAMES[0])


def put_estimate(census, **values):
    key = second_survey(census)
    with census.reading() as session:
        run = session.scalars(select(schema.EstimateRun.fid).where(schema.EstimateRun.survey_id == key)).one()
    of = schema.Estimate
    put(census, of, (of.estimate_run_id == run) & of.stratum_id.is_(None) & (of.species == "elephant"), **values)


class TestTheVerb:
    def test_two_seasons(self, seasons):
        result = CliRunner().invoke(main, ["compare", seasons.where, *NAMES[:2], "--json"])
        assert result.exit_code == 0, result.output
        document = json.loads(result.stdout)
        assert document["surveys"] == list(NAMES[:2])
        assert document["trends"] == []
        first, second = (one(p.estimates) for p in protocols(seasons))
        told = next(c for c in document["changes"] if (c["species"], c["stratum"]) == TOTAL)
        assert told["change"]["difference"] == pytest.approx(second.value - first.value)
        assert told["change"]["difference_se"] == pytest.approx(math.hypot(first.se, second.se))
        assert told["change"]["ratio"] == pytest.approx(second.value / first.value)
        df = (first.se**2 + second.se**2) ** 2 / (first.se**4 / first.df + second.se**4 / second.df)
        reach = stats.t.ppf(0.975, df) * math.hypot(first.se, second.se)
        assert told["change"]["difference_upper"] == pytest.approx(second.value - first.value + reach)
        seen = detectable_change(first.cv, second.cv, first_df=first.df, second_df=second.df)
        assert told["detectable"]["decline"] == pytest.approx(seen.decline)
        assert told["change"]["ratio_lower"] < told["change"]["ratio"] < told["change"]["ratio_upper"]
        assert (told["detectable"]["power"], told["detectable"]["significance"]) == (0.8, 0.05)
        assert len(document["changes"]) == 6

    def test_three_seasons_give_a_trend_per_year(self, seasons):
        result = CliRunner().invoke(main, ["compare", seasons.where, *NAMES, "--json"])
        document = json.loads(result.stdout)
        assert np.diff(document["years"]) == pytest.approx([1, 1], abs=0.01)
        values = [one(p.estimates) for p in protocols(seasons, *NAMES)]
        expected = trend(document["years"], [e.value for e in values], [e.se**2 for e in values])
        told = next(t for t in document["trends"] if (t["species"], t["stratum"]) == TOTAL)
        assert told["trend"]["growth"] == pytest.approx(expected.growth)
        assert told["trend"]["slope_se"] == pytest.approx(expected.slope_se)
        assert len(document["changes"]) == 12

    def test_for_people_it_names_limits_and_what_could_have_been_seen(self, seasons):
        result = CliRunner().invoke(main, ["compare", seasons.where, *NAMES])
        assert result.exit_code == 0
        assert "The surveys have the same area and protocol." in result.stdout
        assert "could have seen a fall of" in result.stdout
        assert "a year" in result.stdout
        said = [line for line in result.stdout.splitlines() if line.endswith(":")]
        assert said == ["2026-wet to 2027-wet:", "2027-wet to 2028-wet:", "2026-wet to 2028-wet, 3 surveys:"]

    def test_what_lies_elsewhere_is_skipped_by_name(self, seasons):
        move_stratum(seasons, "woodland", 0.01)
        result = CliRunner().invoke(main, ["compare", seasons.where, *NAMES[:2], "--json"])
        assert result.exit_code == 3
        skipped = {s["item"] for s in json.loads(result.stdout)["skipped"]}
        assert "elephant, total, 2026-wet to 2027-wet" in skipped
        assert "elephant, floodplain, 2026-wet to 2027-wet" not in skipped

    def test_two_other_areas_are_refused_unless_one_insists(self, seasons):
        for name in ("woodland", "floodplain"):
            move_stratum(seasons, name, 0.1)
        refused = CliRunner().invoke(main, ["compare", seasons.where, *NAMES[:2]])
        assert refused.exit_code == 1
        assert "differ in area" in refused.stderr
        insisted = CliRunner().invoke(main, ["compare", seasons.where, *NAMES[:2], "--anyway"])
        assert insisted.exit_code == 0
        assert "different ground" in insisted.stdout

    def test_one_survey_is_no_comparison(self, seasons):
        assert CliRunner().invoke(main, ["compare", seasons.where, NAMES[0]]).exit_code == 2

    def test_in_a_workspace_the_census_needs_no_name(self, three_years, plan, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        outside = CliRunner().invoke(main, ["compare", *NAMES[:2]])
        assert outside.exit_code == 1
        assert "no census was named" in outside.stderr
        write_area(plan.area, tmp_path / "park.geojson")
        assert CliRunner().invoke(main, ["init", "park.geojson", "park"]).exit_code == 0
        monkeypatch.chdir(tmp_path / "park")
        shutil.copy(three_years, "census.gpkg")
        inside = CliRunner().invoke(main, ["compare", *NAMES[:2], "--json"])
        assert inside.exit_code == 0, inside.output
        assert json.loads(inside.stdout)["surveys"] == list(NAMES[:2])
