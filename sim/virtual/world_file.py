"""World files: what virtual surveys suppose, as TOML whose every key is checked (docs/simulate.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counts.toml_keys import Keys, read_toml
from flightplan.errors import DesignError
from sim.behaviour import Behaviour
from sim.species import KNOWN
from sim.virtual.recipe import Counting, DetectorErrors, Inhabitants, Placing, WorldRecipe

_PAGE = "docs/simulate.md"
_MOST_PER_KM2 = 100_000.0
_LARGEST_HERD = 10_000.0


def read_world(path: Path | str) -> WorldRecipe:
    """Read a world file.

    Raises UnreadableFileError for one that is not TOML, DesignError, naming the place, for a key that is unknown,
    missing or out of its range.
    """
    path = Path(path)
    return world_of(read_toml(path, "the world file"), str(path))


def world_of(table: Mapping[str, Any], where: str) -> WorldRecipe:
    """Return the world that a TOML table describes; see `read_world`."""
    keys = Keys(dict(table), where, page=_PAGE)
    species = keys.table("species")
    if not species:
        raise DesignError("names no species", where=where, hint=f"Write [species.NAME]; see {_PAGE}.")
    found = tuple(
        _inhabitants(name, values if isinstance(values, dict) else {}, f"{where}, [species.{name}]")
        for name, values in species.items()
    )
    detector, placing, counting = (keys.table(name) for name in ("detector", "placing", "counting"))
    lost = keys.number("lost_frames", 0.0, low=0.0, high=0.9)
    keys.nothing_left()
    return WorldRecipe(
        found,
        _detector(Keys(detector, f"{where}, [detector]", page=_PAGE)),
        _placing(Keys(placing, f"{where}, [placing]", page=_PAGE)),
        _counting(Keys(counting, f"{where}, [counting]", page=_PAGE)),
        lost,
    )


def check_strata(world: WorldRecipe, strata: Sequence[str], where: str = "the world file") -> None:
    """Raise DesignError for a stratum that a world names and the area has not, or one without animals said."""
    for kind in world.species:
        for key, table in (("density_per_km2", kind.density_per_km2), ("availability", kind.availability)):
            for name in table:
                if name and name not in strata:
                    raise DesignError(
                        f"{key} of {kind.name} names the stratum {name!r}, and the area has none of that name",
                        where=where,
                        hint=f"There are: {', '.join(strata)}",
                    )
        missing = [name for name in strata if not {"", name} & set(kind.density_per_km2)]
        if missing:
            raise DesignError(f"the density of {kind.name} in {', '.join(missing)} is not said", where=where)


def _inhabitants(name: str, table: dict[str, Any], where: str) -> Inhabitants:
    keys = Keys(dict(table), where, page=_PAGE)
    slowest, fastest = _pair(keys, "speed_mps", (0.4, 1.2), where)
    kind = Inhabitants(
        name=name,
        density_per_km2=_by_stratum(keys, table, None, "density_per_km2", where, _MOST_PER_KM2),
        herd_mean=keys.number("herd_mean", 4.0, low=1.0, high=_LARGEST_HERD),
        herd_shape=keys.number("herd_shape", 1.6, low=0.0, above=True, high=1000.0),
        herd_spacing_m=keys.number("herd_spacing_m", 5.0, low=0.0, above=True, high=200.0),
        cluster_herds=keys.number("cluster_herds", 1.0, low=1.0, high=1000.0),
        cluster_radius_m=keys.number("cluster_radius_m", 400.0, low=1.0, high=50_000.0),
        cover_preference=keys.number("cover_preference", 1.0, low=0.0, high=2.0),
        moving_share=keys.number("moving_share", 0.0, low=0.0, high=1.0),
        speed_mps=(slowest, fastest),
        availability=_by_stratum(keys, table, 1.0, "availability", where, 1.0, above=True),
        availability_se=keys.number("availability_se", 0.0, low=0.0, high=0.5),
        recall=keys.number("recall", 0.85, low=0.0, above=True, high=1.0),
        precision=keys.number("precision", 0.85, low=0.0, above=True, high=1.0),
        stated_recall=_maybe(keys, "stated_recall"),
        stated_precision=_maybe(keys, "stated_precision"),
        body=keys.text("body") if keys.has("body") else None,
        behaviour=_behaviour(keys, where) if keys.has("behaviour") else None,
    )
    keys.nothing_left()
    if kind.body is not None and not kind.has_body:
        known = ", ".join(sorted(known.name for known in KNOWN))
        raise DesignError(f"there is no body called {kind.body!r}", where=where, hint=f"Known are: {known}")
    return kind


def _behaviour(keys: Keys, where: str) -> Behaviour:
    inner = Keys(dict(keys.table("behaviour")), f"{where}, behaviour", page=_PAGE)
    found = Behaviour(
        active_hours=_hours(inner, "active_hours", where),
        shade_hours=_hours(inner, "shade_hours", where),
        shade_share=inner.number("shade_share", 0.0, low=0.0, high=1.0),
        surface_s=inner.number("surface_s", 0.0, low=0.0, high=86_400.0),
        dive_s=inner.number("dive_s", 0.0, low=0.0, high=86_400.0),
        flees_within_m=inner.number("flees_within_m", 0.0, low=0.0, high=2000.0),
        flees_below_m=inner.number("flees_below_m", 0.0, low=0.0, high=2000.0),
        flee_m=inner.number("flee_m", 0.0, low=0.0, high=1000.0),
    )
    inner.nothing_left()
    return found


def _hours(keys: Keys, key: str, where: str) -> tuple[float, float] | None:
    values = keys.numbers(key)
    if not values:
        return None
    if len(values) != 2 or max(values) > 24.0:
        raise DesignError(f"{key} is two hours of the sun's day, as in [6, 18]", where=where)
    return values[0], values[1]


def _detector(keys: Keys) -> DetectorErrors:
    plain = DetectorErrors()
    found = DetectorErrors(
        herd_spread=keys.number("herd_spread", plain.herd_spread, low=0.0, high=5.0),
        frame_spread=keys.number("frame_spread", plain.frame_spread, low=0.0, high=5.0),
        animal_spread=keys.number("animal_spread", plain.animal_spread, low=0.0, high=5.0),
        alarm_frame_spread=keys.number("alarm_frame_spread", plain.alarm_frame_spread, low=0.0, high=3.0),
        alarms_lasting=keys.number("alarms_lasting", plain.alarms_lasting, low=0.0, high=1.0),
    )
    keys.nothing_left()
    return found


def _placing(keys: Keys) -> Placing:
    plain = Placing()
    found = Placing(
        common_m=keys.number("common_m", plain.common_m, low=0.0, high=100.0),
        frame_m=keys.number("frame_m", plain.frame_m, low=0.0, high=100.0),
        box_m=keys.number("box_m", plain.box_m, low=0.01, high=100.0),
    )
    keys.nothing_left()
    return found


def _counting(keys: Keys) -> Counting:
    plain = Counting()
    found = Counting(
        verify_positive=int(keys.number("verify_positive", plain.verify_positive, low=0, high=1e6)),
        verify_zero=int(keys.number("verify_zero", plain.verify_zero, low=0, high=1e6)),
        speed_limit_mps=keys.number("speed_limit_mps", plain.speed_limit_mps, low=0.0, high=20.0),
    )
    keys.nothing_left()
    return found


def _by_stratum(
    keys: Keys, table: Mapping[str, Any], default: float | None, key: str, where: str, high: float, above: bool = False
) -> dict[str, float]:
    """A number for all strata, or a table of them by stratum."""
    if not isinstance(table.get(key), dict):
        return {"": keys.number(key, default, low=0.0, above=above, high=high)}
    table = keys.table(key)
    inner = Keys(dict(table), f"{where}, {key}", page=_PAGE)
    return {name: inner.number(name, None, low=0.0, above=above, high=high) for name in table}


def _pair(keys: Keys, key: str, default: tuple[float, float], where: str) -> tuple[float, float]:
    values = keys.numbers(key) or default
    if len(values) != 2 or not 0 < values[0] <= values[1] <= 20.0:
        raise DesignError(f"{key} is the slowest and the fastest walk, as in [0.4, 1.2]", where=where)
    return values[0], values[1]


def _maybe(keys: Keys, key: str) -> float | None:
    return keys.number(key, None, low=0.0, above=True, high=1.0) if keys.has(key) else None
