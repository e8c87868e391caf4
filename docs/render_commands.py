"""Write the pages of the commands from their own help: `python docs/render_commands.py`; a test compares.

`commands.md` lists the verbs, `verbs/NAME.md` has the help of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from overfly.cli import main

DOCS = Path(__file__).parent
PAGE = DOCS / "commands.md"
VERBS = DOCS / "verbs"
_HEAD = """\
# The commands

One verb per step. Every verb has `--json` (one document on stdout; progress and warnings on stderr) and these exit
codes: 0 done, 1 refused or failed with a reason, 2 wrong usage, 3 done but with items skipped, each named. Run again, a
verb does not do work twice and never deletes. In a workspace (a folder with an `overfly.toml`, made by `overfly init`)
the area, the survey and the census need not be named.

These pages are written from the help of the commands themselves.

| verb | what it does |
|---|---|
"""
# What to read beside a verb's help, by the verb's first word or its whole name: pages relative to docs/.
_BESIDE = {
    "demo": ("simulate.md", "tutorials/wildlife-manager.md"),
    "init": ("plan-and-fly.md", "files/workspace.md"),
    "design": ("plan-and-fly.md", "methods/planning.md", "methods/precision.md"),
    "plan": ("plan-and-fly.md", "methods/planning.md", "files/plan-folder.md"),
    "mend": ("plan-and-fly.md",),
    "convert": ("plan-and-fly.md", "files/plan-folder.md"),
    "fly": ("plan-and-fly.md", "tutorials/drone-operator.md"),
    "sim": ("simulate.md", "tutorials/developer.md", "methods/precision.md"),
    "ingest": ("detect.md", "methods/georeferencing.md"),
    "detect": ("detect.md", "files/models.md"),
    "train": ("detect.md", "files/models.md"),
    "evaluate": ("detect.md", "methods/detection-error.md", "methods/georeferencing.md"),
    "review": ("review.md",),
    "availability": ("count.md", "methods/availability.md"),
    "count": ("count.md", "methods/estimators.md", "methods/identity.md"),
    "compare": ("count.md", "methods/trend.md"),
    "estimate": ("estimate.md", "methods/estimators.md", "files/tables.md"),
    "report": ("report.md", "methods/limits.md"),
    "export": ("exchange.md", "files/exchange-formats.md"),
    "import": ("exchange.md", "how-to/two-teams.md"),
    "doctor": ("install/index.md", "census-file.md"),
}


def verbs(group: click.Group, prefix: str = "overfly") -> Iterator[tuple[str, click.Command]]:
    """Every verb with its full name, groups opened."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def render() -> dict[Path, str]:
    """Return every page with its text."""
    pages: dict[Path, str] = {}
    listed = [_HEAD]
    for name, command in verbs(main):
        # As when called by `main`, whose names for help a command keeps from its first call on.
        context = click.Context(
            command, info_name=name, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
        )
        words = name.split()[1:]
        page = VERBS / f"{'-'.join(words)}.md"
        beside = " · ".join(f"[{_title(DOCS / p)}](../{p})" for p in _BESIDE.get(words[0], ()) if (DOCS / p).exists())
        more = f"More: {beside}. " if beside else ""
        pages[page] = (
            f"# {name}\n\n{_sentence(command)}\n\n```text\n{command.get_help(context).strip()}\n```\n\n"
            f"{more}[All commands](../commands.md).\n"
        )
        listed.append(f"| [`{name}`](verbs/{page.name}) | {_sentence(command)} |\n")
    return {PAGE: "".join(listed), **pages}


def _sentence(command: click.Command) -> str:
    """Return the first paragraph of a command's help as one line."""
    return " ".join((command.help or "").replace("\b", "").strip().split("\n\n")[0].split())


def _title(page: Path) -> str:
    """Return a page's own title."""
    return page.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ").strip()


def write() -> None:
    """Write the pages, and remove those of verbs that are no more."""
    pages = render()
    VERBS.mkdir(exist_ok=True)
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
    for page in set(VERBS.glob("*.md")) - set(pages):
        page.unlink()


if __name__ == "__main__":
    write()
