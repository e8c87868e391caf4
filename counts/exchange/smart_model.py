"""A park's SMART data model, and whether a mapping speaks its language.

The XML that SMART and SMART Connect export: `DataModel/categories` nest, each with the attributes that it asks for (a
category asks for those above it, too), and `DataModel/attributes` says what each may hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from counts.exchange.mapping import species_mapping
from counts.exchange.untrusted import as_xml, local_name, read_bytes
from flightplan.errors import CensusError, UnreadableFileError


@dataclass(frozen=True)
class ModelAttribute:
    """An attribute: `kind` is NUMERIC, TEXT, BOOLEAN, DATE, LIST, MLIST or TREE; `options` its active keys."""

    key: str
    kind: str
    is_required: bool
    options: frozenset[str]


@dataclass(frozen=True)
class DataModel:
    """The active categories by their path ("animals.live"), each with its active attributes' keys."""

    categories: Mapping[str, frozenset[str]]
    attributes: Mapping[str, ModelAttribute]


def read_data_model(path: Path) -> DataModel:
    """Read a data model. Raises UnreadableFileError for what is none."""
    root = as_xml(read_bytes(path), str(path))
    if local_name(root) != "DataModel":
        raise UnreadableFileError("this is no SMART data model: its root is no DataModel", where=str(path))
    categories: dict[str, frozenset[str]] = {}
    attributes: dict[str, ModelAttribute] = {}
    for part in root:
        if local_name(part) == "categories":
            for category in _named(part, "category"):
                categories.update(_categories(category, "", frozenset()))
        elif local_name(part) == "attributes":
            for attribute in _named(part, "attribute"):
                made = _attribute(attribute)
                attributes[made.key] = made
    if not categories:
        raise UnreadableFileError("the data model has no active category", where=str(path))
    return DataModel(categories, attributes)


def check_mapping(mapping: Mapping[str, Any], model: DataModel) -> tuple[str, ...]:
    """Return everything in a mapping that the data model would not take, in sentences; nothing when all is well."""
    found: list[str] = []
    for label, entry in species_mapping(mapping, required=("category",)).items():
        found += [f"{label}: {problem}" for problem in _problems(entry, model)]
    return tuple(found)


def refuse_bad_mapping(mapping: Mapping[str, Any], path: Path) -> None:
    """Raise CensusError, with all that is wrong, for a mapping that does not fit the data model in a file."""
    problems = check_mapping(mapping, read_data_model(path))
    if problems:
        raise CensusError(
            "the mapping does not fit the data model: " + "; ".join(problems),
            where=str(path),
            hint="Mend the mapping, or export the data model again if it was changed",
        )


def _problems(entry: Mapping[str, Any], model: DataModel) -> Iterator[str]:
    category = str(entry["category"]).rstrip(".")
    if category not in model.categories:
        yield f"there is no active category {category!r}"
        return
    values = dict(entry.get("attributes", {}))
    count = entry.get("count")
    if count is not None:
        kind = model.attributes[count].kind if count in model.attributes else None
        if kind not in (None, "NUMERIC"):
            yield f"the attribute {count!r} takes no number (it is {kind})"
        values[str(count)] = 1
    for key, value in values.items():
        attribute = model.attributes.get(key)
        if attribute is None or key not in model.categories[category]:
            yield f"{category!r} has no active attribute {key!r}"
        elif key != count and not _fits(value, attribute):
            allowed = f"; it takes {', '.join(sorted(attribute.options)[:12])}" if attribute.options else ""
            yield f"{key!r} cannot be {value!r} (it is {attribute.kind}{allowed})"
    for key in sorted(model.categories[category]):
        attribute = model.attributes.get(key)
        if attribute is not None and attribute.is_required and key not in values:
            yield f"{category!r} wants the attribute {key!r}"


def _fits(value: Any, attribute: ModelAttribute) -> bool:
    if attribute.kind in ("LIST", "TREE"):
        return str(value).rstrip(".") in attribute.options
    if attribute.kind == "MLIST":
        return {str(v) for v in (value if isinstance(value, list) else [value])} <= attribute.options
    if attribute.kind == "NUMERIC":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if attribute.kind == "BOOLEAN":
        return isinstance(value, bool)
    if attribute.kind == "DATE":
        return isinstance(value, date) or (isinstance(value, str) and _is_date(value))
    return isinstance(value, str)


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _categories(element: Element, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    if not _is_active(element) or not element.get("key"):
        return
    path = f"{prefix}.{element.get('key')}" if prefix else str(element.get("key"))
    own = {str(a.get("attributekey")) for a in element if local_name(a).startswith("attribute") and _is_active(a)}
    keys = above | own
    yield path, keys
    for child in _named(element, "category"):
        yield from _categories(child, path, keys)


def _attribute(element: Element) -> ModelAttribute:
    kind = str(element.get("type", "TEXT")).upper()
    options: set[str] = set()
    if kind in ("LIST", "MLIST"):
        options = {str(v.get("key")) for v in _named(element, "values") if _is_active(v)}
    elif kind == "TREE":
        for branch in _named(element, "tree"):
            options.update(_branches(branch, ""))
    return ModelAttribute(str(element.get("key")), kind, element.get("isrequired") == "true", frozenset(options))


def _branches(element: Element, prefix: str) -> Iterator[str]:
    if not _is_active(element):
        return
    path = f"{prefix}.{element.get('key')}" if prefix else str(element.get("key"))
    yield path
    for child in _named(element, "children"):
        yield from _branches(child, path)


def _named(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if local_name(child) == name)


def _is_active(element: Element) -> bool:
    return element.get("isactive", "true") != "false"
