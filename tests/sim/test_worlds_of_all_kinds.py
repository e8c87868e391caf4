"""Hills, orthophotos, heat, behaviour, makers' metadata, collars: what a simulated survey can be over and look like."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from counts.exchange.movebank import read_movebank
from detect.captures import read_capture
from flightplan.camera import Camera
from flightplan.errors import AreaError, CameraError, UnreadableFileError
from sim.behaviour import Behaviour
from sim.camera import Look, render_frame
from sim.collars import collared, write_collars
from sim.land import TREE
from sim.makers import MAKERS, Slips, airframe_of
from sim.orthophoto import PhotographedLand
from sim.park import demo_area
from sim.photographs import Shot, Writing, write_frame
from sim.relief import Relief
from sim.shots import over_hills
from sim.species import ANTELOPE, ELEPHANT, HIPPO, KNOWN
from sim.view import Pose, View
from sim.world import World

CAMERA = Camera("test", 400, 300, 400.0)
AREA = demo_area()
NOON_S = 1_770_000_000.0 // 86_400 * 86_400 + (12 - 34.83 / 15) * 3600


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(AREA, 4)


def hills(height_of, cell_m: float = 10.0) -> Relief:
    axis = np.arange(-3500.0, 3500.0, cell_m)
    east, north = np.meshgrid(axis, axis)
    return Relief(height_of(east, north), (-3500.0, -3500.0), cell_m)


SLOPE = hills(lambda east, north: 1000.0 + 0.1 * east + 0.05 * north)
RIDGE = hills(lambda east, north: 60.0 * np.exp(-((east / 60.0) ** 2)), 5.0)


def pose_at(east_m: float, north_m: float, height_m: float = 80.0, **angles: float) -> Pose:
    longitude, latitude = AREA.frame.to_lonlat([(east_m, north_m)])[0]
    return Pose(float(longitude), float(latitude), height_m, **{"yaw_deg": 30.0, **angles})


# Hills


def test_a_ray_meets_a_plane_where_algebra_says() -> None:
    origin = np.array([100.0, -50.0, 1000.0 + 10.0 - 2.5 + 80.0])
    rays = np.array([[0.2, 0.1, -1.0], [-0.4, 0.3, -1.0], [0.0, 0.0, -1.0]])
    reach = 80.0 / (1.0 + 0.1 * rays[:, 0] + 0.05 * rays[:, 1])
    assert SLOPE.meet(origin, rays) == pytest.approx(origin[:2] + reach[:, None] * rays[:, :2], abs=1e-2)


def test_a_ridge_hides_what_is_behind_it() -> None:
    origin = np.array([-200.0, 0.0, 70.0])
    behind = np.array([[200.0, 0.0, 0.0]])
    ray = (behind - origin) / np.linalg.norm(behind - origin)
    assert RIDGE.meet(origin, ray)[0, 0] < 0.0
    assert np.isnan(RIDGE.meet(origin, np.array([[1.0, 0.0, 0.1]]))).all()


def test_pixels_and_points_of_a_slope_are_each_others_inverse() -> None:
    view = View(CAMERA, pose_at(50.0, 20.0, pitch_deg=-80.0, roll_deg=3.0), AREA.frame, SLOPE)
    pixels = np.array([(10.0, 20.0), (200.0, 150.0), (390.0, 280.0)])
    ground = view.ground(pixels)
    back = view.project(np.column_stack([ground, SLOPE.at(ground)]))
    assert back == pytest.approx(pixels, abs=0.05)


def test_an_animal_on_a_slope_is_labelled_where_the_camera_sees_it(world: World) -> None:
    hilly = replace(world, relief=SLOPE)
    row = int(np.flatnonzero((world.animals.stratum >= 0) & (world.animals.speed_mps == 0))[5])
    east, north = world.animals.home_m[row]
    pose = pose_at(float(east) + 15.0, float(north) - 10.0, 60.0)
    _, labels = render_frame(hilly, CAMERA, pose, 0.0)
    label = next(label for label in labels if label.animal == row)
    view = View(CAMERA, pose, AREA.frame, SLOPE)
    foot = view.project(np.array([[east, north, SLOPE.at([(east, north)])[0]]]))[0]
    x0, y0, x1, y1 = label.box_px
    assert x0 - 12 < foot[0] < x1 + 12
    assert y0 - 12 < foot[1] < y1 + 12


def test_a_drone_that_keeps_its_height_over_take_off_is_nearer_to_higher_ground() -> None:
    shots = [Shot(f"{n}.jpg", 10.0 * n, pose_at(100.0 * n, 0.0), pose_at(100.0 * n, 0.0)) for n in range(3)]
    level = over_hills(shots, AREA.frame, SLOPE, follow=False)
    follow = over_hills(shots, AREA.frame, SLOPE, follow=True)
    assert [shot.true.altitude_agl_m for shot in level] == pytest.approx([80.0, 70.0, 60.0], abs=0.1)
    assert [shot.takeoff_m for shot in level] == pytest.approx([80.0, 80.0, 80.0], abs=0.1)
    assert [shot.true.altitude_agl_m for shot in follow] == pytest.approx([80.0] * 3)
    assert [shot.takeoff_m for shot in follow] == pytest.approx([80.0, 90.0, 100.0], abs=0.1)
    assert follow[2].altitude_msl_m == pytest.approx(1100.0, abs=0.2)
    far = [replace(shots[0], name="far.jpg", true=pose_at(1000.0, 0.0))]
    with pytest.raises(CameraError, match=r"far.jpg"):
        over_hills([shots[0], *far], AREA.frame, SLOPE, follow=False)


# Heat, smear, orthophotos


def test_in_a_thermal_picture_animals_are_brighter_than_all_around_them(world: World) -> None:
    row = int(np.flatnonzero(world.animals.stratum >= 0)[3])
    east, north = world.positions(0.0).local_m[row]
    picture, labels = render_frame(world, CAMERA, pose_at(float(east), float(north), 60.0), 0.0, Look(heat=True))
    assert (picture[..., 0] == picture[..., 2]).all()
    label = next(label for label in labels if label.animal == row)
    x0, y0, x1, y1 = (int(side) for side in label.box_px)
    assert picture[y0:y1, x0:x1].max() > np.percentile(picture, 99) - 1
    assert np.median(picture) < 130


def test_an_open_shutter_smears_along_the_way_flown(world: World) -> None:
    pose = pose_at(300.0, 200.0)
    sharp, _ = render_frame(world, CAMERA, pose, 0.0, Look(noise=0.0))
    smeared, _ = render_frame(world, CAMERA, pose, 0.0, Look(noise=0.0, smear_px=6.0))

    def detail(picture, axis):
        return np.abs(np.diff(picture[..., 1].astype(float), axis=axis)).mean()

    assert detail(smeared, 0) < 0.6 * detail(sharp, 0)
    assert detail(smeared, 1) > 1.3 * detail(smeared, 0)


def orthophoto(path: Path, west: float, north: float) -> Path:
    pixels = np.zeros((3, 300, 900), dtype=np.uint8)
    pixels[0, :, :450], pixels[1, :, 450:], pixels[2] = 200, 180, 40
    with rasterio.open(
        path, "w", driver="GTiff", width=900, height=300, count=3, dtype="uint8", crs="EPSG:4326",
        transform=rasterio.Affine(6e-5, 0.0, west, 0.0, -6e-5, north),
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def test_an_orthophoto_is_the_ground_that_frames_show(tmp_path: Path, world: World) -> None:
    path = orthophoto(tmp_path / "land.tif", 34.83 - 450 * 6e-5, -2.33 + 150 * 6e-5)
    land = PhotographedLand.of(AREA, path, 1)
    west, east = AREA.frame.to_local([(34.82, -2.331), (34.84, -2.331)])
    colours = land.colours(np.array([west[0], east[0]], np.float32), np.array([west[1], east[1]], np.float32))
    assert colours == pytest.approx(np.array([[200, 0, 40], [0, 180, 40]]), abs=3)
    picture, _ = render_frame(replace(world, land=land), CAMERA, pose_at(float(west[0]), float(west[1])), 0.0)
    assert picture[10, 10].astype(float) == pytest.approx([200, 0, 40], abs=25)
    with pytest.raises(AreaError, match="does not lie under"):
        PhotographedLand.of(AREA, orthophoto(tmp_path / "away.tif", 10.0, 50.0), 1)
    (tmp_path / "no.tif").write_bytes(b"no picture")
    with pytest.raises(UnreadableFileError):
        PhotographedLand.of(AREA, tmp_path / "no.tif", 1)


# Behaviour


def built(behaviour: Behaviour, kind=ELEPHANT) -> World:
    return World.build(AREA, 4, species=(replace(kind, behaviour=behaviour),), density=2.0)


def test_in_the_heat_of_the_day_animals_stand_under_trees_and_are_not_seen() -> None:
    seeking = built(Behaviour(shade_hours=(10, 16), shade_share=1.0))
    noon = seeking.positions(NOON_S).local_m
    night = seeking.positions(NOON_S + 12 * 3600).local_m
    moved = np.linalg.norm(noon - night, axis=1) > 0.5
    assert 0.3 < moved.mean() <= 1.0
    trees = seeking.land.things_in(TREE, (-3000.0, -1500.0, 3000.0, 1500.0))
    some = np.flatnonzero(moved)[:50]
    away = np.linalg.norm(noon[some, None] - trees.centre_m[None], axis=2)
    nearest = away.argmin(axis=1)
    inside = away[np.arange(len(some)), nearest] < trees.half_axes_m.max(axis=1)[nearest]
    assert inside.mean() > 0.9


def test_walkers_rest_outside_their_hours() -> None:
    resting = built(Behaviour(active_hours=(6, 10)))
    walkers = np.flatnonzero(resting.animals.speed_mps > 0)
    still = resting.positions(NOON_S, walkers).local_m - resting.positions(NOON_S + 3600, walkers).local_m
    moving = (
        resting.positions(NOON_S - 4 * 3600, walkers).local_m - resting.positions(NOON_S - 3.9 * 3600, walkers).local_m
    )
    assert np.abs(still).max() == 0.0
    assert np.abs(moving).max() > 10.0


def test_hippos_are_at_the_surface_a_third_of_the_time_and_not_labelled_below() -> None:
    world = World.build(AREA, 4, species=(HIPPO,), density=3.0)
    shares = [1 - world.positions(t).under_water.mean() for t in np.arange(0.0, 1200.0, 7.0)]
    assert np.mean(shares) == pytest.approx(40 / 120, abs=0.03)
    row = int(np.flatnonzero(world.positions(0.0).under_water)[0])
    east, north = world.animals.home_m[row]
    _, labels = render_frame(world, CAMERA, pose_at(float(east), float(north)), 0.0)
    assert row not in {label.animal for label in labels}


def test_animals_flee_from_a_low_drone_and_not_from_a_high_one() -> None:
    world = World.build(AREA, 4, species=(ANTELOPE,))
    row = 3
    east, north = world.positions(0.0).local_m[row]
    low = world.positions(0.0, drone=(float(east) + 10.0, float(north), 40.0)).local_m
    assert np.linalg.norm(low[row] - (east, north)) == pytest.approx(25.0 * (1 - 10 / 60), rel=0.01)
    assert (world.positions(0.0, drone=(float(east), float(north), 100.0)).local_m[row] == (east, north)).all()
    far = np.linalg.norm(world.positions(0.0).local_m - (east, north), axis=1) > 100.0
    assert (low[far] == world.positions(0.0).local_m[far]).all()


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.name)
def test_every_species_is_drawn_about_as_large_as_it_is(kind) -> None:
    world = World.build(AREA, 6, species=(replace(kind, behaviour=Behaviour(), cover_preference=1.0),), density=4.0)
    camera = Camera("near", 600, 450, 1500.0)
    row = int(np.flatnonzero(world.animals.size > 0.9)[2])
    east, north = world.positions(0.0).local_m[row]
    _, labels = render_frame(world, camera, pose_at(float(east), float(north), 30.0), 0.0)
    label = next(label for label in labels if label.animal == row)
    x0, y0, x1, y1 = label.box_px
    metres = np.hypot(x1 - x0, y1 - y0) / 1500.0 * 30.0
    assert 0.7 * kind.length_m < metres < 1.6 * kind.length_m


# Metadata


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_what_each_maker_writes_is_read_as_what_was_meant(tmp_path: Path, maker: str) -> None:
    pose = Pose(34.83, -2.33, 80.0, 40.0, -88.5, 1.0)
    shot = Shot("a.jpg", 1_790_000_000.0, pose, pose, 1580.0, None, takeoff_m=80.0)
    write_frame(tmp_path / "a.jpg", np.full((300, 400, 3), 90, np.uint8), shot, CAMERA, Writing(maker))
    read = read_capture(tmp_path / "a.jpg")
    assert (read.longitude_deg, read.latitude_deg) == pytest.approx((34.83, -2.33), abs=1e-6)
    assert read.altitude_takeoff_m == pytest.approx(80.0, abs=0.02)
    assert read.yaw_deg is not None
    assert read.pitch_deg is not None
    assert read.roll_deg is not None
    # Near straight down yaw and roll stand for each other: what the camera looks at is compared.
    frame = AREA.frame
    seen = View(CAMERA, replace(pose, yaw_deg=read.yaw_deg, pitch_deg=read.pitch_deg, roll_deg=read.roll_deg), frame)
    assert seen.footprint_m == pytest.approx(View(CAMERA, pose, frame).footprint_m, abs=0.1)
    assert read.maker == MAKERS[maker].make


def test_an_airframes_attitude_is_the_cameras_turned_up() -> None:
    assert airframe_of(40.0, -90.0, 0.0) == pytest.approx((40.0, 0.0, 0.0), abs=1e-6)
    assert airframe_of(40.0, -85.0, 0.0) == pytest.approx((40.0, 5.0, 0.0), abs=1e-6)


def test_slips_are_drawn_in_their_shares_and_show_in_the_metadata(tmp_path: Path) -> None:
    slips = Slips.parse("yaw_flipped=0.2, no_position=0.1")
    drawn = slips.drawn(5000, np.random.default_rng(1))
    assert drawn.count("yaw_flipped") / 5000 == pytest.approx(0.2, abs=0.02)
    assert drawn.count("no_position") / 5000 == pytest.approx(0.1, abs=0.02)
    pose = Pose(34.83, -2.33, 80.0, 40.0, -90.0, 0.0)
    pixels = np.full((300, 400, 3), 90, np.uint8)
    for slip in ("no_position", "null_island", "yaw_flipped", "height_off"):
        shot = Shot("a.jpg", 1_790_000_000.0, pose, pose, slip=slip)
        write_frame(tmp_path / f"{slip}.jpg", pixels, shot, CAMERA, Writing("dji", slips))
    read = {path.stem: read_capture(path) for path in tmp_path.glob("*.jpg")}
    assert read["no_position"].longitude_deg is None
    assert read["null_island"].longitude_deg is None
    assert read["yaw_flipped"].yaw_deg == pytest.approx(-140.0)
    assert read["height_off"].altitude_takeoff_m == pytest.approx(110.0)
    for text in ("yaw=1", "yaw_flipped=2", "no_position=much"):
        with pytest.raises(CameraError, match="no slip of metadata"):
            Slips.parse(text)


def test_a_thermal_picture_says_that_it_is_one(tmp_path: Path) -> None:
    pose = Pose(34.83, -2.33, 80.0, 40.0)
    shot = Shot("a.jpg", 1_790_000_000.0, pose, pose)
    write_frame(tmp_path / "a.jpg", np.full((300, 400, 3), 90, np.uint8), shot, CAMERA, Writing("dji", thermal=True))
    assert read_capture(tmp_path / "a.jpg").spectrum == "thermal"


# Known individuals


def test_collared_animals_have_tracks_that_the_import_reads(tmp_path: Path, world: World) -> None:
    fixes = write_collars(world, 6, NOON_S, NOON_S + 3600, tmp_path / "collars.csv")
    assert fixes == 6 * 7
    rows = collared(world, 6)
    with (tmp_path / "collars.csv").open() as stream:
        named = {line["individual-local-identifier"] for line in csv.DictReader(stream)}
    kinds = [world.species[kind].name for kind in world.animals.species[rows]]
    assert named == {f"{kind}-{row}" for kind, row in zip(kinds, rows.tolist(), strict=True)}
    assert read_movebank(tmp_path / "collars.csv") is not None
