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
    assert all(set(c) == FORM for c in categories.values())
    assert "pairs" not in json.loads(result.stdout)
    assert all(c["median_m"] < 0.05 and c["max_m"] < 0.5 for c in categories.values())


FORM = {"n", "median_m", "p90_m", "max_m", "inside_95"}


def test_tie_points_as_json_have_pairs_in_the_same_form_and_every_step(shared_data: Path):
    folder = shared_data / "imagery" / "seneca_sensefly"
    result = CliRunner().invoke(evaluate_group, ["georef", str(folder), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert set(document["pairs"]) == FORM
    assert document["categories"] == {"pairs": document["pairs"]}
    assert list(document["stages"]) == ["as_read", "repaired", "refined"]
    assert all(set(errors) == FORM for errors in document["stages"].values())
    assert document["pairs"] == document["stages"]["refined"]
    assert document["pairs"]["n"] == 80
    assert document["pairs"]["median_m"] < 1 < document["stages"]["as_read"]["median_m"] < 18.4
    assert document["refinement"]["applied"] is True
    assert "adjusted to" in result.stderr


def test_tie_points_as_a_table_without_refinement(shared_data: Path):
    folder = shared_data / "imagery" / "seneca_sensefly"
    result = CliRunner().invoke(evaluate_group, ["georef", str(folder), "--no-refine"])
    assert result.exit_code == 0
    heading, *rows = result.stdout.splitlines()
    assert heading.split()[:2] == ["category", "n"]
    assert [row.rsplit(maxsplit=5)[0].strip() for row in rows] == ["pairs", "as read", "repaired"]
    assert rows[0].split()[1:] == rows[2].split()[1:]


def test_something_else_is_refused_with_one_sentence(tmp_path):
    result = CliRunner().invoke(evaluate_group, ["georef", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'tie_points.csv'}: not a table of tie points")
