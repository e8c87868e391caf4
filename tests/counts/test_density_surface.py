"""A surface fitted to segments gives the animals of the whole area, with an error that repeated surveys bear out."""

import numpy as np
import pytest

from counts.estimators import density_surface_total, fit_density_surface
from flightplan.errors import EstimateError

GX, GY = (axis.ravel() for axis in np.meshgrid(np.linspace(0.1, 9.9, 40), np.linspace(0.1, 4.9, 20)))
CELLS, CELL_AREAS = np.column_stack([GX, GY]), np.full(800, 50 / 800)


def density(x, y):
    return np.exp(1.5 + np.sin(x / 2) + 0.3 * y - 0.08 * y * y)


def segments(seed: int, count: int = 300, clumping: float | None = 2.0, larger: float = 1.0):
    rng = np.random.default_rng(seed)
    where = rng.uniform((0, 0), (10, 5), (count, 2))
    areas = rng.uniform(0.02, 0.06, count) * larger
    mean = areas * density(*where.T)
    animals = rng.poisson(mean) if clumping is None else rng.negative_binomial(clumping, clumping / (clumping + mean))
    return animals, areas, where


TRUTH = float((CELL_AREAS * density(GX, GY)).sum())


def test_clumped_animals_are_estimated_without_bias_and_with_their_own_error() -> None:
    found = [density_surface_total(*segments(seed), CELLS, CELL_AREAS) for seed in range(12)]
    values, errors = ([getattr(e, name) for e in found] for name in ("value", "standard_error"))
    assert np.mean(values) == pytest.approx(TRUTH, abs=3 * np.std(values) / np.sqrt(12))
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.5)
    assert sum(e.lower <= TRUTH <= e.upper for e in found) >= 10


def test_the_surface_follows_the_density_and_bends_only_where_animals_do() -> None:
    surface = fit_density_surface(*segments(1, 400, None, 10.0))
    at = np.array([[1.0, 2.5], [4.0, 2.0], [6.0, 3.0]])
    assert surface.density(at) == pytest.approx(density(*at.T), rel=0.2)
    assert surface.dispersion == pytest.approx(1.0, abs=0.1)
    flat = np.random.default_rng(5).poisson(2.0, 300)
    even = fit_density_surface(flat, np.ones(300), segments(2)[2])
    assert even.effective_df < 6
    assert even.density(at) == pytest.approx(2.0, rel=0.15)


def test_clumping_widens_the_limits() -> None:
    even, clumped = (density_surface_total(*segments(3, 300, k, 5.0), CELLS, CELL_AREAS) for k in (None, 0.5))
    assert clumped.cv > 1.3 * even.cv


def test_cells_beyond_what_was_sampled_are_said_and_not_extrapolated() -> None:
    animals, areas, where = segments(4)
    west = where[:, 0] < 5
    surface = fit_density_surface(animals[west], areas[west], where[west])
    assert surface.density([[5.0, 2.0]]) == pytest.approx(surface.density([[9.0, 2.0]]), rel=0.1)
    (note,) = (n for n in surface.total(CELLS, CELL_AREAS).notes if "beyond" in n)
    assert note.startswith("50% of the cells")


def test_what_cannot_carry_a_surface_is_no_estimate_with_its_reason() -> None:
    animals, areas, where = segments(5)
    nothing = density_surface_total(np.zeros(300), areas, where, CELLS, CELL_AREAS)
    assert (nothing.value, nothing.reason) == (None, "none seen in any segment: there is no surface to fit")
    few = density_surface_total(animals[:19], areas[:19], where[:19], CELLS, CELL_AREAS)
    assert few.reason == "19 segments are too few: at least 20"
    same = density_surface_total(animals, areas, where * [1, 0], CELLS, CELL_AREAS)
    assert same.reason == "y is the same in every segment"
    with pytest.raises(EstimateError, match="known numbers for x, y"):
        fit_density_surface(animals, areas, where[:, :1])
