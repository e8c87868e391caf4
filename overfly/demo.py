"""The demo: the whole chain over an invented park, flown, photographed and counted, beside the truth.

Everything that is not simulated is what a real survey uses: the planner, the code that flies, the readers of EXIF and
XMP, the detector's engine, the census and the estimators. The simulator stands in for the autopilot, the camera, the
animals, and the person who checks a sample of frames.

Each step leaves what it made on disk and is not done again: a demo that was killed goes on with the first step that
is not finished. A sortie cut short is flown again; its log and its frames are set aside, never deleted.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import overfly
from counts.census import Census
from counts.report import write_report
from counts.store import add_survey, find_survey, record_flight
from detect.detectors import load_detector
from detect.models import shipped_model
from flightplan.areas import StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.errors import VehicleError, WorkspaceError
from flightplan.plan import Sortie, SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.vehicle import FlightCapture, Outcome
from flightplan.vehicle.campaign import fly_one
from overfly.chain import Counted, count_survey, detect_survey, ingest
from overfly.pixel_surveys import checked_by
from overfly.workspace import CONFIG_NAME, SurveyFolder, Workspace
from sim.flights import FrameTruth, Renderer
from sim.gimbal import Gimbal
from sim.park import demo_area
from sim.photographs import Shot
from sim.vehicle import Airframe, Exposure, Home, PositionError, SimulatedVehicle, Wind, serve
from sim.view import Pose
from sim.world import World

SURVEY = "demo"
CAMERA = "overfly-demo"
DRONE = "overfly-demo"
ALTITUDE_M = 80.0
FRONT_OVERLAP = 0.2
SPEED_MPS = 12.0
LINES = 12
CHECKER = "the simulator, in place of a person"
FIRST_FLIGHT_UTC = datetime(2026, 6, 15, 6, 0, tzinfo=UTC)
BETWEEN_FLIGHTS = timedelta(minutes=40)
GROUND_MSL_M = 1500.0
_SEED_FILE, _RESULT_FILE, _SHOTS_FILE = "seed.json", "result.json", "shots.json"


class Stage(Protocol):
    """Where the demo says what it does: a live display, plain lines, or nothing."""

    def step(self, text: str) -> None:
        """A step begins."""
        ...

    def note(self, text: str) -> None:
        """Something worth knowing about the present step."""
        ...

    def progress(self, done: int, total: int) -> None:
        """How far the present step has come."""
        ...


def run_demo(
    folder: Path, seed: int, stage: Stage, *, area: StudyArea | None = None, lines: int = LINES
) -> dict[str, Any]:
    """Run the demo in a folder, or go on with the one that was begun there; returns what `overfly demo --json` prints.

    `area` is the park, the demo's own when None; `lines` how many transects a stratum has at least. Raises
    WorkspaceError when the folder holds something else, or a demo of another seed.
    """
    started = time.perf_counter()
    workspace, survey = _open(folder, area or demo_area(), seed, stage)
    plan = _plan(survey, workspace.area(), lines, seed, stage)
    world = World.build(plan.area, seed)
    with Census.open(workspace.census) as census:
        with census.writing() as session:
            add_survey(session, plan, name=SURVEY, code_version=overfly.__version__)
        truths = _fly(census, survey, plan, world, seed, stage)
        stage.step("Reading the pictures into the census")
        ingested = ingest(census, SURVEY, [survey.images], plan=plan, progress=stage.progress)
        stage.step("Looking for animals")
        detector = load_detector(shipped_model(), threads=1)
        detected = detect_survey(census, detector, name=shipped_model().name, survey=SURVEY, progress=stage.progress)
        stage.step("Placing, counting each animal once, checking a sample, estimating")
        counted = count_survey(census, survey=SURVEY, verifier=checked_by(truths), who=CHECKER, seed=seed)
        stage.step("Writing the report")
        survey.report.parent.mkdir(parents=True, exist_ok=True)
        write_report(census, SURVEY, survey.report, truth=world.truth())
    skips = [*ingested.skips, *detected.skips]
    document = {
        "seed": seed,
        "truth": {k: {**v, "total": sum(v.values())} for k, v in world.truth().items()},
        "estimates": _estimates(counted),
        "corrections": [asdict(c) for c in counted.corrections],
        "sorties": [
            {
                "name": s.identifier,
                "transects": len(s.transects),
                "length_km": round(s.length_m / 1000, 3),
                "duration_min": round(s.duration_s / 60, 2),
                "energy_share": round(s.energy_share, 4),
            }
            for s in plan.sorties
        ],
        "captures": counted.captures,
        "captures_on_effort": counted.on_effort,
        "detections": counted.detections,
        "individuals": counted.individuals,
        "verified_frames": counted.verified_frames,
        "area_km2": round(sum(s.area_m2 for s in plan.strata) / 1e6, 6),
        "area_searched_km2": round(counted.area_searched_m2 / 1e6, 6),
        "metres_outside": plan.metres_outside,
        "report": str(survey.report),
        "census": workspace.census,
        "provenance_hash": counted.provenance_hash,
        "skipped": [asdict(s) for s in skips],
        "seconds": round(time.perf_counter() - started, 2),
    }
    _write(survey.root / _RESULT_FILE, document)
    return document


def _open(folder: Path, area: StudyArea, seed: int, stage: Stage) -> tuple[Workspace, SurveyFolder]:
    """Make the demo's workspace, or find the one that was begun."""
    marker = folder / SURVEY / _SEED_FILE
    if marker.is_file():
        begun = json.loads(marker.read_text(encoding="utf-8"))["seed"]
        if begun != seed:
            raise WorkspaceError(
                f"holds a demo of seed {begun}, not {seed}", where=str(folder), hint="Name another folder with --out"
            )
        stage.step(f"Going on with the demo begun in {folder}")
        workspace = Workspace.open(folder)
        return workspace, workspace.survey(SURVEY)
    if folder.exists() and any(folder.iterdir()) and not (folder / CONFIG_NAME).is_file():
        raise WorkspaceError("holds something else", where=str(folder), hint="Name a new or empty folder with --out")
    stage.step(f"Making a workspace in {folder}")
    workspace = Workspace.open(folder) if (folder / CONFIG_NAME).is_file() else Workspace.create(folder, area)
    survey = workspace.start_survey(SURVEY, FIRST_FLIGHT_UTC.isoformat(), {"seed": seed, "camera": CAMERA})
    _write(marker, {"seed": seed})
    return workspace, survey


def _plan(survey: SurveyFolder, area: StudyArea, lines: int, seed: int, stage: Stage) -> SurveyPlan:
    if (survey.plan / "plan.json").is_file():
        stage.step("The plan is made")
        return load_plan(survey.plan)
    stage.step("Planning transects and sorties")
    plan = plan_survey(
        area,
        PlanRequest(
            camera=camera_named(CAMERA),
            altitude_agl_m=ALTITUDE_M,
            front_overlap=FRONT_OVERLAP,
            min_lines=lines,
            heading_deg=0.0,
            drone=DRONE,
            speed_mps=SPEED_MPS,
            seed=seed,
        ),
    )
    save_plan(plan, survey.plan)
    drawn = sum(len(s.transects) for s in plan.strata)
    stage.note(f"{drawn} transects, {len(plan.sorties)} sorties, {plan.metres_outside:g} m outside")
    return plan


def _fly(
    census: Census, survey: SurveyFolder, plan: SurveyPlan, world: World, seed: int, stage: Stage
) -> dict[str, FrameTruth]:
    """Fly and photograph every sortie that is not finished; returns the truth of each frame by "sortie/frame"."""
    truths: dict[str, FrameTruth] = {}
    with Renderer(world, plan.camera) as renderer:
        for number, sortie in enumerate(plan.sorties):
            log, images = survey.flights / sortie.identifier, survey.images / sortie.identifier
            shots = _read_shots(log / _SHOTS_FILE)
            if shots is None:
                stage.step(f"Flying {sortie.identifier} of {len(plan.sorties)}")
                shots = _fly_one(census, survey, plan, sortie, number, renderer, seed, stage)
            else:
                stage.step(f"{sortie.identifier} was flown")
            for truth in renderer.flight(images).finish(shots, stage.progress):
                truths[f"{sortie.identifier}/{truth.frame}"] = truth
    return truths


def _fly_one(
    census: Census,
    survey: SurveyFolder,
    plan: SurveyPlan,
    sortie: Sortie,
    number: int,
    renderer: Renderer,
    seed: int,
    stage: Stage,
) -> tuple[Shot, ...]:
    """Fly one sortie with the code that flies a real vehicle, its frames rendered as the camera takes them."""
    log, images = survey.flights / sortie.identifier, survey.images / sortie.identifier
    if log.exists():
        aside = _set_aside(images, survey.root / "set-aside")
        stage.note(
            f"{sortie.identifier} was cut short: flown again" + (f", its frames are in {aside}" if aside else "")
        )
    frames = renderer.flight(images)
    gimbal = Gimbal(seed=seed * 1000 + number)
    start = FIRST_FLIGHT_UTC + number * BETWEEN_FLIGHTS
    assert sortie.mission.home is not None
    vehicle = SimulatedVehicle(
        Home(*sortie.mission.home, GROUND_MSL_M),
        seed * 1000 + number,
        wind=Wind(speed_mps=3.0, from_deg=110.0, gust_mps=0.7),
        position_error=PositionError(horizontal_m=1.0, vertical_m=0.8),
        airframe=Airframe.survey(),
        battery_ah=12.0,
        start_time_utc_s=start.timestamp(),
    )
    clock = SimulatedClock(start.timestamp())
    shots: list[Shot] = []

    def photograph(capture: FlightCapture) -> None:
        shot = gimbal.shot(_exposure(vehicle, capture.index), capture)
        shots.append(shot)
        frames.take(shot)

    with serve(vehicle, clock=clock) as server:
        flight = fly_one(sortie, server.address, out=survey.flights, clock=clock, on_capture=photograph)
    if flight.outcome is not Outcome.COMPLETED:
        raise VehicleError(f"{sortie.identifier} was {flight.outcome}: {flight.reason}", where=str(log))
    with census.writing() as session:
        record_flight(
            session,
            find_survey(session, SURVEY).survey_id,
            sortie.identifier,
            started_utc=start,
            ended_utc=datetime.fromtimestamp(clock.now_s(), UTC),
            track_lonlat=np.array(flight.track),
            flown_length_m=sortie.length_m,
        )
    _write(log / _SHOTS_FILE, [asdict(shot) for shot in shots])
    stage.note(f"{len(shots)} frames in {(clock.now_s() - start.timestamp()) / 60:.0f} simulated minutes")
    return tuple(shots)


def _exposure(vehicle: SimulatedVehicle, index: int) -> Exposure:
    return next(e for e in reversed(vehicle.exposures) if e.index == index)


def _set_aside(folder: Path, under: Path) -> Path | None:
    if not folder.exists():
        return None
    under.mkdir(parents=True, exist_ok=True)
    number = 1
    while (aside := under / f"{folder.name}.{number}").exists():
        number += 1
    return folder.rename(aside)


def _estimates(counted: Counted) -> list[dict[str, Any]]:
    return [
        {
            "species": e.species,
            "stratum": e.stratum or "total",
            "estimate": e.value,
            "se": e.se,
            "lower": e.lower,
            "upper": e.upper,
            "cv": e.cv,
            "individuals": e.individuals,
            "method": e.method,
            "limits_reason": e.limits_reason,
        }
        for e in counted.estimates
    ]


def _read_shots(path: Path) -> tuple[Shot, ...] | None:
    if not path.is_file():
        return None
    return tuple(
        Shot(**{**shot, "true": Pose(**shot["true"]), "reported": Pose(**shot["reported"])})
        for shot in json.loads(path.read_text(encoding="utf-8"))
    )


def _write(path: Path, document: Any) -> None:
    """Write a JSON file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


@dataclass
class Silent:
    """A stage that says nothing."""

    def step(self, text: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def progress(self, done: int, total: int) -> None:
        """Nothing."""
