"""Where the censuses of `killed.py` are: in files, or in databases of a PostgreSQL server."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import ModuleType

from sqlalchemy import NullPool, create_engine, make_url

ROOT = Path(__file__).parent.parent
CENSUS, URL = "census.gpkg", "census.url"


class Files:
    """Censuses in files."""

    def make(self, folder: Path, name: str) -> str:
        """Return where a new census of that name goes."""
        return str(folder / f"{name}.gpkg")

    def copy(self, state: str | None, work: Path) -> None:
        """Put a copy of a state into a folder, or room for a new census."""
        if state is not None:
            shutil.copy(state, work / CENSUS)

    def drop(self, work: Path) -> None:
        """Throw a folder and its census away."""
        shutil.rmtree(work)


class Databases(Files):
    """Censuses in databases of a PostgreSQL server; a folder has the URL of its own in a file."""

    def __init__(self, server: str) -> None:
        self._server, self._numbers = server, count(1)

    def make(self, folder: Path, name: str) -> str:
        """Return the URL of a new database."""
        return self._create(None)

    def copy(self, state: str | None, work: Path) -> None:
        """Make a database for a folder, as a copy of a state where there is one."""
        (work / URL).write_text(self._create(state))

    def drop(self, work: Path) -> None:
        """Drop a folder's database, and throw the folder away."""
        self._administer(f"DROP DATABASE {make_url((work / URL).read_text()).database} WITH (FORCE)")
        shutil.rmtree(work)

    def _create(self, template: str | None) -> str:
        name = f"killed_{next(self._numbers)}"
        copied = "" if template is None else f" TEMPLATE {make_url(template).database}"
        self._administer(f"CREATE DATABASE {name}{copied}")
        return make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def _administer(self, statement: str) -> None:
        url = make_url(self._server).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)


@contextmanager
def kept_in(postgis: bool) -> Iterator[Files]:
    """Give where censuses are kept: in files, or on a server that runs meanwhile."""
    if not postgis:
        yield Files()
        return
    module = load_module("postgis_server", ROOT / "tests" / "postgis_server.py")
    missing = module.missing()
    if missing:
        raise SystemExit(missing)
    with module.server() as url:
        yield Databases(url)


def place_of(work: Path) -> str:
    """Return where the census of a folder is."""
    url = work / URL
    return url.read_text() if url.exists() else str(work / CENSUS)


def is_there(work: Path) -> bool:
    """Whether the census of a folder was begun; of a database only opening it tells."""
    return (work / URL).exists() or (work / CENSUS).exists()


def load_module(name: str, path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
