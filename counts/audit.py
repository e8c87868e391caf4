"""The audit: who wrote what and when, so that a later reader can tell that nothing was changed since.

Every transaction of a writer leaves one entry. It names the rows that the transaction added, table by table, with a
digest of what stands in them, and carries the hash of the writer's entry before it: a chain. `verify` walks the chains
and reads the rows again. Whoever changes, drops or slips in a row behind overfly's back breaks a digest or leaves rows
that no entry knows; whoever mends an entry to fit breaks every hash after it. It shows tampering, it does not hinder
it: somebody who writes the whole chain anew is found out by the hash of its head on a printed report.

A file that was copied has another writer from then on, even with the same person at the same machine, so two field
copies never continue one chain in two ways. When they are merged (`counts.merging`), the other copy's entries come in
as they were, behind an entry of this writer that names the heads of the chains it took over.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Delete, Select, Table, Update, event, func, select
from sqlalchemy.orm import Session

from counts.columns import canonical_json
from counts.schema import AuditEntry, Base

GENESIS = "0" * 64
"""What the first entry of a chain carries as the hash before it."""

WROTE, MERGED = "wrote", "merged"

WRITER_VARIABLE = "OVERFLY_WRITER"

_MUTABLE: Mapping[str, frozenset[str]] = {
    "protected_areas": frozenset({"boundary"}),
    "surveys": frozenset({"protected_area_id"}),
    "sorties": frozenset({"status", "started_utc", "ended_utc", "flown_length_m", "note", "track"}),
    "captures": frozenset({"transect_id", "on_effort", "off_effort_reason", "refused"}),
    "detection_runs": frozenset({"asked"}),
    "detections": frozenset({"judged"}),
    "people": frozenset({"secret"}),
}
"""Columns that are written again later, and so stand in no digest."""

_DERIVED = frozenset({"footprints", "review_states", "tallies", "audit"})
"""Tables whose rows are replaced when they are worked out again."""

_ADDED_LATER: Mapping[str, Mapping[str, frozenset[str]]] = {
    "r0006": {
        "detection_runs": frozenset({"drawn_over_id"}),
        "detections": frozenset({"outline_px"}),
        "verdicts": frozenset({"person_id", "batch", "request", "undoes_id", "note"}),
    },
    "r0007": {
        "effort": frozenset({"planned_area_m2", "masked_area_m2", "gap_area_m2"}),
        "identity_runs": frozenset({"findings"}),
        "individuals": frozenset({"herd"}),
    },
    "r0010": {"captures": frozenset({"georeference"})},
    "r0011": {"flight_findings": frozenset({"message"}), "plan_warnings": frozenset({"message"})},
    "r0012": {
        "effort": frozenset({"stratum_id"}),
        "sample_frames": frozenset({"part"}),
        "verification_samples": frozenset({"part"}),
    },
}
"""Columns that tables got after the audit began, by the schema's revision: in no digest of an entry written before."""

_WORKED_OUT = frozenset({"review_states", "tallies"})
"""Tables that follow from the others so closely that nobody wants to read of their changes."""

_FIRST_SCHEMA, _SCHEMA = "r0004", max(_ADDED_LATER)

_ROWS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Flaw:
    """Something in the audit that is not as it was written."""

    writer: str | None
    sequence: int | None
    what: str


@dataclass(frozen=True)
class Verification:
    """What was found when the chains were walked: `entries` of all writers, `rows` read again, and what is wrong."""

    writers: tuple[str, ...]
    entries: int
    rows: int
    flaws: tuple[Flaw, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is as it was written."""
        return not self.flaws


class Journal:
    """What one transaction does to the census, from its beginning to the entry that closes it."""

    def __init__(self, session: Session, writer: str) -> None:
        self._session = session
        self._writer = writer
        empty = session.scalars(select(AuditEntry.fid).limit(1)).first() is None
        # What an older overfly wrote has no entry: the first one answers for it.
        self._before = dict.fromkeys(_last_rows(session), 0) if empty else _last_rows(session)
        self._changed: Counter[str] = Counter()
        self._connection = session.connection()
        event.listen(self._connection, "after_execute", self._executed)

    def close(self, action: str = WROTE, more: Mapping[str, Any] | None = None) -> int | None:
        """Write the entry of the transaction and return its key; None where nothing was written."""
        self._session.flush()
        event.remove(self._connection, "after_execute", self._executed)
        now = _last_rows(self._session)
        added = {
            table.name: {"after": first, "last": last, **_digest(self._connection, table, first, last, _SCHEMA)}
            for table in _audited()
            if (last := now[table.name]) > (first := self._before[table.name])
        }
        if not added and not self._changed and not more:
            return None
        changed = {name: count for name, count in sorted(self._changed.items()) if name not in _WORKED_OUT}
        details = {"schema": _SCHEMA, "added": added, "changed": changed, **(more or {})}
        return append(self._session, self._writer, action, details)

    def discard(self) -> None:
        """Leave no entry: nothing was done."""
        event.remove(self._connection, "after_execute", self._executed)

    def _executed(self, _: Connection, statement: Any, many: Any, *__: Any) -> None:
        if isinstance(statement, Update | Delete) and isinstance(statement.table, Table):
            self._changed[statement.table.name] += max(1, len(many))


def writer_of(connection: Connection) -> str:
    """Return who writes here: person, machine and, for a file, this very copy of it; or what OVERFLY_WRITER says."""
    said = os.environ.get(WRITER_VARIABLE)
    if said:
        return said
    person = "unknown"
    with suppress(OSError, KeyError, ImportError):
        person = getpass.getuser()
    name = f"{person}@{socket.gethostname()}"
    file = connection.engine.url.database
    if connection.dialect.name != "sqlite" or not file or not Path(file).exists():
        return name
    found = Path(file).stat()
    return f"{name}#{hashlib.sha256(f'{found.st_dev}:{found.st_ino}'.encode()).hexdigest()[:8]}"


def append(session: Session, writer: str, action: str, details: Mapping[str, Any]) -> int:
    """Add an entry to a writer's chain and return its key."""
    sequence, previous = head(session, writer)
    entry = AuditEntry(
        writer=writer,
        sequence=sequence + 1,
        # Whole milliseconds, as the census keeps them: the hash must be the same when the entry is read again.
        time_utc=_whole_ms(datetime.now(UTC)),
        action=action,
        code_version=_code_version(),
        details=dict(details),
        previous_hash=previous,
        entry_hash="",
    )
    entry.entry_hash = entry_hash(entry)
    session.add(entry)
    session.flush()
    return entry.fid


def head(session: Session, writer: str) -> tuple[int, str]:
    """Return the sequence and hash of a writer's last entry; (0, `GENESIS`) before the first."""
    found = session.execute(
        select(AuditEntry.sequence, AuditEntry.entry_hash)
        .where(AuditEntry.writer == writer)
        .order_by(AuditEntry.sequence.desc())
        .limit(1)
    ).one_or_none()
    return (0, GENESIS) if found is None else (found[0], found[1])


def heads(session: Session) -> dict[str, tuple[int, str]]:
    """Return the head of every writer's chain."""
    writers = session.scalars(select(AuditEntry.writer).distinct().order_by(AuditEntry.writer)).all()
    return {writer: head(session, writer) for writer in writers}


def entry_hash(entry: AuditEntry) -> str:
    """Return the SHA-256 of everything an entry says, the hash before it included."""
    said = {
        "writer": entry.writer,
        "sequence": entry.sequence,
        "time_utc": entry.time_utc.isoformat(timespec="milliseconds"),
        "action": entry.action,
        "code_version": entry.code_version,
        "details": entry.details,
        "previous_hash": entry.previous_hash,
    }
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def verify(session: Session) -> Verification:
    """Walk every chain, and read again the rows that this census' own writers added."""
    flaws: list[Flaw] = []
    entries, rows = 0, 0
    before: dict[str, tuple[int, str]] = {}
    known: dict[str, list[tuple[int, int]]] = {table.name: [] for table in _audited()}
    query = select(AuditEntry).order_by(AuditEntry.writer, AuditEntry.sequence)
    for entry in session.scalars(query).yield_per(1000):
        entries += 1
        flaws += _broken_link(entry, *before.get(entry.writer, (0, GENESIS)))
        before[entry.writer] = (entry.sequence, entry.entry_hash)
        if entry.merged_by is not None:
            continue  # its rows have other keys here: the entry that merged them in answers for them
        for name, added in entry.details.get("added", {}).items():
            if name not in known:
                continue
            known[name].append((added["after"], added["last"]))
            schema = entry.details.get("schema", _FIRST_SCHEMA)
            found = _digest(session.connection(), Base.metadata.tables[name], added["after"], added["last"], schema)
            rows += found["rows"]
            if found != {key: added[key] for key in found}:
                said = f"{added['rows']} rows of {name}, keys {added['after'] + 1} to {added['last']}"
                flaws.append(Flaw(entry.writer, entry.sequence, f"{said}, are not as they were written"))
    for name, last in _last_rows(session).items():
        unknown = _unknown_rows(known[name], last)
        if unknown:
            flaws.append(Flaw(None, None, f"up to {unknown} rows of {name} were not written by overfly"))
    return Verification(tuple(before), entries, rows, tuple(flaws))


def _broken_link(entry: AuditEntry, sequence: int, previous: str) -> Iterator[Flaw]:
    if entry.sequence != sequence + 1:
        gap = f"entries {sequence + 1} to {entry.sequence - 1} are missing"
        yield Flaw(entry.writer, entry.sequence, gap)
    elif entry.previous_hash != previous:
        yield Flaw(entry.writer, entry.sequence, "does not follow from the entry before it")
    if entry_hash(entry) != entry.entry_hash:
        yield Flaw(entry.writer, entry.sequence, "the entry itself was changed")


def _unknown_rows(known: list[tuple[int, int]], last: int) -> int:
    unknown, reached = 0, 0
    for after, upto in sorted(known):
        unknown += max(0, after - reached)
        reached = max(reached, upto)
    return unknown + max(0, last - reached)


def _audited() -> list[Table]:
    return [table for table in Base.metadata.sorted_tables if table.name not in _DERIVED]


def _last_rows(session: Session) -> dict[str, int]:
    return {name: int(last) for name, last in session.execute(_last_rows_query()).mappings().one().items()}


@cache
def _last_rows_query() -> Select[Any]:
    # Kept, for making it of some fifty tables took longer than all else that one verdict costs.
    return select(*[select(func.coalesce(func.max(t.c.fid), 0)).scalar_subquery().label(t.name) for t in _audited()])


def _digest(connection: Connection, table: Table, after: int, last: int, schema: str) -> dict[str, Any]:
    """Return how many rows there are with keys in (after, last], and the SHA-256 of what stands in them.

    Only of the columns that the schema of that revision had.
    """
    left_out = set(_MUTABLE.get(table.name, ()))
    for revision, tables in _ADDED_LATER.items():
        if revision > schema:
            left_out |= tables.get(table.name, frozenset())
    columns = [c.name for c in table.columns if c.name not in left_out]
    mark = connection.dialect.paramstyle
    here = {"qmark": "?", "format": "%s", "pyformat": "%s"}.get(mark, "?")
    quoted = ", ".join(f'"{c}"' for c in columns)
    statement = f'SELECT {quoted} FROM "{table.name}" WHERE fid > {here} AND fid <= {here} ORDER BY fid'  # noqa: S608
    digest, rows = hashlib.sha256(), 0
    # The driver's own cursor: what is stored, not what the models make of it. PostgreSQL sends all of a result at once
    # unless the cursor has a name.
    driver: Any = connection.connection.dbapi_connection
    cursor: Any = driver.cursor("overfly_digest") if mark == "pyformat" else connection.connection.cursor()
    try:
        cursor.execute(statement, (after, last))
        while batch := cursor.fetchmany(_ROWS_AT_A_TIME):
            rows += len(batch)
            digest.update("\n".join(map(repr, batch)).encode())
            digest.update(b"\n")
    finally:
        cursor.close()
    return {"rows": rows, "sha256": digest.hexdigest()}


def _whole_ms(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _code_version() -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("overfly")
    except PackageNotFoundError:
        return None
