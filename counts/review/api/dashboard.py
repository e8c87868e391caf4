"""The survey at a glance: progress, the detector's precision and recall here, estimates, gaps, seasons side by side."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Integer, case, func, literal_column, select
from sqlalchemy.orm import Session

from counts.comparison import SeasonChange, compare_surveys
from counts.estimators import wilson_interval
from counts.review.api.counting import Estimate
from counts.review.api.items import LabelProgress
from counts.review.api.pairs import PairProgress, pair_progress
from counts.review.place import Here, Place, Viewer
from counts.schema import Detection, EstimateRun, ReviewState, Survey
from counts.store import latest_estimate_run
from counts.store.identity import latest_identity_run, read_verification
from counts.store.looking import count_looked_at
from counts.store.results import EstimateRunInfo, read_corrections, read_effort, read_estimates, read_gaps
from counts.store.review import progress as read_progress
from counts.store.verdicts import COUNTED, REJECT
from flightplan.errors import OverflyError

router = APIRouter(tags=["dashboard"])
BAND_PERCENT = 10
MOST_SEASONS = 12


class Share(BaseModel):
    """`hits` of `tried` with Wilson's 95 % limits; None where nothing was tried."""

    hits: int
    tried: int
    share: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, hits: int, tried: int) -> Share:
        """From the two numbers."""
        if not tried:
            return cls(hits=hits, tried=tried, share=None, lower=None, upper=None)
        lower, upper = wilson_interval(hits, tried)
        return cls(hits=hits, tried=tried, share=hits / tried, lower=lower, upper=upper)


class Band(BaseModel):
    """Detections with a score from `from_percent` up to `to_percent`: those that people kept, of those they judged."""

    from_percent: int
    to_percent: int
    kept: Share


class Detector(BaseModel):
    """The detector on one label in this survey.

    `precision` is of what people judged, which is no random choice where they began with the highest scores: so it is
    given by band of score, too. `recall` is of the animals in the checked sample of frames, None without one: in each
    frame the smaller of what was there and what was counted, so that what was made up elsewhere does not fill in.
    """

    label: str
    precision: Share
    bands: list[Band]
    recall: Share | None
    factor: float | None
    factor_reason: str | None


class Effort(BaseModel):
    """What was searched of what was planned, in km², and the gaps left; None where it was not measured.

    `mosaics` are how many orthomosaics were counted, None where it was lines.
    """

    lines: int
    mosaics: int | None = None
    searched_km2: float
    planned_km2: float | None
    masked_km2: float | None
    gaps: int
    gaps_km2: float
    largest_gap_m2: float | None


class Season(BaseModel):
    """One species in all of the area from one survey to the next; `reason` says why there is no change to tell."""

    species: str
    first_survey: str
    second_survey: str
    first: float | None
    second: float | None
    ratio: float | None
    lower: float | None
    upper: float | None
    reason: str | None


class CountedSurvey(BaseModel):
    """A survey of the census that was counted, with its newest estimates of all of the area."""

    survey: str
    totals: list[Estimate]


class Dashboard(BaseModel):
    """Everything at a glance.

    `surveys` are those of the census that were counted, in the order they were made. `seasons` is empty where there is
    one; `differences` and `notes` say what the surveys did not do alike.
    """

    survey: str
    captures: int
    progress: list[LabelProgress]
    pairs: PairProgress
    detectors: list[Detector]
    estimates: list[Estimate]
    effort: Effort | None
    surveys: list[CountedSurvey]
    seasons: list[Season]
    differences: list[str]
    notes: list[str]


@router.get("/dashboard")
def dashboard(here: Here, visitor: Viewer) -> Dashboard:
    """The survey at a glance."""
    with here.census.reading() as session:
        survey, run = here.survey(session), here.run(session)
        newest = latest_estimate_run(session, survey.survey_id)
        key = None if newest is None else newest.estimate_run_id
        seasons: dict[str, Any] = _seasons(session)
        return Dashboard(
            survey=survey.name,
            captures=count_looked_at(session, run.run_id),
            progress=[LabelProgress.of(p) for p in read_progress(session, run.run_id)],
            pairs=pair_progress(session, latest_identity_run(session, survey.survey_id)),
            detectors=_detectors(here, session, run.run_id, key),
            estimates=[] if key is None else [Estimate.of(e) for e in read_estimates(session, key)],
            effort=None if newest is None else _effort(session, newest),
            **seasons,
        )


def _detectors(here: Place, session: Session, run_id: int, estimate_run_id: int | None) -> list[Detector]:
    judged = _judged(session, run_id)
    identity = latest_identity_run(session, here.survey(session).survey_id)
    checked = () if identity is None else read_verification(session, identity)
    corrections = () if estimate_run_id is None else read_corrections(session, estimate_run_id)
    factors = {c.species: c for c in corrections if c.kind == "detection"}
    found = []
    for label in here.labels(session):
        bands, frames = judged.get(label, {}), [e for e in checked if e.species == label]
        found.append(
            Detector(
                label=label,
                precision=Share.of(sum(b[0] for b in bands.values()), sum(b[1] for b in bands.values())),
                bands=[
                    Band(from_percent=b * BAND_PERCENT, to_percent=(b + 1) * BAND_PERCENT, kept=Share.of(*bands[b]))
                    for b in sorted(bands, reverse=True)
                ],
                recall=Share.of(
                    sum(min(e.true_count, e.census_count) for e in frames), sum(e.true_count for e in frames)
                )
                if frames
                else None,
                factor=factors[label].factor if label in factors else None,
                factor_reason=factors[label].reason if label in factors else None,
            )
        )
    return found


def _judged(session: Session, run_id: int) -> dict[str, dict[int, list[int]]]:
    """Of what the detector called a label, by band of score: how many people left so, and how many they judged."""
    band = case(*((Detection.score >= b / 10, b) for b in range(9, 0, -1)), else_=0)
    same = ReviewState.label == Detection.label
    kept = func.sum(case((same & ReviewState.action.in_(COUNTED), 1), else_=0))
    query = (
        select(Detection.label, band, kept, func.count())
        .join(ReviewState, ReviewState.detection_id == Detection.fid)
        # The plus keeps SQLite from going through all detections of the run instead of those that were judged.
        .where(literal_column("+detections.run_id", Integer) == run_id, ReviewState.action.in_((*COUNTED, REJECT)))
        .group_by(Detection.label, band)
    )
    found: dict[str, dict[int, list[int]]] = {}
    for label, lowest, right, judged in session.execute(query):
        found.setdefault(label, {})[lowest] = [right, judged]
    return found


def _effort(session: Session, run: EstimateRunInfo) -> Effort:
    lines, gaps = read_effort(session, run.estimate_run_id), read_gaps(session, run.estimate_run_id)
    shown = run.parameters.get("mosaics")

    def km2(values: list[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return sum(known) / 1e6 if known else None

    return Effort(
        lines=sum(line.transect is not None for line in lines),
        mosaics=len(shown["mosaics"]) if isinstance(shown, dict) else None,
        searched_km2=sum(line.area_searched_m2 for line in lines) / 1e6,
        planned_km2=km2([line.planned_area_m2 for line in lines]),
        masked_km2=km2([line.masked_area_m2 for line in lines]),
        gaps=len(gaps),
        gaps_km2=sum(gap.area_m2 for gap in gaps) / 1e6,
        largest_gap_m2=max((gap.area_m2 for gap in gaps), default=None),
    )


def _seasons(session: Session) -> dict[str, Any]:
    """The counted surveys, each with the next, in the order they were made."""
    query = select(Survey.name, Survey.fid).where(Survey.fid.in_(select(EstimateRun.survey_id))).order_by(Survey.fid)
    counted = session.execute(query).all()[-MOST_SEASONS:]
    surveys = [CountedSurvey(survey=name, totals=_totals(session, key)) for name, key in counted]
    nothing: dict[str, Any] = {"surveys": surveys, "seasons": [], "differences": [], "notes": []}
    if len(counted) < 2:
        return nothing
    try:
        found = compare_surveys(session, [name for name, _ in counted])
    except OverflyError as error:
        return {**nothing, "notes": [error.what]}
    unlike = [
        f"{pair.first_survey} and {pair.second_survey} differ in {d.what}: {d.first}, {d.second}"
        for pair in found.differences
        for d in pair.differences
    ]
    seasons = [_season(c) for c in found.changes if c.stratum is None]
    return {**nothing, "seasons": seasons, "differences": unlike, "notes": list(found.notes)}


def _totals(session: Session, survey_id: int) -> list[Estimate]:
    newest = latest_estimate_run(session, survey_id)
    found = [] if newest is None else read_estimates(session, newest.estimate_run_id)
    return [Estimate.of(e) for e in found if e.stratum is None]


def _season(found: SeasonChange) -> Season:
    told = found.change
    return Season(
        species=found.species,
        first_survey=found.first_survey,
        second_survey=found.second_survey,
        first=found.first,
        second=found.second,
        ratio=None if told is None else told.ratio,
        lower=None if told is None else told.ratio_lower,
        upper=None if told is None else told.ratio_upper,
        reason=found.reason,
    )
