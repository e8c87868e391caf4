"""Fixtures that every room's tests share."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

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


@pytest.fixture(scope="session")
def postgis_server() -> Iterator[str]:
    """The URL of a PostgreSQL server with PostGIS that this session has to itself."""
    found = importlib.util.spec_from_file_location("postgis_server", Path(__file__).with_name("postgis_server.py"))
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    reason = module.missing()
    if reason:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with module.server() as url:
        yield url


@pytest.fixture(scope="session")
def make_database(postgis_server: str) -> Callable[..., str]:
    """Make a database on the server, as a copy of another where its URL is given, and return its URL."""
    numbers = count(1)
    admin = create_engine(make_url(postgis_server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")

    def make(template: str | None = None) -> str:
        name = f"census_{next(numbers)}"
        copied = f" TEMPLATE {make_url(template).database}" if template else ""
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}{copied}"))
        admin.dispose()
        return make_url(postgis_server).set(database=name).render_as_string(hide_password=False)

    return make
