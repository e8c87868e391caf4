"""Setting a report as one HTML page that needs nothing else."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from counts.report.document import Document, MapFigure
from counts.report.figures import draw_map

SYMBOLS = {"dot": "M11 7h.01", "area": "M2 2h18v10h-18z", "line": "M1 7h20", "site": "M11 1l7 12h-14z"}
"""How a map's symbols look in its legend: path data in a box of 22 by 14."""

LONG_WORD, LONG_CELL = 24, 48


def set_html(document: Document) -> str:
    """Return the page."""
    return _environment().get_template("report.html.j2").render(document=document, symbols=SYMBOLS, map_svg=_map)


def _map(figure: MapFigure) -> Markup:
    # The drawing's own template escapes what others wrote.
    return Markup(draw_map(figure.map, figure.number, figure.described))  # noqa: S704


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("counts.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests.update(unbroken=_is_unbroken, prose=lambda text: len(text) > LONG_CELL)
    return environment


def _is_unbroken(text: str) -> bool:
    """Whether a cell holds a word that is too long for it, as a file's path is."""
    return any(len(word) > LONG_WORD for word in text.split())
