"""The report: one page that stands alone, says what is known, and says why where it is not."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely

from counts import store
from counts.census import Census
from counts.report import map as report_map
from counts.report import write_report
from counts.report.summary import meaning, sentence
from counts.report.words import Words

SAY = Words()
TRUTH = {"elephant": {"woodland": 100, "floodplain": 200}, "zebra": {"total": 5000}}


def estimate(**change):
    about = {
        "species": "elephant", "stratum": None, "method": "Jolly 2", "value": 1240.4, "se": 200.0, "lower": 830.2,
        "upper": 1650.4, "cv": 0.161, "df": 11.0, "units": 12, "individuals": 90,
    }  # fmt: skip
    return store.EstimateEntry(**{**about, **change})


@pytest.fixture(scope="module")
def page(filled_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    with Census.open(filled_file) as census:
        return write_report(census, "2026-wet", out, truth=TRUTH).read_text(encoding="utf-8")


def text_of(page):
    """What a reader sees: no markup, no style, one space between words."""
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_the_page_is_one_file_that_loads_nothing(page):
    class Loads(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            self.found += [
                f"{tag} {name}={value}"
                for name, value in attrs
                if name in ("src", "href", "xlink:href", "data", "poster", "srcset", "action")
                and not (value or "").startswith("#")
            ]
            if tag in ("script", "iframe", "object", "embed", "link", "base"):
                self.found.append(tag)

    reader = Loads()
    reader.feed(page)
    assert reader.found == []
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert re.findall(r"url\((?!#)", page) == []
    assert "default-src 'none'" in page


def test_the_page_says_the_estimate_with_its_limits_for_every_species(page):
    text = text_of(page)
    assert re.search(
        r"Estimated: [\d,]+ elephant, between [\d,]+ and [\d,]+ \(95 % limits\); [\d,]+ zebra, between", text
    )
    assert "woodland" in text
    assert "All strata" in text


def test_the_numbers_on_the_page_are_those_of_the_census(filled, page):
    with filled.reading() as session:
        run = store.latest_estimate_run(session, store.find_survey(session, "2026-wet").survey_id)
        rows = store.read_estimates(session, run.estimate_run_id)
    text = text_of(page)
    for row in rows:
        assert (
            text_of(
                f"{SAY.whole(row.value)} {SAY.whole(row.se)} {SAY.percent(row.cv, 1)} {SAY.whole(row.lower)} to "
                f"{SAY.whole(row.upper)}"
            )
            in text
        )
    assert run.provenance_hash in text


def test_the_simulators_truth_stands_in_a_box_of_its_own_and_only_when_given(filled, page, tmp_path):
    assert "what the simulator really had" in page
    row = re.search(r"zebra (\S+) \S+ \S+ to \S+ (yes|no)", text_of(page))
    assert row.groups() == ("5,000", "no")
    without = write_report(filled, "2026-wet", tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "simulator" not in text_of(without)


def test_the_page_shows_how_unevenly_transects_saw_the_animals(page):
    text = text_of(page)
    assert "24 on the busiest transect (22 % of those seen), none on 18 of 26 transects" in text
    assert "The variance comes 98 % from the sample of transects and 2 % from the detection correction." in text


def test_effort_skips_and_frames_off_effort_are_named(page):
    text = text_of(page)
    assert "images/sortie-02/broken.jpg the file ends before the picture does ingest" in text
    assert "rolled more than 10° 10" in text
    assert "2 of 2 planned" in text


def test_the_walk_from_the_number_reaches_the_pictures_and_the_model(filled, page):
    with filled.reading() as session:
        survey = store.find_survey(session, "2026-wet")
        detection = store.latest_detection_run(session, survey.survey_id)
    text = text_of(page)
    assert detection.detector.content_hash in text
    assert survey.plan_hash in text
    assert "416 pictures" in text


def test_a_hostile_name_is_shown_and_not_run(census, fill, tmp_path):
    bad = "<script>alert('x')</script>"
    fill(census, species=(bad, '"><img src=x onerror=y>'))
    page = write_report(census, "2026-wet", tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in page


def test_the_same_census_gives_the_same_bytes(filled, page, tmp_path):
    again = write_report(filled, "2026-wet", tmp_path / "again.html", truth=TRUTH).read_text(encoding="utf-8")
    assert again == page


def test_every_individual_is_drawn(page):
    paths = dict(re.findall(r'<path id="species-1-(\d)" d="([^"]*)"', page))
    assert sum(path.count("M") for path in paths.values()) == 169
    assert len(re.findall(r'class="planned" d="([^"]+)"', page)[0].split("M")[1:]) == 26


def test_a_sensitive_species_is_left_off_the_map(filled, tmp_path):
    page = write_report(filled, "2026-wet", tmp_path / "r.html", sensitive=["elephant"]).read_text(encoding="utf-8")
    assert len(re.findall(r'<path id="species-', page)) == 1
    said = "The places of elephant are told as cells of 0.1° (about 11 km) only: the species is marked as sensitive."
    # Under the map and among what to keep in mind.
    assert page.count(said) == 2
    assert 'class="coarse wash-0 tone-0"' in page


def test_large_data_are_drawn_together_and_the_page_says_so(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(report_map, "MOST_FOOTPRINTS", 100)
    monkeypatch.setattr(report_map, "MOST_POINTS", 50)
    page = write_report(filled, "2026-wet", tmp_path / "r.html").read_text(encoding="utf-8")
    assert "416 footprints are drawn together" in page
    assert "109 individuals are too many to draw one by one" in page


def test_pictures_without_a_design_are_shown_and_the_page_says_why_there_is_no_estimate(census, tmp_path, pictures):
    page = write_report(census, pictures, tmp_path / "r.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert "without a survey design" in text
    assert "no estimate is possible" in text
    assert len(re.findall(r'class="footprint" d="([^"]+)"', page)[0].split("M")[1:]) == 2
    assert len(re.findall(r'class="footprint found" d="([^"]+)"', page)[0].split("M")[1:]) == 1
    assert "bird 3" in text
    assert "2 pictures searched" not in text
    assert "5 pictures without a position" not in text


def test_pictures_with_a_sensitive_species_are_not_told_apart(census, tmp_path, pictures):
    page = write_report(census, pictures, tmp_path / "r.html", sensitive=["bird"]).read_text(encoding="utf-8")
    assert 'class="footprint found"' not in page
    assert "is withheld: bird is marked as sensitive" in page


def test_a_survey_without_anything_still_has_a_page(census, tmp_path):
    with census.writing() as session:
        store.add_survey(session, name="empty")
    text = text_of(write_report(census, "empty", tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "No estimate" in text


def test_one_transect_has_no_limits_and_the_reason_is_printed(census, plan, tmp_path):
    reason = "one transect cannot tell how much transects differ"
    with census.writing() as session:
        survey = store.add_survey(session, plan, name="short")
        store.add_estimate_run(
            session, survey, identity_run_id=None, effort=[], corrections=[], parameters={},
            estimates=[estimate(stratum="woodland", units=1, se=None, lower=None, upper=None, cv=None, df=None,
                                limits_reason=reason)],
        )  # fmt: skip
    page = write_report(census, "short", tmp_path / "r.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert f"1,240 elephant, without limits: {reason}" in text
    assert f"woodland: {reason}" in text
    assert "± 0" not in text
    assert "1,240 to 1,240" not in text


@pytest.mark.parametrize(("factor", "says"), [(0.51, "marks more than"), (1.6, "misses much"), (1.06, None)])
def test_a_large_correction_is_a_caveat(census, plan, tmp_path, factor, says):
    with census.writing() as session:
        survey = store.add_survey(session, plan, name="leaning")
        line = store.CorrectionEntry("elephant", "detection", factor, 0.003, "difference", "140 frames")
        store.add_estimate_run(
            session, survey, identity_run_id=None, effort=[], corrections=[line], parameters={}, estimates=[estimate()]
        )
    text = text_of(write_report(census, "leaning", tmp_path / "r.html").read_text(encoding="utf-8"))
    assert ("leans on the frames that were checked" in text) == (says is not None)
    assert says is None or says in text


def test_words():
    assert SAY.whole(1240.4) == "1,240"
    assert SAY.whole(None) == "–"
    assert SAY.whole(float("nan")) == "–"
    assert SAY.whole(-0.2) == "0"
    assert SAY.percent(0.2345, 1) == "23.4\u00a0%"
    assert SAY.signed_percent(-0.05) == "−5\u00a0%"
    assert SAY.significant(0.0031234) == "0.00312"
    assert SAY.square_km(9_724_000) == "9.72"
    assert SAY.square_km(None) == "–"
    assert SAY.listed(["a", "b", "c"]) == "a, b and c"
    assert SAY.listed([]) == ""
    assert sentence(estimate(), SAY) == "1,240 elephant, between 830 and 1,650 (95\u00a0% limits)"
    assert "differ by about 45\u00a0%" in meaning(estimate(), SAY)  # 1.96 √2 CV
    assert meaning(estimate(cv=None, lower=None, upper=None, limits_reason="why"), SAY) == "No limits: why."
    assert sentence(estimate(value=None, limits_reason="none seen"), SAY) == "elephant: no estimate (none seen)"


def test_footprints_too_many_to_draw_keep_their_area_on_the_map():
    shapes = np.array([shapely.box(x, 50, x + 20, 70) for x in range(0, 400, 40)], dtype=object)
    shapes[0] = shapely.Polygon([(0, 50), (20, 50), (20, 70)])

    class Canvas:
        width, height = 500.0, 200.0

    path = report_map._cells(shapes, Canvas, 1000)
    drawn = [tuple(map(float, run)) for run in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h", path)]
    squares = [run for run in drawn if run[0] >= 40]
    assert squares == [(x, 50.0, 20.0, 20.0) for x in range(40, 400, 40)]
    triangle = sum(w * h for x, _, w, h in drawn if x < 40)
    assert triangle == pytest.approx(200, rel=0.05)


def test_a_map_too_heavy_is_drawn_coarser(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(report_map, "MOST_FOOTPRINTS", 100)
    fine = write_report(filled, "2026-wet", tmp_path / "a.html").read_text(encoding="utf-8")
    monkeypatch.setattr(report_map, "MOST_CHARACTERS", 1)
    coarse = write_report(filled, "2026-wet", tmp_path / "b.html").read_text(encoding="utf-8")
    sides = [float(re.search(r"each cell of ([\d.]+) m", page).group(1)) for page in (fine, coarse)]
    assert sides[1] == pytest.approx(4 * sides[0], rel=0.05)
