"""What the documents say is what the program does."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from overfly.cli import main

ROOT = Path(__file__).resolve().parents[2]


def load_renderer():
    spec = importlib.util.spec_from_file_location("render_commands", ROOT / "docs" / "render_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RENDERER = load_renderer()
VERBS = dict(RENDERER.verbs(main))
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def test_the_page_of_commands_is_their_own_help() -> None:
    said = RENDERER.PAGE.read_text(encoding="utf-8")
    assert said == RENDERER.render(), "write it anew: python docs/render_commands.py"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_has_an_example_and_speaks_json(name: str) -> None:
    command = VERBS[name]
    text = f"{command.help}\n{command.epilog or ''}"
    assert re.search(rf"{re.escape(name)}( |$)", text, re.MULTILINE), f"{name} shows no example"
    assert any("--json" in p.opts for p in command.params) or name == "overfly sim vehicle"


def commands_in(page: Path) -> list[str]:
    """The lines of a page's code blocks that call overfly; a line that ends in a backslash goes on."""
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("overfly ")]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "commands.md"], ids=lambda p: p.name)
def test_every_command_a_page_shows_exists_with_its_options(page: Path) -> None:
    shown = commands_in(page)
    for line in shown:
        words = shlex.split(line, comments=True)
        name = max((n for n in VERBS if words[: len(n.split())] == n.split()), key=len, default=None)
        assert name is not None, f"{page.name}: {line}"
        known = {o for p in VERBS[name].params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        asked = {w.split("=")[0] for w in words if w.startswith("--")}
        assert asked <= known, f"{page.name}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
