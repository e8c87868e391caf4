"""Sightings into individuals, and both into the census as a layer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

import overfly
from counts.blocks import resolve_in_blocks
from counts.columns import canonical_json
from counts.herds import herds_of
from counts.identity import Doubt, Individuals, resolve
from counts.passes import Passes
from counts.population import on_land
from counts.schema import IdentityRun
from counts.store import IdentityEntry, TransectAssignment, add_identity_run, assign_transects
from counts.store.detections import DetectionRunInfo
from counts.store.pairs import DIFFERENT, SAME, PairEntry, add_pairs
from flightplan.design import FULL
from overfly.chain.ground import Ints, Sightings, SurveyGround
from overfly.chain.passes_flown import LONGEST_GAP_S, passes_of
from overfly.chain.recall import ASSUMED, BELIEVED, Recall, asked_of, recall_of

WITHIN_TRANSECT = "gated assignment within a transect"


def write_assignment(session: Session, ground: SurveyGround) -> None:
    """Write down which capture is on which transect, and why the others are on none."""
    if not ground.planned:
        return
    assignment, keys = ground.assignment, ground.captures.capture_id.tolist()
    assign_transects(
        session,
        ground.info.survey_id,
        [
            TransectAssignment(
                capture_id=key,
                transect=ground.transects[index].identifier if index >= 0 else None,
                on_effort=index >= 0,
                off_effort_reason=assignment.reason(i),
            )
            for i, (key, index) in enumerate(zip(keys, assignment.transect.tolist(), strict=True))
        ],
    )


@dataclass(frozen=True)
class Told:
    """Individuals, the rows of the sightings that count (`members`), and the passes where lines see each other's.

    `recall` is how surely animals in view were found, by label, as they were told apart.
    """

    individuals: Individuals
    members: Ints
    passes: Passes | None
    recall: Mapping[str, Recall] = field(default_factory=dict)


def resolve_individuals(
    ground: SurveyGround,
    sightings: Sightings,
    speed_limit_mps: Mapping[str, float] | float,
    answers: Mapping[tuple[int, int], str] | None = None,
    detection_id: Ints | None = None,
    checked: Mapping[str, Recall] | None = None,
) -> Told:
    """Resolve the sightings that count into individuals, as `answers` have it about pairs of detections by their keys.

    `checked` is the recall of labels of which people checked a sample; the others' is shown by the overlap. A sample's
    units are its transects. In full coverage, and where there is no design, the whole survey is one unit.
    """
    unit = ground.assignment.transect[sightings.capture]
    members = np.flatnonzero(unit >= 0) if ground.planned else np.arange(len(sightings))
    passes = None
    if not ground.planned or ground.info.design_kind == FULL:
        unit = np.zeros(len(sightings), dtype=np.int64)
        passes = passes_of(ground, sightings.capture[members])
    times = ground.times_s[sightings.capture[members]]
    said: dict[str, list[tuple[int, int]]] = {SAME: [], DIFFERENT: []}
    if answers and detection_id is not None:
        row = {key: i for i, key in enumerate(detection_id[sightings.detection[members]].tolist())}
        for (first, second), answer in answers.items():
            if answer in said and first in row and second in row:
                said[answer].append((row[first], row[second]))
    looked_at = ground.assignment.transect
    if not ground.planned or ground.info.design_kind == FULL:
        looked_at = np.where(looked_at >= 0, 0, -1) if ground.planned else np.zeros(len(looked_at), dtype=np.int64)

    def told(
        recall: Mapping[str, float] | float, error: Mapping[str, float] | float, only: Ints | None = None
    ) -> Individuals:
        def some(rows: Ints, same: Sequence[tuple[int, int]], different: Sequence[tuple[int, int]]) -> Individuals:
            row = members[rows]
            return resolve(
                sightings.local_m[row],
                sightings.independent_m2[row],
                # Without a clock no animal can be said to have walked.
                np.where(np.isfinite(times[rows]), times[rows], 0.0),
                sightings.capture[row],
                unit[row],
                sightings.labels[row],
                sightings.scores[row],
                speed_limit_mps=speed_limit_mps,
                longest_gap_s=LONGEST_GAP_S,
                detection_probability=recall,
                detection_error=error,
                footprints=ground.footprints[sightings.capture[row]],
                passes=passes,
                same=same,
                different=different,
                only=None if only is None else np.flatnonzero(np.isin(rows, only)),
            )

        return resolve_in_blocks(some, unit[members], sightings.labels[members], said[SAME], said[DIFFERENT])

    # Who is who decides what was missed, and that decides who is who; once round is enough.
    asked = asked_of(ground, sightings, members, looked_at, speed_limit_mps, LONGEST_GAP_S)
    recall = recall_of(
        {label: of for label, of in asked.items() if label not in (checked or {})},
        sightings.capture[members],
        lambda rows: told(BELIEVED, 0.0, rows).individual,
    )
    recall = {label: recall.get(label) or (checked or {})[label] for label in asked}
    if passes is not None or any(shown.source != ASSUMED for shown in recall.values()):
        individuals = told({k: v.value for k, v in recall.items()}, {k: v.error for k, v in recall.items()})
    else:
        individuals = told(BELIEVED, 0.0)
    return Told(individuals, members, passes, recall)


def pairs_to_ask(told: Told, sightings: Sightings, detection_id: Ints) -> tuple[PairEntry, ...]:
    """Return the pairs of detections that a person should look at."""
    key = detection_id[sightings.detection[told.members]]
    return tuple(
        PairEntry(
            first_id=int(key[pair.first]),
            second_id=int(key[pair.second]),
            together=pair.doubt is Doubt.FAR,
            distance_m=round(pair.distance_m, 3),
            probability=round(pair.probability, 4),
            reason=str(pair.doubt),
        )
        for pair in told.individuals.ambiguous
    )


def transects_of(ground: SurveyGround, individuals: Individuals) -> Ints:
    """The transect (M,) of each individual, −1 for one that does not count.

    That is one which stands outside of the stratum its transect samples, or on ground that another pass answers for.
    """
    if not ground.planned or not len(individuals):
        return np.full(len(individuals), -1, dtype=np.int64)
    points = shapely.points(individuals.positions)
    if ground.info.design_kind == FULL:
        _, nearest = shapely.STRtree(
            shapely.linestrings(np.stack([ground.lines.starts, ground.lines.ends], axis=1))
        ).query_nearest(points, all_matches=False)
        unit = ground.lines.transect[nearest]
    else:
        unit = individuals.transects.astype(np.int64)
    counted = on_land(individuals.positions, unit, ground.land) & ~individuals.left
    return np.where(counted, unit, -1).astype(np.int64)


def herds_in(ground: SurveyGround, individuals: Individuals, transect: Ints) -> Ints:
    """The herd (M,) of each individual that counts, −1 for the others; in full coverage lines do not cut herds."""
    unit = transect if ground.planned else np.where(individuals.left, -1, 0)
    if ground.info.design_kind == FULL:
        unit = np.where(unit >= 0, 0, -1)
    return herds_of(individuals.positions, individuals.labels, unit.astype(np.int64))


def identity_entry(
    ground: SurveyGround,
    detection_ids: Ints,
    sightings: Sightings,
    individuals: Individuals,
    members: Ints,
    transect: Ints,
    herd: Ints,
) -> IdentityEntry:
    """Return the layer to write: every sighting with its individual, every individual with its transect and herd."""
    individual = np.full(len(sightings), -1, dtype=np.int64)
    individual[members] = individuals.individual
    return IdentityEntry(
        detection_id=detection_ids[sightings.detection],
        sighting_lonlat=sightings.lonlat,
        covariance_m2=sightings.covariance_m2,
        individual=individual,
        species=_shared(individuals.labels),
        individual_lonlat=ground.frame.to_lonlat(individuals.positions) if len(individuals) else np.empty((0, 2)),
        transect=tuple(ground.transects[i].identifier if i >= 0 else None for i in transect.tolist()),
        herd=herd,
    )


def _json_of(columns: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """The canonical JSON of lists of texts, some at a time: of millions it takes hundreds of megabytes."""
    for number, column in enumerate(columns):
        yield ",[" if number else "[["
        for start in range(0, len(column), _TEXTS_AT_ONCE):
            yield ("," if start else "") + canonical_json(list(column[start : start + _TEXTS_AT_ONCE]))[1:-1]
        yield "]"
    yield "]"


_TEXTS_AT_ONCE = 100_000


def _shared(labels: npt.NDArray[np.str_]) -> tuple[str, ...]:
    """Labels as Python's own texts, one for all that are alike: millions of them are three or four."""
    names, which = np.unique(labels, return_inverse=True)
    of = [str(name) for name in names]
    return tuple(of[i] for i in which.tolist())


def write_identity(
    session: Session,
    run: DetectionRunInfo,
    parameters: Mapping[str, Any],
    entry: IdentityEntry,
    pairs: Sequence[PairEntry] = (),
    *,
    method: str = WITHIN_TRANSECT,
) -> int:
    """Write the individuals as a layer, and the pairs to ask about, unless the newest layer is this one."""
    print_ = hashlib.sha256()
    for array in (entry.detection_id, entry.individual, entry.sighting_lonlat, entry.individual_lonlat):
        print_.update(np.ascontiguousarray(array).tobytes())
    for piece in _json_of((entry.species, entry.transect)):
        print_.update(piece.encode())
    signed = {**parameters, "content_hash": print_.hexdigest()}
    newest = session.scalars(
        select(IdentityRun).where(IdentityRun.detection_run_id == run.run_id).order_by(IdentityRun.fid.desc()).limit(1)
    ).one_or_none()
    if newest is not None and newest.parameters == signed:
        return newest.fid
    identity_run_id = add_identity_run(
        session,
        run.run_id,
        entry,
        method=method,
        parameters=signed,
        code_version=overfly.__version__,
    )
    add_pairs(session, identity_run_id, pairs)
    return identity_run_id
