"""Marked animals beside a count: those whose collars say they were in a picture, and those that camera traps know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import numpy as np
import shapely
from sqlalchemy.orm import Session

from counts.collars import marks_present
from counts.marks import CAMERAS, NAME, Frames, MarksFound, marked_among_seen, resight, share_found
from counts.population import Classes
from counts.store import CorrectionEntry
from counts.store.elsewhere import CameraEntry, read_camera_observations
from counts.store.received import AnimalTrack, read_tracks
from overfly.chain.estimating import Resolved
from overfly.chain.walking import taxon_of


@dataclass(frozen=True)
class Marked:
    """What the census has of marked animals: tracks by label, and what its camera traps saw."""

    tracks: Mapping[str, tuple[AnimalTrack, ...]]
    cameras: tuple[CameraEntry, ...]


def read_marked(session: Session, labels: Sequence[str]) -> Marked:
    """Read the collared animals of each label that has some, and the camera traps' observations where any has."""
    tracks = {label: found for label in labels if (found := read_tracks(session, taxon_of(label)))}
    return Marked(tracks, read_camera_observations(session) if tracks else ())


def resighted(count: Resolved, marked: Marked) -> dict[str, MarksFound]:
    """Return for each label with collars how many of them were in a picture on effort, and how many were found."""
    ground = count.ground
    rows = np.flatnonzero((ground.assignment.transect >= 0) & np.isfinite(ground.times_s))
    frames = Frames(ground.footprints[rows], ground.times_s[rows], ground.assignment.transect[rows])
    result = {}
    for label, tracks in marked.tracks.items():
        mine = np.flatnonzero((count.individuals.labels == label) & (count.transect >= 0))
        seen, unit = count.individuals.positions[mine], count.transect[mine]
        result[label] = share_found(
            resight(
                track.individual,
                track.times_utc.astype("datetime64[ms]").astype(np.int64) / 1000.0,
                ground.frame.to_local(track.lonlat),
                frames,
                seen,
                unit,
            )
            for track in tracks
        )
    return result


def marks_classes(found: Mapping[str, MarksFound], labels: Sequence[str], count: Resolved) -> dict[str, Classes]:
    """Return what the counts of those labels are divided by whose share of marks found has an error."""
    classes = {}
    for label in labels:
        rate = found[label].rate(_source(found[label], count)) if label in found else None
        if rate is not None:
            members = int(((count.individuals.labels == label) & (count.transect >= 0)).sum())
            classes[label] = Classes(np.zeros(members, dtype=np.int64), ("all",), {"all": rate})
    return classes


def marks_entries(
    found: Mapping[str, MarksFound], marked: Marked, count: Resolved, *, applied: bool
) -> tuple[CorrectionEntry, ...]:
    """Return a line for each label's marks that were in pictures but do not correct, and for those at camera traps."""
    entries = []
    for label, marks in found.items():
        if marks.rate("") is not None if applied else not marks.present:
            continue  # the line that corrects says it; unasked, a count says nothing of collars that were elsewhere
        said = f"{marks.found} of {marks.present} times that a collared animal was in view it was found"
        entries.append(
            CorrectionEntry(
                label,
                NAME,
                None,
                None,
                "collared animals in the pictures",
                _source(marks, count),
                reason=marks.reason or f"{said}; not asked for: overfly count --marks",
                details={"animals": [asdict(r) for r in marks.resightings]},
            )
        )
    entries += [line for label in found if (line := _at_cameras(label, marked, count)) is not None]
    return tuple(entries)


def _source(marks: MarksFound, count: Resolved) -> str:
    return (
        f"collars in the pictures of {count.info.name}: {marks.found} of {marks.present} found,"
        f" {len(marks.resightings)} animals"
    )


def _at_cameras(label: str, marked: Marked, count: Resolved) -> CorrectionEntry | None:
    times = count.ground.times_s[np.isfinite(count.ground.times_s)]
    if not marked.cameras or not len(times):
        return None
    start, end = (datetime.fromtimestamp(float(t), UTC) for t in (times.min(), times.max()))
    area = count.ground.frame.delocalise(shapely.union_all(list(count.ground.habitat.values())))
    inside = {m.individual for m in marks_present(marked.tracks[label], area, start, end) if m.inside}
    marks = [(t.individual, *t.tags) for t in marked.tracks[label] if t.individual in inside]
    found, seen, again = marked_among_seen(marked.cameras, (label, taxon_of(label)), marks, start, end)
    if not seen:
        return None
    limits = "" if found.lower is None else f" (95 % limits {found.lower:.0f} to {found.upper:.0f})"
    said = found.reason if found.value is None or found.lower is None else f"{found.value:.0f} animals{limits}"
    return CorrectionEntry(
        label,
        CAMERAS,
        None,
        None,
        found.method,
        f"{again} of {seen} animals at camera traps were among the {len(marks)} marked in the area",
        reason=f"an estimate of its own, to be set beside the count: {said}",
        details={"value": found.value, "lower": found.lower, "upper": found.upper, "marked": len(marks)},
    )
