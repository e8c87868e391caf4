"""Local frames against geodesics."""

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.frames import LocalFrame

latitudes = st.floats(-75, 75)
longitudes = st.floats(-180, 180)
offsets = st.floats(-100_000, 100_000)


@given(longitudes, latitudes, offsets, offsets)
def test_a_point_comes_back_from_a_frame(longitude_deg: float, latitude_deg: float, east: float, north: float) -> None:
    frame = LocalFrame(longitude_deg, latitude_deg)
    local = np.array([[east, north]])
    assert frame.to_local(frame.to_lonlat(local)) == pytest.approx(local, abs=1e-4)


@given(longitudes, latitudes, st.floats(0, 360), st.floats(1, 200_000))
def test_distance_and_bearing_from_the_centre_are_the_geodesic_ones(
    longitude_deg: float, latitude_deg: float, bearing_deg: float, distance_m: float
) -> None:
    longitude, latitude, _ = pyproj.Geod(ellps="WGS84").fwd(longitude_deg, latitude_deg, bearing_deg, distance_m)
    ((east, north),) = LocalFrame(longitude_deg, latitude_deg).to_local([(longitude, latitude)])
    assert np.hypot(east, north) == pytest.approx(distance_m, abs=1e-3)
    assert east == pytest.approx(distance_m * np.sin(np.radians(bearing_deg)), abs=1e-2)
