"""Sea level and the ellipsoid: the right difference, or a refusal."""

import numpy as np
import pytest

from flightplan import geoid
from flightplan.errors import TerrainError
from flightplan.geoid import geoid_height_m


def test_the_geoid_is_right_where_there_is_a_grid_and_refused_where_there_is_none():
    """EGM96: −17 m in the Serengeti, −34 m in Ohio; a silent 0 is what must never happen."""
    places = [[34.83, -2.33], [-83.3, 41.04]]
    if geoid._to_sea_level() is None:
        with pytest.raises(TerrainError, match="proj-data"):
            geoid_height_m(places)
    else:
        assert geoid_height_m(places) == pytest.approx([-16.5, -35.0], abs=2.0)


def test_a_transformation_without_its_grid_is_refused(monkeypatch):
    class Nothing:
        best_available = False
        transformers = ("would return heights unchanged",)

    monkeypatch.setattr(geoid, "TransformerGroup", lambda *args, **kwargs: Nothing())
    geoid._to_sea_level.cache_clear()
    with pytest.raises(TerrainError, match="none is here"):
        geoid_height_m([[34.83, -2.33]])
    geoid._to_sea_level.cache_clear()


def test_beyond_the_grid_is_refused(monkeypatch):
    class Beyond:
        def transform(self, x, y, z):
            return x, y, np.full(len(z), np.inf)

    monkeypatch.setattr(geoid, "_to_sea_level", lambda: Beyond())
    with pytest.raises(TerrainError, match="does not reach"):
        geoid_height_m([[34.83, -2.33]])
