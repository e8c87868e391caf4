"""Aircraft nearby: shown from afar, warned of when they would come within the well-clear volume."""

import math
import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightplan.vehicle.traffic import LOOK_AHEAD_S, Traffic, encounter

LON, LAT, METRES = 34.8333, -2.3333, 111_320.0
KNOWN = 1 | 2 | 4 | 8 | 16


def here(north_mps: float = 0.0, east_mps: float = 0.0, lon: float = LON):
    return SimpleNamespace(
        lat=round(LAT * 1e7), lon=round(lon * 1e7), alt=1_580_000, vx=north_mps * 100, vy=east_mps * 100
    )


def aircraft(
    east_m: float,
    north_m: float,
    *,
    up_m: float = 0.0,
    heading_deg: float = 0.0,
    speed_mps: float = 0.0,
    flags: int = KNOWN,
):
    return SimpleNamespace(
        ICAO_address=0x4B1A2C,
        lon=round((LON + east_m / (METRES * math.cos(math.radians(LAT)))) * 1e7),
        lat=round((LAT + north_m / METRES) * 1e7),
        altitude=round((1580 + up_m) * 1000),
        heading=heading_deg * 100,
        hor_velocity=speed_mps * 100,
        callsign="5H-ABC",
        flags=flags,
    )


def test_one_that_flies_towards_us_is_warned_of_before_it_is_here() -> None:
    met = encounter(aircraft(0, 3000, heading_deg=180, speed_mps=60), here())
    assert met.is_warning
    assert met.distance_m == pytest.approx(3000, abs=5)
    assert met.closing_mps == pytest.approx(60, abs=0.1)
    assert (met.nearest_m, met.nearest_in_s) == (pytest.approx(0, abs=5), pytest.approx(50, abs=0.2))
    words = r"aircraft 5H-ABC: 3\.0 km away, 0 m above the drone, closing at 60 m/s: within \d m in 50 s"
    assert re.fullmatch(words, met.words)


@pytest.mark.parametrize(
    ("report", "warns"),
    [
        (aircraft(0, 3000, heading_deg=0, speed_mps=60), False),  # flies away
        (aircraft(2000, 3000, heading_deg=180, speed_mps=60), False),  # passes 2 km beside
        (aircraft(500, 3000, heading_deg=180, speed_mps=60), True),  # passes 500 m beside
        (aircraft(0, 3000, up_m=300, heading_deg=180, speed_mps=60), False),  # far above
        (aircraft(0, 3000, up_m=150, heading_deg=180, speed_mps=60), True),  # above, as far as its height is known
        (aircraft(0, 3000, up_m=900, heading_deg=180, speed_mps=60, flags=KNOWN & ~2), True),  # no height
        (aircraft(0, 8000, heading_deg=180, speed_mps=60), False),  # more than a minute away
        (aircraft(300, 300), True),  # in the volume, standing
    ],
)
def test_what_would_come_within_the_volume_in_a_minute_is_a_warning(report, warns: bool) -> None:
    assert encounter(report, here()).is_warning is warns


def test_our_own_flight_counts_too() -> None:
    assert encounter(aircraft(0, 1200), here(north_mps=12.0)).is_warning
    assert not encounter(aircraft(0, 1200), here(north_mps=-12.0)).is_warning


def test_each_is_shown_once_and_warned_of_once_until_it_has_been_gone() -> None:
    traffic, us = Traffic(), here()
    far = aircraft(0, 9000, heading_deg=180, speed_mps=60)
    near = aircraft(0, 3000, heading_deg=180, speed_mps=60)
    said = [traffic.hear(r, us, t) for t, r in [(0, far), (1, far), (50, near), (51, near), (200, near)]]
    assert [None if s is None else s.is_warning for s in said] == [False, None, True, None, True]


def test_the_far_away_and_the_placeless_are_not_spoken_of() -> None:
    assert Traffic().hear(aircraft(0, 30_000), here(), 0.0) is None
    assert Traffic().hear(aircraft(0, 5000, up_m=5000), here(), 0.0) is None
    assert Traffic().hear(aircraft(0, 500, flags=0), here(), 0.0) is None


def test_over_the_date_line_is_near() -> None:
    report = aircraft(0, 0)
    report.lon = round(-179.999 * 1e7)
    assert encounter(report, here(lon=179.999)).distance_m == pytest.approx(222, abs=2)


def test_a_call_sign_is_printed_harmlessly() -> None:
    report = aircraft(0, 3000)
    report.callsign = "\x1b[2JX"
    assert "\x1b" not in encounter(report, here()).words
    report.flags = KNOWN & ~16
    assert "aircraft 4B1A2C" in encounter(report, here()).words


@given(east=st.floats(-5000, 5000), north=st.floats(-5000, 5000), heading=st.floats(0, 359), speed=st.floats(0.5, 100))
def test_the_nearest_is_never_farther_than_now_and_is_met_within_the_look_ahead(east, north, heading, speed) -> None:
    met = encounter(aircraft(east, north, heading_deg=heading, speed_mps=speed), here())
    assert met.nearest_m <= met.distance_m + 0.1
    assert 0 <= met.nearest_in_s <= LOOK_AHEAD_S
    # A little sooner or later is not nearer.
    v = (speed * math.sin(math.radians(heading)), speed * math.cos(math.radians(heading)))
    for t in (met.nearest_in_s - 1, met.nearest_in_s + 1):
        if 0 <= t <= LOOK_AHEAD_S:
            assert math.hypot(east + v[0] * t, north + v[1] * t) >= met.nearest_m - 2.0
