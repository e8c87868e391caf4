"""The commands of the documents run: page by page, in order, on small stand-ins for what a reader has."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overfly.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "detect").rglob("*.md")])


def load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


BLOCKS, GIVENS = load("doc_blocks"), load("doc_givens")
WITH_COMMANDS = [p for p in PAGES if any(b.commands and b.not_run is None for b in BLOCKS.blocks_of(p))]


@pytest.fixture(scope="session")
def givens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    base = tmp_path_factory.mktemp("givens")
    restore = GIVENS.make_small(base)
    yield GIVENS.Givens(base, main).by_name()
    restore()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=[str(p.relative_to(ROOT)) for p in WITH_COMMANDS])
def test_the_commands_of_a_page_run_in_their_order(page: Path, givens: dict, tmp_path: Path, free_port) -> None:
    blocks = BLOCKS.blocks_of(page)
    with BLOCKS.Shell(tmp_path, givens, main, free_port, BLOCKS.files_of(blocks)).page() as shell:
        for block in blocks:
            shell.run(block)
    assert shell.ran == sum(len(b.commands) for b in blocks if b.not_run is None) > 0


def test_most_commands_of_the_pages_are_run() -> None:
    blocks = [b for p in PAGES for b in BLOCKS.blocks_of(p)]
    run = sum(len(b.commands) for b in blocks if b.not_run is None)
    shown = sum(len(b.commands) for b in blocks)
    assert run > 0.6 * shown, f"{run} of {shown} commands are run"
