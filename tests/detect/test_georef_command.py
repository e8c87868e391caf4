"""`overfly evaluate georef` prints what it measured, and refuses what it cannot."""

import json
from pathlib import Path

from click.testing import CliRunner

from detect.commands.evaluate import evaluate_group


def test_the_exact_pairs_as_json(shared_data: Path):
    source = shared_data / "imagery" / "synthetic_rays.json"
    result = CliRunner().invoke(evaluate_group, ["georef", str(source), "--json"])
    assert result.exit_code == 0
    categories = json.loads(result.stdout)["categories"]
    assert len(categories) == 9
    assert set(categories["dem_oblique"]) == {"n", "median_m", "p90_m", "max_m", "inside_95"}
    assert all(c["median_m"] < 0.05 and c["max_m"] < 0.5 for c in categories.values())


def test_tie_points_as_a_table(shared_data: Path):
    result = CliRunner().invoke(evaluate_group, ["georef", str(shared_data / "imagery" / "seneca_sensefly")])
    assert result.exit_code == 0
    heading, row = result.stdout.splitlines()
    assert heading.split()[:2] == ["category", "n"]
    assert row.split()[:2] == ["pairs", "80"]


def test_pictures_without_a_gain_are_evaluated_as_read_and_it_is_said(shared_data: Path):
    source = str(shared_data / "imagery" / "seneca_sensefly")
    plain, refined = (CliRunner().invoke(evaluate_group, ["georef", source, *more]) for more in ([], ["--refine"]))
    assert "bring no gain" in refined.stderr
    assert refined.stdout == plain.stdout


def test_something_else_is_refused_with_one_sentence(tmp_path):
    result = CliRunner().invoke(evaluate_group, ["georef", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'tie_points.csv'}: not a table of tie points")
