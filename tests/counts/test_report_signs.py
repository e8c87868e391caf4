"""Signs of people and carcasses: which labels they are, and what is told of them."""

import math

import pytest
from sqlalchemy import select

from counts import schema, store
from counts.census import Census
from counts.report import ReportRequest, read_signs_asked, write_reports
from counts.report.signs import CARCASS, FIRE, PEOPLE, VEHICLE, kinds_of
from flightplan.errors import CensusError


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("elephant carcass", CARCASS), ("dead_elephant", CARCASS), ("Carcasse", CARCASS), ("mzoga", CARCASS),
        ("person", PEOPLE), ("watu", PEOPLE), ("человек", PEOPLE), ("motorbike", VEHICLE), ("boat", VEHICLE),
        ("camp_fire", FIRE), ("smoke", FIRE), ("elephant", None), ("caracal", None), ("fire-bellied toad", FIRE),
        ("manatee", None),
    ],
)  # fmt: skip
def test_a_label_is_a_sign_by_its_name(label, kind):
    assert kinds_of([label]).get(label) == kind


def test_what_was_said_of_a_label_goes_before_its_name():
    said = read_signs_asked(["carcass=old bones here", "animal=fire-bellied toad", "people=X"])
    labels = ["old bones here", "fire-bellied toad", "X", "zebra"]
    assert kinds_of(labels, said) == {"old bones here": CARCASS, "X": PEOPLE}


@pytest.mark.parametrize("text", ["carcass", "snare=wire", "carcass="])
def test_a_kind_that_is_none_is_refused(text):
    with pytest.raises(CensusError, match="the kinds are carcass, people, vehicle, fire, animal"):
        read_signs_asked([text])


@pytest.fixture(scope="module")
def with_carcasses(tmp_path_factory, blank_file, fill):
    import shutil

    path = tmp_path_factory.mktemp("signs") / "census.gpkg"
    shutil.copy(blank_file, path)
    with Census.open(path) as census:
        fill(census, species=("elephant", "elephant carcass"))
        with census.writing() as session:
            # A tenth of what stood there were people: seen, and without an estimate.
            rows = session.scalars(select(schema.Individual).where(schema.Individual.species == "elephant")).all()
            for row in rows[::10]:
                row.species = "person"
    return path


def told(path, tmp_path, **asked):
    with Census.open(path) as census:
        (out,) = write_reports(census, "2026-wet", [tmp_path / "r.html"], ReportRequest(**asked))
        with census.reading() as session:
            run = store.latest_estimate_run(session, store.find_survey(session, "2026-wet").survey_id)
            totals = {e.species: e for e in store.read_estimates(session, run.estimate_run_id) if e.stratum is None}
    return out.read_text(encoding="utf-8"), totals


def test_the_carcass_ratio_is_dead_over_all_with_limits_on_the_logit_scale(with_carcasses, tmp_path):
    page, totals = told(with_carcasses, tmp_path)
    dead, alive = totals["elephant carcass"], totals["elephant"]
    ratio = dead.value / (dead.value + alive.value)
    logit, reach = math.log(ratio / (1 - ratio)), 1.96 * math.sqrt(dead.cv**2 + alive.cv**2)
    lower, upper = (1 / (1 + math.exp(-(logit + sign * reach))) for sign in (-1, 1))
    expected = f'<td data-label="Carcass ratio">{ratio:.1%}</td><td data-label="Limits">{lower:.1%} to {upper:.1%}</td>'
    assert expected.replace("%", "\u00a0%") in page


def test_a_carcass_is_no_animal_on_the_first_page_and_people_are_counted_by_the_hour(with_carcasses, tmp_path):
    page, _ = told(with_carcasses, tmp_path)
    assert page.count('<article class="card') == 1
    assert "<h2>elephant</h2>" in page
    assert "per hour flown" in page
    assert '<td data-label="Label">person</td>' in page
    assert "No label of this survey stands for: vehicle and fire." in page


def test_a_label_said_to_be_an_animal_has_a_card_again(with_carcasses, tmp_path):
    page, _ = told(with_carcasses, tmp_path, signs={"elephant carcass": "animal"})
    assert page.count('<article class="card') == 2
    assert "Carcass ratio" not in page
