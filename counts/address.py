"""Where a census is, and the engine that reaches it: a file, a file that may only be read, or a database by URL."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from counts.geopackage import APPLICATION_ID
from counts.spatial_index import register_functions
from flightplan.errors import CensusError

BUSY_TIMEOUT_S = 60.0
CACHE_KB = 65_536
"""Pages that SQLite keeps in memory: with its own 2 MB an index of millions of rows is read from disk row by row."""

_SMALLEST_BYTES = 512
"""SQLite's smallest page: it would take what is shorter for an empty database."""
_KINDS_HINT = "A census is a file, or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True)
class Address:
    """Where a census is: `url` as SQLAlchemy takes it, `where` as people read it, `read_only` the reason if it is."""

    url: URL
    where: str
    read_only: str | None = None

    @property
    def file(self) -> Path | None:
        """The file, None for a database server."""
        return Path(self.where) if self.url.get_backend_name() == "sqlite" else None


def address_of(location: str | Path, *, create: bool, read_only: bool = False) -> Address:
    """Return where a census is, having looked at its file without changing it.

    A file is read-only when it, its folder or its medium does not let us write, or when that was asked for: by
    `read_only`, or `mode=ro` in its address (file:census.gpkg?mode=ro, sqlite:///census.gpkg?mode=ro). Raises
    CensusError for what is no census, and for what is not there when `create` is false.
    """
    url = _as_url(location)
    if url.get_backend_name() != "sqlite":
        return Address(url, url.render_as_string())
    path = Path(url.database or "")
    asked = read_only or url.query.get("mode") == "ro"
    check_file(path, create=create and not asked)
    reason = "it was opened to be read only" if asked else _locked(path)
    if reason is None:
        return Address(url.set(query={}), str(path))
    return Address(URL.create("sqlite", database=_read_only_uri(path), query={"uri": "true"}), str(path), reason)


def shown_address(location: str | Path) -> str:
    """Return a census' file as it is, and a database's address without its password."""
    if not (isinstance(location, str) and "://" in location):
        return str(location)
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        return location.rsplit("@", 1)[-1]
    return location if url.password is None else url.render_as_string()


def engine_for(address: Address) -> Engine:
    """Return the engine of an address. Raises CensusError where the database is of no kind that a census can be on."""
    try:
        engine = create_engine(address.url)
    except ImportError as error:
        raise CensusError(
            f"needs {error.name}, which is not installed", where=address.where, hint="pip install 'overfly[postgis]'"
        ) from error
    except ArgumentError as error:
        kind = address.url.drivername
        raise CensusError(
            f"is on a kind of database that is not known: {kind}", where=address.where, hint=_KINDS_HINT
        ) from error
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, read_only=address.read_only is not None)
    elif engine.dialect.name == "postgresql":
        _tune_postgresql(engine)
    else:
        kind = engine.dialect.name
        raise CensusError(
            f"is on a kind of database that a census cannot be on: {kind}", where=address.where, hint=_KINDS_HINT
        )
    return engine


def check_file(path: Path, *, create: bool) -> None:
    """Look at a file without changing it. Raises CensusError when it is no census, or not there and not to be made."""
    where = str(path)
    if path.is_dir():
        raise CensusError("is a folder, not a census", where=where, hint="Name the census file inside it")
    if not path.exists() or path.stat().st_size == 0:
        if not create:
            raise CensusError("there is no census here", where=where, hint="Make one with `overfly init` or `ingest`")
        if not path.parent.is_dir():
            raise CensusError("its folder does not exist", where=where, hint=f"Make the folder {path.parent} first")
        if not os.access(path.parent, os.W_OK):
            raise CensusError("its folder is read-only", where=where, hint="Name a folder where you may write")
        return
    if not os.access(path, os.R_OK):
        raise CensusError("may not be read by you", where=where, hint="Ask whoever owns the file")
    # Only SQLite may open it: whoever else does, and closes it again, lets go of all locks that this process has on it,
    # and another program then takes the log away from under a census that is open here (sqlite.org/howtocorrupt, 2.2).
    if path.stat().st_size < _SMALLEST_BYTES:
        raise CensusError("is not a census (nor any GeoPackage)", where=where, hint="Name another file")
    try:
        with closing(sqlite3.connect(_read_only_uri(path), uri=True)) as peek:
            application_id = peek.execute("PRAGMA application_id").fetchone()[0]
            tables = {row[0] for row in peek.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            raise CensusError("is not a census (nor any GeoPackage)", where=where, hint="Name another file") from error
        if _log_of(path) is not None and _locked(path) is not None:
            raise CensusError(
                f"its last transactions are in {_log_of(path)}, which cannot be read where nothing may be written",
                where=where,
                hint="Copy both files to a folder where you may write",
            ) from error
        raise CensusError(f"is damaged: {error}", where=where, hint="Restore it from a copy") from error
    except UnicodeDecodeError as error:
        raise CensusError("is damaged: its tables have no names", where=where, hint="Restore it from a copy") from error
    if tables - {"alembic_version"} and (application_id != APPLICATION_ID or "alembic_version" not in tables):
        kind = "a GeoPackage, but not a census" if application_id == APPLICATION_ID else "a database, but not a census"
        raise CensusError(f"is {kind}", where=where, hint="Name another file; this one is left as it is")


def copy_file(source: Path, target: Path) -> Path:
    """Copy a census file, with whatever other programs have written to it so far; the source is only read."""
    check_file(source, create=False)
    with (
        closing(sqlite3.connect(_read_only_uri(source), uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)
    return target


def _as_url(location: str | Path) -> URL:
    if not isinstance(location, str):
        return URL.create("sqlite", database=str(location))
    if location.startswith("file:"):
        location = "sqlite:///" + location.removeprefix("file:")
    if "://" not in location:
        return URL.create("sqlite", database=location)
    try:
        url = make_url(location)
    except (ArgumentError, ValueError) as error:
        raise CensusError("is no address of a database", where=location.rsplit("@", 1)[-1], hint=_KINDS_HINT) from error
    if url.drivername in ("postgresql", "postgres", "postgis"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _locked(path: Path) -> str | None:
    """Return what keeps us from writing a file, None when nothing does or it is not there yet."""
    if not path.exists():
        return None
    if not os.access(path, os.W_OK):
        return "its file may not be written by you, or is on a read-only medium"
    # The write-ahead log is a file beside it.
    return None if os.access(path.resolve().parent, os.W_OK) else "its folder may not be written by you"


def _log_of(path: Path) -> Path | None:
    log = path.with_name(path.name + "-wal")
    return log if log.exists() and log.stat().st_size else None


def _read_only_uri(path: Path) -> str:
    """Return the URI by which SQLite reads a file and writes nothing, nor beside it where it may not.

    "immutable" tells SQLite to look for no log: only where there is none, and where nobody can begin one in its folder.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    alone = _log_of(path) is None and not os.access(path.resolve().parent, os.W_OK)
    return f"{uri}&immutable=1" if alone else uri


def _tune_sqlite(engine: Engine, *, read_only: bool) -> None:
    """Durable commits, foreign keys, and transactions that hold schema changes too."""
    pragmas = [f"busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}", "foreign_keys = ON", f"cache_size = -{CACHE_KB}"]
    if not read_only:
        pragmas += ["journal_mode = WAL", "synchronous = FULL"]

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _: Any) -> None:
        register_functions(dbapi_connection)
        dbapi_connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver, so that DDL is inside it
        for pragma in pragmas:
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("overfly_begin", "BEGIN"))


def _tune_postgresql(engine: Engine) -> None:
    """Times in UTC, wherever the server is: the audit's digests are of what the driver says."""

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _: Any) -> None:
        dbapi_connection.execute("SET TIME ZONE 'UTC'")
        dbapi_connection.commit()
