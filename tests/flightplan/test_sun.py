"""Where the sun stands, against published answers, and what it does to a survey."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.cameras import camera_named
from flightplan.errors import PlanError
from flightplan.sun import (
    SUNRISE_ELEVATION_DEG,
    Sun,
    day_of_sun,
    glint_angle_deg,
    glint_free_deg,
    sun_at,
    thermal_window,
)

# Reda & Andreas 2004, Solar Position Algorithm (NREL/TP-560-34302), table A5.1: Golden, Colorado.
GOLDEN = (-105.1786, 39.742476)
MOUNTAIN_TIME = timezone(timedelta(hours=-7))


def test_the_sun_stands_where_nrel_says() -> None:
    sun = sun_at(*GOLDEN, datetime(2003, 10, 17, 12, 30, 30, tzinfo=MOUNTAIN_TIME))
    assert 90 - sun.elevation_deg == pytest.approx(50.11162, abs=0.01)
    assert sun.azimuth_deg == pytest.approx(194.34024, abs=0.01)


def test_the_sun_rises_and_sets_when_nrel_says() -> None:
    today, yesterday = day_of_sun(*GOLDEN, date(2003, 10, 17)), day_of_sun(*GOLDEN, date(2003, 10, 16))
    assert today.sunrise is not None
    assert yesterday.sunset is not None
    seconds = timedelta(seconds=10)
    assert abs(today.sunrise - datetime(2003, 10, 17, 6, 12, 43, tzinfo=MOUNTAIN_TIME)) < seconds
    # Their sunset is that of the day of UTC, which is the evening before in Colorado.
    assert abs(yesterday.sunset - datetime(2003, 10, 16, 17, 20, 19, tzinfo=MOUNTAIN_TIME)) < seconds


def test_at_the_june_solstice_the_sun_stands_over_the_tropic() -> None:
    day = day_of_sun(0.0, 23.436, date(2026, 6, 21))
    assert day.noon_elevation_deg == pytest.approx(90.0, abs=0.02)


@given(
    longitude_deg=st.floats(-180, 180),
    latitude_deg=st.floats(-60, 60),
    day=st.dates(date(1950, 1, 1), date(2090, 1, 1)),
)
def test_between_sixty_degrees_the_sun_rises_in_the_east_and_sets_in_the_west(
    longitude_deg: float, latitude_deg: float, day: date
) -> None:
    sun = day_of_sun(longitude_deg, latitude_deg, day)
    assert sun.sunrise is not None
    assert sun.sunset is not None
    assert sun.sunrise < sun.noon < sun.sunset
    rising, setting = (sun_at(longitude_deg, latitude_deg, t) for t in (sun.sunrise, sun.sunset))
    assert 0 < rising.azimuth_deg < 180 < setting.azimuth_deg < 360
    for at_horizon in (rising, setting):
        # NOAA's own refraction lifts a sun that is so low by 0.397°.
        assert at_horizon.elevation_deg == pytest.approx(SUNRISE_ELEVATION_DEG + 0.397, abs=0.01)


@pytest.mark.parametrize(("day", "words"), [(date(2026, 6, 21), "does not set"), (date(2026, 12, 21), "does not rise")])
def test_where_there_is_no_sunrise_it_is_none_with_the_reason(day: date, words: str) -> None:
    polar = day_of_sun(20.0, 78.0, day)
    assert (polar.sunrise, polar.sunset, thermal_window(polar)) == (None, None, None)
    assert polar.why_none is not None
    assert words in polar.why_none


def test_the_thermal_window_lies_ninety_minutes_around_sunrise() -> None:
    day = day_of_sun(34.83, -2.33, date(2026, 3, 1))
    window = thermal_window(day)
    assert window is not None
    assert day.sunrise is not None
    assert window == (day.sunrise - timedelta(minutes=90), day.sunrise + timedelta(minutes=90))


def test_a_time_without_its_offset_is_refused() -> None:
    with pytest.raises(PlanError, match="offset to UTC"):
        sun_at(34.83, -2.33, datetime(2026, 3, 1, 7, 30))


def test_glint_is_nought_where_the_view_mirrors_the_sun() -> None:
    sun = Sun(elevation_deg=50.0, azimuth_deg=90.0)
    assert glint_angle_deg(sun, 40.0, 270.0) == pytest.approx(0.0, abs=1e-5)
    assert glint_angle_deg(sun, 0.0) == pytest.approx(40.0)
    assert glint_angle_deg(sun, 40.0, 90.0) == pytest.approx(80.0)


def test_a_frame_is_free_of_glint_by_what_its_corner_is_from_the_mirrored_sun() -> None:
    camera = camera_named("overfly-demo")
    corner_deg = 90 - glint_free_deg(Sun(0.0, 0.0), camera)
    half_m = [side / 2 for side in camera.footprint_m(80.0)]
    ray = camera.rays([(-0.5, -0.5)])[0]
    assert half_m == pytest.approx([48.0, 36.0])
    assert corner_deg == pytest.approx(36.87, abs=0.01)  # 60 m beside the middle, 80 m above it
    assert ray[0] == pytest.approx(0.8, abs=1e-3)
    assert glint_free_deg(Sun(60.0, 0.0), camera) == pytest.approx(30.0 - corner_deg)


def test_midnight_sun_is_below_the_horizon_in_the_tropics() -> None:
    assert sun_at(34.83, -2.33, datetime(2026, 3, 1, 22, 0, tzinfo=UTC)).elevation_deg < -80
