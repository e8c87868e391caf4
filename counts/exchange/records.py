"""What a survey has to tell others, read from the census once; sensitive species are made coarse here, for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.orm import Session

from counts import store
from counts.exchange.generalise import cell_radius_m, coarsen
from counts.schema import IdentityRun, ReviewState
from counts.store import (
    CorrectionEntry,
    DetectionRunInfo,
    DetectionTable,
    EffortEntry,
    EstimateEntry,
    FlightInfo,
    FootprintTable,
    IndividualTable,
    StoredCapture,
    SurveyInfo,
)
from counts.store.captures import Keys
from counts.store.sightings import SightingTable, read_sightings
from counts.store.verdicts import COUNTED
from flightplan.areas import StudyArea
from flightplan.design import StratumDesign
from flightplan.errors import CensusError
from flightplan.frames import Floats

# The circle around 95 % of a two-dimensional normal distribution: the square root of the chi-square quantile, 2 df.
_RADII = 2.4477


@dataclass(frozen=True)
class Animal:
    """An individual, or a sighting, as others may know it.

    `number` is its number in the census, counted anew where a sensitive species is hidden between them.
    `uncertainty_m` is the radius of the circle that holds its place (95 %, or a whole cell). `confirmed`: a person has
    judged a picture of it, and let it stand. Of a `generalised` one
    `longitude_deg` and `latitude_deg` are a cell's centre, `day` is all there is of the time, and number, transect,
    stratum, capture, score and number of sightings are None.
    """

    species: str
    longitude_deg: float
    latitude_deg: float
    uncertainty_m: float | None
    number: int | None
    transect: str | None
    stratum: str | None
    capture_id: int | None
    time_utc: datetime | None
    day: str | None
    sightings: int | None
    score: float | None
    generalised: bool
    confirmed: bool = False


@dataclass(frozen=True)
class SurveyRecords:
    """One survey: the newest layer of each kind, None or empty where it has not come that far.

    `captures` are those not refused, by key; `searched` are the keys of those the detector has looked at.
    """

    survey: SurveyInfo
    area: StudyArea | None
    strata: tuple[StratumDesign, ...]
    flights: tuple[FlightInfo, ...]
    captures: Mapping[int, StoredCapture]
    footprints: FootprintTable
    run: DetectionRunInfo | None
    detections: DetectionTable | None
    searched: tuple[int, ...]
    individuals: tuple[Animal, ...]
    sightings: tuple[Animal, ...]
    effort: tuple[EffortEntry, ...]
    corrections: tuple[CorrectionEntry, ...]
    estimates: tuple[EstimateEntry, ...]
    sensitive: frozenset[str]

    @property
    def species(self) -> tuple[str, ...]:
        """The species that were looked for: those estimated, else those the detector knows."""
        if self.estimates:
            return tuple(dict.fromkeys(e.species for e in self.estimates))
        return self.run.detector.labels if self.run else ()

    @property
    def times(self) -> tuple[datetime, datetime] | None:
        """The first and the last exposure, None when no capture has a time."""
        known = [c.capture.time_utc for c in self.captures.values() if c.capture.time_utc is not None]
        return (min(known), max(known)) if known else None


def gather(
    session: Session,
    survey_name: str,
    sensitive: Collection[str] = (),
    also: Callable[[Collection[str]], Collection[str]] | None = None,
) -> SurveyRecords:
    """Read a survey. `also` says which of its species are sensitive besides those named.

    Raises CensusError for a sensitive species that the survey does not know: a slip would publish places.
    """
    survey = store.find_survey(session, survey_name)
    key = survey.survey_id
    counting = store.latest_estimate_run(session, key)
    identity = counting.identity_run_id if counting else store.latest_identity_run(session, key)
    run = _detection_run(session, key, identity)
    captures = {c.capture_id: c for c in store.read_captures(session, key, usable=True)}
    strata = store.read_strata(session, key)
    individuals = None if identity is None else store.read_individuals(session, identity)
    sightings = None if identity is None else read_sightings(session, identity)
    estimates = () if counting is None else store.read_estimates(session, counting.estimate_run_id)
    labels = _labels(run, individuals, estimates)
    _check_labels(frozenset(sensitive), labels)
    hidden = frozenset(sensitive) | frozenset(also(labels) if also else ())
    of_transect = {line.identifier: s.name for s in strata for line in s.transects}
    judged = _confirmed(session, run)
    undone = set() if run is None else {c.capture_id for c in store.captures_without_detections(session, run.run_id)}
    return SurveyRecords(
        survey=survey,
        area=store.read_area(session, key),
        strata=strata,
        flights=store.read_flights(session, key),
        captures=captures,
        footprints=store.read_footprints(session, key),
        run=run,
        detections=None if run is None else store.read_detections(session, run.run_id),
        searched=() if run is None else tuple(key for key in captures if key not in undone),
        individuals=_individuals(individuals, sightings, captures, of_transect, hidden, judged),
        sightings=_sightings(individuals, sightings, captures, of_transect, hidden, judged),
        effort=() if counting is None else store.read_effort(session, counting.estimate_run_id),
        corrections=() if counting is None else store.read_corrections(session, counting.estimate_run_id),
        estimates=estimates,
        sensitive=hidden,
    )


def _detection_run(session: Session, survey_id: int, identity: int | None) -> DetectionRunInfo | None:
    if identity is None:
        return store.latest_detection_run(session, survey_id)
    run_id = session.scalars(select(IdentityRun.detection_run_id).where(IdentityRun.fid == identity)).one()
    return store.read_detection_run(session, run_id)


def _confirmed(session: Session, run: DetectionRunInfo | None) -> Keys:
    """Return the detections that a person has judged and let stand."""
    if run is None:
        return np.empty(0, dtype=np.int64)
    query = select(ReviewState.detection_id).where(ReviewState.run_id == run.run_id, ReviewState.action.in_(COUNTED))
    return np.array(session.scalars(query).all(), dtype=np.int64)


def _labels(
    run: DetectionRunInfo | None, individuals: IndividualTable | None, estimates: tuple[EstimateEntry, ...]
) -> frozenset[str]:
    known = {e.species for e in estimates}
    known |= set(run.detector.labels) if run else set()
    known |= {str(s) for s in individuals.species} if individuals is not None else set()
    return frozenset(known)


def _check_labels(sensitive: frozenset[str], known: frozenset[str]) -> None:
    missing = sorted(sensitive - known)
    if missing:
        raise CensusError(
            f"the survey has no species {missing[0]!r}, so nothing would be made coarse",
            hint=f"It has: {', '.join(sorted(known)) or 'none yet'}",
        )


def _individuals(
    table: IndividualTable | None,
    sightings: SightingTable | None,
    captures: Mapping[int, StoredCapture],
    of_transect: Mapping[str, str],
    sensitive: frozenset[str],
    judged: Keys,
) -> tuple[Animal, ...]:
    if table is None or sightings is None:
        return ()
    radius = _radius_m(sightings.covariance_m2)
    best: dict[int, int] = {}
    # The surest place comes first; a stable sort leaves equals, and the unknown, in their detections' order.
    for row in np.argsort(np.nan_to_num(radius, nan=np.inf), kind="stable").tolist():
        best.setdefault(int(sightings.individual_id[row]), row)
    rows = [best.get(int(key)) for key in table.individual_id]
    known = _Known(
        species=[str(s) for s in table.species],
        lonlat=table.lonlat,
        radius_m=np.array([np.nan if r is None else radius[r] for r in rows], dtype=np.float64),
        numbers=_numbers(table, sensitive).tolist(),
        transects=list(table.transect),
        capture_ids=[None if r is None else int(sightings.capture_id[r]) for r in rows],
        sightings=table.sightings.tolist(),
        scores=[None if r is None else float(sightings.score[r]) for r in rows],
        hidden=np.isin(table.species, np.array(sorted(sensitive), dtype=np.str_)),
        confirmed=np.isin(table.individual_id, sightings.individual_id[np.isin(sightings.detection_id, judged)]),
    )
    return _told(known, captures, of_transect)


def _sightings(
    individuals: IndividualTable | None,
    table: SightingTable | None,
    captures: Mapping[int, StoredCapture],
    of_transect: Mapping[str, str],
    sensitive: frozenset[str],
    judged: Keys,
) -> tuple[Animal, ...]:
    if table is None or individuals is None:
        return ()
    keys = individuals.individual_id.tolist()
    numbers = dict(zip(keys, _numbers(individuals, sensitive).tolist(), strict=True))
    kinds = dict(zip(keys, (str(s) for s in individuals.species), strict=True))
    owner = table.individual_id.tolist()
    by_animal = [kinds.get(i) in sensitive for i in owner]
    known = _Known(
        species=[str(label) for label in table.label],
        lonlat=table.lonlat,
        radius_m=_radius_m(table.covariance_m2),
        numbers=[numbers.get(i) for i in owner],
        transects=[captures[c].transect if c in captures else None for c in table.capture_id.tolist()],
        capture_ids=table.capture_id.tolist(),
        sightings=[1] * len(table),
        scores=table.score.tolist(),
        hidden=np.isin(table.label, np.array(sorted(sensitive), dtype=np.str_)) | np.array(by_animal, dtype=bool),
        confirmed=np.isin(table.detection_id, judged),
    )
    return _told(known, captures, of_transect)


@dataclass(frozen=True)
class _Known:
    """All that the census knows of N individuals, or sightings, of which the `hidden` ones are sensitive.

    `lonlat` (N, 2), `radius_m` (N,) of the circles that hold them, NaN where it is not known.
    """

    species: list[str]
    lonlat: Floats
    radius_m: Floats
    numbers: list[int | None]
    transects: list[str | None]
    capture_ids: list[int | None]
    sightings: list[int]
    scores: list[float | None]
    hidden: npt.NDArray[np.bool_]
    confirmed: npt.NDArray[np.bool_]


def _told(known: _Known, captures: Mapping[int, StoredCapture], of_transect: Mapping[str, str]) -> tuple[Animal, ...]:
    """Return what may be told; the hidden come last, in an order that says nothing of where they were."""
    places = np.where(known.hidden[:, None], coarsen(known.lonlat), np.asarray(known.lonlat).reshape(-1, 2))
    radii = np.where(known.hidden, cell_radius_m(places), known.radius_m)
    shown: list[Animal] = []
    coarse: list[Animal] = []
    for row, secret in enumerate(known.hidden.tolist()):
        capture_id = known.capture_ids[row]
        capture = captures.get(capture_id or -1)
        time = capture.capture.time_utc if capture else None
        transect = None if secret else known.transects[row]
        animal = Animal(
            species=known.species[row],
            longitude_deg=float(places[row, 0]),
            latitude_deg=float(places[row, 1]),
            uncertainty_m=round(float(radii[row]), 1) if np.isfinite(radii[row]) else None,
            number=None if secret else known.numbers[row],
            transect=transect,
            stratum=None if transect is None else of_transect.get(transect),
            capture_id=None if secret else capture_id,
            time_utc=None if secret else time,
            day=None if time is None else time.astimezone(UTC).date().isoformat(),
            sightings=None if secret else known.sightings[row],
            score=None if secret else known.scores[row],
            generalised=secret,
            confirmed=bool(known.confirmed[row]),
        )
        (coarse if secret else shown).append(animal)
    coarse.sort(key=lambda a: (a.species, a.day or "", a.longitude_deg, a.latitude_deg))
    return (*shown, *coarse)


def _numbers(table: IndividualTable, sensitive: frozenset[str]) -> Keys:
    """Return the individuals' numbers; beside hidden ones they are counted anew, for the gaps would tell where."""
    if not sensitive:
        return table.number
    shown = ~np.isin(table.species, np.array(sorted(sensitive), dtype=np.str_))
    return np.asarray(np.where(shown, np.cumsum(shown), 0), dtype=np.int64)


def _radius_m(covariance_m2: Floats) -> Floats:
    """Return the radius (N,) of the circle around the 95 % ellipse, NaN where the covariance is not known."""
    east, north, both = covariance_m2[:, 0, 0], covariance_m2[:, 1, 1], covariance_m2[:, 0, 1]
    longest = (east + north) / 2 + np.hypot((east - north) / 2, both)
    radius: Floats = _RADII * np.sqrt(longest)
    return radius
