"""A handful of broken files for every parser that reads what others wrote; `benchmarks/fuzz.py` tries thousands."""

import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from flightplan.errors import OverflyError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CASES = 6


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


FUZZ, TARGETS, SEEDS = load("fuzz"), load("fuzz_targets"), load("fuzz_seeds")


@pytest.fixture(scope="module")
def good() -> dict[str, tuple[bytes, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SEEDS.seeds(None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_broken_file_is_read_or_refused_in_words(tmp_path, good) -> None:
    assert set(good) == set(TARGETS.PARSERS)
    refused = 0
    for name, parser in TARGETS.PARSERS.items():
        files = good[name]
        assert files, name
        for case in range(CASES):
            content = FUZZ.mutated(
                files[case % len(files)], files, np.random.default_rng([9, sum(name.encode()), case])
            )
            path = tmp_path / f"case{parser.suffix}"
            path.write_bytes(content)
            try:
                parser.read(path)
            except OverflyError:
                refused += 1
    assert refused > CASES * len(TARGETS.PARSERS) / 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(FUZZ.MAVLINK))
def test_nonsense_over_mavlink_stops_nobody(name) -> None:
    kinds = {"MAVLink to a copter": "copter", "MAVLink to a plane": "plane", "MAVLink to PX4": "px4"}
    for case in range(3):
        rng = np.random.default_rng([9, case])
        if name in kinds:
            FUZZ.confuse(kinds[name], rng)
        else:
            FUZZ.disturb_transfer(rng)
