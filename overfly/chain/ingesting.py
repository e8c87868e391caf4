"""Pictures into the census: captures with their poses, checked flight by flight, and the ground each one shows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import groupby, islice
from pathlib import Path

import numpy as np

import overfly
from counts.census import Census
from counts.store import (
    CaptureEntry,
    FlightInfo,
    FootprintEntry,
    add_area,
    add_captures,
    add_findings,
    add_import,
    add_repairs,
    add_survey,
    put_footprints,
    read_capture_table,
    read_flights,
    read_footprints,
)
from counts.store.captures import read_sortie_ids
from counts.store.looking import read_content_hashes
from counts.store.repairs import repairs_by_capture
from detect.captures import Capture, capture_of, find_images
from detect.clock_checks import check_flown
from detect.engine import processors
from detect.findings import PoseFinding, Repair, repaired, with_repairs
from detect.flight_checks import check_captures
from detect.flight_logs import read_log
from detect.georef import footprint
from detect.log_matching import match_logs
from detect.orthomosaics import read_mosaic, valid_ground
from detect.picture_checks import PictureLook, check_pictures, look_at
from detect.sources import read, real_path, shown
from detect.standpoints import Standpoint
from flightplan.areas import StudyArea
from flightplan.errors import CaptureError, GeoreferenceError, Skip
from flightplan.plan import SurveyPlan
from flightplan.terrain import Terrain
from overfly.chain.looks_so_far import LooksSoFar
from overfly.chain.refining import not_refined_away, refine_flights, refined_before, without_refinement
from overfly.chain.standing import check_standing, over_model, read_standing

_BATCH = 200
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Ingested:
    """What was brought in: how many pictures were found, new to the survey, there already, and placed on the ground.

    `findings` are doubts about their flights, `repairs` what was changed for them, now; `paths` leads from the content
    hashes of both to files.
    """

    survey: str
    found: int
    added: int
    known: int
    placed: int
    skips: tuple[Skip, ...]
    findings: tuple[PoseFinding, ...] = ()
    repairs: tuple[Repair, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)


def ingest(
    census: Census,
    survey: str,
    sources: Iterable[Path | str],
    *,
    plan: SurveyPlan | None = None,
    protected_area: str | None = None,
    ground_msl_m: float | None = None,
    terrain: Terrain | None = None,
    repair: Collection[str] = (),
    logs: Sequence[Path] = (),
    pixels: bool = False,
    refine: bool = False,
    clock_utc_offset: timedelta | None = None,
    area: StudyArea | None = None,
    progress: Progress | None = None,
) -> Ingested:
    """Bring pictures into a survey, making it (with its plan, if given) when it is not there yet.

    What is there already is not read into it twice. A picture that cannot be read is named and left out; one whose
    place is unknown is kept, for it can still be looked at, and named. A folder named like a sortie of the plan says
    that its pictures are that sortie's. `ground_msl_m` is the level of the ground where pictures have no height above
    take-off; `clock_utc_offset` is how far the cameras' clocks run ahead of UTC, where a file names no zone.
    A GeoTIFF is an orthomosaic: what its mask leaves valid is the ground it shows. `area` is where it is counted if the
    survey was never planned.

    Pictures are found in the flight logs `logs` by time, and get from them what they do not know themselves. The
    flights are checked, folder by folder, against the elevation model `terrain` too where it is given (on which all of
    the survey's pictures are then placed), and their pictures for blur,
    exposure and missing data with `pixels`. Repairs are applied that are proved or of a kind in `repair`, also to
    pictures that are there already; each is written down. With `refine` the poses of overlapping pictures are adjusted
    to each other, where that proves a gain.
    """
    named = list(sources)
    paths, skips = find_images(named)
    with census.writing() as session:
        survey_id = add_survey(
            session, plan, name=survey, protected_area=protected_area, code_version=overfly.__version__
        )
        sorties = read_sortie_ids(session, survey_id)
        ever = repairs_by_capture(session, survey_id)
        flown = {f.sortie: f for f in read_flights(session, survey_id)}
        there = frozenset(read_content_hashes(session, survey_id))
    # A flight is checked, and refined again, from what was read and not from what its pictures made of that.
    earlier, refined = {h: without_refinement(made) for h, made in ever.items()}, refined_before(ever)
    kept = LooksSoFar(census.where) if pixels else None
    reader = partial(_read_or_skip, kept=kept, there=there, clock=clock_utc_offset)
    added = known = done = 0
    findings: list[PoseFinding] = []
    repairs: list[Repair] = []
    of_hash: dict[str, Path] = {}
    records = [read_log(log) for log in logs]
    planned = None if plan is None else plan.lines
    for _, folder in groupby(paths, lambda path: path.parent):
        captures: list[Capture] = []
        looks: dict[str, PictureLook] = {}
        for batch in _batches(folder):
            with ThreadPoolExecutor(processors()) as readers:
                batch_read = [_known(result, looks) for result in readers.map(reader, batch)]
            skips += [result for result in batch_read if isinstance(result, Skip)]
            captures += [with_repairs(c, earlier.get(c.content_hash, ())) for c in batch_read if isinstance(c, Capture)]
            done += len(batch)
            if progress is not None:
                progress(done, len(paths))
        once = _each_once(captures)
        if kept is not None and any(c.content_hash not in there for c in once):
            # The others of a flight are what a new picture is held against.
            looks.update(_look_again([c for c in once if c.content_hash in there], kept))
        matched = match_logs(once, records) if records else []
        # A flight is checked with what its log knows: where it was, and when.
        logged, filled = repaired(captures, matched)
        once = _each_once(logged)
        checked = [
            *check_captures(once, terrain=terrain, planned=planned),
            *_check_flown(once, flown),
            *check_pictures(once, looks),
        ]
        found = [*matched, *checked]
        mended, mends = repaired(logged, checked, kinds=repair)
        changes = not_refined_away([*filled, *mends], refined)
        if refine:
            better = refine_flights(_each_once(mended), done=refined, ground_msl_m=ground_msl_m, progress=progress)
            found, changes = [*found, *better.findings], [*changes, *better.repairs]
            skips += better.skips
        entries = [CaptureEntry(capture, sortie=_sortie_of(capture.path, sorties)) for capture in mended]
        with census.writing() as session:
            result = add_captures(session, survey_id, entries)
            if area is not None and plan is None and any(c.georeference is not None for c in mended):
                add_area(session, survey_id, area)
            add_findings(session, survey_id, found)
            add_repairs(session, survey_id, changes)
        added, known = added + len(result.added), known + result.known
        skips += result.skips
        findings += found
        repairs += changes
        of_hash.update((capture.content_hash, capture.path) for capture in mended)
    placed, unplaced = _place_footprints(census, survey_id, ground_msl_m, terrain, again={r.capture for r in repairs})
    skips += unplaced
    with census.writing() as session:
        add_import(
            session,
            survey_id,
            ", ".join(shown(source) for source in named),
            found=len(paths),
            added=added,
            skips=skips,
            code_version=overfly.__version__,
        )
    if kept is not None:
        kept.forget()
    doubted = {h for f in findings for h in f.captures}
    return Ingested(
        survey, len(paths), added, known, placed, tuple(skips), tuple(findings), tuple(repairs),
        {h: path for h, path in of_hash.items() if h in doubted},
    )  # fmt: skip


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _check_flown(captures: Sequence[Capture], flown: Mapping[str, FlightInfo]) -> list[PoseFinding]:
    """Hold the pictures of each sortie against when it was flown, where the census knows that."""
    findings: list[PoseFinding] = []
    for name, flight in flown.items():
        mine = [c for c in captures if _sortie_of(c.path, flown) == name]
        if mine and flight.started_utc is not None and flight.ended_utc is not None:
            findings += check_flown(mine, flight.started_utc, flight.ended_utc)
    return findings


def _each_once(captures: Iterable[Capture]) -> list[Capture]:
    """The same picture twice in a folder is one exposure; an orthomosaic is none."""
    return list({c.content_hash: c for c in captures if c.georeference is None}.values())


def _read_or_skip(
    path: Path, *, kept: LooksSoFar | None, there: Collection[str], clock: timedelta | None
) -> tuple[Capture, PictureLook | None] | Skip:
    try:
        # An absolute path finds the picture again from whatever folder the next verb is run in.
        mosaic = read_mosaic(real_path(path))
        if mosaic is not None:
            return mosaic, None
        data = read(path)
        capture = capture_of(real_path(path), data, clock_utc_offset=clock)
    except CaptureError as error:
        return Skip(shown(path), error.what if error.hint is None else f"{error.what}. {error.hint}")
    if kept is None or capture.content_hash in there:
        return capture, None
    return capture, kept.look(capture.content_hash, lambda: look_at(path, data))


def _look_again(captures: Sequence[Capture], kept: LooksSoFar) -> dict[str, PictureLook]:
    def look(capture: Capture) -> PictureLook | None:
        return kept.look(capture.content_hash, lambda: look_at(capture.path, read(capture.path)))

    with ThreadPoolExecutor(processors()) as readers:
        found = readers.map(look, captures)
        return {c.content_hash: seen for c, seen in zip(captures, found, strict=True) if seen is not None}


def _known(result: tuple[Capture, PictureLook | None] | Skip, looks: dict[str, PictureLook]) -> Capture | Skip:
    """Put what was seen of a picture aside, by its content hash."""
    if isinstance(result, Skip):
        return result
    capture, look = result
    if look is not None:
        looks[capture.content_hash] = look
    return capture


def _sortie_of(path: Path, sorties: Collection[str]) -> str | None:
    return next((part for part in reversed(path.parts[:-1]) if part in sorties), None)


def _place_footprints(
    census: Census, survey_id: int, ground_msl_m: float | None, terrain: Terrain | None, again: Collection[str]
) -> tuple[int, list[Skip]]:
    """Work out the footprints that are missing, and those of `again`; pictures that cannot be placed are named."""
    with census.reading() as session:
        stored = read_capture_table(session, survey_id, usable=True)
        done = set(read_footprints(session, survey_id).capture_id.tolist())
        standing = read_standing(session, survey_id, ground_msl_m=ground_msl_m, terrain=terrain)
        if done and (over_model(session, survey_id) > 0) != (terrain is not None):
            if terrain is None:
                check_standing(session, survey_id, standing)
            done = set()  # They were placed on level ground, and now there is a model of it.
    keys = stored.capture_id.tolist()
    done -= {key for key, content_hash in zip(keys, stored.content_hashes, strict=True) if content_hash in again}
    entries: list[FootprintEntry] = []
    skips: list[Skip] = []
    for capture in (stored[i] for i, key in enumerate(keys) if key not in done):
        try:
            entries.append(_footprint(capture.capture_id, capture.capture, standing.of, capture.sortie))
        except GeoreferenceError as error:
            skips.append(Skip(shown(capture.capture.path), f"kept, but not placed on the ground: {error.what}"))
    for start in range(0, len(entries), _BATCH):
        _put(census, entries[start : start + _BATCH])
    return len(done) + len(entries), skips


def _put(census: Census, entries: Sequence[FootprintEntry]) -> None:
    with census.writing() as session:
        put_footprints(session, entries)


def _footprint(
    capture_id: int, capture: Capture, stand_of: Callable[[Capture, str | None], Standpoint], sortie: str | None
) -> FootprintEntry:
    if capture.georeference is not None:
        shown_ground, gsd_cm = valid_ground(capture), capture.georeference.gsd_cm
        return FootprintEntry(capture_id, shown_ground, gsd_cm=gsd_cm, height_source="none: an orthomosaic")
    stand = stand_of(capture, sortie)
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
