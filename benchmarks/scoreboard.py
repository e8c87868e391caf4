"""Every benchmark of the project in one run: each figure as a ratio to its peer or baseline, beside its goal.

    python benchmarks/scoreboard.py                     # what `make bench` runs
    python benchmarks/scoreboard.py --only pixel metadata --repeats 5

Runs the scripts that `figures.py` lists, one after the other, each in a process of its own and as often as `--repeats`
says; writes `benchmarks/results.json` and `docs/scoreboard.md`. What misses its goal comes first. A script whose peer,
data or program is missing here is listed as not run, with the reason. Figures of an earlier run that this one does not
measure again stay, with their date.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from figures import BENCHMARKS, Benchmark, Figure

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent / "docs" / "scoreboard.md"
LONGEST_S = 1800


@dataclass(frozen=True)
class Result:
    """A figure as measured: the median over runs, its least and its greatest, or the interval that a run states."""

    what: str
    against: str
    value: float
    low: float
    high: float
    runs: int
    goal: float
    more_is_better: bool
    command: str
    measured: str

    @property
    def shortfall(self) -> float:
        """How far the value is from its goal as a factor: above 1 it misses it."""
        if self.more_is_better:
            return self.goal / self.value if self.value > 0 else float("inf")
        return self.value / self.goal if self.goal > 0 else (1.0 if self.value <= self.goal else float("inf"))

    @property
    def met(self) -> bool:
        """Whether the goal is met."""
        return self.shortfall <= 1.0


@dataclass(frozen=True)
class NotRun:
    """A benchmark that could not be run here, and why."""

    command: str
    reason: str


def measure(benchmark: Benchmark, repeats: int, folder: Path, yolo_python: str | None) -> list[Result] | NotRun:
    """Run one script `repeats` times, and take its figures."""
    shown = f"python benchmarks/{' '.join(benchmark.command)}".format(data="DATA", folder="DIR", yolo_python="PYTHON")
    places = {"data": str(_data()), "folder": str(folder), "yolo_python": yolo_python or ""}
    command = [part.format_map(places) for part in benchmark.command]
    for module in benchmark.modules:
        if find_spec(module) is None:
            return NotRun(shown, f"the Python package {module} is not installed")
    if benchmark.yolo_modules and not _has(yolo_python, benchmark.yolo_modules):
        return NotRun(shown, f"no Python with {' and '.join(benchmark.yolo_modules)} (--yolo-python)")
    for program in benchmark.programs:
        if shutil.which(program) is None:
            return NotRun(shown, f"the program {program} is not installed")
    if benchmark.data and not _data().is_dir():
        return NotRun(shown, "the test data are not there (OVERFLY_TESTDATA)")
    found: list[Any] = []
    for _ in range(repeats if benchmark.repeated else 1):
        ended = subprocess.run(
            [sys.executable, str(HERE / command[0]), *command[1:]],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONGEST_S, check=False, cwd=HERE.parent,
        )  # fmt: skip
        if not ended.stdout.strip():  # Scripts end with 1 where a promise was broken: that is a figure, too.
            return NotRun(shown, f"it ended with {ended.returncode}: {_last_line(ended.stderr)}")
        found.append(_document(ended.stdout))
    return [_result(figure, found, shown) for figure in benchmark.figures]


def _result(figure: Figure, documents: Sequence[Any], command: str) -> Result:
    values = [figure.of(document) for document in documents]
    intervals = [figure.interval(document) for document in documents] if figure.interval else []
    return Result(
        what=figure.what,
        against=figure.against,
        value=median(values),
        low=min(low for low, _ in intervals) if intervals else min(values),
        high=max(high for _, high in intervals) if intervals else max(values),
        runs=len(values),
        goal=figure.goal,
        more_is_better=figure.more_is_better,
        command=command,
        measured=datetime.date.today().isoformat(),
    )


def _document(text: str) -> Any:
    """The JSON that a script printed: one document, or one a line."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.startswith(("{", "["))]


def _has(python: str | None, modules: Sequence[str]) -> bool:
    """Whether that Python can find these packages."""
    if not python or shutil.which(python) is None:
        return False
    asked = f"import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, {list(modules)!r})))"
    return subprocess.run([python, "-c", asked], check=False, capture_output=True).returncode == 0


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "it said nothing"


def _data() -> Path:
    return Path(os.environ.get("OVERFLY_TESTDATA") or HERE.parent.parent / "shared" / "data")


def _machine() -> dict[str, object]:
    names = ("numpy", "scipy", "shapely", "onnxruntime", "sqlalchemy")
    return {
        "processor": platform.processor() or platform.machine(),
        "processors": os.cpu_count(),
        "system": platform.platform(aliased=True),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in names},
        "load": [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def page(results: Sequence[Result], not_run: Sequence[NotRun], machine: Mapping[str, object]) -> str:
    """The scoreboard as a page: what misses its goal, then what meets it, then what was not run."""
    missed = sorted((r for r in results if not r.met), key=lambda r: -r.shortfall)
    met = sorted((r for r in results if r.met), key=lambda r: r.what)
    packages = machine["packages"]
    assert isinstance(packages, Mapping)
    lines = [
        "# Scoreboard",
        "",
        "Written by `make bench`, which runs every benchmark of the project in one go: `benchmarks/results.json` as a",
        "page. Each figure is a ratio to a peer or a simple baseline of the same run, or a share of what was tried.",
        "The spread is from the least to the greatest of the runs, or a run's own 95 % interval if there was one.",
        "",
        f"Machine: {machine['processors']} processors ({machine['processor']}), Python {machine['python']}, "
        + ", ".join(f"{name} {version}" for name, version in packages.items())
        + ".",
    ]
    for title, rows in (("Short of its goal", missed), ("Meets its goal", met)):
        lines += ["", f"## {title}", ""]
        if not rows:
            lines.append("Nothing.")
            continue
        lines += ["| figure | against | measured | spread | goal | runs | day |", "|---|---|---|---|---|---|---|"]
        lines += [
            f"| {r.what} | {r.against} | **{_short(r.value)}** | {_short(r.low)} to {_short(r.high)} | "
            f"{'at least' if r.more_is_better else 'at most'} {_short(r.goal)} | {r.runs} | {r.measured} |"
            for r in rows
        ]
    lines += ["", "## Not run", ""]
    lines += [f"- `{skipped.command}`: {skipped.reason}." for skipped in not_run] or ["Nothing: every benchmark ran."]
    lines += ["", "## Commands", ""]
    lines += [f"- `{command}`" for command in dict.fromkeys(r.command for r in results)]
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    """Three figures, and no more zeros than that takes."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _earlier(measured: Sequence[Result]) -> list[Result]:
    """Figures of the last run that this one has not measured again, of benchmarks that there still are."""
    if not RESULTS.is_file():
        return []
    still = {figure.what for benchmark in BENCHMARKS for figure in benchmark.figures} - {r.what for r in measured}
    own = set(Result.__dataclass_fields__)
    entries = json.loads(RESULTS.read_text())["figures"]
    return [Result(**{k: v for k, v in entry.items() if k in own}) for entry in entries if entry["what"] in still]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what was asked for, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], metavar="TEXT", help="scripts whose name holds one of these")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each script whose figures vary")
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", help="where peers are installed (pip install --target DIR)"
    )
    parser.add_argument("--yolo-python", metavar="PYTHON", help="a Python with ultralytics and sahi")
    asked = parser.parse_args(arguments)
    if asked.peers:
        sys.path.append(str(asked.peers))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(asked.peers))))
    results: list[Result] = []
    not_run: list[NotRun] = []
    for benchmark in BENCHMARKS:
        if asked.only and not any(text in benchmark.command[0] for text in asked.only):
            continue
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="overfly-bench-") as folder:
            try:
                found = measure(benchmark, max(1, asked.repeats), Path(folder), asked.yolo_python)
            except (KeyError, IndexError, TypeError, ValueError, subprocess.TimeoutExpired) as error:
                found = NotRun(" ".join(benchmark.command), f"its figures could not be read: {error!r}")
        seconds = time.perf_counter() - began
        if isinstance(found, NotRun):
            not_run.append(found)
            print(f"{benchmark.command[0]}: not run, {found.reason}", file=sys.stderr)
        else:
            results += found
            for r in found:
                print(f"{r.what}: {_short(r.value)} (goal {_short(r.goal)}), {seconds:.0f} s", file=sys.stderr)
    results += _earlier(results)
    machine = _machine()
    document = {
        "machine": machine,
        "figures": [{**asdict(r), "met": r.met} for r in results],
        "not_run": [asdict(skipped) for skipped in not_run],
    }
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(results, not_run, machine), encoding="utf-8")
    short = [r for r in results if not r.met]
    print(f"{len(results)} figures, {len(short)} short of their goal, {len(not_run)} scripts not run: {PAGE}")


if __name__ == "__main__":
    main()
