"""An animal seen by several tiles is counted once, and packed animals stay as many as they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.detections import Detections, sorted_detections
from detect.merge import merge_tiles
from detect.tiles import Tile, TilePolicy

NAMES = ("elephant", "zebra")


def seen(tile: Tile, boxes: np.ndarray, size: tuple[int, int], wobble: np.ndarray | float = 0.0) -> Detections:
    """What a perfect detector reports of planted boxes in one tile: their visible part, where 4 px or more show."""
    x0, y0 = tile.x_px, tile.y_px
    x1, y1 = min(x0 + tile.width_px, size[0]), min(y0 + tile.height_px, size[1])
    visible = np.clip(boxes, (x0, y0, x0, y0), (x1, y1, x1, y1))
    shows = ((visible[:, 2:] - visible[:, :2]) >= np.minimum(4.0, boxes[:, 2:] - boxes[:, :2])).all(axis=1)
    whole = (visible == boxes).all(axis=1)[:, None]
    visible = np.where(whole, visible + wobble, visible)
    local = visible[shows] - (x0, y0, x0, y0)
    return sorted_detections(local, np.full(len(local), 0.9), np.zeros(len(local), int), NAMES, "test")


def merge(parts: list[tuple[Tile, Detections]], size: tuple[int, int]) -> Detections:
    return merge_tiles(parts, width_px=size[0], height_px=size[1], names=NAMES, detector="test")


@st.composite
def herds(draw: st.DrawFn) -> tuple[tuple[int, int], np.ndarray]:
    """An image and animals in it that do not overlap: some of the cells of a grid are taken, each by one animal."""
    size = (draw(st.integers(100, 2100)), draw(st.integers(100, 1500)))
    cell = draw(st.sampled_from([(30, 12), (12, 30), (62, 62), (47, 21)]))
    offset = (draw(st.integers(0, 40)), draw(st.integers(0, 40)))
    columns, rows = (size[0] - offset[0]) // cell[0], (size[1] - offset[1]) // cell[1]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    taken = rng.random((rows, columns)) < draw(st.sampled_from([0.02, 0.2, 1.0]))
    y, x = np.nonzero(taken)
    low = np.column_stack([x * cell[0] + offset[0], y * cell[1] + offset[1]]).astype(float)
    shrink = rng.integers(0, 4, size=(len(x), 2))
    return size, np.column_stack([low, low + np.array(cell) - 1 - shrink])


@given(herds(), st.sampled_from([TilePolicy(), TilePolicy(max_px=320), TilePolicy(fixed_px=(640, 640))]))
def test_animals_no_longer_than_the_overlap_come_back_exactly_once(
    herd: tuple[tuple[int, int], np.ndarray], policy: TilePolicy
) -> None:
    size, boxes = herd
    found = merge([(tile, seen(tile, boxes, size)) for tile in policy.cut(*size)], size)
    assert sorted(map(tuple, found.boxes_px)) == sorted(map(tuple, boxes))


@given(herds(), st.integers(0, 2**32))
def test_boxes_that_wobble_from_tile_to_tile_are_still_one_animal_each(
    herd: tuple[tuple[int, int], np.ndarray], seed: int
) -> None:
    size, boxes = herd
    rng = np.random.default_rng(seed)
    parts = [
        (tile, seen(tile, boxes, size, rng.uniform(-0.5, 0.5, (len(boxes), 4)))) for tile in TilePolicy().cut(*size)
    ]
    assert len(merge(parts, size)) == len(boxes)


@given(herds(), st.randoms(use_true_random=False))
def test_the_order_of_the_tiles_does_not_matter(herd: tuple[tuple[int, int], np.ndarray], random: object) -> None:
    size, boxes = herd
    parts = [(tile, seen(tile, boxes, size)) for tile in TilePolicy(max_px=320).cut(*size)]
    first = merge(parts, size)
    random.shuffle(parts)  # type: ignore[attr-defined]
    second = merge(parts, size)
    assert np.array_equal(first.boxes_px, second.boxes_px)
    assert np.array_equal(first.scores, second.scores)


@given(st.integers(0, 1400), st.integers(0, 900), st.integers(65, 560), st.integers(65, 560))
def test_an_animal_longer_than_the_overlap_becomes_one_box_around_its_parts(
    x: int, y: int, width: int, height: int
) -> None:
    size = (2000, 1500)
    boxes = np.array([[x, y, x + width, y + height]], dtype=float)
    found = merge([(tile, seen(tile, boxes, size)) for tile in TilePolicy().cut(*size)], size)
    assert found.boxes_px.tolist() == boxes.tolist()


def test_two_animals_in_one_tile_stay_two_however_close_they_are() -> None:
    size = (1000, 600)
    left, right = TilePolicy().cut(*size)
    border = left.core_px[2]
    pair = np.array([[border - 20, 100, border + 20, 118], [border - 17, 103, border + 23, 121]], dtype=float)
    assert len(merge([(left, seen(left, pair, size)), (right, seen(right, pair, size))], size)) == 2


def test_one_animal_given_two_labels_by_two_tiles_is_one_animal() -> None:
    size = (1000, 600)
    left, right = TilePolicy().cut(*size)
    border = left.core_px[2]
    box = np.array([[border - 20, 100, border + 20.5, 118]])
    zebra = seen(right, box, size)
    parts = [
        (left, seen(left, box, size)),
        (right, Detections(zebra.boxes_px, zebra.scores, zebra.class_ids + 1, NAMES, "")),
    ]
    found = merge(parts, size)
    assert found.labels == ("zebra",)


def test_nothing_found_is_an_empty_result() -> None:
    tile = TilePolicy().cut(300, 200)[0]
    found = merge([(tile, sorted_detections([], [], [], NAMES, "test"))], (300, 200))
    assert len(found) == 0
    assert found.boxes_px.shape == (0, 4)


def test_a_box_in_the_padding_is_no_animal() -> None:
    tile = TilePolicy().cut(300, 200)[0]
    ghost = sorted_detections([[305.0, 10.0, 315.0, 20.0]], [0.9], [0], NAMES, "test")
    assert len(merge([(tile, ghost)], (300, 200))) == 0


@pytest.mark.parametrize("border_offset", [-1.0, 0.0, 1.0])
def test_an_animal_missed_by_the_other_tile_counts_only_where_its_own_tile_answers(border_offset: float) -> None:
    size = (1000, 600)
    left, right = TilePolicy().cut(*size)
    centre = left.core_px[2] + border_offset
    box = np.array([[centre - 10, 100, centre + 10, 118]])
    nothing = sorted_detections([], [], [], NAMES, "test")
    found = merge([(left, seen(left, box, size)), (right, nothing)], size)
    assert len(found) == (1 if border_offset < 0 else 0)
