"""Numbers, dates, lists and sentences in the language of the report."""

from __future__ import annotations

import io
import math
import re
import string
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any

from babel import Locale, dates, lists, numbers
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from counts.report.stored import match_stored
from flightplan.errors import CensusError
from flightplan.messages import COUNT, Message, Value

UNKNOWN = "–"
_FORMATTED = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?(%?)")
_NUMBER = re.compile(r"(0|[1-9]\d{0,11})(\.\d{1,6})?")
DOMAIN = "overfly"
LOCALES = {"en": "en_GB", "fr": "fr", "pt": "pt_PT", "sw": "sw", "ru": "ru"}
"""The languages a report can be in, and the CLDR locale that its numbers and dates follow."""

# CLDR's English writes 22%; a value and its unit stand apart here, as in SI.
_PERCENT = {"en": "#,##0\u00a0%"}


class Words:
    """The words of one language. Messages are marked by calling `_` and `ngettext`, and have named placeholders."""

    def __init__(self, language: str = "en") -> None:
        if language not in LOCALES:
            raise CensusError(
                f"a report in {language!r} cannot be written", hint=f"There are: {', '.join(sorted(LOCALES))}"
            )
        self.language = language
        self.locale = Locale.parse(LOCALES[language])
        self._translations = _translations(language)

    def _(self, message: str, **values: object) -> str:
        """Return a message in this language, its placeholders filled."""
        told = self._translations.gettext(message)
        return told.format(**values) if values else told

    def ngettext(self, one: str, many: str, count: int, **values: object) -> str:
        """Return the form of a message that goes with a number, which its placeholder `{count}` says."""
        return self._translations.ngettext(one, many, count).format(count=self.whole(count), **values)

    def stored(self, text: str) -> str:
        """Return a sentence that the census keeps in English in this language, or as it is and marked as English.

        One that knows what it was made from (`flightplan.messages`) is made anew; another is told by its pattern.
        """
        if self.language == "en" or not text:
            return text
        if isinstance(text, Message) and (text.template, text.many) in _known(self.language):
            return self._made(text)
        found = match_stored(text)
        if found is None:
            return f"{text} [EN]"
        message, values = found
        told = self._translations.gettext(message)
        return told.format(**{name: self.stored_value(value) for name, value in values.items()}) if values else told

    def _made(self, kept: Message) -> str:
        if kept.many is None:
            told = self._translations.gettext(kept.template)
        else:
            told = self._translations.ngettext(kept.template, kept.many, int(str(kept.values[COUNT])))
        # How a number is written is said by the English template; a translation only says where.
        formats = {
            name: spec or "" for _, name, spec, _ in string.Formatter().parse(kept.many or kept.template) if name
        }
        values = {name: self._filling(value, formats.get(name, "")) for name, value in kept.values.items()}
        return _Filled().vformat(told, (), values)

    def _filling(self, value: Value, spec: str) -> str:
        if isinstance(value, tuple):
            return ", ".join(self._filling(v, spec) for v in value)
        if isinstance(value, Message):
            return self.stored(value)
        if isinstance(value, str):
            # A name is told as it is, and what another program said of a file; a sentence of ours is known.
            return self.stored(value) if " " in value and match_stored(value) else value
        number = _FORMATTED.fullmatch(format(value, spec))
        if number is None:
            return format(value, spec)
        sign, whole, decimals, percent = number.groups(default="")
        written = self.decimal(float(f"{whole}.{decimals or 0}"), len(decimals))
        if percent:
            written = self.percent(float(f"{whole}.{decimals or 0}") / 100, len(decimals))
        return ("−" if sign == "-" else sign) + written

    def stored_value(self, text: str) -> str:
        """Return what filled a placeholder of a stored sentence: a sentence of its own, a number, a name as it is."""
        if _NUMBER.fullmatch(text):
            return self.decimal(float(text), len(text.partition(".")[2]))
        return text if match_stored(text) is None else self.stored(text)

    def whole(self, value: float | None) -> str:
        """A count: 1,240."""
        return self.decimal(value, 0)

    def decimal(self, value: float | None, digits: int = 1) -> str:
        """A measure with a fixed number of decimals: 1,240.5."""
        if value is None or not math.isfinite(value):
            return UNKNOWN
        # As Python rounds, and without a sign before nothing.
        rounded = round(float(value), digits) + 0.0
        return str(numbers.format_decimal(rounded, format=_pattern("#,##0", digits), locale=self.locale))

    def significant(self, value: float | None, figures: int = 3) -> str:
        """A measure with a number of significant figures: 0.00312."""
        if value is None or not math.isfinite(value):
            return UNKNOWN
        digits = 0 if value == 0 else max(0, figures - 1 - math.floor(math.log10(abs(value))))
        return self.decimal(value, digits)

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share: 23 %."""
        if share is None or not math.isfinite(share):
            return UNKNOWN
        pattern = _PERCENT.get(self.language) or str(self.locale.percent_formats[None].pattern)
        rounded = round(float(share), digits + 2) + 0.0
        return str(numbers.format_percent(rounded, format=_pattern(pattern, digits), locale=self.locale))

    def signed_percent(self, share: float | None, digits: int = 0) -> str:
        """A change: +12 %, −5 %."""
        if share is None or not math.isfinite(share):
            return UNKNOWN
        rounded = round(share, digits + 2)
        sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
        return f"{sign}{self.percent(abs(share), digits)}"

    def square_km(self, area_m2: float | None) -> str:
        """An area given in square metres, in km² with a sensible number of decimals."""
        if area_m2 is None or not math.isfinite(area_m2):
            return UNKNOWN
        km2 = area_m2 / 1e6
        return self.decimal(km2, 0 if km2 >= 1000 else 1 if km2 >= 100 else 2)

    def plus_minus(self, value: float, spread: float | None, digits: int = 1) -> str:
        """A mean with its standard deviation: 80.0 ± 0.2."""
        return self.decimal(value, digits) + ("" if spread is None else f" ± {self.decimal(spread, digits)}")

    def listed(self, items: Sequence[str]) -> str:
        """Join words: a, b and c."""
        return str(lists.format_list(list(items), locale=self.locale)) if items else ""

    def in_turn(self, clauses: Sequence[str]) -> str:
        """Join clauses that may have commas in them: a; b."""
        told, *others = clauses or [""]
        for clause in others:
            told = self._("{first}; {second}", first=told, second=clause)
        return told

    def day(self, when: date) -> str:
        """A day: 4 March 2026."""
        return str(dates.format_date(when, "long", locale=self.locale))

    def clock(self, when: datetime) -> str:
        """A time of day: 06:40."""
        return f"{when:%H:%M}"


def _pattern(pattern: str, digits: int) -> str:
    return pattern.replace("#,##0", "#,##0." + "0" * digits) if digits else pattern


class _Filled(string.Formatter):
    """Fills placeholders with what is written out already."""

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)


@cache
def _known(language: str) -> frozenset[tuple[str, str | None]]:
    """The messages that a language has a translation of: for one, and for many where there are two."""
    return frozenset(
        (entry.id[0], entry.id[1]) if isinstance(entry.id, tuple | list) else (str(entry.id), None)
        for entry in _catalogue(language)
        if entry.id and entry.string and all(entry.string) and not entry.fuzzy
    )


@cache
def _catalogue(language: str) -> Catalog:
    source = files("counts.report").joinpath("locale", language, "LC_MESSAGES", f"{DOMAIN}.po")
    with source.open("rb") as stream:
        return read_po(stream, locale=language, domain=DOMAIN)


@cache
def _translations(language: str) -> NullTranslations:
    """Read a language's catalogue; English is what the messages are written in."""
    if language == "en":
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, _catalogue(language))
    compiled.seek(0)
    return GNUTranslations(compiled)
