"""Frozen dataclasses as plain JSON values, and back, by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union

import shapely

from flightplan.errors import UnreadableFileError

Value = TypeVar("Value")


def to_plain(value: Any) -> Any:
    """Return a value made of dataclasses, tuples, shapely geometries, strings, numbers and None as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, shapely.Geometry):
        return to_plain(shapely.geometry.mapping(value))
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, str | bool | int | float):
        # An IntEnum is written as its number.
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    raise TypeError(f"{type(value).__name__} has no plain form")


def from_plain(kind: type[Value], value: Any, where: str = "") -> Value:
    """Rebuild a value of a type from its plain form: equal to the one that was written.

    Keys that the type does not know are ignored, and absent ones take its defaults, so that files outlive versions.
    Raises UnreadableFileError, naming the place, when the value is not of that type.
    """
    return typing.cast(Value, _rebuild(kind, value, where))


def _rebuild(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        return _rebuild_union(arguments, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise _mismatch("a list", value, where)
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise _mismatch(f"a list of {len(kinds)}", value, where)
        return tuple(_rebuild(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if dataclasses.is_dataclass(kind):
        return _rebuild_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, shapely.Geometry):
        try:
            return shapely.geometry.shape(value)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
            raise _mismatch("a GeoJSON geometry", value, where) from error
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (str, float, int, bool) and type(value) is kind:
        return value
    raise _mismatch(getattr(kind, "__name__", str(kind)), value, where)


def _rebuild_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    rest = [k for k in kinds if k is not type(None)]
    if all(isinstance(k, type) and issubclass(k, shapely.Geometry) for k in rest):
        return _rebuild(rest[0], value, where)
    if len(rest) == 1:
        return _rebuild(rest[0], value, where)
    raise TypeError(f"{where}: a union of {kinds} has no plain form")


def _rebuild_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch("an object", value, where)
    given = {}
    for field in dataclasses.fields(kind):
        if field.name in value:
            hint = _hints(kind)[field.name]
            given[field.name] = _rebuild(hint, value[field.name], f"{where}.{field.name}" if where else field.name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UnreadableFileError(f"lacks {field.name!r}", where=where or None)
    return kind(**given)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _mismatch(wanted: str, value: Any, where: str) -> UnreadableFileError:
    shown = repr(value)
    return UnreadableFileError(
        f"is {shown if len(shown) < 60 else shown[:57] + '...'}, not {wanted}", where=where or None
    )
