"""The census on disk: opening it, migrating it, and transactions that keep what they acknowledged.

    with Census.open("census.gpkg") as census:
        with census.writing() as session:
            survey_id = add_survey(session, plan, name="2026-wet")

What is written and read is in `counts.store`, one module per noun; every function there takes a session.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError, StatementError
from sqlalchemy.orm import Session

from counts import migrations
from counts.audit import Journal, writer_of
from counts.geopackage import APPLICATION_ID
from counts.spatial_index import register_functions, write_extents
from flightplan.errors import CensusError, OverflyError

BUSY_TIMEOUT_S = 60.0
CACHE_KB = 65_536
"""Pages that SQLite keeps in memory: with its own 2 MB an index of millions of rows is read from disk row by row."""

_WRITERS_LOCK = 0x6F766572
_NOT_OURS = frozenset({"alembic_version", "spatial_ref_sys"})
_SQLITE_MAGIC = b"SQLite format 3\x00"


class Census:
    """An open census. Use it as a context manager, or close it."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where

    @classmethod
    def open(cls, location: str | Path, *, create: bool = True) -> Census:
        """Open a census file, or a database by URL, and bring it up to date.

        Raises CensusError when the file is missing and `create` is false, is not a census, or was written by a newer
        overfly.
        """
        url = _as_url(location)
        where = url.database if url.get_backend_name() == "sqlite" and url.database else url.render_as_string()
        if url.get_backend_name() == "sqlite":
            _check_file(Path(where), create=create)
        engine = _engine(url, where)
        census = cls(engine, where)
        try:
            census._migrate(create=create)
        except (OperationalError, ProgrammingError) as error:
            census.close()
            said = str(error.orig).strip().splitlines()[0]
            raise CensusError(f"cannot be opened: {said}", where=where) from error
        except BaseException:
            census.close()
            raise
        return census

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session whose changes are on disk when the block ends, with an entry in the audit, or not at all."""
        with self.unjournalled() as session:
            journal = Journal(session, writer_of(session.connection()))
            yield session
            if journal.close() is not None:
                write_extents(session.connection())

    @contextmanager
    def unjournalled(self) -> Iterator[Session]:
        """Give a session as `writing` does; whoever takes it writes the audit's entry."""
        with (
            _explained(self.where),
            self.engine.connect().execution_options(overfly_begin="BEGIN IMMEDIATE") as connection,
            Session(connection) as session,
            session.begin(),
        ):
            if connection.dialect.name == "postgresql":
                # One writer at a time, as in a file: an entry of the audit names the rows between two keys.
                session.connection().exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
            yield session

    @staticmethod
    def backup(source: Path, target: Path) -> Path:
        """Copy a census file, with whatever other programs have written to it so far; the source is only read."""
        _check_file(source, create=False)
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(target)) as here,
        ):
            there.backup(here)
        return target

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that sees one state of the census throughout, while others may write."""
        with (
            _explained(self.where),
            self.engine.connect().execution_options(**self._one_state) as connection,
            Session(connection, autoflush=False) as session,
        ):
            yield session

    @property
    def _one_state(self) -> dict[str, Any]:
        """What makes a transaction see one state throughout: SQLite's do anyway."""
        return {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}

    def revision(self) -> str | None:
        """The schema revision of the file."""
        with self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def upgrade(self) -> None:
        """Bring the schema up to today's; opening does it already."""
        with self._migrating() as config:
            command.upgrade(config, "head")

    def downgrade(self, revision: str) -> None:
        """Take the schema back to an older revision, dropping what that revision did not have."""
        with self._migrating() as config:
            command.downgrade(config, revision)

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()

    def __enter__(self) -> Census:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _migrate(self, *, create: bool) -> None:
        script = ScriptDirectory.from_config(_config())
        with self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == script.get_current_head():
                return
            if current is None and set(inspect(connection).get_table_names()) - _NOT_OURS:
                raise CensusError("is a database, but not a census", where=self.where, hint="Name another file")
            if current is None and not create and self.engine.dialect.name != "sqlite":
                raise CensusError(
                    "there is no census here", where=self.where, hint="Make one with `overfly init` or `ingest`"
                )
        if current is not None and not _knows(script, current):
            raise CensusError(
                f"was written by a newer overfly (schema {current}; this one knows up to {script.get_current_head()})",
                where=self.where,
                hint="Update overfly; the file is left as it is",
            )
        self.upgrade()

    @contextmanager
    def _migrating(self) -> Iterator[Config]:
        config = _config()
        with self.engine.connect().execution_options(overfly_begin="BEGIN IMMEDIATE") as connection:
            if self.engine.dialect.name == "sqlite":
                # SQLite rebuilds a table to change it, which foreign keys forbid; the pragma acts between transactions.
                _raw_pragma(connection, "foreign_keys = OFF")
            try:
                with connection.begin():
                    if self.engine.dialect.name == "postgresql":
                        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
                    config.attributes["connection"] = connection
                    yield config
                    _check_foreign_keys(connection, self.where)
            finally:
                if self.engine.dialect.name == "sqlite":
                    _raw_pragma(connection, "foreign_keys = ON")


def shown_address(location: str | Path) -> str:
    """Return a census' file as it is, and a database's address without its password."""
    if not (isinstance(location, str) and "://" in location):
        return str(location)
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        return location.rsplit("@", 1)[-1]
    return location if url.password is None else url.render_as_string()


def _as_url(location: str | Path) -> URL:
    if not (isinstance(location, str) and "://" in location):
        return URL.create("sqlite", database=str(location))
    try:
        url = make_url(location)
    except (ArgumentError, ValueError) as error:
        raise CensusError(
            "is no address of a database",
            where=location.rsplit("@", 1)[-1],
            hint="postgresql://USER@HOST/DATABASE, or a file",
        ) from error
    if url.drivername in ("postgresql", "postgres", "postgis"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _engine(url: URL, where: str) -> Engine:
    try:
        engine = create_engine(url)
    except ImportError as error:
        raise CensusError(
            f"needs {error.name}, which is not installed", where=where, hint="pip install 'overfly[postgis]'"
        ) from error
    except ArgumentError as error:
        raise CensusError(
            f"is on a kind of database that is not known: {url.drivername}",
            where=where,
            hint="A census is a file, or postgresql://USER@HOST/DATABASE",
        ) from error
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine)
    elif engine.dialect.name == "postgresql":
        _tune_postgresql(engine)
    else:
        raise CensusError(
            f"is on a kind of database that a census cannot be on: {engine.dialect.name}",
            where=where,
            hint="A census is a file, or postgresql://USER@HOST/DATABASE",
        )
    return engine


def _check_file(path: Path, *, create: bool) -> None:
    where = str(path)
    if path.is_dir():
        raise CensusError("is a folder, not a census", where=where, hint="Name the census file inside it")
    if not path.exists() or path.stat().st_size == 0:
        if not create:
            raise CensusError("there is no census here", where=where, hint="Make one with `overfly init` or `ingest`")
        if not path.parent.is_dir():
            raise CensusError("its folder does not exist", where=where, hint=f"Make the folder {path.parent} first")
        return
    with path.open("rb") as file:
        if file.read(16) != _SQLITE_MAGIC:
            raise CensusError("is not a census (nor any GeoPackage)", where=where, hint="Name another file")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as peek:
            application_id = peek.execute("PRAGMA application_id").fetchone()[0]
            tables = {row[0] for row in peek.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.DatabaseError as error:
        raise CensusError(f"is damaged: {error}", where=where, hint="Restore it from a copy") from error
    if tables - {"alembic_version"} and (application_id != APPLICATION_ID or "alembic_version" not in tables):
        kind = "a GeoPackage, but not a census" if application_id == APPLICATION_ID else "a database, but not a census"
        raise CensusError(f"is {kind}", where=where, hint="Name another file; this one is left as it is")


def _tune_sqlite(engine: Engine) -> None:
    """Durable commits, foreign keys, and transactions that hold schema changes too."""

    @event.listens_for(engine, "connect")
    def connected(dbapi_connection: Any, _: Any) -> None:
        register_functions(dbapi_connection)
        dbapi_connection.isolation_level = None  # SQLAlchemy says BEGIN, not the driver, so that DDL is inside it
        for pragma in (
            f"busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{CACHE_KB}",
        ):
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


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Say in the reader's words what the database refused."""
    try:
        yield
    except StatementError as error:
        if isinstance(error.orig, OverflyError):
            raise error.orig from error
        raise CensusError(f"the census refused: {error.orig}", where=where) from error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _knows(script: ScriptDirectory, revision: str) -> bool:
    try:
        return script.get_revision(revision) is not None
    except CommandError:
        return False


def _raw_pragma(connection: Connection, pragma: str) -> None:
    connection.connection.cursor().execute(f"PRAGMA {pragma}").close()


def _check_foreign_keys(connection: Connection, where: str) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise CensusError(f"the migration would leave {len(broken)} rows without what they point to", where=where)
