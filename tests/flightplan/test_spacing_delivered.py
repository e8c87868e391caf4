"""The spacing asked for is the spacing on the ground, measured by geodesics that know nothing of the planner."""

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.areas import Stratum, StudyArea, check_area
from flightplan.design import draw_design, resolve_design
from flightplan.frames import LocalFrame
from flightplan.paths import Airspace
from flightplan.request import SYSTEMATIC, DesignRequest

GEOD = pyproj.Geod(ellps="WGS84")
KM_PER_DEG = 111.2


def tolerance_m(spacing_m: float) -> float:
    """0.02 % of what was asked; 1 cm below 100 m."""
    return 0.01 if spacing_m < 100 else 2e-4 * spacing_m


def area_at(latitude: float, half_km: float, longitude: float = 34.8) -> StudyArea:
    """A square on the ground (nearly), corners in degrees, as a file would hold it."""
    high = half_km / KM_PER_DEG
    wide = high / np.cos(np.radians(min(abs(latitude) + high, 89)))
    box = shapely.box(longitude - wide, latitude - high, longitude + wide, latitude + high)
    return StudyArea("measured", (Stratum("all", box),))


def across_m(one, other, share: float) -> float:
    """The geodesic distance from a point on one line to another line: to the nearest of points close together on it."""
    (a_lon, a_lat), (b_lon, b_lat) = one
    azimuth, _, length = GEOD.inv(a_lon, a_lat, b_lon, b_lat)
    lon, lat, _ = GEOD.fwd(a_lon, a_lat, azimuth, length * share)
    (c_lon, c_lat), (d_lon, d_lat) = other
    azimuth, _, length = GEOD.inv(c_lon, c_lat, d_lon, d_lat)

    def to(distances):
        n = len(distances)
        lons, lats, _ = GEOD.fwd(np.full(n, c_lon), np.full(n, c_lat), np.full(n, azimuth), distances)
        return GEOD.inv(np.full(n, lon), np.full(n, lat), lons, lats)[2]

    low, high = 0.0, length
    for _ in range(6):
        steps = np.linspace(low, high, 41)
        best = int(np.argmin(to(steps)))
        low, high = steps[max(best - 1, 0)], steps[min(best + 1, 40)]
    return float(to(np.array([(low + high) / 2]))[0])


def worst_m(area: StudyArea, spacing_m: float, heading_deg: float, keep: int = 6) -> float:
    """The largest error of spacing between neighbours, along lines at the rim and in the middle."""
    asked = DesignRequest(kind=SYSTEMATIC, spacing_m=spacing_m, heading_deg=heading_deg, seed=3)
    design = resolve_design(area, asked, strip_width_m=spacing_m / 2)
    (stratum,) = draw_design(area, design, Airspace.over(area, allowance_m=60, buffer_m=15))
    lines = [t.segments[0] for t in stratum.transects]
    picked = sorted({*np.linspace(0, len(lines) - 2, keep).astype(int).tolist()})
    errors = []
    for i in picked:
        # The shorter of two neighbours has the other beside all of itself.
        pair = sorted((lines[i], lines[i + 1]), key=lambda ends: GEOD.inv(*ends[0], *ends[1])[2])
        errors += [abs(across_m(pair[0], pair[1], share) - spacing_m) for share in (0.2, 0.5, 0.8)]
    return max(errors)


@pytest.mark.parametrize("latitude", [0, 24, -33, 52, 64, 75, -75])
@pytest.mark.parametrize("heading", [0, 37, 90, 141])
def test_a_park_of_ten_kilometres_gets_its_spacing(latitude: float, heading: float) -> None:
    for spacing_m in (20.96, 99.9, 400.0):
        keep = 2 if spacing_m < 50 else 4
        half_km = 1.5 if spacing_m < 50 else 5.0
        error_m = worst_m(area_at(latitude, half_km), spacing_m, heading, keep)
        assert error_m < tolerance_m(spacing_m), (spacing_m, error_m)


@pytest.mark.parametrize("latitude", [0, -45, 71])
@pytest.mark.parametrize("heading", [0, 90])
def test_a_strip_as_long_as_a_frame_carries_gets_its_spacing_at_both_ends(latitude: float, heading: float) -> None:
    # 400 km long, lines of 1 km across it: their spacing at the rim of the frame, where it is stretched most.
    long_deg, thin_deg = 198 / KM_PER_DEG, 0.5 / KM_PER_DEG
    scale = 1 / np.cos(np.radians(latitude))
    high, wide = (thin_deg, long_deg * scale) if heading == 0 else (long_deg, thin_deg * scale)
    area = StudyArea("strip", (Stratum("all", shapely.box(25 - wide, latitude - high, 25 + wide, latitude + high)),))
    check_area(area)
    assert area.frame.reach_m([s.polygon for s in area.strata]) > 190_000
    for spacing_m in (99.9, 700.0):
        assert worst_m(area, spacing_m, heading, 4) < tolerance_m(spacing_m)


@pytest.mark.parametrize("latitude", [0, -24, 52, 72])
@pytest.mark.parametrize("half_km", [60, 105, 145])
def test_lengths_are_true_all_over_what_a_frame_carries(latitude: float, half_km: float) -> None:
    area = area_at(latitude, half_km)
    check_area(area)
    for heading in (0, 60):
        error = local_error(area, heading)
        assert error < 1e-4, error


def local_error(area: StudyArea, heading_deg: float) -> float:
    """The largest relative error of lengths across lines of a heading, at the corners, sides and middle of an area."""
    west, south, east, north = area.bounds_deg(0)
    lon, lat = np.meshgrid(np.linspace(west, east, 7), np.linspace(south, north, 7))
    places = area.frame.to_local(np.column_stack([lon.ravel(), lat.ravel()]))
    angle = np.radians(heading_deg)
    beside = places + 99.9 * np.array([np.cos(angle), -np.sin(angle)])
    a, b = area.frame.to_lonlat(places), area.frame.to_lonlat(beside)
    _, _, metres = GEOD.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])
    return float(np.abs(metres / 99.9 - 1).max())


def test_beyond_what_a_plain_frame_carries_the_error_is_halved() -> None:
    # A frame without its unit would stretch the rim by 0.019 % here, 2 cm in 100 m.
    area = area_at(10, 150)
    plain = LocalFrame(area.frame.longitude_deg, area.frame.latitude_deg)
    rim = [area.bounds_deg(0)[:2]]
    assert plain.reach_m(shapely.MultiPoint(rim)) > 205_000
    assert area.frame.unit_m == pytest.approx(1.00009, abs=1e-5)
    x, y = plain.to_local(rim)[0]
    across = plain.to_lonlat([(x, y), (x + 99.9 * y / np.hypot(x, y), y - 99.9 * x / np.hypot(x, y))])
    assert abs(GEOD.inv(*across[0], *across[1])[2] / 99.9 - 1) > 1.6e-4


@settings(max_examples=40, deadline=None)
@given(
    latitude=st.floats(-75, 75),
    longitude=st.floats(-170, 170),
    half_km=st.floats(0.5, 120),
    heading=st.floats(0, 180),
)
def test_anywhere_lengths_across_lines_are_true(latitude, longitude, half_km, heading) -> None:
    area = area_at(latitude, half_km, longitude)
    if area.frame.reach_m([s.polygon for s in area.strata]) <= 220_000:
        assert local_error(area, heading) < 1e-4
