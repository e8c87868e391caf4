"""A small survey with every noun filled in, for the tests of the census and its report."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from counts import address, store
from counts.census import Census
from detect.captures import Capture
from detect.detections import Detections
from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.camera import Camera
from flightplan.design import StratumDesign, SurveyDesign, Transect
from flightplan.errors import Skip
from flightplan.mission import Mission
from flightplan.plan import Sortie, SurveyPlan

START = datetime(2026, 2, 14, 6, 30, tzinfo=UTC)
SPECIES = ("elephant", "zebra")
CAMERA = Camera("overfly-demo", 800, 600, 666.7, min_trigger_interval_s=1.0)
FRAME_LENGTH_M, STRIP_M, SPACING_M, STRATUM_WIDTH_M, STRATUM_HEIGHT_M = 57.6, 96.0, 400.0, 5400.0, 900.0


@pytest.fixture
def plan() -> SurveyPlan:
    return make_plan()


@pytest.fixture(scope="session")
def blank_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A census without a survey; copied, for making one takes longer than most tests."""
    path = tmp_path_factory.mktemp("census") / "blank.gpkg"
    Census.open(path).close()
    return path


@pytest.fixture(scope="session")
def filled_file(blank_file: Path) -> Path:
    """A census with the survey of `fill_census`; to be read only."""
    path = blank_file.with_name("filled.gpkg")
    shutil.copy(blank_file, path)
    with Census.open(path) as census:
        fill_census(census)
    return path


@pytest.fixture(scope="session")
def blank_database(make_database: Callable[..., str]) -> str:
    """A census in PostgreSQL without a survey; to be copied only."""
    url = make_database()
    Census.open(url).close()
    return url


@pytest.fixture(scope="session")
def filled_database(make_database: Callable[..., str], blank_database: str) -> str:
    """A census in PostgreSQL with the survey of `fill_census`; to be copied only."""
    url = make_database(blank_database)
    with Census.open(url) as census:
        fill_census(census)
    return url


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Where `census` and `filled` are kept: "geopackage", or "postgis" where a test says so; see BOTH."""
    return getattr(request, "param", "geopackage")


@pytest.fixture
def census(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Iterator[Census]:
    """A census without a survey."""
    with _copied(request, database, "blank", tmp_path / "census.gpkg") as place, Census.open(place) as opened:
        yield opened


@pytest.fixture
def filled(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> Iterator[Census]:
    """A census with the survey "2026-wet", flown, detected, counted and checked."""
    with _copied(request, database, "filled", tmp_path / "filled.gpkg") as place, Census.open(place) as opened:
        yield opened


@pytest.fixture
def serve(filled: Census, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a review server over the filled census; several share it as several laptops would."""
    from fastapi.testclient import TestClient

    from counts.review import ReviewSettings, create_app

    opened: list[TestClient] = []
    where = filled.where
    if filled.engine.dialect.name == "postgresql":
        where = filled.engine.url.render_as_string(hide_password=False)

    def start(**changes: Any) -> TestClient:
        settings = ReviewSettings(where, None, tmp_path / "cache", **changes)
        name = "localhost" if settings.on_loopback else settings.host
        client = TestClient(create_app(settings), base_url=f"http://{name}:8077", headers={"X-Overfly": "1"})
        client.__enter__()
        opened.append(client)
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@contextmanager
def _copied(request: pytest.FixtureRequest, database: str, which: str, path: Path) -> Iterator[str | Path]:
    if database == "geopackage":
        yield shutil.copy(request.getfixturevalue(f"{which}_file"), path)
        return
    drop = request.getfixturevalue("drop_database")
    url = request.getfixturevalue("make_database")(request.getfixturevalue(f"{which}_database"))
    yield url
    drop(url)


@pytest.fixture
def protect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Make a folder and its files read-only, for root as well, whom no permission stops."""

    def access(path: Path, mode: int) -> bool:
        wanted = stat.S_IWUSR if mode == os.W_OK else stat.S_IRUSR
        return Path(path).exists() and bool(Path(path).stat().st_mode & wanted)

    def protected(folder: Path) -> None:
        for path in folder.iterdir():
            path.chmod(0o444)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            monkeypatch.setattr(address.os, "access", access)

    return protected


@pytest.fixture(scope="session")
def fill() -> Callable[..., int]:
    return fill_census


def make_plan(lines_per_stratum: int = 13) -> SurveyPlan:
    area = make_area()
    frame = area.frame
    designs, sorties = [], []
    for number, stratum in enumerate(area.strata):
        low = -STRATUM_HEIGHT_M if number else 0.0
        lines = []
        for i in range(lines_per_stratum):
            east = -STRATUM_WIDTH_M / 2 + 150 + i * SPACING_M
            ends = frame.to_lonlat([(east, low), (east, low + STRATUM_HEIGHT_M)])
            lines.append(
                Transect(
                    identifier=f"{stratum.name}-{i + 1:02d}",
                    stratum=stratum.name,
                    position=i + 1,
                    segments=(((ends[0, 0], ends[0, 1]), (ends[1, 0], ends[1, 1])),),
                    length_m=STRATUM_HEIGHT_M,
                    strip_area_m2=STRATUM_HEIGHT_M * STRIP_M,
                )
            )
        designs.append(
            StratumDesign(
                name=stratum.name,
                area_m2=STRATUM_WIDTH_M * STRATUM_HEIGHT_M,
                baseline_m=STRATUM_WIDTH_M,
                possible_transects=STRATUM_WIDTH_M / STRIP_M,
                transects=tuple(lines),
            )
        )
        sorties.append(
            Sortie(f"sortie-{number + 1:02d}", tuple(line.identifier for line in lines), Mission(()), 17000, 1600, 0.7)
        )
    return SurveyPlan(
        area=area,
        design=SurveyDesign("systematic", 7, 0.0, SPACING_M, STRIP_M),
        camera=CAMERA,
        strata=tuple(designs),
        sorties=tuple(sorties),
        altitude_agl_m=80.0,
        speed_mps=12.0,
        trigger_distance_m=FRAME_LENGTH_M,
        gsd_cm=12.0,
        front_overlap=0.2,
        metres_outside=0.0,
    )


def make_area() -> StudyArea:
    west, east = 34.83 - 0.02427, 34.83 + 0.02427
    north, middle, south = -2.33 + 0.00814, -2.33, -2.33 - 0.00814
    woodland = Polygon(
        [
            (west, middle),
            (east, middle),
            (east, north),
            (34.8405, north),
            (34.837, -2.3256),
            (34.832, north),
            (west, north),
        ]
    )
    village = Polygon([(34.8185, -2.3345), (34.8215, -2.3338), (34.8222, -2.3356), (34.8196, -2.3365)])
    return StudyArea(
        name="Demo park",
        strata=(Stratum("woodland", woodland), Stratum("floodplain", box(west, south, east, middle))),
        exclusions=(village,),
        launch_sites=(LaunchSite("camp", 34.8335, -2.331),),
    )


def fill_census(census: Census, *, name: str = "2026-wet", species: tuple[str, ...] = SPECIES, seed: int = 3) -> int:
    """Fill a census with a survey that was flown, detected, counted and checked; return the survey's key."""
    rng = np.random.default_rng([seed])
    plan = make_plan()
    with census.writing() as session:
        survey_id = store.add_survey(session, plan, name=name, season="wet season 2026", code_version="0.1.0")
        captures = _fly(session, survey_id, plan)
    found, tracks = _detect(census, survey_id, plan, captures, species, rng)
    _count(census, survey_id, plan, captures, found, tracks, species, rng)
    return survey_id


def _fly(session, survey_id, plan):
    frame = plan.area.frame
    entries, where = [], []
    time = START
    for sortie, design in zip(plan.sorties, plan.strata, strict=True):
        started, track = time, []
        for line in design.transects:
            (start, end) = frame.to_local(line.segments[0])
            for along in np.arange(FRAME_LENGTH_M / 2, line.length_m, FRAME_LENGTH_M):
                centre = start + (end - start) * along / line.length_m
                time += timedelta(seconds=4.8)
                identity = f"{line.identifier}-{along:.0f}"
                position = frame.to_lonlat(centre)[0]
                entries.append(
                    store.CaptureEntry(
                        Capture(
                            path=Path("images") / sortie.identifier / f"{identity}.jpg",
                            content_hash=hashlib.sha256(identity.encode()).hexdigest(),
                            width_px=800,
                            height_px=600,
                            time_utc=time,
                            longitude_deg=float(position[0]),
                            latitude_deg=float(position[1]),
                            altitude_takeoff_m=80.0,
                            yaw_deg=0.0,
                            pitch_deg=-90.0,
                            roll_deg=0.0,
                            camera=CAMERA,
                            maker="overfly",
                            model="demo",
                            sources={"position": "capture log"},
                            unknown={"altitude_msl_m": "the height of home is not known"},
                        ),
                        sortie=sortie.identifier,
                    )
                )
                where.append((line.identifier, centre))
                track.append(position)
        store.record_flight(
            session, survey_id, sortie.identifier, started_utc=started, ended_utc=time,
            track_lonlat=np.array(track), flown_length_m=16800.0,
        )  # fmt: skip
    added = store.add_captures(session, survey_id, entries).added
    store.add_import(
        session,
        survey_id,
        "flights",
        found=len(entries) + 1,
        added=len(added),
        skips=[Skip("images/sortie-02/broken.jpg", "the file ends before the picture does")],
        time_utc=time,
    )
    half_x, half_y = STRIP_M / 2, FRAME_LENGTH_M * 1.25 / 2
    rows, footprints = [], []
    rng = np.random.default_rng([1])
    for i, (key, (line, centre)) in enumerate(zip(added, where, strict=True)):
        tilted = i % 40 == 17
        rows.append(store.TransectAssignment(key, line, not tilted, "rolled more than 10°" if tilted else None))
        height = 80 + rng.normal(0, 1.2)
        polygon = box(centre[0] - half_x, centre[1] - half_y, centre[0] + half_x, centre[1] + half_y)
        footprints.append(
            store.FootprintEntry(key, frame.delocalise(polygon), height, 12.0 * height / 80, "height above take-off")
        )
    store.assign_transects(session, survey_id, rows)
    store.put_footprints(session, footprints)
    return list(zip(added, where, strict=True))


def _detect(census, survey_id, plan, captures, species, rng):
    """Herds stand around a few places; the strip's pictures see those of them it covers."""
    herds = [
        (s, rng.uniform(-2600, 2600), rng.uniform(-850, 850), rng.integers(5, 40)) for s in (0, 1) for _ in range(16)
    ]
    animals = np.concatenate([np.column_stack([np.full(n, s), rng.normal([x, y], 60, (n, 2))]) for s, x, y, n in herds])
    detector = store.DetectorInfo(hashlib.sha256(b"model").hexdigest(), "overfly-nano", "detect", species)
    found, tracks = {}, []
    for key, (line, centre) in captures:
        inside = (abs(animals[:, 1] - centre[0]) < STRIP_M / 2) & (abs(animals[:, 2] - centre[1]) < FRAME_LENGTH_M / 2)
        rows = np.flatnonzero(inside)
        pixels = (animals[rows, 1:] - centre) / 0.12 * [1, -1] + [400, 300]
        found[key] = Detections(
            boxes_px=np.column_stack([pixels - 10, pixels + 10]),
            scores=np.linspace(0.9, 0.5, len(rows)),
            class_ids=animals[rows, 0].astype(np.int64),
            names=species,
            detector=detector.content_hash,
        )
        tracks += [(line, int(animals[r, 0]), animals[r, 1:]) for r in rows]
    with census.writing() as session:
        run = store.open_detection_run(
            session, survey_id, detector, threshold=0.25, parameters={"tile_px": 448}, code_version="0.1.0"
        )
        store.add_detections(session, run, found)
    return run, tracks


def _count(census, survey_id, plan, captures, run, tracks, species, rng):
    frame = plan.area.frame
    with census.writing() as session:
        table = store.read_detections(session, run)
        lonlat = frame.to_lonlat([t[2] for t in tracks])
        entry = store.IdentityEntry(
            detection_id=table.detection_id,
            sighting_lonlat=lonlat,
            covariance_m2=np.tile(np.eye(2) * 2.25, (len(tracks), 1, 1)),
            individual=np.arange(len(tracks)),
            species=[species[t[1]] for t in tracks],
            individual_lonlat=lonlat,
            transect=[t[0] for t in tracks],
        )
        identity = store.add_identity_run(
            session, run, entry, method="within transects", parameters={"gate": 3.0}, code_version="0.1.0"
        )
        store.add_verification(
            session,
            identity,
            [store.VerificationEntry(key, "zero", species[0], 0, 0) for key, _ in captures[:20]],
            who="simulated truth",
            time_utc=START,
        )
        effort, estimates = [], []
        for design in plan.strata:
            effort += [
                store.EffortEntry(line.identifier, line.strip_area_m2 * 0.985, 885.0, 15) for line in design.transects
            ]
        for s, kind in enumerate(species):
            parts = []
            for design in plan.strata:
                y = np.array([sum(t[0] == line.identifier and t[1] == s for t in tracks) for line in design.transects])
                parts.append(_jolly2(kind, design, y * 1.0))
            estimates += parts
            estimates.append(_sum(kind, parts))
        store.add_estimate_run(
            session,
            survey_id,
            identity_run_id=identity,
            effort=effort,
            corrections=[
                store.CorrectionEntry(
                    kind, "detection", 1.06, 0.0021, "stratified difference estimator",
                    "60 frames of this survey, checked by simulated truth", details={"frames_checked": 60},
                )
                for kind in species
            ],
            estimates=estimates,
            parameters={"confidence": 0.95},
            code_version="0.1.0",
        )  # fmt: skip


def _jolly2(kind, design, y):
    n, total = len(y), design.possible_transects
    z = np.array([line.strip_area_m2 * 0.985 for line in design.transects])
    ratio = y.sum() / z.sum()
    value = design.area_m2 * ratio * 1.06
    variance = total * (total - n) / n * ((y - ratio * z) ** 2).sum() / (n - 1) * 1.06**2
    detection = (value / 1.06) ** 2 * 0.0021
    se = float(np.sqrt(variance + detection))
    return store.EstimateEntry(
        species=kind, stratum=design.name, method="Jolly 2", value=value, se=se, lower=max(value - 2.18 * se, y.sum()),
        upper=value + 2.18 * se, cv=se / value, df=float(n - 1), units=n, individuals=int(y.sum()),
        possible_units=total, area_m2=design.area_m2, area_searched_m2=z.sum(),
        components={"sampling": float(variance), "detection": float(detection)}, limits_form="t",
    )  # fmt: skip


def _sum(kind, parts):
    value = sum(p.value for p in parts)
    sampling = sum(p.components["sampling"] for p in parts)
    detection = sum(p.components["detection"] ** 0.5 for p in parts) ** 2
    se = float(np.sqrt(sampling + detection))
    return store.EstimateEntry(
        species=kind, stratum=None, method="sum of strata", value=value, se=se,
        lower=max(value - 2.07 * se, sum(p.individuals for p in parts)), upper=value + 2.07 * se,
        cv=se / value, df=22.4,
        units=sum(p.units for p in parts), individuals=sum(p.individuals for p in parts),
        possible_units=sum(p.possible_units for p in parts), area_m2=sum(p.area_m2 for p in parts),
        area_searched_m2=sum(p.area_searched_m2 for p in parts),
        components={"sampling": sampling, "detection": detection}, limits_form="t",
    )  # fmt: skip


@pytest.fixture
def pictures(census: Census) -> str:
    """Three pictures that were only brought in: two with a place, one of them with birds in it."""
    with census.writing() as session:
        survey = store.add_survey(session, name="beach")
        entries = [
            store.CaptureEntry(
                Capture(
                    path=Path(f"DJI_{i:04d}.JPG"),
                    content_hash=hashlib.sha256(bytes([i])).hexdigest(),
                    width_px=4000,
                    height_px=3000,
                    longitude_deg=-0.1 + i * 1e-4 if i < 3 else None,
                    latitude_deg=50.82 if i < 3 else None,
                    unknown={} if i < 3 else {"longitude_deg": "no GPS in the file"},
                ),
                refused=None if i < 3 else "no GPS position",
            )
            for i in range(4)
        ]
        keys = store.add_captures(session, survey, entries).added
        store.put_footprints(
            session,
            [
                store.FootprintEntry(key, box(-0.1 + i * 1e-4, 50.82, -0.0999 + i * 1e-4, 50.8201))
                for i, key in enumerate(keys[:3])
            ],
        )
        detector = store.DetectorInfo("ab" * 32, "coco", "detect", ("bird",))
        run = store.open_detection_run(session, survey, detector, threshold=0.3, parameters={})
        empty = Detections(np.empty((0, 4)), np.empty(0), np.empty(0, dtype=np.int64), ("bird",), "ab" * 32)
        birds = Detections(
            np.zeros((3, 4)), np.array([0.9, 0.8, 0.7]), np.zeros(3, dtype=np.int64), ("bird",), "ab" * 32
        )
        store.add_detections(session, run, {keys[0]: birds, keys[1]: empty, keys[2]: empty})
    return "beach"
