"""What stands or hangs in the air over an area: masts and power lines, and airspace with limits.

Both are read from any vector file. What of them a flight at some height has to keep clear of is decided in
`flightplan.keep_clear`; here it is only what the files say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from flightplan.area_checks import check_degrees, check_polygon
from flightplan.area_features import Feature, printable, property_of
from flightplan.area_heights import AGL, AMSL, Level, StatedHeight, level_of
from flightplan.errors import AreaError

_WARNED_CLASSES = frozenset({"e", "f", "g", "tmz", "rmz", "no_restriction", "conditional"})
_TOP_FIELDS = ("top", "height", "top_level")
_LOWER_FIELDS = ("lower", "lowerlimit", "lower_limit", "lowerceiling", "floor")
_UPPER_FIELDS = ("upper", "upperlimit", "upper_limit", "upperceiling", "ceiling")
_CLASS_FIELDS = ("class", "airspace_class", "restriction", "category", "kind", "type")
_SUFFIXES = {f"_{d}_{u}": (u, d) for d in (AGL, AMSL) for u in ("m", "ft")}


@dataclass(frozen=True)
class Obstacle:
    """Something that stands up: point, line or polygon (geographic) and its top, None where its height is not known."""

    name: str
    geometry: shapely.Geometry
    top: Level | None = None


@dataclass(frozen=True)
class AirspaceZone:
    """Airspace over a polygon (geographic), from `lower` to `upper`.

    A `lower` of None is not known and taken as the ground; an `upper` of None is not known or has no end. `kind` is the
    class or type that its file states, "" for none.
    """

    name: str
    kind: str
    polygon: shapely.Polygon | shapely.MultiPolygon
    lower: Level | None = None
    upper: Level | None = None

    @property
    def is_avoided(self) -> bool:
        """Whether one stays out of it by default, as of everything that is not known to be open."""
        return self.kind.strip().lower() not in _WARNED_CLASSES


def obstacles_of(features: Sequence[Feature], path: Path, height: StatedHeight | None = None) -> tuple[Obstacle, ...]:
    """Return masts, power lines and the like: points, lines and polygons with the height of their tops.

    The height is in an attribute named `height_agl_m` (or `_ft`, `_amsl_`), one whose text says its unit and datum, or
    the one that `height` names. A feature without a height keeps None and is kept clear of at any. Raises AreaError
    when no feature has such an attribute.
    """
    if features and not any(_stated(f, "top", _TOP_FIELDS, height)[0] for f in features):
        raise _no_height(path, features, height, "--obstacle-height height:m:agl")
    return tuple(obstacle_of(f, f"{path}, {f.label}", height) for f in features)


def zones_of(
    features: Sequence[Feature], path: Path, limits: tuple[StatedHeight, StatedHeight] | None = None
) -> tuple[AirspaceZone, ...]:
    """Return airspace: polygons with a lower and an upper limit, and a class.

    The limits are in attributes named `lower_agl_m` and `upper_agl_m` (or `_ft`, `_amsl_`), ones whose text says unit
    and datum ("1500 ft AMSL", "GND", "FL065", openAIP's form), or those that `limits` names. A zone that does not say
    its lower limit is taken to begin at the ground, one that does not say its upper one never ends. Raises AreaError
    when no feature has such an attribute.
    """
    lower, upper = limits or (None, None)
    if features and not any(
        _stated(f, "lower", _LOWER_FIELDS, lower)[0] or _stated(f, "upper", _UPPER_FIELDS, upper)[0] for f in features
    ):
        raise _no_height(path, features, lower, "--airspace-limits lower:ft:amsl upper:ft:amsl")
    return tuple(zone_of(f, f"{path}, {f.label}", limits) for f in features)


def obstacle_of(feature: Feature, where: str, height: StatedHeight | None = None) -> Obstacle:
    """Return the obstacle that a feature in longitude and latitude states."""
    geometry = feature.geometry
    if geometry.is_empty:
        raise AreaError("has an empty geometry", where=where, hint="Take it out of the file")
    check_degrees(shapely.get_coordinates(geometry), where)
    if "Polygon" in geometry.geom_type:
        geometry = check_polygon(geometry, where)
    # A wire without length is a mast.
    geometry = shapely.make_valid(geometry)
    _, value, unit, datum = _stated(feature, "top", _TOP_FIELDS, height)
    top = level_of(value, where, unit=unit, datum=datum, highest=True)
    return Obstacle(_name(feature), geometry, top)


def zone_of(feature: Feature, where: str, limits: tuple[StatedHeight, StatedHeight] | None = None) -> AirspaceZone:
    """Return the airspace that a feature in longitude and latitude states."""
    polygon = check_polygon(feature.geometry, where)
    levels: list[Level | None] = []
    for i, (names, known) in enumerate((("lower", _LOWER_FIELDS), ("upper", _UPPER_FIELDS))):
        _, value, unit, datum = _stated(feature, names, known, limits[i] if limits else None)
        levels.append(level_of(value, where, unit=unit, datum=datum, highest=bool(i)))
    kind = property_of(feature.properties, _CLASS_FIELDS)
    # A file of ours tells features apart by `role`, and others by `type`: neither is a class of airspace.
    kind = "" if kind is None else printable(str(kind))
    return AirspaceZone(_name(feature), kind, polygon, levels[0], levels[1])


def level_properties(prefix: str, level: Level | None) -> Mapping[str, Any]:
    """Return the attribute that states a level, as the readers here understand it."""
    return {} if level is None else {f"{prefix}_{level.datum}_m": level.metres}


def _stated(
    feature: Feature, prefix: str, known: tuple[str, ...], stated: StatedHeight | None
) -> tuple[bool, Any, str | None, str | None]:
    """Return whether the feature has the attribute at all, what it holds, and the unit and datum known of it."""
    lowered = {str(k).strip().lower(): v for k, v in feature.properties.items()}
    if stated is not None:
        return stated.field.lower() in lowered, lowered.get(stated.field.lower()), stated.unit, stated.datum
    for name in (prefix, *known):
        for suffix, (unit, datum) in _SUFFIXES.items():
            if lowered.get(name + suffix) not in (None, ""):
                return True, lowered[name + suffix], unit, datum
    found = next((n for n in known if n in lowered), None)
    return found is not None, lowered.get(found or ""), None, None


def _no_height(path: Path, features: Sequence[Feature], stated: StatedHeight | None, example: str) -> AreaError:
    fields = sorted({str(k) for f in features for k in f.properties})
    shown = ", ".join(printable(f) for f in fields[:12]) or "none"
    what = "has no attribute that states heights" if stated is None else f"has no attribute {printable(stated.field)!r}"
    return AreaError(f"{what}; it has: {shown}", where=str(path), hint=f"Say which, in what unit, from what: {example}")


def _name(feature: Feature) -> str:
    name = property_of(feature.properties, ("name", "ident", "id"))
    return printable(str(name)) if name is not None else feature.label
