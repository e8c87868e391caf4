"""The report of one season among others: change since the last, trend, and what was not done alike."""

import shutil
from datetime import timedelta

import pytest
from sqlalchemy import select

from counts import schema, store
from counts.census import Census
from counts.report import ReportRequest, write_reports
from counts.report.history import read_history

NAMES = ("2024-wet", "2025-wet", "2026-wet")


@pytest.fixture(scope="module")
def three_years(tmp_path_factory, filled_file, fill):
    """Three seasons of one park, a year apart, the last of them flown with other strips."""
    path = tmp_path_factory.mktemp("report-seasons") / "census.gpkg"
    shutil.copy(filled_file, path)
    with Census.open(path) as census:
        fill(census, name="2025-wet", seed=4)
        fill(census, name="2024-wet", seed=5)
        with census.writing() as session:
            for back, name in ((1, "2025-wet"), (2, "2024-wet")):
                survey = session.scalars(select(schema.Survey).where(schema.Survey.name == name)).one()
                survey.season = f"wet season {name[:4]}"
                for row in session.scalars(select(schema.Capture).where(schema.Capture.survey_id == survey.fid)):
                    row.time_utc = row.time_utc - timedelta(days=365 * back)
            last = session.scalars(select(schema.Survey).where(schema.Survey.name == "2026-wet")).one()
            last.strip_width_m = 120.0
    return path


@pytest.fixture
def census(three_years):
    with Census.open(three_years) as opened:
        yield opened


def page_of(census, name, tmp_path, **asked):
    (path,) = write_reports(census, name, [tmp_path / "r.html"], ReportRequest(**asked))
    return path.read_text(encoding="utf-8")


def history_of(census, name):
    with census.reading() as session:
        return read_history(session, store.find_survey(session, name))


def test_seasons_stand_in_the_order_they_were_flown_whatever_order_they_came_in(census):
    history = history_of(census, "2026-wet")
    assert history.surveys == NAMES
    assert history.last == "2025-wet"
    years = [s.year for s in history.estimates["elephant"]]
    assert years == sorted(years)
    assert all(s.same_ground for s in history.estimates["elephant"])


def test_the_first_season_has_none_before_it(census, tmp_path):
    assert history_of(census, "2024-wet") is None
    assert "no earlier counted survey of this area" in page_of(census, "2024-wet", tmp_path)


def test_a_later_season_does_not_change_the_report_of_an_earlier_one(census):
    assert history_of(census, "2025-wet").surveys == NAMES[:2]


def test_the_page_says_the_change_that_the_comparison_finds(census, tmp_path):
    told = history_of(census, "2026-wet").change_of("elephant").change
    page = page_of(census, "2026-wet", tmp_path)
    sign = "+" if told.ratio > 1 else "−"
    assert f"Since 2025-wet: {sign}{abs(told.ratio - 1):.0%}".replace("%", "\u00a0%") in page
    assert f"{told.ratio:.2f} ({told.ratio_lower:.2f} to {told.ratio_upper:.2f})" in page
    word = "which can be chance" if told.ratio_lower <= 1 <= told.ratio_upper else "more than chance"
    assert word in page


def test_three_seasons_have_a_trend_with_limits_and_a_drawing(census, tmp_path):
    fitted = history_of(census, "2026-wet").trend_of("zebra").trend
    page = page_of(census, "2026-wet", tmp_path)
    assert "Trend over 3 surveys, 2024-wet to 2026-wet" in page
    assert f"{abs(fitted.growth - 1):.0%}".replace("%", "\u00a0%") + " a year" in page
    assert page.count('class="trend line-') == 2  # one for each species
    assert "Trend over" not in page_of(census, "2025-wet", tmp_path)


def test_what_the_seasons_did_not_do_alike_is_named_in_the_reports_language(census, tmp_path):
    assert "strip width, m" in page_of(census, "2026-wet", tmp_path)
    assert "largeur de bande, m" in page_of(census, "2026-wet", tmp_path, language="fr")
    assert "The surveys have the same area and protocol." in page_of(census, "2025-wet", tmp_path)


def test_a_season_of_other_ground_is_no_change_and_is_drawn_hollow(three_years, tmp_path):
    path = tmp_path / "moved.gpkg"
    shutil.copy(three_years, path)
    with Census.open(path) as census:
        with census.writing() as session:
            first = session.scalars(select(schema.Survey).where(schema.Survey.name == "2025-wet")).one()
            row = session.scalars(select(schema.Stratum).where(schema.Stratum.survey_id == first.fid)).first()
            row.polygon = type(row.polygon)(
                [type(p)([(x + 0.02, y) for x, y in p.exterior.coords]) for p in row.polygon.geoms]
            )
        page = page_of(census, "2026-wet", tmp_path)
    assert "not compared, because the areas of 2025-wet and 2026-wet are not the same ground" in page
    assert 'class="hollow line-' in page
    assert "A hollow mark is of different ground" in page
