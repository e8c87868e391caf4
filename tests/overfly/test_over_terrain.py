"""Over hills every picture stands on its own ground, and what is found in it lies where it is."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from counts import store
from counts.census import Census
from counts.schema import Footprint
from detect.detections import Detections
from detect.frame_writing import write_frame
from detect.georef import ground_to_pixel
from detect.subtitles import Telemetry
from flightplan.errors import CensusError
from flightplan.frames import LocalFrame
from flightplan.terrain import Terrain
from overfly.chain import count_survey, ingest
from overfly.chain.standing import Standing

FRAME = LocalFrame(34.83, -2.33)
SLOPE = 0.2
HEIGHT_M = 80.0


@pytest.fixture(scope="module")
def hill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground that rises by a fifth of the way east, 1000 m above the sea at the frame's origin."""
    path = tmp_path_factory.mktemp("hill") / "hill.tif"
    step = 2e-4
    west, north = 34.83 - 100 * step, -2.33 + 100 * step
    columns = west + (np.arange(200) + 0.5) * step
    east_m = FRAME.to_local(np.column_stack([columns, np.full(200, -2.33)]))[:, 0]
    heights = np.tile(1000 + SLOPE * east_m, (200, 1)).astype(np.float32)
    profile = {"driver": "GTiff", "count": 1, "height": 200, "width": 200, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=rasterio.Affine(step, 0, west, 0, -step, north), **profile) as file:
        file.write(heights, 1)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three pictures on the way up the hill, 80 m above its ground; their heights are above the sea."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number, east in enumerate((0.0, 30.0, 60.0)):
        ((longitude, latitude),) = FRAME.to_lonlat([(east, 0.0)])
        moment = Telemetry(
            float(number), datetime(2026, 6, 1, 9, 0, tzinfo=UTC).replace(tzinfo=None) + timedelta(seconds=number),
            longitude, latitude, None, 1000 + SLOPE * east + HEIGHT_M, 0.0, -90.0, 0.0, 24.0,
        )  # fmt: skip
        grey = np.random.default_rng(number).integers(90, 160, (300, 400, 3)).astype(np.uint8)
        write_frame(folder / f"{number}.jpg", grey, moment, made_of="a hill", utc_offset=timedelta(0))
    return folder


def detected(census: Census, places: list[tuple[float, float]], terrain: Terrain) -> None:
    """Animals at places on the hill (metres), in every picture that sees them."""
    detector = store.DetectorInfo(hashlib.sha256(b"x").hexdigest(), "x", "detect", ("goat",))
    with census.writing() as session:
        info = store.latest_survey(session)
        run = store.open_detection_run(session, info.survey_id, detector, threshold=0.2, parameters={}, code_version="")
        found = {}
        for stored in store.read_captures(session, info.survey_id):
            stand = Standing(terrain=terrain).of(stored.capture, None)
            lonlat = FRAME.to_lonlat(places)
            pixel = ground_to_pixel(stored.capture.camera, stand.pose, lonlat, terrain.heights_m(lonlat)) + 0.5
            seen = pixel[((pixel > 10) & (pixel < [390, 290])).all(axis=1)]
            boxes = np.column_stack([seen - 5, seen + 5])
            found[stored.capture_id] = Detections(
                boxes, np.full(len(seen), 0.9), np.zeros(len(seen), dtype=np.int64), ("goat",), detector.content_hash
            )
        store.add_detections(session, run, found)


def test_animals_on_a_slope_are_placed_where_they_stand_and_counted_once(
    tmp_path: Path, pictures: Path, hill: Path
) -> None:
    terrain = Terrain.from_file(hill)
    places = [(20.0, 10.0), (55.0, -15.0), (95.0, 5.0)]
    with Census.open(tmp_path / "census.gpkg") as census:
        done = ingest(census, "hill", [pictures], terrain=terrain)
        assert (done.placed, done.skips) == (3, ())
        with census.reading() as session:
            heights = [f.altitude_agl_m for f in session.query(Footprint).all()]
        assert heights == pytest.approx([HEIGHT_M] * 3, abs=0.3)
        detected(census, places, terrain)
        counted = count_survey(census, terrain=terrain)
        assert counted.individuals == 3
        with census.reading() as session:
            individuals = store.read_individuals(session, counted.identity_run_id)
        where = FRAME.to_local(individuals.lonlat)
        order = np.argsort(where[:, 0])
        assert where[order] == pytest.approx(np.array(places), abs=0.5)
        with pytest.raises(CensusError, match="placed over an elevation model"):
            count_survey(census)


def test_pictures_placed_on_level_ground_are_placed_again_when_a_model_is_there(
    tmp_path: Path, pictures: Path, hill: Path
) -> None:
    terrain = Terrain.from_file(hill)
    with Census.open(tmp_path / "census.gpkg") as census:
        ingest(census, "hill", [pictures], ground_msl_m=1000.0)
        detected(census, [(20.0, 10.0)], terrain)
        with pytest.raises(CensusError, match="placed over level ground"):
            count_survey(census, terrain=terrain, ground_msl_m=1000.0)
        assert ingest(census, "hill", [pictures], terrain=terrain).placed == 3
        with census.reading() as session:
            heights = [f.altitude_agl_m for f in session.query(Footprint).all()]
        assert heights == pytest.approx([HEIGHT_M] * 3, abs=0.3)
        assert count_survey(census, terrain=terrain).individuals == 1
        with pytest.raises(CensusError, match="placed over an elevation model"):
            ingest(census, "hill", [pictures], ground_msl_m=1000.0)
