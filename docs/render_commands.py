"""Write docs/commands.md from the commands' own help: `python docs/render_commands.py`; a test compares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from overfly.cli import main

PAGE = Path(__file__).with_name("commands.md")
_HEAD = """\
# The commands

One verb per step. Every verb has `--json` (one document on stdout; progress and warnings on stderr) and these exit
codes: 0 done, 1 refused or failed with a reason, 2 wrong usage, 3 done but with items skipped, each named. Run again, a
verb does not do work twice and never deletes. In a workspace (a folder with an `overfly.toml`, made by `overfly init`)
the area, the survey and the census need not be named.

This page is written from the help of the commands themselves.
"""


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


def render() -> str:
    """Return the page."""
    parts = [_HEAD]
    for name, command in verbs(main):
        # As when called by `main`, whose names for help a command keeps from its first call on.
        context = click.Context(
            command, info_name=name, max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
        )
        parts.append(f"## {name}\n\n```\n{command.get_help(context).strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
