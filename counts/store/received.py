"""Where what others observed came from, and their tracked animals: written once, however often it is brought in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from counts.geopackage import decode_many, encode_points, raw
from counts.schema import AnimalFix, ReceivedSource, TrackedAnimal
from flightplan.errors import Skip
from flightplan.frames import Floats

MAX_SKIPS_KEPT = 1000
CHUNK = 20_000


@dataclass(frozen=True)
class SourceEntry:
    """A file or package of others: its standard, its name, what its identifiers belong to, the hash of its content."""

    standard: str
    name: str
    origin: str
    content_hash: str
    version: str | None = None
    licence: str | None = None


@dataclass(frozen=True)
class SourceInfo:
    """A source as the census has it: how many things it held, how many were new, how many could not be used."""

    source_id: int
    entry: SourceEntry
    found: int
    added: int
    skipped: int
    skips: tuple[str, ...]
    time_utc: datetime


@dataclass(frozen=True)
class AnimalTrack:
    """A tracked animal's fixes in order of time, from all its sources: `times_utc` (N,), `lonlat` (N, 2)."""

    origin: str
    individual: str
    taxon: str | None
    tags: tuple[str, ...]
    times_utc: npt.NDArray[np.datetime64]
    lonlat: Floats

    def __len__(self) -> int:
        return len(self.times_utc)


def find_source(session: Session, standard: str, content_hash: str) -> SourceInfo | None:
    """Return what was brought in from the same content before, None when it is new."""
    row = session.scalars(
        select(ReceivedSource).where(ReceivedSource.standard == standard, ReceivedSource.content_hash == content_hash)
    ).one_or_none()
    return None if row is None else _info(row)


def read_sources(session: Session) -> tuple[SourceInfo, ...]:
    """Return every source in the order they came."""
    return tuple(_info(row) for row in session.scalars(select(ReceivedSource).order_by(ReceivedSource.fid)))


def add_source(
    session: Session,
    entry: SourceEntry,
    *,
    found: int,
    added: int,
    skips: Sequence[Skip],
    time_utc: datetime,
    code_version: str | None = None,
) -> int:
    """Write a source down and return its key; its rows are added in the same transaction."""
    row = ReceivedSource(
        standard=entry.standard,
        name=entry.name,
        origin=entry.origin,
        content_hash=entry.content_hash,
        version=entry.version,
        licence=entry.licence,
        found=found,
        added=added,
        skipped=len(skips),
        skips=[f"{s.item}: {s.reason}" for s in skips[:MAX_SKIPS_KEPT]],
        time_utc=time_utc,
        code_version=code_version,
    )
    session.add(row)
    session.flush()
    return row.fid


def new_fixes(
    session: Session, origin: str, individual: str, times_utc: npt.NDArray[np.datetime64]
) -> npt.NDArray[np.bool_]:
    """Return which (N,) of an animal's fixes are at a time at which the census has none of it."""
    animal = _animal(session, origin, individual)
    if animal is None:
        return np.ones(len(times_utc), dtype=bool)
    known = session.scalars(select(AnimalFix.time_utc).where(AnimalFix.animal_id == animal.fid)).all()
    moments = np.array([round(t.timestamp() * 1000) for t in known], dtype="datetime64[ms]")
    return ~np.isin(times_utc.astype("datetime64[ms]"), moments)


def add_fixes(
    session: Session,
    source_id: int,
    origin: str,
    individual: str,
    *,
    taxon: str | None,
    times_utc: Sequence[datetime],
    lonlat: Floats,
    tags: Sequence[str | None],
) -> None:
    """Add fixes of one animal, made when it is new: N times, `lonlat` (N, 2), the tag of each."""
    animal = _animal(session, origin, individual)
    if animal is None:
        animal = TrackedAnimal(source_id=source_id, origin=origin, identifier=individual, taxon=taxon)
        session.add(animal)
        session.flush()
    rows = [
        {"animal_id": animal.fid, "source_id": source_id, "time_utc": time, "tag": tag, "point": point}
        for time, tag, point in zip(times_utc, tags, encode_points(lonlat), strict=True)
    ]
    for start in range(0, len(rows), CHUNK):
        session.execute(insert(AnimalFix), rows[start : start + CHUNK])


def read_tracks(session: Session, taxon: str | None = None) -> tuple[AnimalTrack, ...]:
    """Return the tracks of all animals, or of one taxon, by origin and name."""
    query = select(TrackedAnimal).order_by(TrackedAnimal.origin, TrackedAnimal.identifier)
    if taxon is not None:
        query = query.where(TrackedAnimal.taxon == taxon)
    tracks = []
    for animal in session.scalars(query).all():
        rows = session.execute(
            select(AnimalFix.time_utc, AnimalFix.tag, raw(AnimalFix.point))
            .where(AnimalFix.animal_id == animal.fid)
            .order_by(AnimalFix.time_utc)
        ).all()
        tracks.append(
            AnimalTrack(
                origin=animal.origin,
                individual=animal.identifier,
                taxon=animal.taxon,
                tags=tuple(dict.fromkeys(r[1] for r in rows if r[1])),
                times_utc=np.array([round(r[0].timestamp() * 1000) for r in rows], dtype="datetime64[ms]"),
                lonlat=shapely.get_coordinates(decode_many([r[2] for r in rows])).reshape(-1, 2),
            )
        )
    return tuple(tracks)


def _animal(session: Session, origin: str, individual: str) -> TrackedAnimal | None:
    return session.scalars(
        select(TrackedAnimal).where(TrackedAnimal.origin == origin, TrackedAnimal.identifier == individual)
    ).one_or_none()


def _info(row: ReceivedSource) -> SourceInfo:
    entry = SourceEntry(row.standard, row.name, row.origin, row.content_hash, row.version, row.licence)
    return SourceInfo(row.fid, entry, row.found, row.added, row.skipped, tuple(row.skips), row.time_utc)
