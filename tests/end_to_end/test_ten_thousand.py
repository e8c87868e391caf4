"""Broken pictures go through ingest and detect, killed and gone on with: `benchmarks/ten_thousand.py` in small."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def ten_thousand(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("ten_thousand")


@pytest.mark.slow
def test_each_broken_picture_is_named_the_rest_is_done_and_a_killed_run_ends_the_same(
    ten_thousand: ModuleType, tmp_path: Path
) -> None:
    found = ten_thousand.compare(tmp_path, 200, kills=1, every_way=True)
    assert found["ways"] >= 20
    assert found["faults in peace"] == []
    assert found["faults killed"] == []
    assert found["same census"]
    assert found["audit sound in peace"]
    assert found["audit sound killed"]
    for verb in ("ingest", "detect"):
        peaceful, killed = found[f"{verb} in peace"], found[f"{verb} killed"]
        assert killed["kills"] == 1
        assert peaceful["exit code"] == killed["exit code"] == 3
        assert killed["pictures worked on"] == peaceful["pictures worked on"]
        # What was in work when it was killed, and not yet on disk.
        assert killed["worked on again"] <= 130
    assert found["ingest killed"]["worked on again"] <= 4
    assert found["detections"] > 100
