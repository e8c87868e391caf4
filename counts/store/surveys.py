"""Surveys: what was planned, what was flown, what was brought in and what was skipped."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Point
from sqlalchemy import insert, or_, select
from sqlalchemy.orm import Session

from counts.columns import canonical_json
from counts.schema import (
    Capture,
    Exclusion,
    Import,
    LaunchSite,
    ProtectedArea,
    SkippedItem,
    Sortie,
    SortieTransect,
    Stratum,
    Survey,
    Transect,
)
from counts.store.surroundings import add_surroundings, read_surroundings
from flightplan.areas import LaunchSite as AreaLaunchSite
from flightplan.areas import Stratum as AreaStratum
from flightplan.areas import StudyArea
from flightplan.design import StratumDesign
from flightplan.design import Transect as DesignTransect
from flightplan.errors import CensusError, Skip
from flightplan.frames import Floats
from flightplan.plan import SurveyPlan

PLANNED, FLOWN, CUT_SHORT = "planned", "flown", "cut short"


@dataclass(frozen=True)
class SurveyInfo:
    """A survey's own row. Figures are None where pictures were only brought in."""

    survey_id: int
    name: str
    season: str | None
    protected_area: str | None
    design_kind: str | None
    design_seed: int | None
    heading_deg: float | None
    spacing_m: float | None
    strip_width_m: float | None
    altitude_agl_m: float | None
    speed_mps: float | None
    trigger_distance_m: float | None
    gsd_cm: float | None
    front_overlap: float | None
    camera: dict[str, Any] | None
    plan_hash: str | None
    code_version: str | None


@dataclass(frozen=True)
class FlightInfo:
    """A sortie: planned, and as flown. `track` is a geographic line, None when it was not kept."""

    sortie: str
    status: str
    planned_length_m: float | None
    flown_length_m: float | None
    started_utc: datetime | None
    ended_utc: datetime | None
    note: str | None
    track: LineString | None


def add_survey(
    session: Session,
    plan: SurveyPlan | None = None,
    *,
    name: str,
    season: str | None = None,
    protected_area: str | None = None,
    code_version: str | None = None,
) -> int:
    """Return the survey of that name, made with its plan when it is not there yet.

    Raises CensusError when the survey is there with another plan: its captures belong to the lines they were flown on.
    """
    known = session.scalars(select(Survey).where(Survey.name == name)).one_or_none()
    plan_hash = None if plan is None else hash_plan(plan)
    if known is not None:
        if plan_hash is not None and known.plan_hash != plan_hash:
            raise CensusError(
                f"the survey {name!r} is already in the census with {'another' if known.plan_hash else 'no'} plan",
                hint="Give this survey another name",
            )
        return known.fid
    survey = Survey(name=name, season=season, plan_hash=plan_hash, code_version=code_version)
    area_name = protected_area or (plan.area.name if plan else None)
    if area_name:
        survey.protected_area_id = _area_id(session, area_name, plan.area if plan else None)
    if plan is not None:
        survey.design_kind = plan.design.kind
        survey.design_seed = None if plan.as_flown else plan.design.seed
        survey.heading_deg = plan.design.heading_deg
        survey.spacing_m = plan.design.spacing_m
        survey.strip_width_m = plan.design.strip_width_m
        survey.camera = dataclasses.asdict(plan.camera)
        survey.altitude_agl_m = plan.altitude_agl_m
        survey.speed_mps = plan.speed_mps
        survey.trigger_distance_m = plan.trigger_distance_m
        survey.gsd_cm = plan.gsd_cm
        survey.front_overlap = plan.front_overlap
    session.add(survey)
    session.flush()
    if plan is not None:
        _add_plan(session, survey.fid, plan)
    return survey.fid


def add_area(session: Session, survey_id: int, area: StudyArea) -> bool:
    """Give a survey that was never planned the area that its mosaics are counted in; say whether it had none yet."""
    if session.scalars(select(Stratum.fid).where(Stratum.survey_id == survey_id).limit(1)).first() is not None:
        return False
    survey = session.get_one(Survey, survey_id)
    survey.protected_area_id = survey.protected_area_id or _area_id(session, area.name, area)
    row = session.get_one(ProtectedArea, survey.protected_area_id)
    if row.boundary is None:
        row.boundary = _polygons(area.boundary)
    session.add_all(Exclusion(survey_id=survey_id, polygon=_polygons(e)) for e in area.exclusions)
    session.add_all(
        Stratum(survey_id=survey_id, name=stratum.name, polygon=_polygons(stratum.polygon), area_m2=float(land.area))
        for stratum, land in zip(area.strata, area.local_strata, strict=True)
    )
    session.flush()
    return True


def find_survey(session: Session, name: str) -> SurveyInfo:
    """Return a survey by name. Raises CensusError, naming those there are."""
    found = session.scalars(select(Survey).where(Survey.name == name)).one_or_none()
    if found is None:
        names = session.scalars(select(Survey.name).order_by(Survey.fid)).all()
        there = f"It has: {', '.join(names)}" if names else "It has none yet"
        raise CensusError(f"the census has no survey {name!r}", hint=there)
    return _info(session, found)


def latest_survey(session: Session) -> SurveyInfo:
    """Return the survey added last. Raises CensusError when there is none."""
    found = session.scalars(select(Survey).order_by(Survey.fid.desc()).limit(1)).one_or_none()
    if found is None:
        raise CensusError("the census has no survey yet", hint="Plan one, or bring pictures in with `overfly ingest`")
    return _info(session, found)


def read_strata(session: Session, survey_id: int) -> tuple[StratumDesign, ...]:
    """Return the survey's strata with their transects in spatial order; empty when it was never planned."""
    lines: dict[int, list[DesignTransect]] = {}
    names: dict[int, Stratum] = {
        s.fid: s for s in session.scalars(select(Stratum).where(Stratum.survey_id == survey_id).order_by(Stratum.fid))
    }
    rows = session.scalars(
        select(Transect).where(Transect.survey_id == survey_id).order_by(Transect.stratum_id, Transect.position)
    )
    for row in rows:
        lines.setdefault(row.stratum_id, []).append(
            DesignTransect(
                identifier=row.identifier,
                stratum=names[row.stratum_id].name,
                position=row.position,
                segments=tuple(((a[0], a[1]), (b[0], b[1])) for a, b in (part.coords for part in row.line.geoms)),
                length_m=row.planned_length_m,
                strip_area_m2=row.strip_area_m2,
            )
        )
    return tuple(
        StratumDesign(
            name=stratum.name,
            area_m2=stratum.area_m2,
            baseline_m=np.nan if stratum.baseline_m is None else stratum.baseline_m,
            possible_transects=stratum.possible_transects,
            transects=tuple(lines.get(fid, ())),
        )
        for fid, stratum in names.items()
    )


def read_area(session: Session, survey_id: int) -> StudyArea | None:
    """Return the study area that the survey was planned over, None when it was never planned."""
    strata = session.scalars(select(Stratum).where(Stratum.survey_id == survey_id).order_by(Stratum.fid)).all()
    if not strata:
        return None
    around = read_surroundings(session, survey_id)
    exclusions = session.scalars(select(Exclusion.polygon).where(Exclusion.survey_id == survey_id).order_by("fid"))
    sites = session.scalars(select(LaunchSite).where(LaunchSite.survey_id == survey_id).order_by(LaunchSite.fid))
    return StudyArea(
        name=session.scalars(
            select(ProtectedArea.name)
            .join(Survey, Survey.protected_area_id == ProtectedArea.fid)
            .where(Survey.fid == survey_id)
        ).one(),
        strata=tuple(AreaStratum(s.name, s.polygon) for s in strata),
        exclusions=tuple(exclusions),
        launch_sites=tuple(AreaLaunchSite(s.name, s.point.x, s.point.y) for s in sites),
        obstacles=around.obstacles,
        airspace=around.airspace,
        kept_clear=around.kept_clear,
    )


def sorties_not_flown(session: Session, survey_id: int) -> tuple[str, ...]:
    """Return the sorties still to be flown, in the order of the plan: planned, or cut short."""
    return tuple(
        session.scalars(
            select(Sortie.identifier).where(Sortie.survey_id == survey_id, Sortie.status != FLOWN).order_by(Sortie.fid)
        )
    )


def record_flight(
    session: Session,
    survey_id: int,
    sortie: str,
    *,
    status: str = FLOWN,
    started_utc: datetime | None = None,
    ended_utc: datetime | None = None,
    track_lonlat: Floats | None = None,
    flown_length_m: float | None = None,
    note: str | None = None,
) -> None:
    """Write down how a sortie was flown: `status` "flown" or "cut short"; track (N, 2), longitude first."""
    row = session.scalars(
        select(Sortie).where(Sortie.survey_id == survey_id, Sortie.identifier == sortie)
    ).one_or_none()
    if row is None:
        raise CensusError(f"the survey has no sortie {sortie!r}")
    row.status, row.started_utc, row.ended_utc = status, started_utc, ended_utc
    row.flown_length_m, row.note = flown_length_m, note
    row.track = None if track_lonlat is None or len(track_lonlat) < 2 else shapely.linestrings(track_lonlat)


def read_flights(session: Session, survey_id: int) -> tuple[FlightInfo, ...]:
    """Return the survey's sorties in the order of the plan."""
    rows = session.scalars(select(Sortie).where(Sortie.survey_id == survey_id).order_by(Sortie.fid))
    return tuple(
        FlightInfo(
            r.identifier, r.status, r.planned_length_m, r.flown_length_m, r.started_utc, r.ended_utc, r.note, r.track
        )
        for r in rows
    )


def add_import(
    session: Session,
    survey_id: int,
    source: str,
    *,
    found: int,
    added: int,
    skips: Iterable[Skip] = (),
    time_utc: datetime | None = None,
    code_version: str | None = None,
) -> int:
    """Write down that a source was brought in, and the items of it that could not be used."""
    row = Import(
        survey_id=survey_id, source=source, found=found, added=added, time_utc=time_utc, code_version=code_version
    )
    session.add(row)
    session.flush()
    add_skips(session, survey_id, "ingest", skips)
    return row.fid


def add_skips(session: Session, survey_id: int, stage: str, skips: Iterable[Skip]) -> None:
    """Write down skipped items by name; one that is there already is not written twice."""
    known = {
        (item, reason)
        for item, reason in session.execute(
            select(SkippedItem.item, SkippedItem.reason).where(
                SkippedItem.survey_id == survey_id, SkippedItem.stage == stage
            )
        )
    }
    fresh = dict.fromkeys((s.item, s.reason) for s in skips if (s.item, s.reason) not in known)
    if fresh:
        session.execute(
            insert(SkippedItem),
            [{"survey_id": survey_id, "stage": stage, "item": item, "reason": reason} for item, reason in fresh],
        )


def read_skips(session: Session, survey_id: int) -> tuple[tuple[str, Skip], ...]:
    """Return (stage, skip) of every item of the survey that could not be used.

    A picture that a detector failed on and could use when it was tried again is not among them.
    """
    used = select(Capture.fid).where(
        Capture.survey_id == survey_id, Capture.path == SkippedItem.item, Capture.refused.is_(None)
    )
    rows = session.scalars(
        select(SkippedItem)
        .where(SkippedItem.survey_id == survey_id, or_(SkippedItem.stage != "detect", ~used.exists()))
        .order_by(SkippedItem.fid)
    )
    return tuple((row.stage, Skip(row.item, row.reason)) for row in rows)


def hash_plan(plan: SurveyPlan) -> str:
    """Return the SHA-256 of what a plan decides about the sample: area, design and transects."""
    said = {
        "area": [[s.name, shapely.to_wkt(s.polygon, rounding_precision=9)] for s in plan.area.strata],
        "exclusions": [shapely.to_wkt(e, rounding_precision=9) for e in plan.area.exclusions],
        "design": dataclasses.asdict(plan.design),
        "strata": [dataclasses.asdict(s) for s in plan.strata],
        "sorties": [[s.identifier, list(s.transects)] for s in plan.sorties],
        "altitude_agl_m": plan.altitude_agl_m,
    }
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()


def _info(session: Session, row: Survey) -> SurveyInfo:
    area = session.get(ProtectedArea, row.protected_area_id) if row.protected_area_id else None
    own = {f.name for f in dataclasses.fields(SurveyInfo)} - {"survey_id", "protected_area"}
    return SurveyInfo(
        survey_id=row.fid, protected_area=area.name if area else None, **{name: getattr(row, name) for name in own}
    )


def _area_id(session: Session, name: str, area: StudyArea | None) -> int:
    row = session.scalars(select(ProtectedArea).where(ProtectedArea.name == name)).one_or_none()
    if row is None:
        row = ProtectedArea(name=name)
        session.add(row)
    if row.boundary is None and area is not None:
        row.boundary = _polygons(area.boundary)
    session.flush()
    return row.fid


def _add_plan(session: Session, survey_id: int, plan: SurveyPlan) -> None:
    polygons = {s.name: s.polygon for s in plan.area.strata}
    session.add_all(Exclusion(survey_id=survey_id, polygon=_polygons(e)) for e in plan.area.exclusions)
    session.add_all(
        LaunchSite(survey_id=survey_id, name=s.name, point=Point(s.longitude_deg, s.latitude_deg))
        for s in plan.area.launch_sites
    )
    add_surroundings(session, survey_id, plan.area, plan.warnings)
    transect_ids: dict[str, int] = {}
    for stratum in plan.strata:
        row = Stratum(
            survey_id=survey_id,
            name=stratum.name,
            polygon=_polygons(polygons[stratum.name]),
            area_m2=stratum.area_m2,
            baseline_m=stratum.baseline_m,
            possible_transects=stratum.possible_transects,
        )
        session.add(row)
        session.flush()
        lines = [
            Transect(
                survey_id=survey_id,
                stratum_id=row.fid,
                identifier=line.identifier,
                position=line.position,
                planned_length_m=line.length_m,
                strip_area_m2=line.strip_area_m2,
                line=shapely.multilinestrings(list(line.segments)),
            )
            for line in stratum.transects
        ]
        session.add_all(lines)
        session.flush()
        transect_ids.update((line.identifier, line.fid) for line in lines)
    for sortie in plan.sorties:
        flight = Sortie(
            survey_id=survey_id,
            identifier=sortie.identifier,
            planned_length_m=sortie.length_m,
            planned_duration_s=sortie.duration_s,
            energy_share=sortie.energy_share,
            status=PLANNED,
        )
        session.add(flight)
        session.flush()
        session.add_all(
            SortieTransect(sortie_id=flight.fid, transect_id=transect_ids[name], sequence=sequence)
            for sequence, name in enumerate(dict.fromkeys(sortie.transects), start=1)
        )


def _polygons(geometry: Any) -> MultiPolygon:
    """Keep the polygons of what an overlay gave; touching areas also leave lines and points."""
    parts = [g for g in shapely.get_parts(geometry) if g.geom_type == "Polygon"]
    nested = [p for g in shapely.get_parts(geometry) if g.geom_type == "MultiPolygon" for p in g.geoms]
    return MultiPolygon(parts + nested)
