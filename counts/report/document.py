"""What a report says, apart from how it is set: sections of paragraphs, tables, figures and cards.

All text is in the report's language already; a page or a PDF adds no word of its own. What is made by somebody else
(names of places, species, files) is plain text here, never markup.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from counts.report.map import SurveyMap


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `tone` is "", "soft", "note" for small print, or "hash" for what is to be compared by machine."""

    text: str
    tone: str = ""
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Glance:
    """Figures with their names, side by side."""

    items: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "glance"


@dataclass(frozen=True)
class Column:
    """A column: its head, its name where a row is read by itself (on a phone), and what it means in full."""

    head: str
    name: str
    meaning: str = ""

    @classmethod
    def of(cls, head: str) -> Column:
        """A column whose head says it all."""
        return cls(head, head)


@dataclass(frozen=True)
class Row:
    """A row of a table; `reason` says why something in it is not known."""

    cells: tuple[str, ...]
    is_total: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Table:
    """A table of numbers, or, where `words`, of text read from the left; `wide` ones have many columns."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    words: bool = False
    wide: bool = False
    stack: bool = True
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Scale:
    """An interval on a line from 0: places are in per cent of the line, `ends` are what to write at its limits."""

    at: float
    low: float | None
    high: float | None
    ends: tuple[str, str]
    truth: float | None
    described: str


@dataclass(frozen=True)
class Card:
    """One species' answer. `mark` is its colour; the lines follow one another."""

    mark: int
    species: str
    number: str
    is_known: bool
    limits: str
    confidence: str
    scale: Scale | None
    precision: str
    meaning: str
    change: str


@dataclass(frozen=True)
class Cards:
    """Answers side by side."""

    cards: tuple[Card, ...]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class LegendItem:
    """A symbol of a map: its class, whether it is a line, a dot or an area, and what it stands for."""

    symbol: str
    shape: str
    text: str


@dataclass(frozen=True)
class MapFigure:
    """A map with its legend; `number` tells the maps of a report apart."""

    map: SurveyMap
    number: int
    described: str
    legend: tuple[LegendItem, ...]
    caption: str
    kind: ClassVar[str] = "map"


@dataclass(frozen=True)
class Picture:
    """A drawing that stands alone: SVG without anything to load; `file_name` is what it is called beside the report."""

    file_name: str
    svg: str
    title: str
    caption: str
    described: str


@dataclass(frozen=True)
class Pictures:
    """Drawings side by side."""

    pictures: tuple[Picture, ...]
    kind: ClassVar[str] = "pictures"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]
    kind: ClassVar[str] = "bullets"


@dataclass(frozen=True)
class Terms:
    """Words with what they mean."""

    items: tuple[tuple[str, str], ...]
    kind: ClassVar[str] = "terms"


@dataclass(frozen=True)
class Walk:
    """Steps from a number back to what it came from: what the step is, what it was, and its hash or version."""

    steps: tuple[tuple[str, str, str], ...]
    kind: ClassVar[str] = "walk"


@dataclass(frozen=True)
class Box:
    """Blocks set apart; `tone` is "stop" for what a reader must not miss, "simulated" for what is not of the field."""

    title: str
    tone: str
    blocks: tuple[Block, ...]
    kind: ClassVar[str] = "box"


Block = (
    Paragraph | Heading | Glance | Table | Cards | MapFigure | Pictures | Bullets | Terms | Walk | Box
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report, or its one page for the field.

    `opening` stands under the title and, with it, on one page. `running` is at the foot of every printed page: the
    survey, and the hash that its numbers are known by.
    """

    language: str
    layout: str
    title: str
    eyebrow: str
    heading: str
    lede: str
    glance: Glance
    opening: tuple[Block, ...]
    sections: tuple[Section, ...]
    footer: str
    stands_alone: str
    """What a page on a screen says of itself; paper has no need of it."""
    running: str
    page_of: str
    """How a page says its number, with `{page}` and `{pages}`."""
