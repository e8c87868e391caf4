"""Pictures into the census: captures with their poses, and the ground each one shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import overfly
from counts.census import Census
from counts.store import (
    CaptureEntry,
    FootprintEntry,
    add_captures,
    add_import,
    add_survey,
    put_footprints,
    read_captures,
    read_footprints,
)
from counts.store.captures import read_sortie_ids
from detect.captures import Capture, find_images, read_capture
from detect.engine import processors
from detect.georef import footprint, pose_of
from flightplan.errors import CaptureError, GeoreferenceError, Skip
from flightplan.plan import SurveyPlan

_BATCH = 200
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Ingested:
    """What was brought in: how many pictures were found, new to the survey, there already, and placed on the ground."""

    survey: str
    found: int
    added: int
    known: int
    placed: int
    skips: tuple[Skip, ...]


def ingest(
    census: Census,
    survey: str,
    sources: Iterable[Path],
    *,
    plan: SurveyPlan | None = None,
    protected_area: str | None = None,
    ground_msl_m: float | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring pictures into a survey, making it (with its plan, if given) when it is not there yet.

    What is there already is not read into it twice. A picture that cannot be read is named and left out; one whose
    place is unknown is kept, for it can still be looked at, and named. A folder named like a sortie of the plan says
    that its pictures are that sortie's. `ground_msl_m` is the level of the ground where pictures have no height above
    take-off.
    """
    named = [Path(source) for source in sources]
    paths, skips = find_images(named)
    with census.writing() as session:
        survey_id = add_survey(
            session, plan, name=survey, protected_area=protected_area, code_version=overfly.__version__
        )
        sorties = read_sortie_ids(session, survey_id)
    added = known = 0
    for start in range(0, len(paths), _BATCH):
        batch = paths[start : start + _BATCH]
        with ThreadPoolExecutor(processors()) as readers:
            read = list(readers.map(_read_or_skip, batch))
        skips += [result for result in read if isinstance(result, Skip)]
        entries = [
            CaptureEntry(capture, sortie=_sortie_of(capture.path, sorties))
            for capture in read
            if isinstance(capture, Capture)
        ]
        with census.writing() as session:
            result = add_captures(session, survey_id, entries)
        added, known = added + len(result.added), known + result.known
        skips += result.skips
        if progress is not None:
            progress(start + len(batch), len(paths))
    placed, unplaced = _place_footprints(census, survey_id, ground_msl_m)
    skips += unplaced
    with census.writing() as session:
        add_import(
            session,
            survey_id,
            ", ".join(str(source) for source in named),
            found=len(paths),
            added=added,
            skips=skips,
            code_version=overfly.__version__,
        )
    return Ingested(survey, len(paths), added, known, placed, tuple(skips))


def _read_or_skip(path: Path) -> Capture | Skip:
    try:
        # An absolute path finds the picture again from whatever folder the next verb is run in.
        return read_capture(path.resolve())
    except CaptureError as error:
        return Skip(str(path), error.what if error.hint is None else f"{error.what}. {error.hint}")


def _sortie_of(path: Path, sorties: dict[str, int]) -> str | None:
    return next((part for part in reversed(path.parts[:-1]) if part in sorties), None)


def _place_footprints(census: Census, survey_id: int, ground_msl_m: float | None) -> tuple[int, list[Skip]]:
    """Work out the footprints that are missing; pictures that cannot be placed are named."""
    with census.reading() as session:
        stored = read_captures(session, survey_id, usable=True)
        done = set(read_footprints(session, survey_id).capture_id.tolist())
    entries: list[FootprintEntry] = []
    skips: list[Skip] = []
    for capture in stored:
        if capture.capture_id in done:
            continue
        try:
            entries.append(_footprint(capture.capture_id, capture.capture, ground_msl_m))
        except GeoreferenceError as error:
            skips.append(Skip(str(capture.capture.path), f"kept, but not placed on the ground: {error.what}"))
    for start in range(0, len(entries), _BATCH):
        _put(census, entries[start : start + _BATCH])
    return len(done) + len(entries), skips


def _put(census: Census, entries: Sequence[FootprintEntry]) -> None:
    with census.writing() as session:
        put_footprints(session, entries)


def _footprint(capture_id: int, capture: Capture, ground_msl_m: float | None) -> FootprintEntry:
    stand = pose_of(capture, ground_msl_m=ground_msl_m)
    if capture.camera is None:
        reason = capture.unknown.get("camera", "no reason given")
        raise GeoreferenceError(f"its camera is unknown ({reason})")
    below = np.column_stack([stand.pose.longitude_deg, stand.pose.latitude_deg])
    altitude_agl_m = float(np.ravel(stand.pose.height_m)[0] - stand.terrain.heights_m(below)[0])
    return FootprintEntry(
        capture_id=capture_id,
        polygon=footprint(capture.camera, stand.pose, stand.terrain),
        altitude_agl_m=altitude_agl_m,
        gsd_cm=float(capture.camera.gsd_cm(altitude_agl_m)),
        height_source=stand.height_source,
    )
