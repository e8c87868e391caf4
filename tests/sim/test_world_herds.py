"""What the simulated world promises: the same animals for a seed, where they may be, and how many."""

import pickle

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea
from flightplan.errors import AreaError
from sim.animals import OUTSIDE
from sim.park import demo_area
from sim.species import ELEPHANT, ZEBRA
from sim.world import World

seeds = st.integers(0, 2**31 - 1)


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(demo_area(), 4)


def test_one_seed_gives_the_same_animals_and_another_does_not(world: World) -> None:
    again, other = World.build(demo_area(), 4), World.build(demo_area(), 5)
    assert np.array_equal(world.animals.home_m, again.animals.home_m)
    assert world.truth() == again.truth()
    assert world.truth() != other.truth()


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0, 1e6))
def test_no_animal_is_ever_in_an_exclusion(seed: int, time_s: float) -> None:
    world = World.build(demo_area(), seed)
    village = shapely.union_all([world.area.frame.localise(e) for e in world.area.exclusions])
    assert not shapely.contains_xy(village, world.positions(time_s).local_m).any()


@settings(max_examples=15, deadline=None)
@given(seeds, st.floats(0, 1e6))
def test_the_truth_holds_at_all_times(seed: int, time_s: float) -> None:
    world = World.build(demo_area(), seed)
    now = world.positions(time_s).local_m
    for row, stratum in enumerate(world.area.strata):
        inside = shapely.contains_xy(world.area.frame.localise(stratum.polygon), now)
        assert np.array_equal(inside, world.animals.stratum == row)


def test_herds_go_on_past_the_boundary_and_are_not_counted(world: World) -> None:
    outside = int((world.animals.stratum == OUTSIDE).sum())
    counted = sum(sum(strata.values()) for strata in world.truth().values())
    assert outside > 0
    assert counted + outside == len(world.animals)


def test_walking_herds_walk_and_standing_ones_stand(world: World) -> None:
    before, after = world.positions(100.0), world.positions(101.0)
    step = np.hypot(*(after.local_m - before.local_m).T)
    walks = world.animals.speed_mps > 0
    assert 0.15 < walks.mean() < 0.40
    assert (step[~walks] == 0).all()
    assert np.median(np.abs(step[walks] - world.animals.speed_mps[walks])) < 1e-6


def test_positions_of_some_animals_are_those_of_all(world: World) -> None:
    rows = np.arange(0, len(world.animals), 7)
    assert np.array_equal(world.positions(777.0, rows).local_m, world.positions(777.0).local_m[rows])
    assert np.array_equal(world.positions(777.0, rows).heading_deg, world.positions(777.0).heading_deg[rows])


def test_the_demo_park_holds_about_a_hundred_herds_of_each_species() -> None:
    herds, sizes = [], []
    for seed in range(12):
        animals = World.build(demo_area(), seed).animals
        for row in range(2):
            mine = animals.herd[(animals.species == row) & (animals.stratum != OUTSIDE)]
            herds.append(len(np.unique(mine)))
            sizes.append(len(mine) / len(np.unique(mine)))
    assert 90 < np.mean(herds) < 110
    assert np.mean(sizes[0::2]) == pytest.approx(4.0, abs=0.4)
    assert np.mean(sizes[1::2]) == pytest.approx(5.8, abs=0.6)


def test_herd_sizes_have_the_mean_asked_for_and_are_clumped() -> None:
    rng = np.random.default_rng(1)
    for species in (ELEPHANT, ZEBRA):
        sizes = species.herd_sizes(20_000, rng)
        more = species.herd_mean - 1
        assert sizes.min() == 1
        assert sizes.mean() == pytest.approx(species.herd_mean, rel=0.03)
        assert sizes.var() == pytest.approx(more + more**2 / species.herd_shape, rel=0.08)


def test_elephants_prefer_the_woodland_and_zebras_the_plain() -> None:
    totals = np.zeros((2, 2))
    for seed in range(15):
        truth = World.build(demo_area(), seed).truth()
        totals += [[truth[s][k] for k in ("woodland", "floodplain")] for s in ("elephant", "zebra")]
    areas = [shapely.area(demo_area().frame.localise(s.polygon)) for s in demo_area().strata]
    density = totals / areas
    assert density[0, 0] > 1.15 * density[0, 1]
    assert density[1, 1] > 1.15 * density[1, 0]


def test_members_of_a_herd_do_not_stand_in_one_another(world: World) -> None:
    tree = shapely.STRtree(shapely.points(world.animals.home_m))
    elephants = np.nonzero(world.animals.species == 0)[0]
    points = shapely.points(world.animals.home_m[elephants])
    near = tree.query(shapely.buffer(points, 1.2), predicate="intersects")
    others = (elephants[near[0]] != near[1]) & (world.animals.species[near[1]] == 0)
    assert others.sum() / 2 < 0.02 * len(elephants)


def test_a_world_goes_to_another_process_as_it_is(world: World) -> None:
    copy = pickle.loads(pickle.dumps(world))
    assert np.array_equal(copy.positions(5.0).local_m, world.positions(5.0).local_m)


def test_an_area_too_large_for_one_world_is_refused() -> None:
    area = StudyArea("half a continent", (Stratum("all", shapely.box(10, -20, 30, 0)),))
    with pytest.raises(AreaError, match="herds of elephant"):
        World.build(area, 1)
