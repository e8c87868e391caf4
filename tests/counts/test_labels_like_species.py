"""People, vehicles, fires and carcasses are counted, estimated and reported as species are."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from counts.census import Census
from counts.report import write_report
from overfly.chain import count_survey
from overfly.cli import main


@pytest.mark.parametrize("labels", [("person", "vehicle"), ("fire", "carcass")])
def test_what_is_no_animal_has_an_estimate_a_place_in_the_report_and_in_exports(
    labels: tuple[str, str], tmp_path: Path, blank_file: Path, fill: Callable[..., int]
) -> None:
    path = tmp_path / "patrol.gpkg"
    path.write_bytes(blank_file.read_bytes())
    with Census.open(path) as census:
        fill(census, name="patrol", species=labels)
        counted = count_survey(census, survey="patrol")
        totals = {e.species: e for e in counted.estimates if e.stratum is None}
        assert set(totals) == set(labels)
        for label in labels:
            estimate = totals[label]
            assert estimate.individuals > 10
            assert estimate.value > estimate.individuals
            assert estimate.lower < estimate.value < estimate.upper
        page = tmp_path / "report.html"
        write_report(census, "patrol", page)
    text = page.read_text(encoding="utf-8")
    assert all(label in text for label in labels)
    done = CliRunner().invoke(main, ["export", "csv", str(path), "--survey", "patrol", "--out", str(tmp_path / "csv")])
    assert done.exit_code == 0, done.stderr
    estimates = csv.DictReader((tmp_path / "csv" / "estimates.csv").read_text(encoding="utf-8").splitlines())
    assert {row["species"] for row in estimates} == set(labels)
