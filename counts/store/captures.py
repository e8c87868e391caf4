"""Captures and their footprints in the census."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from shapely.geometry import Point, Polygon
from sqlalchemy import Select, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from counts.columns import plain
from counts.geopackage import decode_many, raw
from counts.schema import Capture as CaptureRow
from counts.schema import DetectionRunCapture, Footprint, Sortie, Transect
from counts.store.repairs import repairs_by_capture
from counts.store.tallies import untally_captures
from detect.captures import Capture
from detect.findings import with_repairs
from detect.georeference import Georeference
from detect.sources import location, shown
from flightplan.camera import Camera
from flightplan.errors import CensusError, Skip
from flightplan.frames import Floats

Keys = npt.NDArray[np.int64]
_CHUNK = 5_000
_SAME = (
    "width_px",
    "height_px",
    "time_utc",
    "altitude_msl_m",
    "altitude_ellipsoid_m",
    "altitude_takeoff_m",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "horizontal_accuracy_m",
    "maker",
    "model",
)


@dataclass(frozen=True)
class CaptureEntry:
    """A capture on its way into the census. `refused` says why it cannot be used; it is kept all the same."""

    capture: Capture
    sortie: str | None = None
    refused: str | None = None


@dataclass(frozen=True)
class CapturesAdded:
    """What `add_captures` did: keys of the new ones, how many were there already, which items were skipped and why."""

    added: tuple[int, ...]
    known: int
    skips: tuple[Skip, ...]


@dataclass(frozen=True)
class StoredCapture:
    """A capture as the census has it."""

    capture_id: int
    capture: Capture
    sortie: str | None
    transect: str | None
    on_effort: bool | None
    off_effort_reason: str | None
    refused: str | None


@dataclass(frozen=True)
class TransectAssignment:
    """The transect a capture was taken on (None: none), and whether it counts as searched; if not, why not."""

    capture_id: int
    transect: str | None
    on_effort: bool
    off_effort_reason: str | None = None


@dataclass(frozen=True)
class FootprintEntry:
    """The ground a capture shows: a geographic polygon, and the height above ground it was worked out with."""

    capture_id: int
    polygon: Polygon
    altitude_agl_m: float | None = None
    gsd_cm: float | None = None
    height_source: str | None = None


@dataclass(frozen=True)
class FootprintTable:
    """Footprints as (N,) arrays; NaN is a height or GSD that is not known. `on_effort` is false where it is unknown."""

    capture_id: Keys
    on_effort: npt.NDArray[np.bool_]
    altitude_agl_m: Floats
    gsd_cm: Floats
    polygons: npt.NDArray[np.object_]


def add_captures(session: Session, survey_id: int, entries: Iterable[CaptureEntry]) -> CapturesAdded:
    """Add captures that the survey does not have yet; the content hash decides.

    The same file again is known already; the same picture under another path is a named skip.
    """
    coming = tuple(entries)
    paths = _known_paths(session, survey_id, [entry.capture.content_hash for entry in coming])
    sorties = _by_identifier(session, Sortie, survey_id)
    rows: list[dict[str, Any]] = []
    skips: list[Skip] = []
    known = 0
    for entry in coming:
        path, content_hash = location(entry.capture.path), entry.capture.content_hash
        first = paths.get(content_hash)
        if first is None:
            paths[content_hash] = path
            rows.append(_capture_row(survey_id, entry, sorties))
        elif first == path:
            known += 1
        else:
            skips.append(Skip(shown(path), f"the same picture is in the survey as {shown(first)}"))
    added: Sequence[int] = ()
    if rows:
        added = session.scalars(insert(CaptureRow).returning(CaptureRow.fid, sort_by_parameter_order=True), rows).all()
    return CapturesAdded(added=tuple(added), known=known, skips=tuple(skips))


def assign_transects(session: Session, survey_id: int, assignments: Iterable[TransectAssignment]) -> None:
    """Write down which captures were taken on which transect, and which of them count as searched."""
    transects = _by_identifier(session, Transect, survey_id)
    rows = [
        {
            "key": int(a.capture_id),
            "transect": None if a.transect is None else _id_of(transects, a.transect, "transect"),
            "effort": bool(a.on_effort),
            "reason": None if a.on_effort else a.off_effort_reason or "reason not recorded",
        }
        for a in assignments
    ]
    if rows:
        session.connection().execute(
            update(CaptureRow)
            .where(CaptureRow.fid == bindparam("key"), CaptureRow.survey_id == survey_id)
            .values(
                transect_id=bindparam("transect"),
                on_effort=bindparam("effort"),
                off_effort_reason=bindparam("reason"),
            ),
            rows,
        )


def refuse_captures(session: Session, survey_id: int, refusals: Iterable[tuple[int, str]]) -> None:
    """Set captures aside, each with its reason: they are kept, and count for nothing."""
    refused = tuple(refusals)
    rows = [{"key": int(key), "reason": reason} for key, reason in refused]
    if rows:
        untally_captures(session, [int(key) for key, _ in refused])
        session.connection().execute(
            update(CaptureRow)
            .where(CaptureRow.fid == bindparam("key"), CaptureRow.survey_id == survey_id)
            .values(refused=bindparam("reason"), on_effort=False),
            rows,
        )


def put_footprints(session: Session, footprints: Iterable[FootprintEntry]) -> None:
    """Write footprints; one that a capture had before is replaced, for it follows from the capture."""
    rows = [{f.name: plain(getattr(entry, f.name)) for f in dataclasses.fields(entry)} for entry in footprints]
    if rows:
        session.connection().execute(
            delete(Footprint).where(Footprint.capture_id == bindparam("key")),
            [{"key": row["capture_id"]} for row in rows],
        )
        session.execute(insert(Footprint), rows)


def read_captures(session: Session, survey_id: int, *, usable: bool = False) -> tuple[StoredCapture, ...]:
    """Return the survey's captures, as repaired, in the order they were added; only those not refused when `usable`."""
    query = _query(survey_id)
    return _read(session, survey_id, query.where(CaptureRow.refused.is_(None)) if usable else query)


def picture_paths(session: Session, survey_id: int) -> Sequence[str]:
    """Return where each of the survey's usable captures lay when it came in, in the order they were added."""
    query = select(CaptureRow.path).where(CaptureRow.survey_id == survey_id, CaptureRow.refused.is_(None))
    return session.scalars(query.order_by(CaptureRow.fid)).all()


def read_footprints(session: Session, survey_id: int) -> FootprintTable:
    """Return the footprints of the survey's captures that are not refused, as arrays."""
    rows = session.execute(
        select(
            Footprint.capture_id,
            CaptureRow.on_effort,
            Footprint.altitude_agl_m,
            Footprint.gsd_cm,
            raw(Footprint.polygon),
        )
        .join(CaptureRow, Footprint.capture_id == CaptureRow.fid)
        .where(CaptureRow.survey_id == survey_id, CaptureRow.refused.is_(None))
        .order_by(CaptureRow.fid)
    ).all()
    return FootprintTable(
        capture_id=np.array([r[0] for r in rows], dtype=np.int64),
        on_effort=np.array([r[1] is True for r in rows], dtype=bool),
        altitude_agl_m=np.array([np.nan if r[2] is None else r[2] for r in rows], dtype=np.float64),
        gsd_cm=np.array([np.nan if r[3] is None else r[3] for r in rows], dtype=np.float64),
        polygons=decode_many([r[4] for r in rows]),
    )


def captures_not_looked_at(session: Session, survey_id: int, run_id: int) -> tuple[StoredCapture, ...]:
    """Return the usable captures that a detection run has not looked at yet, in the order they were added."""
    done = select(DetectionRunCapture.fid).where(
        DetectionRunCapture.run_id == run_id, DetectionRunCapture.capture_id == CaptureRow.fid
    )
    return _read(session, survey_id, _query(survey_id).where(CaptureRow.refused.is_(None), ~done.exists()))


def read_sortie_ids(session: Session, survey_id: int) -> dict[str, int]:
    """Return the key of each sortie by its identifier."""
    return _by_identifier(session, Sortie, survey_id)


def _query(survey_id: int) -> Select[CaptureRow, str | None, str | None]:
    return (
        select(CaptureRow, Sortie.identifier, Transect.identifier)
        .outerjoin(Sortie, CaptureRow.sortie_id == Sortie.fid)
        .outerjoin(Transect, CaptureRow.transect_id == Transect.fid)
        .where(CaptureRow.survey_id == survey_id)
        .order_by(CaptureRow.fid)
    )


def _read(
    session: Session, survey_id: int, query: Select[CaptureRow, str | None, str | None]
) -> tuple[StoredCapture, ...]:
    stored = tuple(_stored(row, sortie, transect) for row, sortie, transect in session.execute(query))
    repairs = repairs_by_capture(session, survey_id)
    if not repairs:
        return stored
    return tuple(
        dataclasses.replace(s, capture=with_repairs(s.capture, repairs.get(s.capture.content_hash, ()))) for s in stored
    )


def _known_paths(session: Session, survey_id: int, hashes: Sequence[str]) -> dict[str, str]:
    """Return the path of each of these content hashes that the survey has."""
    known: dict[str, str] = {}
    for start in range(0, len(hashes), _CHUNK):
        rows = session.execute(
            select(CaptureRow.content_hash, CaptureRow.path).where(
                CaptureRow.survey_id == survey_id, CaptureRow.content_hash.in_(hashes[start : start + _CHUNK])
            )
        )
        known.update((row[0], row[1]) for row in rows)
    return known


def _capture_row(survey_id: int, entry: CaptureEntry, sorties: dict[str, int]) -> dict[str, Any]:
    capture = entry.capture
    placed = capture.longitude_deg is not None and capture.latitude_deg is not None
    return {
        "survey_id": survey_id,
        "sortie_id": None if entry.sortie is None else _id_of(sorties, entry.sortie, "sortie"),
        "content_hash": capture.content_hash,
        "path": location(capture.path),
        "camera": None if capture.camera is None else _camera_document(capture.camera),
        "georeference": None if capture.georeference is None else dataclasses.asdict(capture.georeference),
        "sources": dict(capture.sources),
        "unknown": dict(capture.unknown),
        "findings": list(capture.findings),
        "refused": entry.refused,
        "on_effort": False if entry.refused else None,
        "position": Point(capture.longitude_deg, capture.latitude_deg) if placed else None,
        **{name: plain(getattr(capture, name)) for name in _SAME},
    }


def _stored(row: CaptureRow, sortie: str | None, transect: str | None) -> StoredCapture:
    capture = Capture(
        path=Path(row.path),
        content_hash=row.content_hash,
        longitude_deg=row.position.x if row.position is not None else None,
        latitude_deg=row.position.y if row.position is not None else None,
        camera=None if row.camera is None else camera_of(row.camera),
        georeference=None if row.georeference is None else georeference_of(row.georeference),
        sources=row.sources,
        unknown=row.unknown,
        findings=tuple(row.findings),
        **{name: getattr(row, name) for name in _SAME},
    )
    return StoredCapture(
        capture_id=row.fid,
        capture=capture,
        sortie=sortie,
        transect=transect,
        on_effort=row.on_effort,
        off_effort_reason=row.off_effort_reason,
        refused=row.refused,
    )


@lru_cache(maxsize=64)
def _camera_document(camera: Camera) -> dict[str, Any]:
    """Return a camera as JSON has it; the thousands of captures of a flight share one."""
    return dataclasses.asdict(camera)


def camera_of(document: dict[str, Any]) -> Camera:
    """Return a camera from its document: JSON has lists where the camera has tuples."""
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in document.items()}
    return Camera(**values)


def georeference_of(document: dict[str, Any]) -> Georeference:
    """Return where the pixels of an orthomosaic lie from its document."""
    a, b, c, d, e, f = document["transform"]
    return Georeference(document["crs"], (a, b, c, d, e, f), document["gsd_cm"])


def _by_identifier(session: Session, model: type[Sortie] | type[Transect], survey_id: int) -> dict[str, int]:
    rows = session.execute(select(model.identifier, model.fid).where(model.survey_id == survey_id))
    return dict(rows.all())


def _id_of(known: dict[str, int], identifier: str, noun: str) -> int:
    if identifier not in known:
        raise CensusError(f"the survey has no {noun} {identifier!r}", hint="Add the survey with its plan first")
    return known[identifier]
