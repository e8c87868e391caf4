"""A biologist's table gives the estimators' own numbers, and its faults are named with their line."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from counts.commands.estimate import estimate_command
from counts.estimators import (
    EncounterVariance,
    FullIndependence,
    Rate,
    SampledStratum,
    bootstrap_ratio,
    density_surface_total,
    divided_by,
    double_observer,
    fit_detection_function,
    fit_sightability,
    fit_two_observers,
    huggins,
    jolly1,
    jolly2,
    jolly3,
    line_transects,
    sightability_total,
    subsample_total,
    total,
)
from counts.table_design import Estimator

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
    assert {re.search(r'estimator = "(.*?)"', f)[1] for f in FILES.values() if "estimator" in f} == {*Estimator}


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


def column(name: str, key: str) -> list[float]:
    return [float(r[key]) for r in rows_of(name)]


def run_files(tmp_path: Path, *names: str, table: str, design: str, changed: str = "") -> dict:
    for name in names:
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    return numbers(tmp_path, FILES[table], FILES[design] + changed)


def test_availability_by_class_raises_each_class_by_its_own_rate(tmp_path: Path) -> None:
    found = run_files(tmp_path, table="classes.csv", design="classes.toml")["total"]
    rows = rows_of("classes.csv")
    units = sorted({r["unit"] for r in rows})
    counts = {
        c: [float(r["count"]) for u in units for r in rows if (r["unit"], r["class"]) == (u, c)]
        for c in ("open", "bush")
    }
    areas = [next(float(r["area_km2"]) for r in rows if r["unit"] == u) for u in units]
    raised = [a / 0.95 + b / 0.55 for a, b in zip(counts["open"], counts["bush"], strict=True)]
    plain = jolly2(raised, areas, 80.0)
    assert found["value"] == pytest.approx(plain.value)
    shares = [80 * sum(counts[c]) / rate / sum(areas) for c, rate in (("open", 0.95), ("bush", 0.55))]
    rates = (shares[0] * 0.02 / 0.95) ** 2 + (shares[1] * 0.06 / 0.55) ** 2
    assert found["standard_error"] ** 2 == pytest.approx(plain.variance + rates)
    assert found["seen"] == sum(map(sum, counts.values()))


def test_transects_drawn_again_are_drawn_in_all_strata_at_once(tmp_path: Path) -> None:
    found = run_files(tmp_path, table="transects.csv", design="resampled.toml")["total"]
    rows = [[r for r in rows_of("transects.csv") if r["stratum"] == name] for name in ("woodland", "floodplain")]
    expected, _ = bootstrap_ratio(
        [[float(r["count"]) for r in part] for part in rows],
        [[float(r["area_km2"]) for r in part] for part in rows],
        [80.0, 120.0],
        seed=7,
    )
    assert (found["lower"], found["upper"]) == pytest.approx((expected.lower, expected.upper))
    rate = FILES["transects.toml"].partition("[[rates]]")[2]
    result = run(tmp_path, FILES["transects.csv"], FILES["resampled.toml"] + "[[rates]]" + rate)
    assert "cannot be divided by rates" in result.stderr


def test_observers_with_covariates_are_huggins(tmp_path: Path) -> None:
    found = run_files(tmp_path, table="groups.csv", design="groups.toml")
    given = list(zip(column("groups.csv", "bush"), column("groups.csv", "size"), strict=True))
    model = fit_two_observers(column("groups.csv", "first"), column("groups.csv", "second"), covariates=given)
    expected = huggins(model, sizes=column("groups.csv", "size"), covariates=given)
    assert found["total"]["upper"] == pytest.approx(expected.upper)
    assert found["model"]["coefficients"]["bush"] == pytest.approx(model.coefficients[1])


@pytest.mark.parametrize("independence", ["point", "full"])
def test_two_observers_of_lines_are_line_transects_under_that_independence(tmp_path: Path, independence: str) -> None:
    design = FILES["both.toml"].replace('"point"', f'"{independence}"')
    found = numbers(tmp_path, FILES["both.csv"], design)
    rows = rows_of("both.csv")
    lengths = {r["line"]: float(r["length_km"]) * 1000 for r in rows}
    seen = [r for r in rows if r["distance_m"]]
    x = [float(r["distance_m"]) for r in seen]
    model = fit_two_observers([float(r["first"]) for r in seen], [float(r["second"]) for r in seen], x)
    lines = ([list(lengths).index(r["line"]) for r in seen], list(lengths.values()), 40e6)
    sizes = [float(r["size"]) for r in seen]
    if independence == "point":
        expected = line_transects(fit_detection_function(x, 120), x, *lines, sizes=sizes, observers=model)
    else:
        expected = line_transects(FullIndependence(model, 0, 120), x, *lines, sizes=sizes)
    assert found["total"]["value"] == pytest.approx(expected.value)
    assert found["total"]["upper"] == pytest.approx(expected.upper)
    assert found["observers"]["sightings"] == len(seen)


def test_groups_raised_by_trials_are_sightability(tmp_path: Path) -> None:
    found = run_files(tmp_path, "trials.csv", table="moose.csv", design="moose.toml")
    model = fit_sightability(column("trials.csv", "seen"), column("trials.csv", "cover"))
    rows = rows_of("moose.csv")
    expected = sightability_total(
        model,
        column("moose.csv", "count"),
        column("moose.csv", "cover"),
        [("high", "low").index(r["stratum"]) for r in rows],
        [r["unit"] for r in rows],
        [SampledStratum(14, 5), SampledStratum(20, 4)],
    )
    assert (found["total"]["lower"], found["total"]["upper"]) == pytest.approx((expected.lower, expected.upper))
    assert found["strata"] == []


def test_a_checked_part_of_the_units_is_the_difference_estimator(tmp_path: Path) -> None:
    found = run_files(tmp_path, table="frames.csv", design="frames.toml")["total"]
    rows = rows_of("frames.csv")
    checked = [r for r in rows if r["verified"]]
    expected = subsample_total(
        [float(r["verified"]) for r in checked],
        len(rows),
        cheap_counts=[float(r["detected"]) for r in checked],
        cheap_total=sum(column("frames.csv", "detected")),
    )
    assert (found["value"], found["upper"]) == pytest.approx((expected.value, expected.upper))
    assert "missed herds may hide" in found["notes"][0]


def test_one_herd_that_dominates_the_checked_part_is_said(tmp_path: Path) -> None:
    table = "unit,detected,verified\n" + "".join(f"{i},0,{90 if i == 3 else 1 if i % 2 else ''}\n" for i in range(80))
    (note,) = (n for n in numbers(tmp_path, table, FILES["frames.toml"])["total"]["notes"] if "dominates" in n)
    assert "one unit holds 70% of the animals verified" in note


def test_segments_and_cells_are_a_density_surface(tmp_path: Path) -> None:
    found = run_files(tmp_path, "cells.csv", table="segments.csv", design="surface.toml")["total"]
    expected = density_surface_total(
        column("segments.csv", "count"),
        column("segments.csv", "area_km2"),
        list(zip(column("segments.csv", "x_km"), column("segments.csv", "y_km"), strict=True)),
        list(zip(column("cells.csv", "x_km"), column("cells.csv", "y_km"), strict=True)),
        column("cells.csv", "area_km2"),
        names=("x_km", "y_km"),
    )
    assert (found["value"], found["lower"]) == pytest.approx((expected.value, expected.lower), rel=1e-6)


@pytest.mark.parametrize(
    ("table", "design", "said"),
    [
        ("classes.csv", 'estimator = "jolly3"\n', "rates by class go with"),
        ("groups.csv", 'estimator = "huggins"\ncovariates = ["first"]\n', "'first' is no covariate"),
        (
            "moose.csv",
            'estimator = "sightability"\n[strata.high]\npossible_units = 9\nsampled_units = 5\n',
            "needs covariates",
        ),
        ("segments.csv", 'estimator = "density-surface"\ncovariates = ["x_km"]\n', "there is no grid"),
        ("segments.csv", 'estimator = "density-surface"\ncovariates = ["x_km", "x_km"]\ngrid = "a"\n', "named twice"),
    ],
)
def test_a_design_that_does_not_fit_its_estimator_is_refused(
    tmp_path: Path, table: str, design: str, said: str
) -> None:
    rate = '[[rates]]\nname = "availability"\nclass = "bush"\nvalue = 0.5\nstandard_error = 0.1\nsource = "x"\n'
    extra = STRATUM + rate if "jolly3" in design else ""
    result = run(tmp_path, FILES[table], design + extra)
    assert result.exit_code == 1
    assert said.replace("'", "") in result.stderr.replace("'", "")


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
