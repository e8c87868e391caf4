"""A biologist's table gives the estimators' own numbers, and its faults are named with their line."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from counts.commands.estimate import estimate_command
from counts.estimators import (
    EncounterVariance,
    Rate,
    divided_by,
    double_observer,
    fit_detection_function,
    jolly1,
    jolly2,
    jolly3,
    line_transects,
    total,
)

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`(\S+)`:\n\n```(?:csv|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
SHOWN = re.findall(r"^```\n(overfly estimate [^\n]*)\n```\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STRATUM = "[strata.park]\narea_km2 = 100.0\n"
JOLLY_2 = 'estimator = "jolly2"\n' + STRATUM


def run(tmp_path: Path, table: str, design: str, *options: str) -> Result:
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    (tmp_path / "d.toml").write_text(design, encoding="utf-8")
    return CliRunner().invoke(
        estimate_command, [str(tmp_path / "t.csv"), "--design", str(tmp_path / "d.toml"), *options]
    )


def numbers(tmp_path: Path, table: str, design: str) -> dict:
    result = run(tmp_path, table, design, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(("command", "said"), SHOWN, ids=[command.split()[2] for command, _ in SHOWN])
def test_every_example_of_the_page_says_what_the_page_says(
    command: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(estimate_command, command.split()[2:])
    assert result.exit_code == 0, result.output
    assert result.stdout == said


def test_the_page_shows_every_estimator() -> None:
    assert {re.search(r'estimator = "(.*?)"', f)[1] for f in FILES.values() if "estimator" in f} == {
        "jolly1", "jolly2", "jolly3", "total", "double-observer", "distance",
    }  # fmt: skip


def rows_of(name: str) -> list[dict[str, str]]:
    header, *rows = (line.split(",") for line in FILES[name].splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_strips_in_two_strata_are_jolly_2_over_a_shared_availability(tmp_path: Path) -> None:
    document = numbers(tmp_path, FILES["transects.csv"], FILES["transects.toml"])
    rate = Rate("availability", 0.87, 0.03, "six collared cows, dry season 2024")
    parts = []
    for name, area in (("woodland", 80.0), ("floodplain", 120.0)):
        rows = [r for r in rows_of("transects.csv") if r["stratum"] == name]
        counts, areas = ([float(r[k]) for r in rows] for k in ("count", "area_km2"))
        parts.append(divided_by(jolly2(counts, areas, area, spread=EncounterVariance.O2), rate))
    whole = total(parts)
    assert [s["value"] for s in document["strata"]] == pytest.approx([p.value for p in parts])
    assert document["total"]["standard_error"] == pytest.approx(whole.standard_error)
    assert (document["total"]["lower"], document["total"]["upper"]) == pytest.approx((whole.lower, whole.upper))


def test_lines_with_distances_are_line_transects_of_groups(tmp_path: Path) -> None:
    document = numbers(tmp_path, FILES["lines.csv"], FILES["lines.toml"])
    rows = rows_of("lines.csv")
    lengths = {r["line"]: float(r["length_km"]) * 1000 for r in rows}
    seen = [r for r in rows if r["distance_m"]]
    distances, sizes = ([float(r[k]) for r in seen] for k in ("distance_m", "size"))
    expected = line_transects(
        fit_detection_function(distances, 120),
        distances,
        [list(lengths).index(r["line"]) for r in seen],
        list(lengths.values()),
        40e6,
        sizes=sizes,
    )
    assert len(lengths) == 8
    assert len({r["line"] for r in seen}) == 7, "a line without a sighting is effort too"
    assert document["total"]["value"] == pytest.approx(expected.value)
    assert document["total"]["upper"] == pytest.approx(expected.upper)
    assert set(document["detection_function"]["aic"]) == {"half-normal", "hazard-rate"}
    assert document["detection_function"]["goodness_of_fit"]["p_cramer_von_mises"] > 0.01


def test_plots_blocks_and_observers_are_jolly_1_jolly_3_and_chapman(tmp_path: Path) -> None:
    plots = numbers(tmp_path, FILES["plots.csv"], FILES["plots.toml"])["total"]
    assert (plots["value"], plots["upper"]) == pytest.approx(
        (jolly1([4, 0, 7, 3, 5, 2], 60).value, jolly1([4, 0, 7, 3, 5, 2], 60).upper)
    )
    blocks = numbers(tmp_path, FILES["blocks.csv"], FILES["blocks.toml"])["total"]
    expected = jolly3([12, 5, 12, 20, 9], [6.0, 3.5, 6.0, 8.2, 4.4], 150)
    assert (blocks["value"], blocks["lower"]) == pytest.approx((expected.value, expected.lower))
    observers = numbers(tmp_path, FILES["observers.csv"], FILES["observers.toml"])["total"]
    assert observers["value"] == pytest.approx(double_observer(23, 25, 18).estimate.value)
    assert observers["degrees_of_freedom"] is None


def test_a_total_count_gets_its_limits_from_its_correction_alone(tmp_path: Path) -> None:
    plain = numbers(tmp_path, FILES["total.csv"], FILES["total.toml"])["total"]
    assert (plain["value"], plain["lower"], plain["upper"]) == (360, None, None)
    rate = '[[rates]]\nname = "availability"\nvalue = 0.9\nstandard_error = 0.045\nsource = "dives"\n'
    corrected = numbers(tmp_path, FILES["total.csv"], FILES["total.toml"] + rate)["total"]
    assert corrected["value"] == pytest.approx(400)
    assert corrected["cv"] == pytest.approx(0.05)
    assert corrected["lower"] >= 360


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        ("unit,count,area_km2,colour\nA,1,2,red\n", 1, "unknown column 'colour'"),
        ("unit;count;area_km2\nA;1;2\n", 1, "comma"),
        ("unit,count\nA,1\n", 1, "no column area_km2"),
        ("unit,count,count,area_km2\nA,1,1,2\n", 1, "twice"),
        ("unit,count,area_km2\nA,1,2\nB,,2\n", 3, "count is missing"),
        ("unit,count,area_km2\nA,1,2\n\nB,3,-2\n", 4, "area_km2 is -2, and must be more than 0"),
        ("unit,count,area_km2\nA,1,2\nB,3,0\n", 3, "more than 0"),
        ("unit,count,area_km2\nA,1,2\nB,-3,2\n", 3, "at least 0"),
        ("unit,count,area_km2\nA,1.5,2\n", 2, "whole number"),
        ("unit,count,area_km2\nA,nan,2\n", 2, "not a number"),
        ("unit,count,area_km2\nA,1e308,2\n", 2, "at most"),
        ('unit,count,area_km2\nA,1,"2,5"\n', 2, "decimal sign is a point"),
        ("unit,count,area_km2\nA,1,2\nB,3\n", 3, "2 values under 3 columns"),
        ("unit,count,area_km2\nA,1,2\nB,3,2\nA,4,2\n", 4, "already on line 2"),
        ("unit,count,area_km2,stratum\nA,1,2,park\nB,1,2,town\n", 3, "'town' is not in the design"),
    ],
)
def test_a_fault_in_the_table_is_refused_with_its_line(tmp_path: Path, table: str, line: int, said: str) -> None:
    result = run(tmp_path, table, JOLLY_2)
    assert result.exit_code == 1
    assert f"t.csv, line {line}:" in result.stderr
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "the table is empty"),
        ("unit,count,area_km2\n", "no rows"),
        ("unit,count,area_km2\nA,1,60\nB,2,70\n", "130 km² searched in stratum park of 100 km²"),
    ],
)
def test_a_table_that_cannot_be_a_sample_is_refused(tmp_path: Path, table: str, said: str) -> None:
    result = run(tmp_path, table, JOLLY_2)
    assert result.exit_code == 1
    assert said in result.stderr


@pytest.mark.parametrize(
    ("table", "line", "said"),
    [
        ("line,length_km,distance_m\nA,2,10\nA,2,-4\n", 3, "distance_m is -4"),
        ("line,length_km,distance_m\nA,2,10\nA,3,4\n", 3, "3 km here and 2 km above"),
        ("line,length_km,distance_m,size\nA,2,10,1\nA,2,4,\nB,2,,\n", 3, "size is missing"),
    ],
)
def test_a_fault_in_a_table_of_distances_is_refused_with_its_line(
    tmp_path: Path, table: str, line: int, said: str
) -> None:
    result = run(tmp_path, table, 'estimator = "distance"\nwidth_m = 50\n' + STRATUM)
    assert result.exit_code == 1
    assert f"line {line}:" in result.stderr
    assert said in result.stderr


def test_an_animal_that_neither_observer_saw_cannot_be_in_the_table(tmp_path: Path) -> None:
    result = run(tmp_path, "first,second\n1,1\n0,0\n", 'estimator = "double-observer"\n')
    assert "line 3: seen by neither observer" in result.stderr


@pytest.mark.parametrize(
    ("design", "said"),
    [
        ('estimator = "jolly4"\n', "must be one of: jolly1, jolly2"),
        ('estimator = "jolly2"\n', "needs area_km2"),
        ('estimator = "jolly2"\n[strata.park]\n', "no area_km2"),
        ('estimator = "jolly2"\n[strata.park]\narea_km2 = -3\n', "more than 0"),
        ('estimator = "jolly2"\n[strata.park]\narea_km2 = true\n', "not a number"),
        ('estimator = "jolly2"\nwidth_m = 3\n' + STRATUM, "unknown key 'width_m'"),
        ('estimator = "jolly2"\nlimits = "wong"\n' + STRATUM, "sightability"),
        ('estimator = "distance"\n' + STRATUM, "no width_m"),
        ('estimator = "distance"\nwidth_m = 9\nspread = "R9"\n' + STRATUM, "must be one of: R2"),
        ('estimator = "distance"\nwidth_m = 9\nleft_m = 9\n' + STRATUM, "left_m"),
        ('estimator = "distance"\nwidth_m = 9\norders = [2]\n' + STRATUM, "both a kind and their orders"),
        (JOLLY_2 + '[[rates]]\nname = "availability"\nvalue = 1.2\nstandard_error = 0\nsource = "x"\n', "at most 1"),
        ("estimator = \n", "cannot be read"),
    ],
)
def test_a_fault_in_the_design_is_refused_by_name(tmp_path: Path, design: str, said: str) -> None:
    result = run(tmp_path, "unit,count,area_km2\nA,1,2\nB,3,2\n", design)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "d.toml" in result.stderr


def test_one_transect_has_an_estimate_and_no_limits(tmp_path: Path) -> None:
    result = run(tmp_path, "unit,count,area_km2\nA,4,2\n", JOLLY_2)
    assert result.exit_code == 0
    assert "200   no limits: one unit has no spread" in result.stdout
