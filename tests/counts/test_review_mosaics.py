"""Pictures of any size on the page: a mosaic by windows, a large frame coarse at first, what comes next drawn ahead."""

import hashlib
import io
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import Resampling

from counts.picture_files import PictureFiles
from counts.review import sources
from counts.review.ahead import Ahead
from counts.review.pictures import TILE_PX, NotDrawnYetError, Picture, PictureStore
from flightplan.errors import CaptureError

WIDTH, HEIGHT = 4700, 3100
LONG_S = 60.0


@pytest.fixture
def colours() -> np.ndarray:
    """Land that gets redder to the east and greener to the south, with a blue animal."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 250, WIDTH)
    pixels[..., 1] = np.linspace(0, 250, HEIGHT)[:, None]
    pixels[2000:2040, 3000:3040, 2] = 250
    return pixels


@pytest.fixture(autouse=True)
def low_limits(monkeypatch) -> None:
    """What takes a gigapixel outside of tests takes a few megapixels here."""
    monkeypatch.setattr(sources, "WINDOWED_PIXELS", 3_000_000)
    monkeypatch.setattr(sources, "MAX_PIXELS", 10_000_000)


@pytest.fixture
def store(tmp_path: Path):
    store = PictureStore(tmp_path / "cache", PictureFiles())
    yield store
    store.close()


def put(path: Path, pixels: np.ndarray, overviews: tuple[int, ...] = (), **profile) -> Picture:
    """Write a mosaic."""
    height, width = pixels.shape[:2]
    profile = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", **profile}
    with rasterio.open(
        path, "w", driver="GTiff", count=3, width=width, height=height, dtype="uint8", crs="EPSG:32736",
        transform=rasterio.Affine(0.02, 0, 5e5, 0, -0.02, 9.74e6), **profile,
    ) as file:  # fmt: skip
        file.write(np.moveaxis(pixels, -1, 0))
        if overviews:
            file.build_overviews(overviews, Resampling.average)
    return Picture(1, hashlib.sha256(path.read_bytes()).hexdigest(), path, width, height)


def whole(store: PictureStore, picture: Picture, level: int) -> np.ndarray:
    """A level put together from its tiles, all that there are."""
    scale = 1 << (picture.levels - 1 - level)
    rows = []
    for row in range(-(-picture.height_px // (scale * TILE_PX))):
        row_of = [
            np.asarray(Image.open(io.BytesIO(store.tile(picture, level, column, row))))
            for column in range(-(-picture.width_px // (scale * TILE_PX)))
        ]
        rows.append(np.concatenate(row_of, axis=1))
    assert store.tile(picture, level, len(row_of), 0) is None
    assert store.tile(picture, level, 0, len(rows)) is None
    return np.concatenate(rows)


@pytest.mark.parametrize(
    ("overviews", "profile"),
    [((), {}), ((2, 4, 8), {}), ((2,), {}), ((), {"tiled": False, "blockysize": 8, "blockxsize": None})],
    ids=["tiled", "with overviews", "with one overview", "in rows"],
)
def test_every_level_of_a_mosaic_is_the_mosaic_made_smaller(store, tmp_path, colours, overviews, profile) -> None:
    profile = {k: v for k, v in profile.items() if v is not None}
    if profile.get("tiled") is False:
        profile = {"tiled": False, "blockysize": 8, "blockxsize": WIDTH}
    picture = put(tmp_path / "mosaic.tif", colours, overviews, **profile)
    assert picture.is_large
    store.drawn(picture)
    assert store.wait(LONG_S)
    assert store.drawn(picture) == 1.0
    assert picture.levels == 5
    for level in range(picture.levels):
        scale = 1 << (picture.levels - 1 - level)
        found = whole(store, picture, level)
        assert found.shape == (-(-HEIGHT // scale), -(-WIDTH // scale), 3)
        expected = np.asarray(Image.fromarray(colours).reduce(scale)).astype(int)
        assert np.abs(found.astype(int) - expected).mean() < 3


def test_a_coarse_view_of_a_mosaic_waits_and_windows_do_not(store, tmp_path, colours, monkeypatch) -> None:
    picture = put(tmp_path / "mosaic.tif", colours)
    go_on = threading.Event()
    from counts.review import pictures

    drawing = pictures.draw_levels
    monkeypatch.setattr(pictures, "draw_levels", lambda *said: (go_on.wait(LONG_S), drawing(*said)))
    with pytest.raises(NotDrawnYetError, match="drawn for the first time"):
        store.tile(picture, 0, 0, 0)
    assert store.drawn(picture) < 1
    fine = Image.open(io.BytesIO(store.tile(picture, picture.levels - 1, 5, 3)))
    assert fine.getpixel((3020 - 5 * TILE_PX, 2020 - 3 * TILE_PX))[2] > 180
    crop = Image.open(io.BytesIO(store.crop(picture, (3000, 2000, 3040, 2040))))
    assert crop.getpixel((96, 96))[2] > 180
    assert crop.getpixel((5, 5))[2] < 60
    go_on.set()
    assert store.wait(LONG_S)
    assert store.tile(picture, 0, 0, 0) is not None


def test_a_box_over_a_whole_mosaic_is_cut_from_what_was_drawn(store, tmp_path, colours) -> None:
    picture = put(tmp_path / "mosaic.tif", colours)
    store.drawn(picture)
    assert store.wait(LONG_S)
    crop = np.asarray(Image.open(io.BytesIO(store.crop(picture, (0, 0, WIDTH, HEIGHT)))))
    side = 2 * WIDTH
    for x, y in ((1200, 800), (3600, 800), (1200, 2500), (3600, 2500)):
        seen = crop[round((y - HEIGHT / 2 + side / 2) / side * 192), round((x - WIDTH / 2 + side / 2) / side * 192)]
        assert np.abs(seen.astype(int)[:2] - colours[y, x, :2].astype(int)).max() < 12
    assert crop[2, 2].max() < 10, "beside the picture there is nothing"


def test_ground_without_data_is_black_and_sparse_giants_are_refused(store, tmp_path) -> None:
    empty = np.zeros((3000, 3000, 3), np.uint8)
    picture = put(tmp_path / "empty.tif", empty, nodata=0)
    store.drawn(picture)
    assert store.wait(LONG_S)
    assert whole(store, picture, 0).max() < 8
    giant = Picture(1, "ab" * 32, tmp_path / "giant.tif", 2**31 - 1, 2**31 - 1)
    with pytest.raises(CaptureError, match="million pixels"):
        store.tile(giant, giant.levels - 1, 0, 0)


def test_a_mosaic_that_is_not_there_is_said_not_to_be(store, tmp_path) -> None:
    gone = Picture(1, "ab" * 32, tmp_path / "gone.tif", WIDTH, HEIGHT)
    store.drawn(gone)
    assert store.wait(LONG_S)
    assert store.drawn(gone) == 1.0, "nobody waits for it to be drawn"
    with pytest.raises(CaptureError, match="not there"):
        store.tile(gone, 0, 0, 0)


def photograph(path: Path, pixels: np.ndarray, orientation: int = 1, **how) -> Picture:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=90, **how)
    size = pixels.shape[1::-1] if orientation < 5 else pixels.shape[:2]
    return Picture(1, hashlib.sha256(path.read_bytes()).hexdigest(), path, *size)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_frame_is_seen_coarse_before_it_is_decoded(
    store, tmp_path, colours, monkeypatch, orientation, progressive
) -> None:
    monkeypatch.setattr(sources, "MAX_PIXELS", 300_000_000)
    pixels = np.ascontiguousarray(colours)
    picture = photograph(tmp_path / "frame.jpg", pixels, orientation, progressive=progressive)
    opened = []
    open_raster = sources.open_raster
    monkeypatch.setattr(sources, "open_raster", lambda *said: (opened.append(said), open_raster(*said))[1])
    first = whole(store, picture, 0)
    assert opened == [], "libjpeg made it smaller while it decoded it"
    fine = whole(store, picture, picture.levels - 1)
    assert len(opened) == 1
    assert fine.shape == (picture.height_px, picture.width_px, 3)
    expected = np.asarray(Image.fromarray(fine).reduce(16)).astype(int)
    assert first.shape == expected.shape
    assert np.abs(first.astype(int) - expected).mean() < 3


def test_a_large_frame_that_is_cut_short_is_not_shown_coarse_either(store, tmp_path, colours, monkeypatch) -> None:
    monkeypatch.setattr(sources, "MAX_PIXELS", 300_000_000)
    picture = photograph(tmp_path / "frame.jpg", colours)
    content = picture.path.read_bytes()[:-2000]
    picture.path.write_bytes(content)
    cut = Picture(1, hashlib.sha256(content).hexdigest(), picture.path, WIDTH, HEIGHT)
    for level in (0, 4):
        with pytest.raises(CaptureError):
            store.tile(cut, level, 0, 0)


def test_what_was_wished_last_is_done_first_and_each_wish_in_its_order() -> None:
    done, begun, go_on = [], threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(LONG_S)

    ahead = Ahead("test")
    ahead.wish([("first", wait)])
    assert begun.wait(LONG_S)
    ahead.wish([(n, lambda n=n: done.append(n)) for n in ("a", "b", "c")])
    ahead.wish([(n, lambda n=n: done.append(n)) for n in ("d", "b")])
    go_on.set()
    assert ahead.wait(LONG_S)
    assert done == ["d", "b", "a", "c"]
    ahead.close()


def test_a_wish_without_end_is_bounded() -> None:
    done, begun, go_on = [], threading.Event(), threading.Event()
    ahead = Ahead("test")
    ahead.wish([("first", lambda: (begun.set(), go_on.wait(LONG_S)))])
    assert begun.wait(LONG_S)
    ahead.wish([(n, lambda n=n: done.append(n)) for n in range(10_000)])
    go_on.set()
    assert ahead.wait(LONG_S)
    assert done == list(range(400))
    ahead.close()
