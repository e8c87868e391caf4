"""Setting a report as a PDF with Typst: A4, page numbers, drawings as vectors, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from counts.report.document import Block, Box, Document, LegendItem, MapFigure, Pictures
from counts.report.figures import draw_map, standing_alone
from counts.report.html import SYMBOLS
from flightplan.errors import CensusError


def set_pdf(document: Document) -> bytes:
    """Return the PDF. The same document gives the same bytes: it holds no time, and only fonts that Typst brings.

    What the document says goes to Typst as data, never as its markup, so that no name can be read as a command. Raises
    CensusError where Typst is not installed.
    """
    return _compile(document, "pdf")[0]


def set_pictures(document: Document, *, ppi: float = 60) -> list[bytes]:
    """Return the PDF's pages as PNG. Raises CensusError where Typst is not installed."""
    return _compile(document, "png", ppi)


def _compile(document: Document, form: Literal["pdf", "png"], ppi: float | None = None) -> list[bytes]:
    try:
        import typst
    except ImportError as error:
        raise CensusError(
            "a PDF is set by Typst, which is not installed", hint="Install it: pip install 'overfly[report]'"
        ) from error
    said = {"document": json.dumps(_document(document), ensure_ascii=False)}
    # The system's fonts differ from one machine to the next. The result is typed as one page, though there may be many.
    done: Any = typst.compile(_template(), ignore_system_fonts=True, sys_inputs=said, format=form, ppi=ppi, timestamp=0)
    return [done] if isinstance(done, bytes) else list(done)


@cache
def _template() -> bytes:
    return files("counts.report").joinpath("templates", "report.typ").read_bytes()


def _document(document: Document) -> dict[str, Any]:
    return {
        **{name: getattr(document, name) for name in _PLAIN},
        "glance": _block(document.glance),
        "opening": [_block(b) for b in document.opening],
        "sections": [{"title": s.title, "blocks": [_block(b) for b in s.blocks]} for s in document.sections],
    }


_PLAIN = ("language", "layout", "title", "eyebrow", "heading", "lede", "footer", "running", "page_of")


def _block(block: Block) -> Mapping[str, Any]:
    if isinstance(block, MapFigure):
        svg = draw_map(block.map, block.number, block.described)
        return {
            "kind": block.kind,
            "svg": standing_alone(svg, "map.css"),
            "ratio": block.map.height / block.map.width,
            "described": block.described,
            "caption": block.caption,
            "legend": [{"svg": _symbol(item), "text": item.text} for item in block.legend],
        }
    if isinstance(block, Pictures):
        drawn = [{**asdict(p), "svg": standing_alone(p.svg, "chart.css")} for p in block.pictures]
        return {"kind": block.kind, "pictures": drawn}
    if isinstance(block, Box):
        return {**asdict(block), "kind": block.kind, "blocks": [_block(b) for b in block.blocks]}
    return {**asdict(block), "kind": block.kind}


def _symbol(item: LegendItem) -> str:
    hatched = {"exclusion": "hatch", "gap": "gap"}.get(item.symbol)
    pattern = _PATTERNS[hatched] if hatched else ""
    path = f'<path class="{item.symbol}" d="{SYMBOLS[item.shape]}"/>'
    return standing_alone(f'<svg class="drawn" viewBox="0 0 22 14"><defs>{pattern}</defs>{path}</svg>', "map.css")


# The patterns of templates/map.svg.j2.
_PATTERNS = {
    "hatch": '<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="7" height="7" fill="#f3e4da"/><line x1="0" y1="0" x2="0" y2="7" stroke="#a2583a" stroke-width="1.6" '
    'stroke-opacity="0.55"/></pattern>',
    "gap": '<pattern id="gap" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">'
    '<line x1="0" y1="0" x2="0" y2="5" stroke="#b3261e" stroke-width="2"/></pattern>',
}
