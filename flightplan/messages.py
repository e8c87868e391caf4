"""Sentences made of a template and named values, so that they can be told in another language later.

What is found out about a plan or a flight is written down when it is found, in English. A `Message` is that sentence, a
string like any other, that also keeps what it was made from; whoever tells it in another language translates the
template and fills it anew (`counts.report.words`). `docs/extract_messages.py` collects the templates.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

Value: TypeAlias = "str | int | float | Message | tuple[Value, ...]"
"""What fills a placeholder: a name, told as it is; a number; a message of its own; several of these."""

COUNT = "count"
"""The placeholder that chooses between one and many."""

_DEPTH = 8
_SPEC = re.compile(r"[+]?(\.\d)?[fg%]?")


class Message(str):
    """One English sentence, its template (and that for many), and the values by placeholder.

    Equal to, and kept as, the string that it is; made by `message` and `plural_message`.
    """

    __slots__ = ("many", "template", "values")
    template: str
    many: str | None
    values: Mapping[str, Value]

    def __new__(cls, template: str, many: str | None, values: Mapping[str, Value]) -> Message:
        """Fill the template for one, or that for many where `values` has another count than 1."""
        chosen = template if many is None or values[COUNT] == 1 else many
        made = super().__new__(cls, _English().vformat(chosen, (), values))
        for name, value in (("template", template), ("many", many), ("values", MappingProxyType(dict(values)))):
            object.__setattr__(made, name, value)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a message does not change: {name}")

    def __reduce__(self) -> tuple[type[Message], tuple[str, str | None, dict[str, Value]]]:
        return (Message, (self.template, self.many, dict(self.values)))


def message(template: str, /, **values: Value) -> Message:
    """Return a sentence with named values in it; a placeholder may say how its number is written: `{speed:.1f}`."""
    return Message(template, None, values)


def plural_message(one: str, many: str, count: int, /, **values: Value) -> Message:
    """Return the form of a sentence that goes with a number, which its placeholder `{count}` says."""
    return Message(one, many, {COUNT: int(count), **values})


def some_of(names: Iterable[str], most: int) -> Value:
    """Return names as they are listed in a sentence: the first `most` of them, and how many more there are."""
    every = tuple(names)
    if len(every) <= most:
        return every
    return message("{names} and {more} more", names=every[:most], more=len(every) - most)


def to_stored(text: str) -> dict[str, Any] | None:
    """Return what a message was made from as JSON values; None for a string that is none."""
    if not isinstance(text, Message):
        return None
    kept: dict[str, Any] = {"template": text.template, "values": {k: _stored(v) for k, v in text.values.items()}}
    return kept if text.many is None else {**kept, "many": text.many}


def from_stored(text: str, kept: object) -> str:
    """Return the message that was stored beside a text; the plain text where nothing that makes just it is there."""
    made = _made(kept, 0)
    return made if made == text and made is not None else text


def _stored(value: Value) -> Any:
    if isinstance(value, Message):
        return to_stored(value)
    return [_stored(v) for v in value] if isinstance(value, tuple) else value


def _made(kept: object, depth: int) -> Message | None:
    """A message from JSON values that anybody may have written; None for what is none."""
    if not isinstance(kept, Mapping) or depth > _DEPTH:
        return None
    template, many, values = kept.get("template"), kept.get("many"), kept.get("values")
    if not isinstance(template, str) or not isinstance(many, str | None) or not isinstance(values, Mapping):
        return None
    read = {str(name): _value(value, depth) for name, value in values.items()}
    if any(value is None for value in read.values()) or not all(map(_is_plain, (template, many or ""))):
        return None
    try:
        return Message(template, many, {name: value for name, value in read.items() if value is not None})
    except (KeyError, ValueError, IndexError, TypeError):
        return None


def _value(value: object, depth: int) -> Value | None:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Sequence):
        several = [_value(v, depth + 1) for v in value] if depth < _DEPTH else [None]
        return None if any(v is None for v in several) else tuple(v for v in several if v is not None)
    return _made(value, depth + 1)


def _is_plain(template: str) -> bool:
    """Whether placeholders are mere names, with short formats: nothing that reaches into values or fills memory."""
    try:
        return all(
            name is None
            or (name.isidentifier() and len(spec or "") <= 4 and not conversion and "{" not in (spec or ""))
            for _, name, spec, conversion in string.Formatter().parse(template)
        )
    except ValueError:
        return False


class _English(string.Formatter):
    """Fills placeholders as `str.format` does; several values are joined, each in the format asked for."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, tuple):
            return ", ".join(self.format_field(v, format_spec) for v in value)
        return str(value) if isinstance(value, str) else format(value, format_spec)
