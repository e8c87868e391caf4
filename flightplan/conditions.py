"""What animals, law, wind and sun ask of a flight, before it is planned in detail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from math import radians, tan

from flightplan.areas import StudyArea
from flightplan.camera import Camera
from flightplan.drones import Drone
from flightplan.errors import PlanError
from flightplan.messages import message
from flightplan.sun import (
    THERMAL_BEST_MIN,
    THERMAL_LAST_MIN,
    Sun,
    day_of_sun,
    glint_free_deg,
    good_light,
    sun_at,
    thermal_window,
)
from flightplan.wildlife import Species

USUAL_CEILING_M = 120.0
"""What most countries allow above ground without a permit (EU 2019/947, FAA part 107: 400 ft)."""

_LOW_SUN_DEG = 20.0


@dataclass(frozen=True)
class Conditions:
    """What a plan has to respect. None of it is assumed: what is not said is not checked.

    `when` is a date of the place's own, or a time with its offset to UTC. `force_height` flies below a species' least
    height all the same; the plan then says so. `wind_mps` is the wind forecast.
    """

    species: tuple[Species, ...] = ()
    force_height: bool = False
    ceiling_agl_m: float | None = None
    wind_mps: float | None = None
    when: date | datetime | None = None


def check_height(conditions: Conditions, lowest_m: float, highest_m: float) -> list[str]:
    """Return the warnings that the least and the greatest height above ground call for.

    Raises PlanError above the ceiling, and below what a species bears unless that is forced.
    """
    ceiling = conditions.ceiling_agl_m
    if ceiling is not None and not ceiling > 0:
        raise PlanError(f"a ceiling of {ceiling:g} m is not one")
    if ceiling is not None and highest_m > ceiling + 1e-6:
        raise PlanError(
            f"the flight would reach {highest_m:.0f} m above ground, and the ceiling is {ceiling:g} m",
            hint="Ask for a smaller height or ground sampling distance",
        )
    warnings: list[str] = []
    if ceiling is None and highest_m > USUAL_CEILING_M + 1e-6:
        warnings.append(
            message(
                "{height:.0f} m above ground is higher than the {usual:.0f} m that most countries allow",
                height=float(highest_m),
                usual=USUAL_CEILING_M,
            )
        )
    for species in conditions.species:
        if lowest_m >= species.min_height_agl_m - 1e-6:
            continue
        low = message(
            "{height:.0f} m above ground is below the {least:.0f} m that {species} needs",
            height=float(lowest_m),
            least=float(species.min_height_agl_m),
            species=species.name,
        )
        if not conditions.force_height:
            raise PlanError(
                f"{low}: {species.evidence} ({species.source})",
                hint="Fly higher, with a longer lens if need be; --force-height flies it all the same",
            )
        warnings.append(
            message(
                "{low}, forced: expect animals that flee or hide; {evidence} ({source})",
                low=low,
                evidence=species.evidence,
                source=species.source,
            )
        )
    return warnings


def check_wind(conditions: Conditions, drone: Drone) -> None:
    """Raise PlanError when the wind forecast is more than the drone is made for."""
    wind = conditions.wind_mps
    if wind is not None and not wind >= 0:
        raise PlanError(f"a wind of {wind:g} m/s is not one")
    if wind is not None and wind > drone.max_wind_mps:
        raise PlanError(
            f"a wind of {wind:g} m/s is more than the {drone.max_wind_mps:g} m/s that {drone.name} is made for",
            hint="Wait for a calmer day, or fly another drone",
        )


def good_to_know(
    conditions: Conditions, area: StudyArea, camera: Camera, drone: Drone, gsd_cm: float
) -> tuple[list[str], list[str]]:
    """Return notes and warnings on what the pilot meets: sizes in pixels, approach rules, wind, sun."""
    notes, warnings = [f"{drone.name} is made for wind up to {drone.max_wind_mps:g} m/s"], []
    for species in conditions.species:
        long_px, wide_px = species.size_px(gsd_cm)
        notes.append(f"an adult {species.name} is about {long_px:.0f} × {wide_px:.0f} px at {gsd_cm:.2g} cm a pixel")
        notes += [f"{species.name}: {rule}" for rule in species.rules]
    if conditions.when is not None:
        of_sun, about_sun = _sun(conditions.when, area, camera)
        notes += of_sun
        warnings += about_sun
    return notes, warnings


def _sun(when: date | datetime, area: StudyArea, camera: Camera) -> tuple[list[str], list[str]]:
    place = (area.frame.longitude_deg, area.frame.latitude_deg)
    zone = when.tzinfo if isinstance(when, datetime) else None
    named = "" if zone else " UTC"

    def clock(time: datetime | None) -> str:
        assert time is not None
        return f"{time.astimezone(zone) if zone else time:%H:%M}{named}"

    notes = _of_the_day(place, when.date() if isinstance(when, datetime) else when, camera, clock)
    if not isinstance(when, datetime):
        return notes, []
    of_then, warnings = _at_the_time(sun_at(*place, when), camera, clock(when))
    return [*notes, *of_then], warnings


def _of_the_day(
    place: tuple[float, float], date_there: date, camera: Camera, clock: Callable[[datetime | None], str]
) -> list[str]:
    """Return notes on sunrise and sunset at a place (longitude, latitude), and on the hours that suit a camera."""
    day = day_of_sun(*place, date_there)
    if day.sunrise is None:
        notes = [day.why_none or "sunrise is not known"]
    else:
        notes = [
            f"sunrise {clock(day.sunrise)}, sun highest {clock(day.noon)} at {day.noon_elevation_deg:.0f}°,"
            f" sunset {clock(day.sunset)}"
        ]
    window = thermal_window(day)
    if window is not None:
        first, last = (clock(t) for t in window)
        notes.append(
            f"thermal: from {first} to {last}, {THERMAL_LAST_MIN} minutes around sunrise,"
            f" best within {THERMAL_BEST_MIN} of it"
        )
    hours = good_light(*place, day, camera, lowest_deg=_LOW_SUN_DEG)
    if hours:
        spans = " and ".join(f"{clock(a)} to {clock(b)}" for a, b in hours)
        notes.append(
            f"light for pictures, the sun {_LOW_SUN_DEG:.0f}° high or more and no glint in still water: {spans}"
        )
    elif day.noon_elevation_deg < _LOW_SUN_DEG:
        notes.append(f"the sun stays below {_LOW_SUN_DEG:.0f}° all day: shadows are long in every picture")
    return notes


def _at_the_time(sun: Sun, camera: Camera, time: str) -> tuple[list[str], list[str]]:
    """Return notes and warnings on where the sun stands at a time of the clock."""
    notes = [f"at {time} the sun stands {sun.elevation_deg:.0f}° high, towards {sun.azimuth_deg:.0f}°"]
    free_deg = glint_free_deg(sun, camera)
    warnings: list[str] = []
    if sun.elevation_deg < 0:
        warnings.append(message("at {time} the sun is below the horizon: for a thermal camera only", time=time))
    elif sun.elevation_deg < _LOW_SUN_DEG:
        warnings.append(
            message(
                "at {time} the sun is only {height:.0f}° high: shadows are {times:.1f} times as long as animals are"
                " high",
                time=time,
                height=float(sun.elevation_deg),
                times=float(1 / max(tan(radians(sun.elevation_deg)), 0.05)),
            )
        )
    elif free_deg < 0:
        warnings.append(
            message(
                "at {time} the sun glints in water in every frame (its mirror image is {inside:.0f}° inside)",
                time=time,
                inside=float(-free_deg),
            )
        )
    else:
        notes.append(f"still water glints {free_deg:.0f}° outside of the frame or more; waves bring it nearer")
    return notes, warnings
