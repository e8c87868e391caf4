"""Virtual surveys: the same for a seed whoever flies them, counted as the chain counts, scored against the truth."""

import json
import warnings
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import shapely

from counts.effort import core_zones, in_core_zones
from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.design import default_allowance_m, draw_design, resolve_design
from flightplan.errors import DesignError, UnreadableFileError
from flightplan.frames import LocalFrame
from flightplan.paths import Airspace
from flightplan.request import DesignRequest
from sim.virtual.detecting import detect, visible_in
from sim.virtual.estimating import CHOSEN, ESTIMATORS, Result, estimate_all
from sim.virtual.flights import Flying
from sim.virtual.populations import Ground, populate
from sim.virtual.recipe import Counting, DetectorErrors, Inhabitants, Placing, WorldRecipe
from sim.virtual.runs import Journal, WithoutPictures, run_seeds, run_surveys
from sim.virtual.scores import score
from sim.virtual.surveys import Setting, Surveyor, on_lines
from sim.virtual.world_file import check_strata, read_world
from sim.world import World

WIDTH_M, TRIGGER_M, OVERLAP = 96.0, 57.6, 0.2
ZEBRA = Inhabitants("zebra", {"west": 60.0, "east": 120.0}, herd_mean=4.0, recall=0.8, precision=0.8)
RECIPE = WorldRecipe((ZEBRA,), counting=Counting(verify_positive=20, verify_zero=20))


def box_area(*, hole: bool = False) -> StudyArea:
    """Two strata of 2 by 1.5 km side by side."""
    frame = LocalFrame(34.8, -2.3)

    def polygon(west: float, east: float) -> shapely.Polygon:
        return shapely.Polygon(frame.to_lonlat([(west, -750), (east, -750), (east, 750), (west, 750)]))

    village = shapely.Polygon(frame.to_lonlat([(-1200, -200), (-900, -200), (-900, 100), (-1200, 100)]))
    return StudyArea(
        name="two boxes",
        strata=(Stratum("west", polygon(-2000, 0)), Stratum("east", polygon(0, 2000))),
        exclusions=(village,) if hole else (),
        launch_sites=(LaunchSite("camp", 34.8, -2.3),),
    )


def flying(heading_deg: float = 0.0, lines: int = 6, **kind: object) -> Flying:
    area = box_area(hole=True)
    asked = DesignRequest(min_lines=lines, heading_deg=heading_deg, seed=3, **kind)
    design = resolve_design(area, asked, strip_width_m=WIDTH_M)
    airspace = Airspace.over(area, allowance_m=default_allowance_m(WIDTH_M), buffer_m=15.0)
    return Flying.designed(
        area, design, draw_design(area, design, airspace), trigger_m=TRIGGER_M, speed_mps=12.0, front_overlap=OVERLAP
    )


def fast(flown: Flying, recipe: WorldRecipe, **how: bool) -> WithoutPictures:
    return WithoutPictures(Setting(flown, recipe, **how))


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting(flying(), RECIPE)


def test_a_seed_gives_the_same_survey_whoever_flies_it(setting: Setting) -> None:
    seeds = run_seeds(7, 5)
    one = run_surveys(WithoutPictures(setting), seeds)
    assert one == run_surveys(WithoutPictures(setting), seeds, processes=2)
    assert one[3] == run_surveys(WithoutPictures(setting), seeds[3:4])[0]
    assert one[0] != one[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
def test_a_cluster_finds_what_one_process_finds(setting: Setting) -> None:
    seeds = run_seeds(7, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shared = run_surveys(WithoutPictures(setting), seeds, processes=2, cluster="local")
    assert shared == run_surveys(WithoutPictures(setting), seeds)


def test_the_first_seeds_are_the_same_however_many_there_are() -> None:
    assert run_seeds(7, 5) == run_seeds(7, 50)[:5]
    assert len(set(run_seeds(1, 2000)) | set(run_seeds(2, 2000))) == 4000


def test_a_run_that_was_killed_goes_on_with_its_journal(setting: Setting, tmp_path: Path) -> None:
    journal, seeds = tmp_path / "runs.jsonl", run_seeds(7, 4)
    whole = run_surveys(WithoutPictures(setting), seeds, journal=journal)
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[:3]) + lines[3][:25], encoding="utf-8")
    told: list[int] = []
    assert (
        run_surveys(WithoutPictures(setting), seeds, journal=journal, progress=lambda done, total: told.append(done))
        == whole
    )
    assert told == [3, 4]
    assert journal.read_text(encoding="utf-8") == "".join(lines)


def test_a_journal_of_other_surveys_is_refused(setting: Setting, tmp_path: Path) -> None:
    journal = tmp_path / "runs.jsonl"
    run_surveys(WithoutPictures(setting), run_seeds(7, 1), journal=journal)
    with pytest.raises(UnreadableFileError, match="journal of other surveys"):
        run_surveys(WithoutPictures(replace(setting, redraw=True)), run_seeds(7, 1), journal=journal)
    path = tmp_path / "text"
    path.write_text("hello\n", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="no journal"):
        Journal(path, WithoutPictures(setting).fingerprint())


def test_the_density_asked_for_is_the_one_drawn() -> None:
    ground = Ground.of(box_area())
    for clusters in (1.0, 4.0):
        recipe = WorldRecipe((replace(ZEBRA, cluster_herds=clusters, cluster_radius_m=150.0),))
        totals = [populate(ground, recipe, seed).truth()["zebra"] for seed in range(80)]
        # 3 km² a stratum: 180 and 360 animals; herds of 4 and clusters of 4 make the mean of 80 worlds waver.
        assert np.mean([t["west"] for t in totals]) == pytest.approx(180, rel=0.1 * clusters**0.5)
        assert np.mean([t["east"] for t in totals]) == pytest.approx(360, rel=0.08 * clusters**0.5)


def test_clusters_make_totals_waver_more() -> None:
    ground = Ground.of(box_area())
    spread = [
        np.std(
            [
                populate(ground, WorldRecipe((replace(ZEBRA, cluster_herds=n, cluster_radius_m=150.0),)), s).truth()[
                    "zebra"
                ]["east"]
                for s in range(40)
            ]
        )
        for n in (1.0, 8.0)
    ]
    assert spread[1] > 1.5 * spread[0]


def test_nobody_lives_in_an_exclusion_and_walking_never_leaves_a_stratum() -> None:
    area = box_area(hole=True)
    ground = Ground.of(area)
    world = populate(ground, WorldRecipe((replace(ZEBRA, moving_share=1.0),)), 5)
    assert (world.animals.speed_mps > 0).any()
    for time_s in (0.0, 100.0, 777.0):
        now = world.positions(time_s).local_m
        assert not shapely.contains_xy(area.local_exclusions, now).any()
        for row, polygon in enumerate(area.local_strata):
            assert np.array_equal(shapely.contains_xy(polygon, now), world.animals.stratum == row)


@pytest.mark.parametrize("heading_deg", [0.0, 37.0])
def test_a_frame_shows_what_stands_in_its_rectangle_when_it_is_taken(heading_deg: float) -> None:
    flown = flying(heading_deg).draw().exposures
    world = populate(Ground.of(box_area(hole=True)), WorldRecipe((replace(ZEBRA, moving_share=0.5),)), 8)
    seen = visible_in(world, flown, flown.centres_m, np.ones(len(world.animals), dtype=bool))
    outlines = flown.outlines(flown.centres_m)
    expected = set()
    for frame, time_s in enumerate(flown.times_s.tolist()):
        where = world.positions(time_s).local_m
        expected |= {(frame, row) for row in np.flatnonzero(shapely.contains_xy(outlines[frame], where)).tolist()}
    # An animal shows by half or more where its middle is in the frame; a corner takes half of a half.
    shown = set(zip(seen.frame.tolist(), seen.animal.tolist(), strict=True))
    assert expected <= shown
    inside = np.array([pair in expected for pair in zip(seen.frame.tolist(), seen.animal.tolist(), strict=True)])
    assert (seen.share[inside] >= 0.25).all()
    assert (seen.share[~inside] <= 0.5).all()
    assert len(expected) > 50
    assert 0 < (~inside).sum() < 0.2 * len(expected)


def standing(world: World, at_m: list[tuple[float, float]], headings_deg: list[float]) -> World:
    """The same world with a few grown animals that stand where they are told, and no others."""
    animals = world.animals
    rows = np.zeros(len(at_m), dtype=np.int64)
    few = type(animals)(**{f.name: getattr(animals, f.name)[rows] for f in fields(animals)})
    none, one = np.zeros(len(rows)), np.ones(len(rows))
    placed = replace(few, home_m=np.array(at_m), heading_deg=np.array(headings_deg), size=one, speed_mps=none)
    return replace(world, animals=placed)


def test_of_an_animal_that_the_border_cuts_off_the_box_is_around_what_shows() -> None:
    flown, frame = flying().draw().exposures, 3
    here, side = flown.centres_m[frame], WIDTH_M / 2
    length = 2.3  # of a grown zebra
    world = populate(Ground.of(box_area()), RECIPE, 1)
    # Facing across the border: the middle inside by a quarter of its length, on the border, outside by a quarter.
    spots = [(here[0] + side + offset, here[1]) for offset in (-length / 4, 0.0, length / 4, length)]
    seen = visible_in(standing(world, spots, [90.0] * 4), flown, flown.centres_m, np.ones(4, dtype=bool))
    mine = seen.frame == frame
    assert seen.animal[mine].tolist() == [0, 1, 2]
    # Of a circle cut at half of its radius 0.8045 of the area is left; an ellipse has the same.
    assert seen.share[mine] == pytest.approx([0.8045, 0.5, 0.1955], abs=1e-3)
    assert seen.points_m[mine] == pytest.approx(np.array(spots[:3]))
    moved = (seen.points_m - seen.shown_m)[mine]
    assert moved[:, 0] == pytest.approx([length / 8, length / 4, 3 * length / 8])
    assert moved[:, 1] == pytest.approx(0.0, abs=1e-9)


def test_a_tall_animal_leans_out_of_the_picture() -> None:
    flown = replace(flying().draw().exposures, height_m=80.0)
    here = flown.centres_m[3]
    aside = here + np.array([40.0, 0.0])
    tall = WorldRecipe((Inhabitants("elephant", {"": 10.0}),))
    world = standing(populate(Ground.of(box_area()), tall, 1), [tuple(here), tuple(aside)], [0.0, 0.0])
    seen = visible_in(world, flown, flown.centres_m, np.ones(2, dtype=bool))
    # The outline of an elephant of 2.9 m is 0.55 of that above the ground: 40 m away it seems 40 · 80 / 78.405 m away.
    away = (seen.points_m - here)[seen.frame == 3]
    assert away == pytest.approx(np.array([[0.0, 0.0], [40.0 * 80.0 / (80.0 - 0.55 * 2.9), 0.0]]))


def test_a_survey_that_missed_nothing_has_only_the_error_of_its_lines() -> None:
    counted = Surveyor(Setting(flying(), RECIPE)).count(4)
    (one,) = counted.species
    found = estimate_all(counted, RECIPE)["zebra"]["all seen"]
    searched, strata = counted.effort.area_m2, np.array(counted.drawn.lines.strata)
    animals = np.bincount(one.in_strips, minlength=len(strata))
    expected = sum(
        s.area_m2 * animals[strata == s.name].sum() / searched[strata == s.name].sum() for s in counted.drawn.strata
    )
    assert found.value == pytest.approx(expected)
    assert found.lower is not None
    assert found.lower < expected


def test_the_share_found_is_the_recall_however_errors_go_together() -> None:
    flown = flying().draw().exposures
    errors = DetectorErrors(herd_spread=0.8, frame_spread=0.5, animal_spread=0.7, alarm_frame_spread=0.8)
    recipe = WorldRecipe((ZEBRA,), errors)
    rng = np.random.default_rng(3)
    found = shown = false = 0
    for seed in range(25):
        world = populate(Ground.of(box_area(hole=True)), recipe, seed)
        seen = visible_in(world, flown, flown.centres_m, np.ones(len(world.animals), dtype=bool))
        boxes, scores = detect(world, recipe, flown, flown.centres_m, seen, rng)
        # Half of what a border cuts in half is found, so that shares count as what they are.
        found, shown, false = (
            found + (boxes.animal >= 0).sum(),
            shown + seen.share.sum(),
            false + (boxes.animal < 0).sum(),
        )
        assert len(scores) == len(boxes)
    assert found / shown == pytest.approx(0.8, abs=0.03)
    assert found / (found + false) == pytest.approx(0.8, abs=0.03)


def test_a_core_zone_asked_by_points_is_the_polygon_of_the_chain() -> None:
    surveyor = Surveyor(Setting(flying(37.0), RECIPE))
    drawn = surveyor.setting.flying.draw()
    exposures, rng = drawn.exposures, np.random.default_rng(4)
    # Frames that are off to the side leave ground to their neighbours.
    reported = exposures.centres_m + rng.normal(0.0, 5.0, exposures.centres_m.shape)
    flown = on_lines(drawn, exposures, reported)
    frame = rng.integers(0, len(exposures), 4000)
    points = reported[frame] + rng.uniform(-60.0, 60.0, (4000, 2))
    zones = core_zones(flown.footprints, flown.assignment, drawn.lines, drawn.land).polygons
    by_polygon = shapely.contains_xy(zones[frame], points[:, 0], points[:, 1])
    by_point = in_core_zones(points, frame, flown.footprints, flown.assignment, drawn.lines, drawn.land)
    assert np.array_equal(by_polygon, by_point)
    owner_elsewhere = by_point.sum()
    assert owner_elsewhere > 500


def test_a_perfect_detector_on_lines_that_pave_the_area_counts_them_all() -> None:
    sure = replace(ZEBRA, recall=1.0, precision=1.0)
    recipe = WorldRecipe(
        (sure,), DetectorErrors(animal_spread=0.0), Placing(0.0, 0.0, 0.01), Counting(verify_positive=500)
    )
    area = box_area()
    design = resolve_design(area, DesignRequest(spacing_m=WIDTH_M, heading_deg=0.0, seed=3), strip_width_m=WIDTH_M)
    strata = draw_design(area, design, Airspace.over(area, allowance_m=200.0, buffer_m=15.0))
    paved = Flying.designed(area, design, strata, trigger_m=TRIGGER_M, speed_mps=12.0, front_overlap=OVERLAP)
    (row,) = run_surveys(fast(paved, recipe), run_seeds(1, 1))
    found = row["zebra"]["not corrected"]
    assert found.value == pytest.approx(found.truth, rel=0.01)
    assert row["zebra"][CHOSEN].value == pytest.approx(found.truth, rel=0.01)


def test_every_estimator_is_scored_and_the_correction_takes_the_bias_out() -> None:
    poor = replace(ZEBRA, recall=0.6, precision=0.9)
    recipe = replace(RECIPE, species=(poor,), counting=Counting(60, 60))
    rows = run_surveys(fast(flying(), recipe, redraw=True), run_seeds(5, 25))
    assert list(rows[0]["zebra"]) == list(ESTIMATORS)
    chosen, plain = (score([r["zebra"][e] for r in rows]) for e in (CHOSEN, "not corrected"))
    assert abs(chosen.bias) < 0.12
    assert plain.bias < -0.2
    assert plain.coverage < chosen.coverage


def test_availability_is_divided_out_with_its_error() -> None:
    hidden = replace(ZEBRA, availability={"west": 0.5, "": 0.8}, availability_se=0.05)
    recipe = replace(RECIPE, species=(hidden,))
    rows = run_surveys(fast(flying(), recipe, redraw=True), run_seeds(5, 20))
    assert abs(score([r["zebra"][CHOSEN] for r in rows]).bias) < 0.2


def test_lines_are_drawn_anew_only_when_asked() -> None:
    surveyor = Surveyor(Setting(flying(), RECIPE))
    again = Surveyor(Setting(flying(), RECIPE, redraw=True))
    planned = surveyor.setting.flying.strata
    assert surveyor.count(1).drawn.strata == surveyor.count(2).drawn.strata == planned
    assert again.count(1).drawn.strata != again.count(2).drawn.strata


def test_one_world_keeps_its_animals() -> None:
    rows = run_surveys(fast(flying(), RECIPE, one_world=True), run_seeds(5, 3))
    assert len({r["zebra"][CHOSEN].truth for r in rows}) == 1
    assert len({r["zebra"][CHOSEN].value for r in rows}) == 3


def test_full_coverage_has_nothing_to_simulate() -> None:
    area = box_area()
    design = resolve_design(area, DesignRequest(kind="full", spacing_m=90.0), strip_width_m=WIDTH_M)
    with pytest.raises(DesignError, match="full coverage samples nothing"):
        Flying.designed(area, design, (), trigger_m=TRIGGER_M, speed_mps=12.0, front_overlap=OVERLAP)


def test_a_score_tells_bias_spread_and_coverage() -> None:
    results = [Result(100.0, v, v - 15, v + 15, 0.1) for v in (90.0, 110.0, 120.0, 80.0)]
    found = score([*results, Result(100.0, 100.0, None, None, None)])
    assert (found.surveys, found.n, found.coverage) == (5, 4, 0.5)
    assert (found.truth_below_lower, found.truth_above_upper) == (1, 1)
    assert found.bias == pytest.approx(0.0)
    assert found.cv == pytest.approx(np.std([-0.1, 0.1, 0.2, -0.2, 0.0], ddof=1))
    assert found.mean_width == pytest.approx(0.3)
    assert found.stated_cv == pytest.approx(0.1)
    json.dumps(found.document(), allow_nan=False)


WORLD = """
lost_frames = 0.01
[species.zebra]
density_per_km2 = { west = 60, east = 120 }
herd_mean = 4
availability = 0.9
availability_se = 0.02
speed_mps = [0.5, 1.0]
stated_recall = 0.9
[detector]
herd_spread = 0.4
[placing]
common_m = 2.0
[counting]
verify_zero = 10
"""


def test_a_world_file_says_it_all(tmp_path: Path) -> None:
    path = tmp_path / "world.toml"
    path.write_text(WORLD, encoding="utf-8")
    world = read_world(path)
    (kind,) = world.species
    assert (kind.density_in("east"), kind.available_in("west"), kind.speed_mps) == (120.0, 0.9, (0.5, 1.0))
    assert (world.detector.herd_spread, world.placing.common_m, world.counting.verify_zero) == (0.4, 2.0, 10)
    assert (kind.stated_recall, kind.stated_precision, world.lost_frames) == (0.9, None, 0.01)
    check_strata(world, ["west", "east"])
    with pytest.raises(DesignError, match="names the stratum 'east'"):
        check_strata(world, ["west", "north"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("herd_mean = 4", "unknown key 'herdmean'"),
        ("herd_mean = 4", "herd_mean is 0.5"),
        ("herd_mean = 4", "availability is 0"),
        ("herd_mean = 4", "body called 'lion'"),
        ("speed_mps = [0.5, 1.0]", "slowest and the fastest"),
        ("density_per_km2 = { west = 60, east = 120 }", "there is no density_per_km2"),
        ("density_per_km2 = { west = 60, east = 120 }", "west is 'many', not a number"),
        ("herd_spread = 0.4", "unknown key 'herd'"),
        ("verify_zero = 10", "verify_zero is -1"),
        ("lost_frames = 0.01", "lost_frames is 1"),
    ],
)
def test_a_world_file_that_is_wrong_names_the_key(tmp_path: Path, change: str, said: str) -> None:
    instead = {
        "unknown key 'herdmean'": "herdmean = 4",
        "herd_mean is 0.5": "herd_mean = 0.5",
        "availability is 0": "herd_mean = 4",
        "body called 'lion'": 'body = "lion"',
        "slowest and the fastest": "speed_mps = [2.0, 1.0]",
        "there is no density_per_km2": "",
        "west is 'many', not a number": 'density_per_km2 = { west = "many" }',
        "unknown key 'herd'": "herd = 1",
        "verify_zero is -1": "verify_zero = -1",
        "lost_frames is 1": "lost_frames = 1",
    }[said]
    text = WORLD.replace(change, instead)
    if said == "availability is 0":
        text = text.replace("availability = 0.9", "availability = 0")
    path = tmp_path / "world.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DesignError, match=said.replace("[", r"\[")):
        read_world(path)
