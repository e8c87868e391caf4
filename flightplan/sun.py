"""The sun over a place: where it stands, when it rises, and where water throws it back.

The formulas of the NOAA solar calculator (gml.noaa.gov/grad/solcalc, after Meeus 1998, Astronomical Algorithms, ch. 25
and 28), good to about 0.01° between 1900 and 2100 and below 72° latitude. Times are UTC and aware; azimuths are
clockwise from true north.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import acos, asin, atan2, cos, degrees, hypot, radians, sin, tan

from flightplan.camera import Camera
from flightplan.errors import PlanError

SUNRISE_ELEVATION_DEG = -0.833
"""Of the sun's centre when its upper rim is on the horizon: 34' of refraction and 16' of radius."""

THERMAL_BEST_MIN, THERMAL_LAST_MIN = 30, 90
"""Thermal surveys are flown within 30 to 90 minutes of sunrise, before the ground warms."""


@dataclass(frozen=True)
class Sun:
    """Where the sun stands. The elevation is the apparent one, refraction included."""

    elevation_deg: float
    azimuth_deg: float


@dataclass(frozen=True)
class Day:
    """A day of the sun at a place. Rise and set are None where it does not, which `why_none` then says."""

    sunrise: datetime | None
    noon: datetime
    sunset: datetime | None
    noon_elevation_deg: float
    why_none: str | None = None


def sun_at(longitude_deg: float, latitude_deg: float, when: datetime) -> Sun:
    """Return the sun's apparent elevation and its azimuth. Raises PlanError for a time without its offset to UTC."""
    if when.tzinfo is None:
        raise PlanError("a time of day needs its offset to UTC", hint="As in 2026-03-01T07:30+03:00")
    utc = when.astimezone(UTC)
    declination, equation_min = _declination_and_equation(utc)
    minutes = (utc - utc.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 60
    hour_angle = radians((minutes + equation_min + 4 * longitude_deg) / 4 - 180)
    latitude = radians(latitude_deg)
    up = sin(latitude) * sin(declination) + cos(latitude) * cos(declination) * cos(hour_angle)
    east = -cos(declination) * sin(hour_angle)
    north = cos(latitude) * sin(declination) - sin(latitude) * cos(declination) * cos(hour_angle)
    true_deg = degrees(atan2(up, hypot(east, north)))
    return Sun(true_deg + _refraction_deg(true_deg), degrees(atan2(east, north)) % 360)


def day_of_sun(longitude_deg: float, latitude_deg: float, day: date) -> Day:
    """Return sunrise, noon and sunset of a date at a place; the date is that of the place's own mean solar time."""
    midday = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(minutes=4 * longitude_deg)
    noon = midday
    for _ in range(2):
        noon = midday - timedelta(minutes=_declination_and_equation(noon)[1])
    top = sun_at(longitude_deg, latitude_deg, noon).elevation_deg
    rise, fall = (_crossing(longitude_deg, latitude_deg, noon, sign) for sign in (-1, 1))
    why = None
    if rise is None or fall is None:
        why = "the sun does not rise on that day" if top < 0 else "the sun does not set on that day"
    return Day(rise, noon, fall, top, why)


def thermal_window(day: Day) -> tuple[datetime, datetime] | None:
    """Return the first and last minute of a thermal survey around sunrise; None where the sun does not rise."""
    if day.sunrise is None:
        return None
    reach = timedelta(minutes=THERMAL_LAST_MIN)
    return day.sunrise - reach, day.sunrise + reach


def good_light(
    longitude_deg: float, latitude_deg: float, day: Day, camera: Camera, *, lowest_deg: float
) -> list[tuple[datetime, datetime]]:
    """Return the hours, to five minutes, when the sun stands high enough and its image in still water is in no frame.

    Empty where it never does both: over land glint does not matter, and the sun's height is told on its own.
    """
    first, last = (day.sunrise, day.sunset) if day.sunrise and day.sunset else _whole(day)
    found: list[tuple[datetime, datetime]] = []
    step, when = timedelta(minutes=5), first
    while when <= last:
        sun = sun_at(longitude_deg, latitude_deg, when)
        if sun.elevation_deg >= lowest_deg and glint_free_deg(sun, camera) >= 0:
            open_since = found.pop()[0] if found and found[-1][1] == when - step else when
            found.append((open_since, when))
        when += step
    return [(a, b) for a, b in found if b > a]


def glint_angle_deg(sun: Sun, view_zenith_deg: float, view_azimuth_deg: float = 0.0) -> float:
    """Return the angle between a view of still water and the sun's mirror image in it: 0 looks into the sun.

    The view is that from the water to the camera: angle from the vertical, and azimuth (Cox & Munk 1954).
    """
    sun_zenith, view_zenith = radians(90 - sun.elevation_deg), radians(view_zenith_deg)
    between = radians(sun.azimuth_deg - view_azimuth_deg)
    cosine = cos(sun_zenith) * cos(view_zenith) - sin(sun_zenith) * sin(view_zenith) * cos(between)
    return degrees(acos(max(-1.0, min(1.0, cosine))))


def glint_free_deg(sun: Sun, camera: Camera) -> float:
    """Return how far a frame taken straight down stays from the sun's image in still water, at least.

    Below 0 the sun's image is in the frame, in its corners first. Waves widen it by twice their slope.
    """
    half_across = camera.image_width_px / 2 / camera.focal_length_px
    half_along = camera.image_height_px / 2 / (camera.focal_length_y_px or camera.focal_length_px)
    return 90 - sun.elevation_deg - degrees(atan2(hypot(half_across, half_along), 1))


def _whole(day: Day) -> tuple[datetime, datetime]:
    """The day around noon where the sun does not set; where it does not rise, nothing of it."""
    half = timedelta(hours=12) if day.noon_elevation_deg > 0 else timedelta()
    return day.noon - half, day.noon + half


def _crossing(longitude_deg: float, latitude_deg: float, noon: datetime, sign: int) -> datetime | None:
    """The time when the sun passes the horizon before (-1) or after (1) noon, by NOAA's hour angle, improved twice."""
    latitude, when = radians(latitude_deg), noon + timedelta(hours=6 * sign)
    for _ in range(3):
        declination, equation_min = _declination_and_equation(when)
        cosine = sin(radians(SUNRISE_ELEVATION_DEG)) / (cos(latitude) * cos(declination)) - tan(latitude) * tan(
            declination
        )
        if not -1 <= cosine <= 1:
            return None
        drift_min = _declination_and_equation(noon)[1] - equation_min
        when = noon + timedelta(minutes=drift_min + sign * 4 * degrees(acos(cosine)))
    return when


def _declination_and_equation(utc: datetime) -> tuple[float, float]:
    """The sun's apparent declination in radians, and the equation of time in minutes (Meeus 1998, ch. 25 and 28)."""
    century = (utc - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86400 / 36525
    mean_longitude = radians((280.46646 + century * (36000.76983 + century * 0.0003032)) % 360)
    anomaly = radians(357.52911 + century * (35999.05029 - 0.0001537 * century))
    eccentricity = 0.016708634 - century * (0.000042037 + 0.0000001267 * century)
    centre_deg = (
        sin(anomaly) * (1.914602 - century * (0.004817 + 0.000014 * century))
        + sin(2 * anomaly) * (0.019993 - 0.000101 * century)
        + sin(3 * anomaly) * 0.000289
    )
    node = radians(125.04 - 1934.136 * century)
    longitude = mean_longitude + radians(centre_deg - 0.00569 - 0.00478 * sin(node))
    seconds = 21.448 - century * (46.815 + century * (0.00059 - century * 0.001813))
    obliquity = radians(23 + (26 + seconds / 60) / 60 + 0.00256 * cos(node))
    y = tan(obliquity / 2) ** 2
    equation = (
        y * sin(2 * mean_longitude)
        - 2 * eccentricity * sin(anomaly)
        + 4 * eccentricity * y * sin(anomaly) * cos(2 * mean_longitude)
        - 0.5 * y * y * sin(4 * mean_longitude)
        - 1.25 * eccentricity**2 * sin(2 * anomaly)
    )
    return asin(sin(obliquity) * sin(longitude)), 4 * degrees(equation)


def _refraction_deg(elevation_deg: float) -> float:
    """NOAA's refraction at sea level."""
    if elevation_deg > 85:
        return 0.0
    t = tan(radians(elevation_deg))
    if elevation_deg > 5:
        seconds = 58.1 / t - 0.07 / t**3 + 0.000086 / t**5
    elif elevation_deg > -0.575:
        e = elevation_deg
        seconds = 1735 + e * (-518.2 + e * (103.4 + e * (-12.79 + e * 0.711)))
    else:
        seconds = -20.774 / t
    return seconds / 3600
