"""Precision before flying: what an effort will tell, held against virtual surveys, budgets and known answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from counts.census import Census
from counts.store import add_survey
from flightplan.areas import LaunchSite, Stratum, StudyArea, write_area
from flightplan.design import draw_design, resolve_design
from flightplan.errors import CensusError, DesignError, UnreadableFileError
from flightplan.frames import LocalFrame
from flightplan.paths import Airspace
from flightplan.request import DesignRequest
from overfly.cli import main
from overfly.expected import expected_from_census, expected_numbers
from overfly.precision import Budget, Flights, precision_table
from overfly.precision_figure import precision_page, precision_png, precision_svg
from sim.virtual import Counting, DetectorErrors, Inhabitants, Placing, WorldRecipe
from sim.virtual.flights import Flying
from sim.virtual.populations import Ground
from sim.virtual.precision import Foresight

WIDTH_M = 100.0


def area(*, widths: tuple[float, ...] = (2000.0, 2000.0)) -> StudyArea:
    """Boxes 2 km high, side by side."""
    frame, west = LocalFrame(34.8, -2.3), -sum(widths) / 2
    strata = []
    for i, wide in enumerate(widths):
        ring = [(west, -1000), (west + wide, -1000), (west + wide, 1000), (west, 1000)]
        strata.append(Stratum(f"box-{i}", shapely.Polygon(frame.to_lonlat(ring))))
        west += wide
    return StudyArea("boxes", tuple(strata), (), (LaunchSite("camp", 34.8, -2.3),))


def world(**kind: object) -> WorldRecipe:
    return WorldRecipe((Inhabitants("zebra", **{"density_per_km2": {"": 100.0}, **kind}),))


def foresight(recipe: WorldRecipe, park: StudyArea, worlds: int = 400, heading_deg: float = 0.0) -> Foresight:
    return Foresight(
        Ground.of(park),
        recipe,
        heading_deg=heading_deg,
        strip_width_m=WIDTH_M,
        trigger_m=60.0,
        front_overlap=0.2,
        worlds=worlds,
    )


def design(park: StudyArea, spacing_m: float = 400.0, **asked: object) -> object:
    request = DesignRequest(spacing_m=spacing_m, **{"heading_deg": 0.0, **asked})
    return resolve_design(park, request, strip_width_m=WIDTH_M)


def test_lone_animals_are_as_precise_as_poisson_counts() -> None:
    """Singles at random: the error of N̂ about N is that of a binomial sample, CV² = (1 − f)/(f·N)."""
    park = area()
    lone = world(herd_mean=1.0, recall=1.0, precision=1.0)
    lone = replace(lone, detector=DetectorErrors(animal_spread=0.0), placing=Placing(0.0, 0.0, 0.0))
    found = foresight(lone, park).of(design(park))["zebra"]
    expected = np.sqrt((1 - 0.25) / (0.25 * 800))
    assert found.number == pytest.approx(800, rel=0.02)
    assert found.sampling == pytest.approx(expected, rel=0.07)
    assert found.checking == 0.0
    assert found.cv == pytest.approx(found.sampling)


@pytest.mark.parametrize("heading_deg", [0.0, 35.0, 90.0])
def test_lines_of_any_heading_cross_the_animals_where_they_are(heading_deg: float) -> None:
    frame = LocalFrame(34.8, -2.3)
    # Lopsided, so that strips that lie mirrored over it would hold other shares of it.
    wedge = shapely.Polygon(frame.to_lonlat([(-2500, -1000), (2000, -1000), (-2500, 1500)]))
    park = StudyArea("wedge", (Stratum("wedge", wedge),), (), (LaunchSite("camp", 34.8, -2.3),))
    lone = replace(world(herd_mean=1.0, recall=1.0, precision=1.0), placing=Placing(0.0, 0.0, 0.0))
    asked = design(park, heading_deg=heading_deg)
    found = foresight(lone, park, heading_deg=heading_deg).of(asked)["zebra"]
    share = foresight(lone, park, 30, heading_deg=heading_deg).effort(asked).shares["wedge"]
    assert found.sampling == pytest.approx(np.sqrt((1 - share) / (share * found.number)), rel=0.1)


def test_it_reckons_with_the_frames_at_both_ends_of_every_line() -> None:
    park = area()
    told = foresight(world(), park, 30).effort(design(park)).frames
    flown = []
    for seed in range(12):
        asked = design(park, seed=seed)
        strata = draw_design(park, asked, Airspace.over(park, allowance_m=200.0, buffer_m=15.0))
        drawn = Flying.designed(park, asked, strata, trigger_m=60.0, speed_mps=12.0, front_overlap=0.2)
        flown.append(len(drawn.draw().exposures))
    assert told == pytest.approx(np.mean(flown), rel=0.05)


def test_frames_that_lie_elsewhere_than_believed_add_to_the_error_of_checking() -> None:
    """An animal at the border of two frames is in the one for who checks and in the other for the count."""
    sure = replace(world(recall=1.0, precision=1.0), detector=DetectorErrors(animal_spread=0.0))
    park, adds = area(), []
    for frame_m in (0.0, 1.0, 4.0):
        recipe = replace(sure, placing=Placing(0.0, frame_m, 0.0))
        adds.append(foresight(recipe, park, 150).of(design(park))["zebra"].checking)
    assert adds[0] == 0.0
    # As many more animals near the border as it is uncertain where it is: the variance grows with the error.
    assert adds[2] == pytest.approx(2.0 * adds[1], rel=0.25)


def test_herds_in_one_place_make_it_less_precise_by_their_size() -> None:
    """Herds smaller than a strip count as one draw each: CV² grows by E(m²)/E(m), 6.3 for these."""
    park = area()
    herds = world(herd_mean=4.0, herd_shape=1.6, herd_spacing_m=0.2)
    found = foresight(herds, park).of(design(park))["zebra"]
    more = 3.0 + 3.0**2 / 1.6 + 4.0**2
    assert found.sampling == pytest.approx(np.sqrt((1 - 0.25) / (0.25 * 800) * more / 4.0), rel=0.08)


def test_more_checking_and_a_better_detector_add_less() -> None:
    park = area()
    poor = world(recall=0.6, precision=0.6)
    adds = [
        foresight(recipe, park, 100).of(design(park))["zebra"].checking
        for recipe in (
            replace(poor, counting=Counting(20, 20)),
            replace(poor, counting=Counting(80, 80)),
            replace(world(recall=0.95, precision=0.95), counting=Counting(80, 80)),
            replace(poor, counting=Counting(10_000, 10_000)),
        )
    ]
    assert adds[0] > 1.5 * adds[1] > 1.5 * adds[2] > adds[3] == 0.0


def test_availability_adds_its_error() -> None:
    park = area(widths=(4000.0,))
    found = foresight(world(availability={"": 0.8}, availability_se=0.08), park, 100).of(design(park))["zebra"]
    assert found.availability == pytest.approx(0.1, rel=1e-6)
    assert found.cv**2 == pytest.approx(found.sampling**2 + found.checking**2 + 0.01, rel=1e-6)


def test_the_same_seed_tells_the_same() -> None:
    park = area()
    assert foresight(world(), park, 50).of(design(park)) == foresight(world(), park, 50).of(design(park))


def test_a_zigzag_is_not_foretold() -> None:
    park = area()
    with pytest.raises(DesignError, match="zigzag design is not told"):
        foresight(world(), park, 30).of(design(park, kind="zigzag"))


def test_a_stratum_with_most_animals_gets_most_lines() -> None:
    park = area()
    recipe = world(density_per_km2={"box-0": 190.0, "box-1": 10.0}, herd_mean=5.0)
    asked = DesignRequest(spacing_m=400.0, heading_deg=0.0)
    table = precision_table(park, recipe, asked, strip_width_m=WIDTH_M, factors=(1.0,), worlds=150)
    (row,) = table.rows
    assert row.allocation == "neyman"
    assert row.lines["box-0"] > 2 * row.lines["box-1"]
    assert row.cv < 0.9 * row.other_cv
    # No more line than was asked for.
    assert row.length_km == pytest.approx(8.0e6 / 400.0 / 1000, rel=0.02)


def test_more_effort_is_more_precise_and_a_smaller_decline_shows() -> None:
    park = area()
    table = precision_table(
        park, world(), DesignRequest(min_lines=6, heading_deg=0.0), strip_width_m=WIDTH_M, worlds=150
    )
    cvs = [row.species["zebra"].precision.cv for row in table.rows]
    declines = [row.species["zebra"].decline for row in table.rows]
    assert cvs == sorted(cvs, reverse=True)
    assert declines == sorted(declines, reverse=True)
    assert table.rows[table.chosen].factor == 1.0
    assert table.rows[table.chosen].few_lines == ("box-0", "box-1")
    # Four times as many lines are strips that touch.
    assert not table.rows[-1].few_lines


def test_the_least_effort_that_reaches_a_cv_is_chosen() -> None:
    park, asked = area(), DesignRequest(min_lines=6, heading_deg=0.0)
    table = precision_table(park, world(), asked, strip_width_m=WIDTH_M, worlds=100, target_cv=0.15)
    reached = [row.species["zebra"].precision.cv <= 0.15 for row in table.rows]
    assert table.chosen == reached.index(True) > 0
    none = precision_table(park, world(), asked, strip_width_m=WIDTH_M, worlds=50, target_cv=0.001)
    assert none.chosen is None
    assert "no effort" in none.reason


def test_a_budget_allows_what_fits_it() -> None:
    assert Budget(days=2).allows(Flights(6, 3.0, 2))
    assert not Budget(days=2, batteries=5).allows(Flights(6, 3.0, 2))
    assert not Budget(batteries=5).allows(None)
    assert Budget().allows(None)


def test_animals_are_expected_from_a_few_numbers_or_a_table(tmp_path: Path) -> None:
    park = area()
    (zebra, lion) = expected_numbers(["zebra=800,6", "lion=8"], park).world.species
    assert (zebra.density_in("box-0"), zebra.herd_mean) == (pytest.approx(100.0, rel=1e-3), 6.0)
    assert lion.density_in("box-1") == pytest.approx(1.0, rel=1e-3)
    path = tmp_path / "animals.csv"
    path.write_text("species,stratum,number,herd_mean\nzebra,box-0,400,5\nzebra,box-1,40,5\n", encoding="utf-8")
    (zebra,) = expected_numbers([str(path)], park).world.species
    assert [round(zebra.density_in(f"box-{i}")) for i in (0, 1)] == [100, 10]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("species,number\nzebra,many\n", "number is 'many'"),
        ("species,stratum,number\nzebra,hill,5\n", "names the stratum 'hill'"),
        ("species,count\nzebra,5\n", "columns that are not known: count"),
        ("species,number\n,5\n", "names no species"),
    ],
)
def test_a_table_that_is_wrong_names_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "animals.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableFileError, match=said):
        expected_numbers([str(path)], area())


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(DesignError, match="is not SPECIES=NUMBER"):
        expected_numbers(["zebra=many", "lion=3"], area())


def test_the_command_tells_chooses_draws_and_hands_on_to_plan(tmp_path: Path) -> None:
    park = tmp_path / "park.geojson"
    write_area(area(), park)
    outs = [tmp_path / f"precision.{kind}" for kind in ("svg", "png", "html", "csv")]
    arguments = ["design", str(park), "--camera", "overfly-demo", "--height", "80", "--heading", "0", "--lines", "8"]
    arguments += ["--expect", "zebra=200,5", "--drone", "overfly-demo", "--speed", "12", "--hours", "1", "--days", "2"]
    result = CliRunner().invoke(main, [*arguments, *[a for o in outs for a in ("--out", str(o))], "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    chosen = document["efforts"][document["chosen"]]
    assert chosen["days"] <= 2
    assert all(row["days"] > 2 for row in document["efforts"][document["chosen"] + 1 :])
    assert 0 < chosen["species"]["zebra"]["cv"] < 1
    assert outs[0].read_text(encoding="utf-8").startswith("<svg")
    assert outs[1].read_bytes().startswith(b"\x89PNG")
    assert "Marked: the most effort" in outs[2].read_text(encoding="utf-8")
    assert len(outs[3].read_text(encoding="utf-8").splitlines()) == 1 + len(document["efforts"])
    # What it hands on is a plan with those lines.
    words = document["plan_command"].split()
    assert words[:2] == ["overfly", "plan"]
    planned = CliRunner().invoke(main, [*words[1:-1], str(tmp_path / "plan"), "--json"])
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["lines"] == pytest.approx(sum(chosen["lines"].values()), abs=2)


def test_few_lines_are_warned_of(tmp_path: Path) -> None:
    park = tmp_path / "park.geojson"
    write_area(area(), park)
    arguments = ["design", str(park), "--width", "100", "--heading", "0", "--lines", "6", "--expect", "zebra=80"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "fewer than 12 lines in box-0, box-1" in result.stderr
    assert "few lines" in result.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--cv", "10"], "needs animals to expect"),
        (["--expect", "zebra=8", "--last", "c.gpkg"], "one of --world, --expect and --last"),
        (["--expect", "zebra=8"], "needs --width, or --camera"),
        (["--expect", "zebra=8", "--width", "100", "--drone", "overfly-demo"], "--drone needs --camera"),
        (["--expect", "zebra=8", "--width", "100", "--days", "2"], "need --drone and --camera"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, more: list[str], said: str) -> None:
    park = tmp_path / "park.geojson"
    write_area(area(), park)
    result = CliRunner().invoke(main, ["design", str(park), *more])
    assert result.exit_code == 2
    assert said in result.output


def test_a_census_where_nothing_was_estimated_is_refused(tmp_path: Path) -> None:
    with Census.open(str(tmp_path / "empty.gpkg")) as census:
        with census.writing() as session:
            add_survey(session, None, name="2025", code_version="test")
        with pytest.raises(CensusError, match="nothing was estimated for the survey '2025' yet"):
            expected_from_census(census, area())


def test_the_figure_says_it_in_words_too() -> None:
    table = precision_table(
        area(),
        world(),
        DesignRequest(min_lines=6, heading_deg=0.0),
        strip_width_m=WIDTH_M,
        worlds=50,
        factors=(1.0, 2.0),
    )
    drawn = precision_svg(table)
    assert "boxes: precision against effort" in drawn
    assert "a decline of" in drawn
    assert precision_png(table) == precision_png(table)
    document = {"warnings": ["few"], "how": "so", "plan_command": "overfly plan"}
    assert "<svg" in precision_page(table, document)
