"""Many pictures go through, each once and in order, whatever one of them does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import Affine

from detect.detections import Detections, sorted_detections
from detect.engine import detect_images
from detect.pipeline import Ask, look_at
from detect.tiles import TilePolicy
from flightplan.errors import DetectorError, Skip


@dataclass
class RedSpots:
    """A detector that finds each row of red pixels: enough to know what went through and where it came out."""

    names: tuple[str, ...] = ("spot",)
    content_hash: str = "red"
    threshold: float = 0.5
    fixed_tile_px: tuple[int, int] | None = None

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        found = []
        for tile in tiles:
            y, x = np.nonzero((tile[:, :, 0] > 200) & (tile[:, :, 1] < 90))
            found.append(
                sorted_detections(
                    np.column_stack([x, y, x + 1, y + 1]),
                    np.full(len(x), 0.9),
                    np.zeros(len(x), int),
                    self.names,
                    "red",
                )
            )
        return found


def picture(path: Path, spots: list[tuple[int, int]], size: tuple[int, int] = (800, 600)) -> Path:
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    for x, y in spots:
        pixels[y, x] = (255, 0, 0)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> tuple[list[Path], list[list[tuple[int, int]]]]:
    rng = np.random.default_rng(3)
    spots = [[tuple(map(int, rng.integers(0, 600, 2))) for _ in range(i)] for i in range(12)]
    paths = [picture(tmp_path / f"{i:02}.png", at) for i, at in enumerate(spots)]
    return paths, spots


def where(found: Detections | Skip) -> list[tuple[int, int]]:
    assert isinstance(found, Detections)
    return sorted((int(x), int(y)) for x, y in found.boxes_px[:, :2])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_pictures_whatever_the_workers(
    workers: int, folder: tuple[list[Path], list[list[tuple[int, int]]]]
) -> None:
    paths, spots = folder
    results = list(detect_images(paths, Path("unused"), detector=RedSpots(), workers=workers))
    assert [path for path, _ in results] == paths
    assert [where(found) for _, found in results] == [sorted(set(at)) for at in spots]


def test_a_broken_picture_is_one_named_skip_and_the_rest_is_done(tmp_path: Path) -> None:
    good = [picture(tmp_path / f"good{i}.png", [(i, i)]) for i in range(3)]
    cut = tmp_path / "cut.jpg"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (600, 800, 3), dtype=np.uint8)).save(cut)
    cut.write_bytes(cut.read_bytes()[:20_000])
    gone = tmp_path / "gone.jpg"
    order = [good[0], cut, good[1], gone, good[2]]
    results = list(detect_images(order, Path("unused"), detector=RedSpots(), workers=2))
    assert [path for path, _ in results] == order
    skips = [found for _, found in results if isinstance(found, Skip)]
    assert [skip.item for skip in skips] == [str(cut), str(gone)]
    assert "cut short" in skips[0].reason
    assert "No such file" in skips[1].reason
    assert [where(found) for path, found in results if path in good] == [[(0, 0)], [(1, 1)], [(2, 2)]]


def test_spots_on_a_tile_border_are_found_once(tmp_path: Path) -> None:
    # 800 px across make two tiles that overlap from 352 to 448, with their cores meeting at 400.
    spots = [(351, 5), (352, 5), (399, 5), (400, 5), (447, 5), (448, 5)]
    path = picture(tmp_path / "border.png", spots)
    ((_, found),) = detect_images([path], Path("unused"), detector=RedSpots())
    assert where(found) == spots


def test_a_mosaic_gives_longitude_and_latitude_of_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "ortho.tif"
    bands = np.full((3, 300, 400), 128, np.uint8)
    bands[:, 100, 250] = (255, 0, 0)
    with rasterio.open(
        path, "w", driver="GTiff", count=3, width=400, height=300, dtype="uint8", crs="EPSG:4326",
        transform=Affine(1e-6, 0.0, 34.8, 0.0, -1e-6, -2.3),
    ) as file:  # fmt: skip
        file.write(bands)
    ((_, found),) = detect_images([path], Path("unused"), detector=RedSpots())
    assert isinstance(found, Detections)
    assert found.lonlat is not None
    assert found.lonlat[0] == pytest.approx((34.8 + 250.5e-6, -2.3 - 100.5e-6), abs=1e-9)


def test_a_reader_who_stops_early_stops_the_work(folder: tuple[list[Path], list[list[tuple[int, int]]]]) -> None:
    asked: list[Path] = []

    def asks() -> Iterator[Ask]:
        for path in folder[0]:
            asked.append(path)
            yield Ask(path)

    results = look_at(asks(), RedSpots(), workers=2, most_ahead=3)
    next(results)
    results.close()
    # The one that was read, and at most three ahead of it, however slow the first was.
    assert len(asked) <= 4


def test_a_detector_that_fails_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    class Broken(RedSpots):
        def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
            raise DetectorError("The model cannot process a tile")

    path = picture(tmp_path / "a.png", [])
    with pytest.raises(DetectorError, match="cannot process"):
        list(detect_images([path], Path("unused"), detector=Broken()))


def test_a_missing_model_is_said_at_the_first_result(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="no such model file"):
        next(detect_images([picture(tmp_path / "a.png", [])], tmp_path / "none.onnx"))


def test_a_network_of_one_size_sees_small_pictures_too(tmp_path: Path) -> None:
    path = picture(tmp_path / "small.png", [(3, 2)], size=(40, 30))
    ((_, found),) = detect_images(
        [path], Path("unused"), detector=RedSpots(fixed_tile_px=(640, 640)), policy=TilePolicy(max_px=320)
    )
    assert where(found) == [(3, 2)]
