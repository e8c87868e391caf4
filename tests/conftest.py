"""Fixtures that every room's tests share."""

import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count, product
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

# Where a red test stops others' work, the examples are the same on every run; at home they go on exploring.
# How fast a machine is is no property of the code.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("seeded", settings.get_profile("exploring"), derandomize=True, database=None)
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
def readers() -> Path:
    """An environment with others' readers that cannot be installed beside overfly: see `readers` in the Makefile."""
    folder = Path(__file__).resolve().parents[1] / ".venv-readers"
    if not (folder / ".readers").is_file():
        pytest.skip("others' readers are not installed: make readers")
    return folder


@pytest.fixture(scope="session")
def load_benchmark() -> Callable[[str], ModuleType]:
    """Load a script of benchmarks/ as a module, by its name."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).resolve().parents[1] / "benchmarks" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"benchmark_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Its dataclasses look for their own module.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


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

    def make(template: str | None = None) -> str:
        name = f"census_{next(numbers)}"
        _administer(postgis_server, f"CREATE DATABASE {name}" + (f" TEMPLATE {_name(template)}" if template else ""))
        return make_url(postgis_server).set(database=name).render_as_string(hide_password=False)

    return make


@pytest.fixture(scope="session")
def drop_database(postgis_server: str) -> Callable[[str], None]:
    """Drop a database by its URL."""
    return lambda url: _administer(postgis_server, f"DROP DATABASE {_name(url)} WITH (FORCE)")


@pytest.fixture(scope="session")
def free_port() -> Callable[..., int]:
    """Name a free TCP and UDP port, with those so much above it, for what cannot be told to take any.

    It is below those that a system gives to whoever asks for any: nobody gets it before it is used.
    """
    starts = count(os.getpid() * 131, 20)

    def find(*further: int) -> int:
        for _ in range(800):
            port = 15_000 + next(starts) % 16_000
            with ExitStack() as held, suppress(OSError):
                for number, kind in product((0, *further), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
                    held.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port + number))
                return port
        raise AssertionError("no port is free")

    return find


def _name(url: str) -> str | None:
    return make_url(url).database


def _administer(server: str, statement: str) -> None:
    url = make_url(server).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))
