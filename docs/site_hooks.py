"""What mkdocs calls while it builds the site: pages from the top folder, lists of verbs and decisions, formulas.

Formulas are fenced blocks of Typst, readable as they stand; here they become pictures, with MathML for who cannot see
them: no script, no font, no network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typst
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Pages that live where people and tools look for them, beside the code.
OUTSIDE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "detect/models/overfly-demo.md": "models/overfly-demo.md",
}
_FORMULA = re.compile(r"^```typst\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MATH = re.compile(r"<math\b.*?</math>", re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put a page for each verb and each decision where the navigation names their folder."""
    assert config.nav is not None
    config.nav = _opened(config.nav, Path(config.docs_dir))
    return config


def _opened(entries: list[Any], docs: Path) -> list[Any]:
    opened: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, inner),) = entry.items()
            opened.append({title: _opened(inner, docs) if isinstance(inner, list) else inner})
        elif entry == "verbs/":
            # In the order of the work, which is that of the page that lists them.
            listed = re.findall(r"\]\((verbs/[\w-]+\.md)\)", (docs / "commands.md").read_text(encoding="utf-8"))
            opened += [{Path(page).stem.replace("-", " "): page} for page in dict.fromkeys(listed)]
        elif entry == "decisions/":
            found = sorted(f"decisions/{p.name}" for p in (docs / "decisions").glob("*.md"))
            opened.append({"Decisions": found})
        else:
            opened.append(entry)
    return opened


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in the pages that live outside of docs/."""
    for outside, inside in OUTSIDE.items():
        text = (ROOT / outside).read_text(encoding="utf-8")
        files.append(File.generated(config, inside, content=_relinked(text, outside, inside)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to outside pages, and formulas."""
    if page.file.generated_by is None:
        markdown = _relinked(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)
    return with_formulas(markdown, page.file.src_uri)


def _relinked(markdown: str, at: str, site_at: str) -> str:
    """Return a page with its links as they are in the site, given where it lies and will lie."""

    def turned(link: re.Match[str]) -> str:
        target, hash_mark, anchor = link[1].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return link[0]
        wanted = _joined(at, target)
        if (ROOT / wanted).is_dir() and wanted.startswith("docs/"):
            first = min((ROOT / wanted).glob("*.md"))
            wanted = f"{wanted}/{first.name}"
        if wanted in OUTSIDE:
            inside = OUTSIDE[wanted]
        elif wanted.startswith("docs/"):
            inside = wanted.removeprefix("docs/")
        else:
            return link[0]  # no page of the site: mkdocs says so
        return f"]({_relative(inside, site_at)}{hash_mark}{anchor})"

    return _LINK.sub(turned, markdown)


def _joined(page: str, target: str) -> str:
    parts = page.split("/")[:-1]
    for part in target.rstrip("/").split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _relative(target: str, page: str) -> str:
    return "../" * page.count("/") + target


def with_formulas(markdown: str, where: str) -> str:
    """Return a page whose blocks of Typst are drawn, with MathML beside each for who cannot see it."""
    sources = [m[1].strip() for m in _FORMULA.finditer(markdown)]
    if not sources:
        return markdown
    try:
        drawn = [
            f'<div class="formula">{svg}{math}</div>' for svg, math in zip(svgs(sources), mathml(sources), strict=True)
        ]
    except (typst.TypstError, ValueError) as error:
        raise PluginError(f"{where}: a formula is not Typst: {error}") from error
    following = iter(drawn)
    return _FORMULA.sub(lambda _: next(following), markdown)


def svgs(sources: list[str]) -> list[str]:
    """Return each formula of Typst's as a picture in the colour of the text around it.

    Drawn here, because a browser without a font for formulas leaves out the bar over a mean.
    """
    page = "#set page(width: auto, height: auto, margin: 2pt, fill: none)\n#set text(size: 12pt)\n"
    document = page + "\n#pagebreak()\n".join(f"$ {source} $" for source in sources)
    pages = typst.compile(document.encode(), format="svg")
    pages = pages if isinstance(pages, list) else [pages]
    if len(pages) != len(sources):
        raise ValueError(f"{len(sources)} formulas gave {len(pages)} pages")
    return [_in_line(svg.decode()) for svg in pages]


def _in_line(svg: str) -> str:
    for black in ('"#000000"', '"#000"'):
        svg = svg.replace(f"fill={black}", 'fill="currentColor"').replace(f"stroke={black}", 'stroke="currentColor"')
    return re.sub(r"\s*\n\s*", " ", svg).replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def mathml(sources: list[str]) -> list[str]:
    """Return each formula of Typst's as MathML."""
    document = "\n\n".join(f"$ {source} $" for source in sources)
    html = typst.compile(document.encode(), format="html")
    assert isinstance(html, bytes)
    found = _MATH.findall(html.decode())
    if len(found) != len(sources):
        raise ValueError(f"{len(sources)} formulas gave {len(found)}")
    return [re.sub(r"\s*\n\s*", "", math) for math in found]
