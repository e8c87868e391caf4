"""What a survey did and where: the things that must agree before two seasons' numbers are a change in animals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from counts import store
from counts.schema import Capture, IdentityRun, VerificationSample
from counts.store import CorrectionEntry, EstimateEntry

SAME_GROUND = 0.99
SAME_FIGURE = 0.02
SAME_TIME_OF_YEAR = 1 / 8


@dataclass(frozen=True)
class Protocol:
    """One survey as it was done. Ground is geographic (lon, lat); None and empty where the census does not know.

    `year` is the middle of its pictures' times as a decimal year. `verified` are the content hashes of the pictures
    that were checked for it.
    """

    survey: str
    season: str | None
    year: float | None
    ground: BaseGeometry | None = field(repr=False)
    strata: Mapping[str, BaseGeometry] = field(repr=False)
    strata_km2: Mapping[str, float]
    figures: Mapping[str, str | float | None]
    corrections: tuple[CorrectionEntry, ...] = field(repr=False)
    estimates: tuple[EstimateEntry, ...] = field(repr=False)
    verified: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class Difference:
    """One thing that two surveys did not do alike; `area` where the ground itself is another."""

    what: str
    first: str
    second: str
    area: bool = False


def read_protocol(session: Session, survey: str) -> Protocol:
    """Read a survey's protocol and the estimates of its newest counting. Raises CensusError without such a survey."""
    info = store.find_survey(session, survey)
    key = info.survey_id
    area = store.read_area(session, key)
    designs = store.read_strata(session, key)
    counting = store.latest_estimate_run(session, key)
    run_id = None if counting is None else counting.estimate_run_id
    identity_id = store.latest_identity_run(session, key) if counting is None else counting.identity_run_id
    identity = None if identity_id is None else session.get(IdentityRun, identity_id)
    detection = (
        store.latest_detection_run(session, key)
        if identity is None
        else store.read_detection_run(session, identity.detection_run_id)
    )
    camera = info.camera or {}
    return Protocol(
        survey=info.name,
        season=info.season,
        year=_year(session, key),
        ground=None if area is None else _without(shapely.union_all([s.polygon for s in area.strata]), area.exclusions),
        strata={} if area is None else {s.name: _without(s.polygon, area.exclusions) for s in area.strata},
        strata_km2={s.name: s.area_m2 / 1e6 for s in designs},
        figures={
            "design": info.design_kind,
            "line spacing, m": info.spacing_m,
            "strip width, m": info.strip_width_m,
            "camera": camera.get("name"),
            "pixel on the ground, cm": info.gsd_cm,
            "height above ground, m": info.altitude_agl_m,
            "detector": None if detection is None else detection.detector.content_hash,
            "threshold": None if detection is None else detection.threshold,
            "identity": None if identity is None else identity.method,
        },
        corrections=() if run_id is None else store.read_corrections(session, run_id),
        estimates=() if run_id is None else store.read_estimates(session, run_id),
        verified=frozenset() if identity_id is None else _verified(session, identity_id),
    )


def differences(first: Protocol, second: Protocol) -> tuple[Difference, ...]:
    """Return what two surveys did not do alike, the ground first.

    Ground is the same when the parts they share are 99 % of both together; heights, widths and pixels when they are
    within 2 %; seasons when they have one name but for its years, and lie within an eighth of a year; everything else
    when it is equal. What one survey does not know is a difference too, but for the time.
    """
    found = []
    if not same_ground(first.ground, second.ground):
        sizes = [_size(p) for p in (first, second)]
        found.append(Difference("area", sizes[0], sizes[1], area=True))
    for name in dict.fromkeys([*first.strata, *second.strata]):
        if not same_ground(first.strata.get(name), second.strata.get(name)):
            parts = [f"{p.strata_km2[name]:.2f} km²" if name in p.strata_km2 else "not there" for p in (first, second)]
            found.append(Difference(f"stratum {name}", parts[0], parts[1], area=True))
    for what, one in first.figures.items():
        other = second.figures.get(what)
        if not _alike(one, other):
            found.append(Difference(what, _said(one), _said(other)))
    if _season_name(first.season) != _season_name(second.season):
        found.append(Difference("season", _said(first.season), _said(second.season)))
    if first.year is not None and second.year is not None:
        apart = abs(first.year - second.year) % 1
        if min(apart, 1 - apart) > SAME_TIME_OF_YEAR:
            days = [f"day {1 + int(year % 1 * 365)} of the year" for year in (first.year, second.year)]
            found.append(Difference("time of year", days[0], days[1]))
    for what, of in (("corrections", _corrections), ("estimator", _estimators)):
        ours, theirs = of(first), of(second)
        found += [
            Difference(f"{what} of {name}", ours.get(name, "none"), theirs.get(name, "none"))
            for name in dict.fromkeys([*ours, *theirs])
            if ours.get(name) != theirs.get(name)
        ]
    return tuple(found)


def same_ground(first: BaseGeometry | None, second: BaseGeometry | None) -> bool:
    """Whether two pieces of ground share 99 % of what they cover together; unknown ground is the same as none."""
    if first is None or second is None:
        return False
    whole = shapely.union(first, second).area
    return bool(whole > 0 and shapely.intersection(first, second).area >= SAME_GROUND * whole)


def _without(ground: BaseGeometry, exclusions: tuple[BaseGeometry, ...]) -> BaseGeometry:
    return shapely.difference(ground, shapely.union_all(list(exclusions))) if exclusions else ground


def _size(protocol: Protocol) -> str:
    return f"{sum(protocol.strata_km2.values()):.2f} km²" if protocol.strata_km2 else "unknown: no design"


def _alike(one: str | float | None, other: str | float | None) -> bool:
    if isinstance(one, str) or isinstance(other, str) or one is None or other is None:
        return one is not None and one == other
    return abs(one - other) <= SAME_FIGURE * max(abs(one), abs(other))


def _said(value: str | float | None) -> str:
    return "unknown" if value is None else value if isinstance(value, str) else f"{value:g}"


def _season_name(season: str | None) -> str | None:
    """One season of two years: "wet season 2026" and "wet season 2027" have one name."""
    return None if season is None else " ".join(re.sub(r"\b\d{4}\b", " ", season).split()).casefold()


def _corrections(protocol: Protocol) -> dict[str, str]:
    kinds: dict[str, list[str]] = {}
    for entry in protocol.corrections:
        if entry.factor is not None:
            kinds.setdefault(entry.species, []).append(f"{entry.kind} ({entry.method})")
    return {name: ", ".join(sorted(said)) for name, said in kinds.items()}


def _estimators(protocol: Protocol) -> dict[str, str]:
    methods: dict[str, list[str]] = {}
    for entry in protocol.estimates:
        if entry.stratum is not None:
            methods.setdefault(entry.species, []).append(entry.method)
    return {name: ", ".join(dict.fromkeys(said)) for name, said in methods.items()}


def _verified(session: Session, identity_run_id: int) -> frozenset[str]:
    return frozenset(
        session.scalars(
            select(Capture.content_hash)
            .join(VerificationSample, VerificationSample.capture_id == Capture.fid)
            .where(VerificationSample.identity_run_id == identity_run_id)
        )
    )


def _year(session: Session, survey_id: int) -> float | None:
    times = session.execute(
        select(func.min(Capture.time_utc), func.max(Capture.time_utc)).where(Capture.survey_id == survey_id)
    ).one()
    if times[0] is None or times[1] is None:
        return None
    middle: datetime = times[0] + (times[1] - times[0]) / 2
    start = datetime(middle.year, 1, 1, tzinfo=UTC)
    length = datetime(middle.year + 1, 1, 1, tzinfo=UTC) - start
    return middle.year + (middle.replace(tzinfo=middle.tzinfo or UTC) - start) / length
