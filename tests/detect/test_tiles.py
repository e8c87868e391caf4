"""Tiles cover a picture, overlap by an animal, and answer for every pixel exactly once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.images import Picture
from detect.tiles import PADDING, Tile, TilePolicy, read_tile

sizes = st.integers(1, 3000)


def test_the_demo_camera_gives_two_tiles_of_448_by_608() -> None:
    tiles = TilePolicy().cut(800, 600)
    assert [(t.x_px, t.y_px, t.width_px, t.height_px) for t in tiles] == [(0, 0, 448, 608), (352, 0, 448, 608)]
    assert [t.core_px for t in tiles] == [(0.0, 0.0, 400.0, 600.0), (400.0, 0.0, 800.0, 600.0)]


def test_a_network_of_one_size_gets_tiles_of_that_size() -> None:
    tiles = TilePolicy(fixed_px=(640, 640)).cut(1058, 997)
    assert {(t.width_px, t.height_px) for t in tiles} == {(640, 640)}
    assert [(t.x_px, t.y_px) for t in tiles] == [(0, 0), (418, 0), (0, 357), (418, 357)]


@given(
    sizes,
    sizes,
    st.sampled_from([TilePolicy(), TilePolicy(max_px=256, overlap_px=32), TilePolicy(fixed_px=(640, 320))]),
)
def test_every_pixel_lies_in_one_core_and_every_core_in_its_window(width: int, height: int, policy: TilePolicy) -> None:
    tiles = policy.cut(width, height)
    assert sum((t.core_px[2] - t.core_px[0]) * (t.core_px[3] - t.core_px[1]) for t in tiles) == width * height
    for tile in tiles:
        left, top, right, bottom = tile.core_px
        assert tile.x_px <= left < right <= tile.x_px + tile.width_px
        assert tile.y_px <= top < bottom <= tile.y_px + tile.height_px
        assert tile.width_px % 32 == 0
        assert tile.height_px % 32 == 0


@given(sizes)
def test_neighbouring_tiles_overlap_by_an_animal_or_more(width: int) -> None:
    tiles = TilePolicy().cut(width, 100)
    for here, after in pairwise(tiles):
        assert here.x_px + here.width_px - after.x_px >= 64
    assert tiles[-1].x_px + tiles[-1].width_px >= width


@given(st.integers(641, 30000))
def test_no_tile_exceeds_the_limit_and_none_is_superfluous(width: int) -> None:
    tiles = TilePolicy().cut(width, 100)
    assert max(t.width_px for t in tiles) <= 640
    assert 640 * (len(tiles) - 1) - 64 * (len(tiles) - 2) < width


def test_an_image_smaller_than_a_tile_is_padded_not_lost() -> None:
    picture = Picture(np.full((50, 70, 3), 7, np.uint8))
    (tile,) = TilePolicy(fixed_px=(640, 640)).cut(70, 50)
    pixels = read_tile(picture, tile)
    assert pixels is not None
    assert pixels.shape == (640, 640, 3)
    assert (pixels[:50, :70] == 7).all()
    assert (pixels[50:] == PADDING).all()
    assert (pixels[:, 70:] == PADDING).all()
    assert tile == Tile(0, 0, 640, 640, (0.0, 0.0, 70.0, 50.0))


@pytest.mark.parametrize("overlap", [-1, 640])
def test_an_overlap_that_leaves_nothing_new_is_refused(overlap: int) -> None:
    with pytest.raises(ValueError, match="overlap_px"):
        TilePolicy(overlap_px=overlap)
