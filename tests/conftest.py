"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Where a red test stops others' work, the examples are the same on every run; at home they go on exploring.
# How fast a machine is is no property of the code.
settings.register_profile("seeded", derandomize=True, database=None, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("seeded" if os.environ.get("CI") else "exploring")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that lives beside the project, never in it."""
    named = os.environ.get("OVERFLY_TESTDATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        reason = f"no test data: {folder} does not exist (set OVERFLY_TESTDATA)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
