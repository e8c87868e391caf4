"""The report as a PDF, as one page for the wall, and with its figures and data beside it."""

import builtins
import csv
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from counts import store
from counts.census import Census
from counts.report import ReportRequest, write_reports
from counts.report.contents import field_summary, whole_report
from counts.report.facts import gather
from counts.report.pdf import set_pdf, set_pictures
from counts.report.words import Words
from flightplan.errors import CensusError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def facts(filled_file):
    with Census.open(filled_file) as census, census.reading() as session:
        return gather(session, "2026-wet", "r1")


def pages(pdf):
    return max(int(n) for n in re.findall(rb"/Count (\d+)", pdf))


def test_the_same_census_gives_the_same_pdf(facts):
    first, again = (set_pdf(whole_report(facts, Words())) for _ in range(2))
    assert first == again
    assert first.startswith(b"%PDF-")
    assert pages(first) >= 3


@pytest.mark.parametrize("language", ["en", "ru", "fr"])
def test_the_page_for_the_wall_is_one_page(facts, language):
    assert len(set_pictures(field_summary(facts, Words(language)), ppi=20)) == 1


@pytest.mark.parametrize("number", [6, 25])
def test_the_page_for_the_wall_is_one_page_with_many_species_too(facts, number):
    names = [f"species {i} with a long name" for i in range(number)]
    many = [replace(e, species=name) for name in names for e in facts.estimates if e.species == "elephant"]
    assert len(set_pictures(field_summary(replace(facts, estimates=tuple(many)), Words()), ppi=20)) == 1


def test_a_name_is_never_read_as_typst_s_markup(census, fill):
    bad = '#panic("x") $x$ *bold* @ref \\ <label> [1]'
    fill(census, species=(bad, "zebra"))
    with census.reading() as session:
        facts = gather(session, "2026-wet", "r1")
    assert set_pdf(whole_report(facts, Words())).startswith(b"%PDF-")


def test_figures_are_vectors_and_fonts_come_with_the_file(facts):
    pdf = set_pdf(field_summary(facts, Words("ru")))
    assert b"LibertinusSerif" in pdf
    assert b"/Subtype /Image" not in pdf
    assert b"/Subtype/Image" not in pdf
    assert b"/FontFile" in pdf


def test_a_pdf_without_typst_names_the_extra(facts, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "typst":
            raise ImportError("No module named 'typst'", name="typst")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CensusError, match="Typst, which is not installed") as error:
        set_pdf(whole_report(facts, Words()))
    assert "overfly[report]" in str(error.value)


@pytest.fixture(scope="module")
def beside(filled_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("beside")
    asked = ReportRequest(sensitive=["zebra"])
    with Census.open(filled_file) as census:
        write_reports(census, "2026-wet", [folder / "r.html"], asked, beside=folder / "files")
    return folder / "files"


def table(folder, name):
    return list(csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text(encoding="utf-8"))))


def test_the_estimates_beside_the_report_are_those_of_the_census(beside, filled_file):
    with Census.open(filled_file) as census, census.reading() as session:
        run = store.latest_estimate_run(session, store.find_survey(session, "2026-wet").survey_id)
        rows = store.read_estimates(session, run.estimate_run_id)
    told = table(beside, "estimates")
    assert [(r["species"], r["stratum"], float(r["value"]), float(r["lower"])) for r in told] == [
        (e.species, e.stratum or "", e.value, e.lower) for e in rows
    ]
    whole = next(r for r in told if r["stratum"] == "")
    assert whole["category"] == "B"
    assert float(whole["definite"]) + float(whole["probable"]) + float(whole["possible"]) == pytest.approx(
        float(whole["upper"])
    )


def test_places_of_a_sensitive_species_are_not_beside_the_report(beside):
    assert {row["species"] for row in table(beside, "sightings")} == {"elephant"}
    (drawn,) = (path.read_text(encoding="utf-8") for path in beside.glob("map-*.svg"))
    # Elephants one by one, zebras as the cell they are in.
    assert drawn.count('<path id="species-') == 1
    assert drawn.count('class="coarse ') == 1
    assert len(list(beside.glob("density-*.svg"))) == 1
    assert len(list(beside.glob("transects-*.svg"))) == 1


def test_effort_and_variance_add_up(beside):
    effort = table(beside, "effort")
    assert effort[-1]["stratum"] == ""
    assert sum(float(r["area_searched_m2"]) for r in effort[:-1]) == pytest.approx(
        float(effort[-1]["area_searched_m2"])
    )
    shares = [float(r["share"]) for r in table(beside, "variance") if r["species"] == "elephant"]
    assert sum(shares) == pytest.approx(1)


def test_each_figure_is_an_svg_that_stands_alone(beside):
    figures = sorted(beside.glob("*.svg"))
    assert {p.name.rsplit("-", 1)[0] for p in figures} == {"map", "density", "transects"}
    for path in figures:
        root = ET.parse(path).getroot()
        assert root.tag == f"{SVG}svg"
        assert root.find(f"{SVG}style") is not None
        assert "http" not in path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")


def test_a_density_is_animals_over_ground_searched(facts):
    from counts.report.density import density_grids

    (grid, _) = density_grids(facts)
    assert grid.species == "elephant"
    assert grid.cell_m in {100, 200, 250, 500}
    assert len(grid.classes) == len(grid.bounds) + 1
    # No cell can have more than all elephants on the least ground that counts.
    seen = facts.seen_of("elephant")
    assert 0 < grid.bounds[-1] <= seen / (0.1 * (grid.cell_m / 1000) ** 2 * 0.1)
