"""Everything a report says, read from the census once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from counts import store
from counts.report.history import History, read_history
from counts.report.reviewing import Reviewing, read_reviewing
from counts.schema import Capture, DetectionRunCapture, IdentityRun, VerificationSample
from counts.store import (
    CorrectionEntry,
    DetectionRunInfo,
    EffortEntry,
    EstimateEntry,
    EstimateRunInfo,
    FlightInfo,
    FootprintTable,
    GapEntry,
    IndividualTable,
    MaskEntry,
    SurveyInfo,
)
from counts.store.repairs import read_findings, read_repairs
from counts.store.surveys import PLANNED
from detect.findings import PoseFinding, Repair
from flightplan.areas import StudyArea
from flightplan.design import StratumDesign
from flightplan.errors import Skip
from flightplan.sun import sun_at


@dataclass(frozen=True)
class CaptureFacts:
    """The pictures in figures. `hash` is the SHA-256 of their content hashes in sorted order."""

    total: int
    on_effort: int
    without_position: int
    off_effort: Mapping[str, int]
    refused: Mapping[str, int]
    first_utc: datetime | None
    last_utc: datetime | None
    hash: str
    day: TimesOfDay | None = None


@dataclass(frozen=True)
class TimesOfDay:
    """When in the day pictures on effort were taken, in mean solar time of the place, and how high the sun stood."""

    earliest: datetime
    latest: datetime
    days: int
    lowest_sun_deg: float
    highest_sun_deg: float


@dataclass(frozen=True)
class Verification:
    """Who checked how many frames."""

    who: tuple[str, ...]
    frames: Mapping[str, int]
    first_utc: datetime | None


@dataclass(frozen=True)
class Identity:
    """How sightings became individuals."""

    run_id: int
    method: str
    parameters: Mapping[str, object]
    code_version: str | None


@dataclass(frozen=True)
class FlownLine:
    """One transect beside its plan, as the counting wrote it down (`counts.agreement.LineAgreement`)."""

    transect: str
    captures: int
    planned_m: float
    covered_m: float
    off_line_m: float | None
    worst_off_line_m: float | None
    height_mean_m: float | None
    gaps: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> FlownLine:
        """Return a line of the estimate run's parameters."""
        known = {f.name: line[f.name] for f in fields(cls) if f.name != "gaps"}
        return cls(**known, gaps=tuple((float(a), float(b)) for a, b in line["gaps"]))


@dataclass(frozen=True)
class Mosaic:
    """An orthomosaic: its file's name, the size of its pixels, and the area it was counted on."""

    name: str
    gsd_cm: float | None
    shown_m2: float


@dataclass(frozen=True)
class Mosaics:
    """What orthomosaics show together; `area_m2` is None for a survey without an area, `notes` are what to know."""

    mosaics: tuple[Mosaic, ...]
    shown_m2: float
    area_m2: float | None
    parts: int
    part_side_m: float
    notes: tuple[str, ...]

    @property
    def share(self) -> float | None:
        """Shown over whole."""
        return self.shown_m2 / self.area_m2 if self.area_m2 else None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Mosaics:
        """Return what a counting wrote into its parameters."""
        own = {f.name: told[f.name] for f in fields(cls) if f.name not in ("mosaics", "notes")}
        return cls(tuple(Mosaic(**each) for each in told["mosaics"]), notes=tuple(told["notes"]), **own)


@dataclass(frozen=True)
class Facts:
    """What one survey left in the census; None or empty where it has not come that far."""

    survey: SurveyInfo
    revision: str
    area: StudyArea | None
    strata: tuple[StratumDesign, ...]
    flights: tuple[FlightInfo, ...]
    captures: CaptureFacts
    footprints: FootprintTable
    skips: tuple[tuple[str, Skip], ...]
    detection: DetectionRunInfo | None
    detections_by_label: Mapping[str, int]
    captures_with_detections: frozenset[int]
    identity: Identity | None
    individuals: IndividualTable | None
    verification: Verification | None
    counting: EstimateRunInfo | None
    effort: tuple[EffortEntry, ...]
    gaps: tuple[GapEntry, ...]
    masks: tuple[MaskEntry, ...]
    corrections: tuple[CorrectionEntry, ...]
    estimates: tuple[EstimateEntry, ...]
    findings: tuple[PoseFinding, ...] = ()
    repairs: tuple[Repair, ...] = ()
    reviewing: Reviewing | None = None
    history: History | None = None
    signs: Mapping[str, str] = field(default_factory=dict)
    """Labels that are signs of people or carcasses, with their kind: no animal's number."""

    @property
    def species(self) -> tuple[str, ...]:
        """The species in the order of the estimates, else of the individuals, else of the detections."""
        if self.estimates:
            return tuple(dict.fromkeys(e.species for e in self.estimates))
        if self.individuals is not None and len(self.individuals):
            return tuple(dict.fromkeys(str(s) for s in self.individuals.species))
        return tuple(self.detections_by_label)

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label: those with estimates first, then what else was seen."""
        seen = () if self.individuals is None else np.unique(self.individuals.species).tolist()
        return tuple(dict.fromkeys([*self.species, *seen, *self.detections_by_label]))

    @property
    def hours(self) -> float | None:
        """Hours in the air, of the sorties whose times are known."""
        spans = [(f.ended_utc - f.started_utc).total_seconds() for f in self.flights if f.started_utc and f.ended_utc]
        return sum(spans) / 3600 if spans else None

    def seen_of(self, label: str) -> int:
        """The individuals of one label that count: those in the strips, all of them without a design."""
        table = self.individuals
        if table is None:
            return self.detections_by_label.get(label, 0)
        own = table.species == label
        if not self.strata or self.mosaics is not None:
            return int(own.sum())
        return sum(1 for i in np.flatnonzero(own).tolist() if table.transect[i] is not None)

    @property
    def individuals_counted(self) -> int | None:
        """The individuals that stand in the design's strips, all of them without a design; None before identity."""
        table = self.individuals
        if table is None:
            return None
        if not self.strata or self.mosaics is not None:
            return len(table)
        return sum(1 for transect in table.transect if transect is not None)

    @property
    def mosaics(self) -> Mosaics | None:
        """What orthomosaics show, where the count is by those; None where it is by pictures, or not made yet."""
        told = self.counting.parameters.get("mosaics") if self.counting else None
        return Mosaics.of(told) if isinstance(told, Mapping) else None

    @property
    def sorties_flown(self) -> int:
        """Sorties that left the ground."""
        return sum(1 for flight in self.flights if flight.status != PLANNED)

    @property
    def flown(self) -> tuple[FlownLine, ...]:
        """Each transect as it was flown beside its plan; empty where an older counting did not compare them."""
        lines = self.counting.parameters.get("flown") if self.counting else None
        if not isinstance(lines, list):
            return ()
        return tuple(FlownLine.of(line) for line in lines if isinstance(line, Mapping))

    def individuals_of(self, label: str) -> int | None:
        """The individuals of one label, wherever they stand; None before identity."""
        return None if self.individuals is None else int((self.individuals.species == label).sum())

    def totals(self) -> tuple[EstimateEntry, ...]:
        """The estimate over all strata of each species; a single stratum is its own total."""
        found = []
        for species in self.species:
            own = [e for e in self.estimates if e.species == species]
            whole = [e for e in own if e.stratum is None]
            found += whole or (own if len(own) == 1 else [])
        return tuple(found)


def gather(session: Session, survey_name: str, revision: str) -> Facts:
    """Read the newest layer of each kind of one survey."""
    survey = store.find_survey(session, survey_name)
    key = survey.survey_id
    counting = store.latest_estimate_run(session, key)
    run_id = counting.identity_run_id if counting else store.latest_identity_run(session, key)
    identity = _identity(session, run_id)
    detection = _detection(session, key, run_id)
    labels = _labels(session, detection)
    area = store.read_area(session, key)
    return Facts(
        survey=survey,
        revision=revision,
        area=area,
        strata=store.read_strata(session, key),
        flights=store.read_flights(session, key),
        captures=_captures(session, key, area),
        footprints=store.read_footprints(session, key),
        skips=store.read_skips(session, key),
        detection=detection,
        detections_by_label=labels,
        captures_with_detections=_with_detections(session, detection),
        identity=identity,
        individuals=None if run_id is None else store.read_individuals(session, run_id),
        verification=_verification(session, run_id),
        counting=counting,
        effort=() if counting is None else store.read_effort(session, counting.estimate_run_id),
        gaps=() if counting is None else store.read_gaps(session, counting.estimate_run_id),
        masks=store.read_masks(session, key),
        corrections=() if counting is None else store.read_corrections(session, counting.estimate_run_id),
        estimates=() if counting is None else store.read_estimates(session, counting.estimate_run_id),
        findings=read_findings(session, key),
        repairs=read_repairs(session, key),
        reviewing=None if detection is None else read_reviewing(session, detection.run_id, run_id, tuple(labels)),
        history=read_history(session, survey),
    )


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None] | None:
    """Return mean and standard deviation (None for a single one) of what is known, None when nothing is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) == 0:
        return None
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else None


def _identity(session: Session, run_id: int | None) -> Identity | None:
    row = None if run_id is None else session.get(IdentityRun, run_id)
    return None if row is None else Identity(row.fid, row.method, row.parameters, row.code_version)


def _detection(session: Session, survey_id: int, identity_run_id: int | None) -> DetectionRunInfo | None:
    if identity_run_id is not None:
        run = session.get_one(IdentityRun, identity_run_id)
        return store.read_detection_run(session, run.detection_run_id)
    return store.latest_detection_run(session, survey_id)


def _captures(session: Session, survey_id: int, area: StudyArea | None) -> CaptureFacts:
    rows = session.execute(
        select(
            Capture.content_hash, Capture.time_utc, Capture.on_effort, Capture.off_effort_reason, Capture.refused,
            Capture.position.is_(None),
        ).where(Capture.survey_id == survey_id)
    ).all()  # fmt: skip
    times = sorted(row[1] for row in rows if row[1] is not None)
    off = Counter(row[3] or "reason not recorded" for row in rows if row[2] is False and row[4] is None)
    digest = hashlib.sha256("\n".join(sorted(row[0] for row in rows)).encode()).hexdigest()
    return CaptureFacts(
        total=len(rows),
        on_effort=sum(1 for row in rows if row[2] and row[4] is None),
        without_position=sum(1 for row in rows if row[5]),
        off_effort=dict(sorted(off.items(), key=lambda item: (-item[1], item[0]))),
        refused=dict(sorted(Counter(row[4] for row in rows if row[4] is not None).items())),
        first_utc=times[0] if times else None,
        last_utc=times[-1] if times else None,
        hash=digest,
        day=None if area is None else _day([r[1] for r in rows if r[1] is not None and r[2] and r[4] is None], area),
    )


def _day(times: Sequence[datetime], area: StudyArea) -> TimesOfDay | None:
    """When in the day the pictures were taken, over the middle of the area; None without a time."""
    if not times:
        return None
    middle = area.boundary.centroid
    # Mean solar time: four minutes for each degree of longitude.
    local = [when + timedelta(minutes=4 * middle.x) for when in times]
    order = sorted(local, key=lambda when: when.time())
    # Minutes are enough for the sun, and a survey has few of them however many its pictures.
    minutes = sorted({when.replace(second=0, microsecond=0) for when in times})
    heights = [sun_at(middle.x, middle.y, when).elevation_deg for when in minutes]
    return TimesOfDay(order[0], order[-1], len({when.date() for when in local}), min(heights), max(heights))


def _labels(session: Session, detection: DetectionRunInfo | None) -> dict[str, int]:
    return {} if detection is None else store.count_detections(session, detection.run_id)


def _with_detections(session: Session, detection: DetectionRunInfo | None) -> frozenset[int]:
    if detection is None:
        return frozenset()
    return frozenset(
        session.scalars(
            select(DetectionRunCapture.capture_id).where(
                DetectionRunCapture.run_id == detection.run_id, DetectionRunCapture.detections > 0
            )
        )
    )


def _verification(session: Session, run_id: int | None) -> Verification | None:
    if run_id is None:
        return None
    sample = VerificationSample
    frames = session.execute(
        select(sample.sample_stratum, sample.capture_id, sample.part)
        .where(sample.identity_run_id == run_id)
        .distinct()
        .order_by(sample.sample_stratum)
    ).all()
    if not frames:
        return None
    who = session.scalars(select(sample.who).where(sample.identity_run_id == run_id).distinct().order_by(sample.who))
    first = session.scalars(select(func.min(sample.time_utc)).where(sample.identity_run_id == run_id)).one()
    return Verification(tuple(who), dict(Counter(str(row[0]) for row in frames)), first)
