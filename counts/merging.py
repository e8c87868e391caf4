"""Two field copies of one census become one, row by row and field by field.

A row is known by what it is, not by its key: a capture by the hash of its picture, a detection run by its detector,
threshold and parameters, a transect by its name in its survey. What only the other copy has comes in; what both have is
compared field by field: a field that one side does not know takes the other's value, and where both know it and
disagree, ours stays and the conflict is named. Verdicts are all kept, and two copies' latest verdicts on one detection
that disagree are a conflict too. Layers stay layers: runs that only the other copy has come in as runs of their own.

Nothing is lost and nothing is done twice: merging the same copy again changes nothing. The other file is read from a
copy of it, and never written.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import Session

from counts.audit import MERGED, Journal, heads, verify, writer_of
from counts.census import Census
from counts.columns import canonical_json
from counts.merge_rules import KEYS, OURS, PARENT_RUN, UNKNOWN
from counts.schema import AuditEntry, Base, Detection, DetectionRun, Verdict
from counts.spatial_index import write_extents
from counts.store.tallies import rebuild_tallies
from counts.store.verdicts import work_out_states
from flightplan.errors import CensusError

_ROWS_AT_A_TIME = 5_000


@dataclass(frozen=True)
class Conflict:
    """A field that both copies know and do not agree on; ours stays."""

    table: str
    row: str
    field: str
    ours: Any
    theirs: Any


@dataclass
class Merged:
    """What a merge did: rows added and fields filled by table, the conflicts, and the writers whose chains came in."""

    added: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)
    writers: tuple[str, ...] = ()


def merge(census: Census, other: str | Path) -> Merged:
    """Bring what another copy of a census has into this one, in one transaction.

    Raises CensusError when the other is no census, when its audit shows that it was changed behind overfly's back, when
    both copies continued one writer's chain in two ways, or when a survey of one name was planned in two ways.
    """
    path = Path(other)
    if not path.is_file():
        raise CensusError("there is no census here", where=str(path))
    if Path(census.where).exists() and path.samefile(census.where):
        raise CensusError("is the census itself", where=str(path), hint="Name the other copy")
    with tempfile.TemporaryDirectory(prefix="overfly-merge-") as folder:
        copy = Census.backup(path, Path(folder) / path.name)
        with Census.open(copy, create=False) as theirs, theirs.reading() as source:
            found = verify(source)
            if not found.sound:
                raise CensusError(
                    f"its audit does not hold: {found.flaws[0].what}", where=str(path), hint="Ask who changed it"
                )
            return _merge(census, source, str(path))


def _merge(census: Census, source: Session, where: str) -> Merged:
    merged = Merged()
    with census.unjournalled() as session:
        journal = Journal(session, writer_of(session.connection()))
        new_chains = _chains_to_take(session, source, where)
        rows = _Rows(session, source, merged)
        for name in KEYS:
            rows.bring(Base.metadata.tables[name])
        rows.set_latest_verdicts_against_each_other()
        rows.work_out_what_follows()
        if not (merged.added or merged.filled or new_chains):
            journal.discard()
            return merged
        merged.writers = tuple(sorted({e.writer for e in new_chains}))
        more = {"from": where, "heads": {w: list(h) for w, h in heads(source).items()}}
        entry = journal.close(MERGED, more)
        if new_chains:
            session.execute(insert(AuditEntry), [_entry_row(e, entry) for e in new_chains])
        write_extents(session.connection())
    return merged


def _chains_to_take(session: Session, source: Session, where: str) -> list[AuditEntry]:
    """Return the other copy's entries that this one lacks; a chain that went on in two ways is refused."""
    ours = {
        (w, n): h for w, n, h in session.execute(select(AuditEntry.writer, AuditEntry.sequence, AuditEntry.entry_hash))
    }
    taken = []
    for entry in source.scalars(select(AuditEntry).order_by(AuditEntry.writer, AuditEntry.sequence)):
        here = ours.get((entry.writer, entry.sequence))
        if here is None:
            taken.append(entry)
        elif here != entry.entry_hash:
            raise CensusError(
                f"{entry.writer} wrote entry {entry.sequence} in both copies, and not the same one",
                where=where,
                hint="One of them was put back from a backup: merge the copy that was made last",
            )
    return taken


def _entry_row(entry: AuditEntry, merged_by: int | None) -> dict[str, Any]:
    row = {c.name: getattr(entry, c.name) for c in AuditEntry.__table__.columns if c.name != "fid"}
    return {**row, "merged_by": merged_by}


class _Rows:
    """The rows of the other copy on their way into this one, with the keys they get here."""

    def __init__(self, session: Session, source: Session, merged: Merged) -> None:
        self._session = session
        self._source = source
        self._merged = merged
        self._keys: dict[str, dict[int, int]] = defaultdict(dict)
        self._new_parents: dict[str, set[tuple[int, ...]]] = defaultdict(set)
        self._shared_pairs: set[tuple[int, int]] = set()
        self._drawn: set[int] = set()

    def bring(self, table: Table) -> None:
        """Bring one table's rows in; its parents have come in before."""
        known = self._known(table)
        for batch in self._their_rows(table):
            fresh: list[tuple[int, dict[str, Any]]] = []
            filled: list[dict[str, Any]] = []
            for fid, row in batch:
                key = self._key(table, row)
                if self._is_of_a_new_run(table, row) or (key not in known and table.name != "detections"):
                    fresh.append((fid, row))
                    continue
                if key not in known and row["run_id"] in self._drawn:
                    fresh.append((fid, row))
                    continue
                if key not in known:
                    # The same detector at the same threshold saw something else in the same picture.
                    what = f"{row['label']} {row['score']:.2f} in capture {row['capture_id']}"
                    self._merged.conflicts.append(Conflict(table.name, what, "row", None, "found"))
                    continue
                here = known[key].pop(0) if table.name == "detections" and len(known[key]) > 1 else known[key][0]
                self._keys[table.name][fid] = here["fid"]
                if table.name == "detection_run_captures":
                    self._shared_pairs.add((row["run_id"], row["capture_id"]))
                filled += self._compare(table, here, row)
            self._insert(table, fresh)
            self._fill(table, filled)

    def set_latest_verdicts_against_each_other(self) -> None:
        """Name the detections on which the two copies' latest verdicts disagree."""
        back = {here: there for there, here in self._keys["detections"].items()}
        latest_theirs = _latest(self._source)
        ours_before = {
            here: verdict
            for here, verdict in _latest(self._session, leave_out=set(self._fresh_verdicts)).items()
            if here in back
        }
        for here, ours in sorted(ours_before.items()):
            theirs = latest_theirs.get(back[here])
            if theirs is not None and (ours.action, ours.after) != (theirs.action, theirs.after):
                self._merged.conflicts.append(
                    Conflict("verdicts", f"detection {here}", "action", _said(ours), _said(theirs))
                )

    def work_out_what_follows(self) -> None:
        """Say anew what the verdicts come to, where there are new ones, and count the detections anew."""
        changed = {*self._merged.added, *self._merged.filled}
        if not changed & {"verdicts", "detections", "captures"}:
            return
        fresh = sorted(self._fresh_verdicts)
        for start in range(0, len(fresh), _ROWS_AT_A_TIME):
            some = select(Verdict.detection_id).where(Verdict.fid.in_(fresh[start : start + _ROWS_AT_A_TIME]))
            work_out_states(self._session, [key for key in self._session.scalars(some) if key is not None])
        for run_id in self._session.scalars(select(DetectionRun.fid).where(DetectionRun.drawn_over_id.is_(None))).all():
            rebuild_tallies(self._session, run_id)

    @property
    def _fresh_verdicts(self) -> Iterable[int]:
        return (key[0] for key in self._new_parents["verdicts"])

    def _their_rows(self, table: Table) -> Iterator[list[tuple[int, dict[str, Any]]]]:
        parents = {c.name: next(iter(c.foreign_keys)).column.table.name for c in table.columns if c.foreign_keys}
        own = [name for name, parent in parents.items() if parent == table.name]
        in_batch: set[int] = set()
        batch: list[tuple[int, dict[str, Any]]] = []
        for found in self._source.execute(select(table).order_by(table.c.fid)).yield_per(_ROWS_AT_A_TIME):
            row = dict(found._mapping)
            fid = row.pop("fid")
            if any(row[name] in in_batch for name in own):
                yield batch  # so that the row it points to has its key here
                batch, in_batch = [], set()
            wanted = [(column, parent) for column, parent in parents.items() if row[column] is not None]
            if any(row[column] not in self._keys[parent] for column, parent in wanted):
                continue  # what it belongs to is a conflict already
            row.update({column: self._keys[parent][row[column]] for column, parent in wanted})
            if "second_id" in row and row["first_id"] > row["second_id"]:
                row["first_id"], row["second_id"] = row["second_id"], row["first_id"]
            batch.append((fid, row))
            in_batch.add(fid)
            if len(batch) == _ROWS_AT_A_TIME:
                yield batch
                batch, in_batch = [], set()
        if batch:
            yield batch

    def _known(self, table: Table) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
        """Return this census' rows by what they are, but for those of runs that the other copy does not have."""
        known: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
        columns = PARENT_RUN.get(table.name)
        shared: set[Any] = set()
        if columns is not None:
            parent = _parent_name(table.name)
            shared = set(self._keys[parent].values()) if len(columns) == 1 else self._shared_pairs
            if table.name == "detections":
                drawn = select(DetectionRun.fid).where(DetectionRun.drawn_over_id.is_not(None))
                self._drawn = set(self._session.scalars(drawn))
            if not shared and not (table.name == "detections" and self._drawn):
                return known
        for found in self._session.execute(select(table).order_by(table.c.fid)).yield_per(_ROWS_AT_A_TIME):
            row = dict(found._mapping)
            run = None if columns is None else row[columns[0]] if len(columns) == 1 else tuple(row[c] for c in columns)
            if columns is None or run in shared or row.get("run_id") in self._drawn:
                known[self._key(table, row)].append(row)
        return known

    def _key(self, table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(_plain(row[column]) for column in KEYS[table.name])

    def _is_of_a_new_run(self, table: Table, row: Mapping[str, Any]) -> bool:
        columns = PARENT_RUN.get(table.name)
        if columns is None:
            return False
        return tuple(row[c] for c in columns) in self._new_parents[_parent_name(table.name)]

    def _insert(self, table: Table, fresh: list[tuple[int, dict[str, Any]]]) -> None:
        if not fresh:
            return
        given = self._session.connection().execute(
            insert(table).returning(table.c.fid, sort_by_parameter_order=True), [row for _, row in fresh]
        )
        for (fid, row), here in zip(fresh, given.scalars(), strict=True):
            self._keys[table.name][fid] = here
            if table.name in ("identity_runs", "estimate_runs", "verdicts"):
                self._new_parents[table.name].add((here,))
            elif table.name == "detection_run_captures":
                self._new_parents[table.name].add((row["run_id"], row["capture_id"]))
        self._merged.added[table.name] += len(fresh)

    def _compare(self, table: Table, here: Mapping[str, Any], row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the fields to fill in a row that both copies have, and note those they disagree on."""
        filled = []
        for name, theirs in row.items():
            ours = here[name]
            if name in KEYS[table.name] or _plain(ours) == _plain(theirs):
                continue
            unknown = UNKNOWN.get(table.name, {}).get(name)
            if theirs is None or theirs == unknown:
                continue
            if ours is None or ours == unknown:
                filled.append({"key": here["fid"], "field": name, "value": theirs})
            elif table.name == "surveys" and name in ("plan_hash", "design_kind", "design_seed"):
                raise CensusError(
                    f"the survey {here['name']} was planned in two ways",
                    where=name,
                    hint="They are two surveys: give one of them another name",
                )
            elif name not in OURS.get(table.name, frozenset()):
                label = " ".join(str(_plain(here[k])) for k in KEYS[table.name])
                self._merged.conflicts.append(Conflict(table.name, label, name, _said(ours), _said(theirs)))
        return filled

    def _fill(self, table: Table, filled: Iterable[Mapping[str, Any]]) -> None:
        by_field: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in filled:
            by_field[one["field"]].append({"key": one["key"], "value": one["value"]})
        for name, rows in by_field.items():
            self._session.connection().execute(
                update(table)
                .where(table.c.fid == bindparam("key"))
                .values({name: bindparam("value", type_=table.c[name].type)}),
                rows,
            )
            self._merged.filled[table.name] += len(rows)


def _parent_name(table: str) -> str:
    if table == "detections":
        return "detection_run_captures"
    return "identity_runs" if table in ("individuals", "sightings", "ambiguous_pairs") else "estimate_runs"


def _latest(session: Session, leave_out: set[int] | None = None) -> dict[int, Verdict]:
    query = select(Verdict).join(Detection, Verdict.detection_id == Detection.fid).order_by(Verdict.fid)
    return {
        v.detection_id: v
        for v in session.scalars(query)
        if v.detection_id is not None and v.fid not in (leave_out or set())
    }


def _plain(value: Any) -> Any:
    """Return what can be compared and used as a key."""
    if isinstance(value, BaseGeometry):
        return value.wkb
    return canonical_json(value) if isinstance(value, dict | list) else value


def _said(value: Any) -> Any:
    """Return a value as it is shown to a person."""
    if isinstance(value, Verdict):
        return f"{value.action} by {value.who}" + (f": {canonical_json(value.after)}" if value.after else "")
    if isinstance(value, BaseGeometry):
        return value.wkt[:120]
    return value.isoformat() if isinstance(value, datetime) else value
