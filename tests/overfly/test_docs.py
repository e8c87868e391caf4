"""What the documents say is what the program does: commands parse, links lead somewhere, pages are current.

That the commands run is in `test_docs_run.py`.
"""

import importlib.util
import re
import sys
from pathlib import Path

import click
import pytest

from overfly.cli import main

ROOT = Path(__file__).resolve().parents[2]


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for their own names
    spec.loader.exec_module(module)
    return module


RENDERER = load(ROOT / "docs" / "render_commands.py")
BLOCKS = load(Path(__file__).with_name("doc_blocks.py"))
VERBS = dict(RENDERER.verbs(main))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "detect").rglob("*.md")])
NAMES = [str(p.relative_to(ROOT)) for p in PAGES]
# A card is written by the training that it is of, and a decision says what was so when it was taken.
STANDING = [p for p in PAGES if p.parent.name not in ("cards", "decisions")]
each_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def test_the_pages_of_the_commands_are_their_own_help() -> None:
    written = {p: p.read_text(encoding="utf-8") for p in [RENDERER.PAGE, *RENDERER.VERBS.glob("*.md")]}
    assert written == RENDERER.render(), "write them anew: python docs/render_commands.py"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_verb_has_an_example_and_speaks_json(name: str) -> None:
    command = VERBS[name]
    text = f"{command.help}\n{command.epilog or ''}"
    assert re.search(rf"{re.escape(name)}( |$)", text, re.MULTILINE), f"{name} shows no example"
    assert any("--json" in p.opts for p in command.params) or name == "overfly sim vehicle"


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_example_of_a_help_is_one_that_the_command_takes(name: str) -> None:
    command = VERBS[name]
    text = f"{command.help}\n{command.epilog or ''}".replace("\\\n", " ")
    for line in re.findall(rf"^ *({re.escape(name)}(?: .*)?)$", text, re.MULTILINE):
        BLOCKS.parse(line, VERBS)


@pytest.mark.parametrize("page", STANDING, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_a_page_is_in_a_block_that_is_run_or_says_why_not(page: Path) -> None:
    blocks = BLOCKS.blocks_of(page)
    found = [line for block in blocks for line in block.commands]
    looks_like = BLOCKS.lines_that_look_like_commands(page)
    joined = {line.split("#")[0].rstrip(" \\`") for line in looks_like}
    for start in joined:
        assert any(line.startswith(start) for line in found), f"{page.name}: {start!r} is in no block that is run"
    for block in blocks:
        if block.not_run is not None:
            assert len(block.not_run) > 20, f"{block.where}: a reason, please"
            assert block.commands, f"{block.where}: there is nothing to run"


@each_page
def test_every_command_of_a_page_is_one_that_exists_with_its_options(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for block in BLOCKS.blocks_of(page):
        for line in block.commands:
            for part in line.split(" && "):
                program, words = BLOCKS.program_of(part), BLOCKS.words_of(part)
                assert program in BLOCKS.PROGRAMS, f"{block.where}: {part}"
                if program == "make":
                    assert {w for w in words[1:] if "=" not in w} <= targets, f"{block.where}: {part}"
                elif program == "overfly":
                    try:
                        BLOCKS.parse(part, VERBS)
                    except click.UsageError as error:
                        pytest.fail(f"{block.where}: {part}: {error.format_message()}")


@each_page
def test_every_option_a_page_names_in_a_sentence_exists(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    known = {o for command in VERBS.values() for p in command.params for o in (*p.opts, *p.secondary_opts)}
    for said in re.findall(r"`(overfly [^`]*)`", text):
        words = said.split()
        name = BLOCKS.find_verb(words, VERBS)
        group = " ".join(words[:2])
        no_verb = words[1:2] in (["VERB"], [">"])
        assert name or no_verb or any(verb.startswith(group) for verb in VERBS), f"{page.name}: {said}"
        asked = {re.split(r"[=,.]", w)[0] for w in words if w.startswith("--")}
        own = {o for p in VERBS[name].params for o in (*p.opts, *p.secondary_opts)} if name else known
        assert asked <= own | {"--help", "--version"}, f"{page.name}: {said}"


@each_page
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", STANDING, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_that_a_page_names_exists(page: Path) -> None:
    for named in re.findall(
        r"`((?:flightplan|detect|counts|sim|overfly|benchmarks|tests)/[\w/]+\.(?:py|toml|sh))",
        page.read_text(encoding="utf-8"),
    ):
        assert (ROOT / named).exists(), f"{page.name} names {named}"
