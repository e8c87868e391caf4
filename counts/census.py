"""The census on disk: opening it, migrating it, and transactions that keep what they acknowledged.

    with Census.open("census.gpkg") as census:
        with census.writing() as session:
            survey_id = add_survey(session, plan, name="2026-wet")

What is written and read is in `counts.store`, one module per noun; every function there takes a session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import OperationalError, ProgrammingError, StatementError
from sqlalchemy.orm import Session

from counts import migrations
from counts.address import address_of, copy_file, engine_for
from counts.audit import Journal, writer_of
from counts.spatial_index import write_extents
from flightplan.closing import Closing
from flightplan.errors import CensusError, OverflyError

_WRITERS_LOCK = 0x6F766572
_NOT_OURS = frozenset({"alembic_version", "spatial_ref_sys"})
_COPY_IT = "Copy it to a folder where you may write"
_WHAT_TO_DO = {
    "disk is full": "Make room on the disk and do it again; what was there before is kept",
    "disk I/O error": "Look whether the disk is full or failing; what was there before is kept",
    "database is locked": "Another program is writing for a long time: close it, or wait",
    "readonly database": _COPY_IT,
    "permission denied": "Ask the database's owner for the right to write",
}
"""What helps, by what the database says."""


class Census(Closing):
    """An open census. Use it as a context manager, or close it."""

    def __init__(self, engine: Engine, where: str, read_only: str | None = None) -> None:
        self.engine = engine
        self.where = where
        self.read_only = read_only
        """Why nothing can be written to it, None when something can."""

    @classmethod
    def open(cls, location: str | Path, *, create: bool = True, read_only: bool = False) -> Census:
        """Open a census file, or a database by URL, and bring it up to date.

        A file that may not be written is opened to be read, and so is any with `read_only`. Raises CensusError when
        the file is missing and `create` is false, is not a census, was written by a newer overfly, or by an older one
        and cannot be brought up to date because it is read-only.
        """
        address = address_of(location, create=create, read_only=read_only)
        where = address.where
        census = cls(engine_for(address), where, address.read_only)
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
        if self.read_only is not None:
            raise CensusError(f"cannot be written: {self.read_only}", where=self.where, hint=_COPY_IT)
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
        return copy_file(source, target)

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
        if self.read_only is not None:
            raise CensusError(
                f"was written by an older overfly and has to be brought up to date, but {self.read_only}",
                where=self.where,
                hint=_COPY_IT,
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


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Say in the reader's words what the database refused."""
    try:
        yield
    except StatementError as error:
        if isinstance(error.orig, OverflyError):
            raise error.orig from error
        said = str(error.orig).strip()
        hint = next((hint for sign, hint in _WHAT_TO_DO.items() if sign in said), None)
        raise CensusError(f"the census refused: {said}", where=where, hint=hint) from error


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
