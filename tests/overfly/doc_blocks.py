"""The commands that the documents show: found, parsed against the real ones, and run.

A fenced block without a language (or of sh, powershell) whose lines begin with a program's name shows commands.
An HTML comment right above it, which no reader sees, says what the block cannot:

    <!-- given: NAME, NAME -->     begin anew in a folder that holds these (see `doc_givens.py`)
    <!-- not run: REASON -->       is only parsed
    <!-- exit 3: REASON -->        its last command ends with this code
    <!-- serves -->                its commands run on, as in a terminal of their own, until the page ends or it is
                                   started again
    <!-- does: NAME -->            a person's work first, such as filling in a table (see `doc_givens.py`)

A block of another language under a line that is only a file's name in backticks and a colon is that file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

import click
from click.testing import CliRunner

from flightplan.clock import SimulatedClock
from sim.commands import vehicle
from sim.vehicle import Fleet

PROGRAMS = ("overfly", "make", "pip", "python", "python3", "py", "git", "cd", "cp", "mkdir", "sh", ".", "powershell")
_SHELLS = ("", "sh", "powershell")
_FENCE = re.compile(
    r"(?:<!-- (?P<note>(?:(?!-->).)*?) -->\n)?^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_FILE = re.compile(r"^`([\w./-]+)`:\n\n\Z", re.MULTILINE)
# However a line got there: in a fence, indented, in a list. Sentences may begin with these words, but not so.
_SHOWN = re.compile(
    r"^[ \t]*((?:overfly (?!(?:is|and|has|does|needs|reads|writes|with|in|the|a)\b)[a-z-]+|make [a-z-]+|pip install"
    r"|python3? -m|python3? \S+\.py)(?: [^|\n]*)?)$",
    re.MULTILINE,
)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: commands, a file, or something to read."""

    page: Path
    line: int
    language: str
    text: str
    note: str
    file: str | None

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines, those that end in a backslash or a backtick joined with the next, if they are commands."""
        if self.language not in _SHELLS:
            return ()
        joined = re.sub(r" *[\\`]\n\s*", " ", self.text).splitlines()
        lines = [line.strip() for line in joined if line.strip() and not line.strip().startswith("#")]
        return tuple(lines) if any(program_of(line) in PROGRAMS for line in lines) else ()

    @property
    def not_run(self) -> str | None:
        """Why it is not run, if so."""
        return self.note.removeprefix("not run:").strip() if self.note.startswith("not run:") else None

    @property
    def given(self) -> tuple[str, ...]:
        """What the folder holds that it begins anew in."""
        said = re.search(r"given: ([\w, -]+)", self.note)
        return tuple(name.strip() for name in said[1].split(",")) if said else ()

    @property
    def does(self) -> str | None:
        """What a person does before."""
        said = re.search(r"does: ([^;]+)", self.note)
        return said[1].strip() if said else None

    @property
    def exit_code(self) -> int:
        """With what its last command ends."""
        said = re.search(r"exit (\d): \w", self.note)
        return int(said[1]) if said else 0

    @property
    def serves(self) -> bool:
        """Whether its commands run on."""
        return "serves" in self.note.split("; ")

    @property
    def where(self) -> str:
        """The page and line."""
        return f"{self.page.name}:{self.line}"


def program_of(line: str) -> str:
    """The program that a line calls, without what is put before it."""
    words = [w for w in line.split() if not re.fullmatch(r"[A-Z_]+=\S*", w)]
    return re.split(r"[/\\]", words[0])[-1].removesuffix(".exe") if words else ""


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        named = _FILE.search(text[: match.start()])
        line = text[: match.start("language")].count("\n") + 1
        found.append(
            Block(page, line, match["language"], match["text"], match["note"] or "", named[1] if named else None)
        )
    return found


def files_of(blocks: list[Block]) -> dict[str, str]:
    """The files that a page shows, by name."""
    return {b.file: b.text for b in blocks if b.file is not None and b.language not in _SHELLS}


def lines_that_look_like_commands(page: Path) -> list[str]:
    """Every line of a page that begins as a command does, wherever it stands but in help that is shown as text."""
    text = re.sub(r"^```(?:text|toml|csv|json)\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [line.strip() for line in _SHOWN.findall(_COMMENT.sub("", text))]


def find_verb(words: list[str], verbs: Mapping[str, click.Command]) -> str | None:
    """The full name of the verb that a line calls."""
    return max((n for n in verbs if words[: len(n.split())] == n.split()), key=len, default=None)


def parse(line: str, verbs: Mapping[str, click.Command]) -> None:
    """Hold a line against the real command: its options exist, have values they can take, and none is missing.

    Raises click.UsageError. Files need not be there.
    """
    words = words_of(line)
    name = find_verb(words, verbs)
    if name is None:
        if words[1:] in (["--version"], ["--help"]):
            return
        raise click.UsageError(f"there is no such verb: {line}")
    command = verbs[name]
    context = click.Context(command, info_name=name, help_option_names=["-h", "--help"])
    values, left, _ = command.make_parser(context).parse_args(words[len(name.split()) :])
    if left:
        raise click.UsageError(f"too many words: {left}")
    if values.get("help"):
        return
    for parameter in command.params:
        given = values.get(parameter.name)
        missing = given is None or given == () or type(given).__name__ == "Sentinel"
        if missing and parameter.required:
            raise click.UsageError(f"{parameter.name} is missing: {line}")
        if not missing and isinstance(parameter.type, (click.Choice, click.types._NumberRangeBase)):
            for value in given if parameter.multiple else [given]:
                if value is not None and parameter.nargs == 1:
                    parameter.type.convert(value, parameter, context)


def words_of(line: str) -> list[str]:
    """A line's words, without comments, what is put into the environment before them, and where the output goes."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if words and program_of(line) == "overfly":
        words[0] = "overfly"
    return words[: words.index(">")] if ">" in words else words


@dataclass
class Shell:
    """Runs the commands of one page, in order, in folders of its own.

    `givens` fills a folder with what a block says it is given, and says where in it to stand. `files` are those that
    the page shows: they are there from the start, and again where the reader has gone when they are shown.
    """

    root: Path
    givens: Mapping[str, Callable[[Path], Path | None]]
    main: click.Command
    free_port: Callable[..., int]
    files: Mapping[str, str] = field(default_factory=dict)
    ran: int = 0
    _ports: dict[str, str] = field(default_factory=dict)
    _serving: list[subprocess.Popen[str]] = field(default_factory=list)
    _fleet: Fleet | None = None
    _clock: SimulatedClock | None = None
    _folders: int = 0

    def run(self, block: Block) -> None:
        """Run a block's commands."""
        if block.given:
            self._begin(block.given)
        if block.file is not None and block.language not in _SHELLS:
            Path(block.file).write_text(block.text, encoding="utf-8")
        if block.does is not None:
            self.givens[block.does](Path.cwd())
        if block.not_run is not None:
            return
        commands = block.commands
        for number, line in enumerate(commands, 1):
            expected = block.exit_code if number == len(commands) else 0
            self._one(line, block, expected)
            self.ran += 1

    @contextlib.contextmanager
    def page(self) -> Iterator[Shell]:
        """What a page needs around its blocks: a folder, the environment as it was, servers ended."""
        before, environment = Path.cwd(), dict(os.environ)
        self._begin(())
        try:
            yield self
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            for process in self._serving:
                process.terminate()
                process.wait(timeout=60)
            if self._fleet is not None:
                self._fleet.stop()

    def _begin(self, names: tuple[str, ...]) -> None:
        self._folders += 1
        folder = self.root / f"{self._folders}"
        folder.mkdir(parents=True)
        stand = folder
        for name in names:
            stand = self.givens[name](folder) or stand
        os.chdir(stand)
        for name, text in self.files.items():
            Path(name).write_text(text, encoding="utf-8")

    def _one(self, line: str, block: Block, expected: int) -> None:
        for assignment in re.findall(r"^([A-Z_]+)=(\S+) ", line):
            os.environ[assignment[0]] = assignment[1]
        words = [self._port(word) for word in words_of(line)]
        program = program_of(line)
        if program == "cd":
            os.chdir(words[1])
        elif program == "mkdir":
            Path(words[-1]).mkdir(parents=True, exist_ok=True)
        elif program == "cp":
            source, target = Path(words[-2]), Path(words[-1])
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        elif program in ("python", "python3"):
            done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, timeout=500)
            assert done.returncode == expected, f"{block.where}: {line}\n{done.stdout}\n{done.stderr}"
        elif program == "overfly" and block.serves and words[1:3] == ["sim", "vehicle"]:
            self._fly(words)
        elif program == "overfly" and block.serves:
            self._serve(words, block)
        elif program == "overfly":
            result = CliRunner().invoke(self.main, words[1:], prog_name="overfly", obj=self._clock)
            into = re.search(r" > (\S+)$", line)
            if into:
                Path(into[1]).write_text(result.stdout, encoding="utf-8")
            assert result.exit_code == expected, (
                f"{block.where}: {line}\nended with {result.exit_code}: {result.output}\n{result.exception!r}"
            )
        else:
            raise AssertionError(f"{block.where}: nobody runs {line!r} here; say why: <!-- not run: ... -->")

    def _serve(self, words: list[str], block: Block) -> None:
        """Start a program that runs until it is ended, and wait until it says that it is there."""
        if words[1] == "review":
            words = [*words, "--no-browser"] + ([] if "--port" in words else ["--port", self._port("8077")])
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "overfly", *words[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._serving.append(process)
        stream = process.stdout
        assert stream is not None
        said: Queue[str] = Queue()

        def listen() -> None:
            with stream:
                for text in stream:
                    said.put(text)

        threading.Thread(target=listen, daemon=True).start()
        heard = ""
        try:
            while "Ctrl-C" not in heard:
                heard += said.get(timeout=300)
        except Empty:
            raise AssertionError(f"{block.where}: {words} says nothing; {heard}") from None

    def _fly(self, words: list[str]) -> None:
        """Serve the vehicles that a line asks for, in step with whoever flies them: no machine is too slow for that."""
        if self._fleet is not None:
            self._fleet.stop()
        asked = vehicle.vehicle_command.make_context("overfly sim vehicle", words[3:]).params
        self._clock = SimulatedClock(1_790_000_000.0)
        plain, vehicle.Fleet = vehicle.Fleet, functools.partial(Fleet, clock=self._clock)  # type: ignore[misc]
        try:
            self._fleet = vehicle._simulated(vehicle._Asked(**asked)).start()
        finally:
            vehicle.Fleet = plain  # type: ignore[misc]

    def _port(self, word: str) -> str:
        """A word with the ports that pages name replaced by ones that are free here."""

        def free(named: re.Match[str]) -> str:
            if not self._ports:
                base = self.free_port(1, 10)
                self._ports = {"5760": str(base), "5770": str(base + 10), "8077": str(base + 1)}
            return self._ports[named[0]]

        return re.sub(r"\b(?:5760|5770|8077)\b", free, word)
