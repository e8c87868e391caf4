"""A census counted from orthomosaics: each place once, on what is shown of the area, with limits from checked parts."""

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyproj
import pytest
import rasterio
import scipy.ndimage
import shapely
from click.testing import CliRunner

from counts.audit import verify
from counts.census import Census
from counts.population import Estimation, SampleEstimator
from counts.store import read_effort, read_estimates, read_gaps, read_individuals, read_verification
from counts.store.samples import latest_sample, read_frames
from detect.detections import Detections, sorted_detections
from detect.georeference import Georeference
from detect.orthomosaics import read_mosaic
from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.cameras import camera_named
from flightplan.errors import CensusError, EstimateError
from flightplan.frames import Floats
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from overfly.chain import Counted, FrameToCheck, Verifier, count_survey, detect_survey, ingest
from overfly.chain.verifying import draw_for_people
from overfly.cli import main

WEST, NORTH = 703_000.0, 9_742_000.0
TO_DEGREES = pyproj.Transformer.from_crs(32736, 4326, always_xy=True)


def in_degrees(xy: npt.ArrayLike) -> Floats:
    """Longitude and latitude (N, 2) of metres east and south of the mosaics' corner (N, 2)."""
    points = np.asarray(xy, dtype=float)
    return np.column_stack(TO_DEGREES.transform(WEST + points[:, 0], NORTH - points[:, 1]))


def ground(west: float, north: float, east: float, south: float) -> shapely.Polygon:
    """A rectangle, in metres east and south of the corner, as a polygon in degrees."""
    return shapely.transform(shapely.box(west, north, east, south), in_degrees)


# 150 by 120 m, of which the mosaic shows the western 130; a hole of 20 by 30 m in its data, an exclusion of 30 by 20.
AREA = StudyArea(
    "lagoon",
    (Stratum("reeds", ground(0, 0, 70, 120)), Stratum("sand", ground(70, 0, 150, 120))),
    exclusions=(ground(85, 30, 115, 50),),
)
HOLE = (20.0, 60.0, 40.0, 90.0)
EXCLUDED = shapely.box(85, 30, 115, 50)


@dataclass(frozen=True)
class Colony:
    """Birds in metres east and south of the corner; the detector sees those `bright`, and takes `litter` for birds."""

    birds: Floats
    bright: npt.NDArray[np.bool_]
    litter: Floats

    def on(self, *, found: bool = False) -> Floats:
        """The birds (or, `found`, what the detector sees) that stand on land that the first mosaic shows."""
        here = np.vstack([self.birds[self.bright], self.litter]) if found else self.birds
        hole = shapely.box(*HOLE)
        out = shapely.contains_xy(hole, here) | shapely.contains_xy(EXCLUDED, here) | (here[:, 0] > 130)
        return np.asarray(here[~out])


def colony(seed: int = 3, missed: float = 0.12) -> Colony:
    """Birds in loose clumps, a metre and more apart and off every edge, so that a whole one is seen or none."""
    rng = np.random.default_rng([seed, 0xB1])
    middles = rng.uniform((5, 5), (145, 115), (25, 2))
    places = np.vstack([m + rng.normal(0, 6, (40, 2)) for m in middles] + [rng.uniform((2, 2), (148, 118), (90, 2))])
    places = places[shapely.contains_xy(shapely.box(1, 1, 149, 119), places)]
    edges = [shapely.box(*HOLE).exterior, EXCLUDED.exterior, shapely.LineString([(130, 0), (130, 120)])]
    places = places[[all(e.distance(shapely.Point(p)) > 1 for e in edges) for p in places]]
    kept: list[int] = []
    for i, place in enumerate(places):
        if not kept or np.hypot(*(places[kept] - place).T).min() > 0.8:
            kept.append(i)
    places = places[kept]
    share = rng.random(len(places))
    return Colony(places[share > 0.04], share[share > 0.04] > missed, places[share <= 0.04])


def draw(
    path: Path, birds: Colony, *, east_m: float = 130, west_m: float = 0, gsd_m: float = 0.05, hole: bool = True
) -> Path:
    """A mosaic of the ground from `west_m` to `east_m`, 120 m down; a bird is 0.3 m wide, white where it is found."""
    width, height = round((east_m - west_m) / gsd_m), round(120 / gsd_m)
    pixels = np.random.default_rng([8]).integers(60, 120, (height, width), dtype=np.uint8)
    half = round(0.15 / gsd_m)
    told = [(birds.birds[~birds.bright], 170), (np.vstack([birds.birds[birds.bright], birds.litter]), 255)]
    for places, value in told:
        for x, y in ((places - (west_m, 0)) / gsd_m).round().astype(int):
            if -half < x < width + half and 0 <= y < height:
                pixels[y - half : y + half, max(x - half, 0) : max(x + half, 0)] = value
    if hole:
        columns = [min(max(round((x - west_m) / gsd_m), 0), width) for x in (HOLE[0], HOLE[2])]
        pixels[round(HOLE[1] / gsd_m) : round(HOLE[3] / gsd_m), slice(*columns)] = 0
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8", crs="EPSG:32736", nodata=0,
        transform=rasterio.Affine(gsd_m, 0, WEST + west_m, 0, -gsd_m, NORTH), tiled=True, compress="deflate",
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    return path


@dataclass
class Bright:
    """A detector of what is white."""

    names: tuple[str, ...] = ("gull",)
    content_hash: str = "c" * 64
    threshold: float = 0.25
    fixed_tile_px: tuple[int, int] | None = None

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        return [self._one(tile) for tile in tiles]

    def _one(self, tile: np.ndarray) -> Detections:
        spots, count = scipy.ndimage.label(tile[:, :, 0] > 250)
        boxes = [[c.start, r.start, c.stop, r.stop] for r, c in scipy.ndimage.find_objects(spots)]
        return sorted_detections(boxes, [0.9] * count, [0] * count, self.names, self.content_hash)


@cache
def place_of(path: Path) -> Georeference:
    mosaic = read_mosaic(path)
    assert mosaic is not None
    assert mosaic.georeference is not None
    return mosaic.georeference


def by_eye(birds: Colony) -> Verifier:
    """A person who sees every bird, and no litter, in the outlined part."""

    def verifier(frames: Sequence[FrameToCheck]) -> Mapping[int, Mapping[str, int]]:
        found = {}
        for frame in frames:
            inside = shapely.contains_xy(frame.zone_px, place_of(frame.path).to_pixels(in_degrees(birds.birds)))
            found[frame.capture_id] = {"gull": int(inside.sum())}
        return found

    return verifier


def census_of(folder: Path, *mosaics: Path, area: StudyArea | None = AREA) -> Census:
    census = Census.open(folder / "census.gpkg")
    ingest(census, "2026", mosaics, area=area)
    detect_survey(census, Bright(), name="bright")
    return census


def total(counted: Counted) -> tuple[float | None, float | None, float | None]:
    (entry,) = [e for e in counted.estimates if e.stratum is None]
    return entry.value, entry.lower, entry.upper


@pytest.fixture(scope="module")
def birds() -> Colony:
    return colony()


@pytest.fixture(scope="module")
def one_mosaic(tmp_path_factory: pytest.TempPathFactory, birds: Colony) -> Path:
    return draw(tmp_path_factory.mktemp("mosaic") / "colony.tif", birds)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory, one_mosaic: Path) -> Path:
    folder = tmp_path_factory.mktemp("census")
    census_of(folder, one_mosaic).close()
    return folder / "census.gpkg"


@pytest.fixture
def census(tmp_path: Path, looked_at: Path) -> Iterator[Census]:
    with Census.open(Path(shutil.copy(looked_at, tmp_path / "census.gpkg"))) as opened:
        yield opened


def test_what_is_found_counts_once_inside_the_area_and_not_on_what_nobody_may_count(
    census: Census, birds: Colony
) -> None:
    counted = count_survey(census)
    with census.reading() as session:
        effort = read_effort(session, counted.estimate_run_id)
        gaps = read_gaps(session, counted.estimate_run_id)
        table = read_individuals(session, counted.identity_run_id)
        again = read_estimates(session, counted.estimate_run_id)
        assert verify(session).sound
    seen = len(birds.on(found=True))
    assert seen > 400
    assert counted.individuals == seen == len(table)
    # Litter on the exclusion and beyond is found, and no part of the number.
    assert counted.individuals_off_design == counted.sightings - seen > 0
    assert {e.stratum: e.value for e in counted.estimates}.keys() == {"reeds", "sand", None}
    assert total(counted) == (seen, None, None)
    assert all(e.limits_reason and "detection was not measured" in e.limits_reason for e in counted.estimates)
    assert again == counted.estimates
    # 130 of 150 m are shown, less the hole and the exclusion.
    shown = {"reeds": 70 * 120 - 20 * 30, "sand": 60 * 120 - 30 * 20}
    assert {e.stratum: e.area_searched_m2 for e in effort} == pytest.approx(shown, rel=0.01)
    assert {e.stratum: e.gap_area_m2 for e in effort} == pytest.approx({"reeds": 600, "sand": 2400}, rel=0.01)
    assert [e.transect for e in effort] == [None, None]
    assert sum(g.area_m2 for g in gaps) == pytest.approx(3000, rel=0.01)
    assert counted.mosaics is not None
    assert counted.mosaics["area_m2"] == pytest.approx(150 * 120 - 600, rel=0.01)
    assert any(note.startswith("sand: the mosaics show 73.") for note in counted.effort_notes)
    assert all(any("are not in the number" in note for note in e.notes) for e in counted.estimates)


def test_a_survey_planned_with_lines_is_counted_by_the_mosaic_it_came_back_as(
    tmp_path: Path, one_mosaic: Path, birds: Colony
) -> None:
    plan = plan_survey(
        AREA, PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=20.0, spacing_m=40.0, buffer_m=2.0)
    )
    with Census.open(tmp_path / "census.gpkg") as census:
        ingest(census, "2026", [one_mosaic], plan=plan)
        detect_survey(census, Bright(), name="bright")
        counted = count_survey(census)
        with census.reading() as session:
            effort = read_effort(session, counted.estimate_run_id)
    assert total(counted) == (len(birds.on(found=True)), None, None)
    assert [e.transect for e in effort] == [None, None], "a stratum is the unit, and no line"
    lines = sum(len(s.transects) for s in plan.strata)
    assert counted.mosaics is not None
    (note,) = counted.mosaics["notes"]
    assert note == f"{lines} lines were planned: they are not the units of a count by mosaic"


def test_the_count_is_true_within_the_limits_that_checked_parts_give(census: Census, birds: Colony) -> None:
    truth = len(birds.on())
    for seed in (1, 2, 3):
        counted = count_survey(
            census, verifier=by_eye(birds), who="A. Warden", verify_positive=40, verify_zero=20, seed=seed
        )
        value, lower, upper = total(counted)
        assert value is not None
        assert lower is not None
        assert upper is not None
        assert lower < truth < upper
        assert 0.02 < (upper - lower) / value < 0.3
        assert counted.verified_frames == 60
    # What was checked holds for the next counting, and nobody is asked again.
    assert total(count_survey(census))[0] == pytest.approx(value)
    with census.reading() as session:
        entries = read_verification(session, counted.identity_run_id)
    assert len({e.part for e in entries}) >= 60
    (line,) = counted.corrections
    assert "parts of the orthomosaics of 2026, drawn at random and checked by A. Warden" in line.source
    assert truth > 1.03 * counted.individuals  # the detector's own number is off


def test_all_parts_checked_leave_nothing_to_estimate_and_no_width_of_zero(census: Census, birds: Colony) -> None:
    counted = count_survey(census, verifier=by_eye(birds), who="A", verify_positive=999, verify_zero=999)
    value, lower, upper = total(counted)
    assert value == pytest.approx(len(birds.on()))
    assert (lower, upper) == (None, None)


def test_of_two_mosaics_the_finer_one_has_the_ground_that_both_show(
    tmp_path: Path, one_mosaic: Path, birds: Colony
) -> None:
    other = draw(tmp_path / "east.tif", birds, west_m=60, east_m=150, gsd_m=0.06, hole=False)
    with census_of(tmp_path, one_mosaic, other) as census:
        counted = count_survey(census, verifier=by_eye(birds), who="A", verify_positive=60, verify_zero=20)
        with census.reading() as session:
            effort = read_effort(session, counted.estimate_run_id)
    hole, out = shapely.box(*HOLE), EXCLUDED
    everything = np.vstack([birds.birds[birds.bright], birds.litter])
    seen = everything[~shapely.contains_xy(hole, everything) & ~shapely.contains_xy(out, everything)]
    # A metre of both at the seam may hold a bird that lies in one where it does not in the other.
    assert counted.individuals == pytest.approx(len(seen), abs=2)
    assert sum(e.area_searched_m2 for e in effort) == pytest.approx(150 * 120 - 600 - 600, rel=0.01)
    assert [e.captures for e in effort] == [1, 2]  # of the reeds the coarser one shows nothing else
    assert counted.mosaics is not None
    assert counted.mosaics["doubled_m2"] == pytest.approx(70 * 120, rel=0.01)
    assert [m["gsd_cm"] for m in counted.mosaics["mosaics"]] == pytest.approx([5, 6], abs=0.01)
    truth = (~shapely.contains_xy(hole, birds.birds) & ~shapely.contains_xy(out, birds.birds)).sum()
    _, lower, upper = total(counted)
    assert lower is not None
    assert upper is not None
    assert lower < truth < upper
    assert any("shown by more than one mosaic" in note for note in counted.mosaics["notes"])


def test_a_sample_of_other_ground_corrects_nothing(census: Census, birds: Colony, tmp_path: Path) -> None:
    count_survey(census, verifier=by_eye(birds), who="A", verify_positive=20, verify_zero=10)
    ingest(census, "2026", [draw(tmp_path / "east.tif", birds, west_m=100, east_m=150, hole=False)])
    detect_survey(census, Bright(), name="bright")
    counted = count_survey(census)
    assert counted.corrections == ()
    assert total(counted)[1] is None
    assert counted.mosaics is not None
    assert any("draw another" in note for note in counted.mosaics["notes"])


def test_without_an_area_the_number_is_of_all_that_is_shown(tmp_path: Path, one_mosaic: Path, birds: Colony) -> None:
    with census_of(tmp_path, one_mosaic, area=None) as census:
        counted = count_survey(census)
    (entry,) = counted.estimates
    everything = np.vstack([birds.birds[birds.bright], birds.litter])
    hole = shapely.contains_xy(shapely.box(*HOLE), everything)
    assert entry.value == (~hole & (everything[:, 0] < 130)).sum()
    assert entry.area_searched_m2 == pytest.approx(130 * 120 - 600, rel=0.01)
    assert counted.mosaics is not None
    assert counted.mosaics["area_m2"] is None


def test_a_mosaic_is_no_sample_of_lines_and_knows_no_collars(census: Census) -> None:
    with pytest.raises(EstimateError, match="shows a place whole"):
        count_survey(census, how=Estimation(estimator=SampleEstimator.JOLLY_2))
    with pytest.raises(CensusError, match="no collar"):
        count_survey(census, by_marks=True)


def test_people_are_given_parts_of_the_mosaic(census: Census) -> None:
    sample = draw_for_people(census, positive=30, zero=10, seed=5)
    with census.reading() as session:
        assert latest_sample(session, 1) == sample
        frames = read_frames(session, sample)
    assert len(frames) == 40
    assert len({f.entry.part for f in frames}) == 40
    zones = [shapely.Polygon(f.entry.zone_px[0]) for f in frames if f.entry.zone_px]
    assert sum(z.area for z in zones) == pytest.approx(shapely.union_all(zones).area, rel=1e-3)
    # The side of a part is 250 pixels at the least; those at the edge of the ground are joined to their neighbours.
    assert max(z.area for z in zones) < 1.6 * 250**2


def test_the_chain_by_its_commands(tmp_path: Path, one_mosaic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_area(AREA, tmp_path / "area.geojson")
    monkeypatch.chdir(tmp_path)

    def overfly(*words: str) -> str:
        result = CliRunner().invoke(main, words, prog_name="overfly")
        assert result.exit_code == 0, result.output
        return result.stdout

    overfly("init", "area.geojson", "lagoon")
    monkeypatch.chdir(tmp_path / "lagoon")
    overfly("ingest", str(one_mosaic), "--survey", "2026")
    with Census.open(tmp_path / "lagoon/census.gpkg") as census:
        detect_survey(census, Bright(), name="bright")
    assert "parts of 12.5 m to check at random" in overfly("count", "--draw", "check.csv", "--sample", "5", "3")
    with (tmp_path / "lagoon/check.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["part"] for row in rows}) == len(rows) == 8
    for row in rows:
        row["gull"] = "7"
    with (tmp_path / "lagoon/check.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    words = ("--verified", "check.csv", "--who", "A", "--sample", "5", "3", "--json")
    document = json.loads(overfly("count", *words))
    assert document["verified_frames"] == 8
    assert document["estimates"][-1]["lower"] is not None
    assert any("the mosaics show" in text for text in document["warnings"])


@dataclass
class Green(Bright):
    """A crude detector of tree crowns in a photograph: blobs of dark green."""

    names: tuple[str, ...] = ("tree",)
    content_hash: str = "e" * 64

    def _one(self, tile: np.ndarray) -> Detections:
        red, green, blue = tile.astype(float).transpose(2, 0, 1)
        spots, count = scipy.ndimage.label(scipy.ndimage.gaussian_filter(2 * green - red - blue, 4) > 12)
        boxes = [[c.start, r.start, c.stop, r.stop] for r, c in scipy.ndimage.find_objects(spots)]
        return sorted_detections(boxes, [0.9] * count, [0] * count, self.names, self.content_hash)


def test_trees_of_a_real_mosaic_are_as_many_as_people_drew_once_all_of_its_parts_are_checked(
    tmp_path: Path, shared_data: Path
) -> None:
    mosaic = shared_data / "terrain/OSBS_029.tif"
    with (shared_data / "imagery/tree_crowns/OSBS_029.csv").open(newline="") as file:
        boxes = np.array([[float(r[k]) for k in ("xmin", "ymin", "xmax", "ymax")] for r in csv.DictReader(file)])
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2

    def drawn(frames: Sequence[FrameToCheck]) -> Mapping[int, Mapping[str, int]]:
        return {f.capture_id: {"tree": int(shapely.contains_xy(f.zone_px, middles).sum())} for f in frames}

    with Census.open(tmp_path / "census.gpkg") as census:
        ingest(census, "2019", [mosaic])
        assert detect_survey(census, Green(), name="green").detections > 10
        counted = count_survey(census, verifier=drawn, who="those who drew them")
    (entry,) = counted.estimates
    assert len(middles) == 61
    assert entry.value == pytest.approx(61)
    assert (entry.lower, entry.upper) == (None, None)
    # 40 by 40 m of which 0.3 % are nodata, in metres on the ground and not of UTM's grid.
    assert entry.area_searched_m2 == pytest.approx(1595.4, rel=0.01)
