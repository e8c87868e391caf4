"""Packed herds across tile borders: touching, overlapping, at a slant, as points, missed by one tile: none twice."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.detections import Detections, sorted_detections
from detect.detectors.oriented import around, corners_of
from detect.merge import merge_tiles
from detect.tiles import Tile, TilePolicy

NAMES = ("elephant", "zebra")
SIZE = (780, 500)
POLICIES = [TilePolicy(), TilePolicy(max_px=320), TilePolicy(fixed_px=(480, 320))]
few = settings(max_examples=20)
seeds = st.integers(0, 2**32)


def merge(parts: list[tuple[Tile, Detections]]) -> Detections:
    return merge_tiles(parts, width_px=SIZE[0], height_px=SIZE[1], names=NAMES, detector="test")


def window(tile: Tile) -> np.ndarray:
    x1, y1 = min(tile.x_px + tile.width_px, SIZE[0]), min(tile.y_px + tile.height_px, SIZE[1])
    return np.array([tile.x_px, tile.y_px, x1, y1], dtype=float)


def rows_of(rng: np.random.Generator, length: float, across: float, overlap: float) -> np.ndarray:
    """Centres of animals standing flank to flank in rows, with every neighbour `overlap` of its width into it."""
    step = across * (1.0 - overlap)
    x, y = np.meshgrid(np.arange(length, SIZE[0] - length, length * 1.1), np.arange(across, SIZE[1] - across, step))
    centres = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(-0.2, 0.2, (x.size, 2))
    return centres[rng.random(len(centres)) < 0.3 + 0.7 * rng.random()]


def boxes_seen(tile: Tile, boxes: np.ndarray, wobble: np.ndarray) -> Detections:
    """What a detector that wobbles by a pixel reports: the visible part of each box, where a third of it shows."""
    low_high = window(tile)
    visible = np.clip(boxes + wobble, np.tile(low_high[:2], 2), np.tile(low_high[2:], 2))
    share = (visible[:, 2:] - visible[:, :2]).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    shows = share > 0.33
    local = visible[shows] - np.tile(low_high[:2], 2)
    return sorted_detections(local, 0.5 + 0.4 * share[shows].clip(0, 1), np.zeros(shows.sum(), int), NAMES, "test")


@few
@given(seeds, st.sampled_from(POLICIES), st.sampled_from([(46, 20), (19, 7), (60, 24)]), st.sampled_from([0.0, 0.3]))
def test_animals_that_overlap_their_neighbours_by_a_third_stay_as_many_as_they_are(
    seed: int, policy: TilePolicy, body: tuple[int, int], overlap: float
) -> None:
    rng = np.random.default_rng(seed)
    centres = rows_of(rng, *body, overlap)
    boxes = np.hstack([centres - np.array(body) / 2, centres + np.array(body) / 2])
    parts = [(tile, boxes_seen(tile, boxes, rng.uniform(-0.7, 0.7, boxes.shape))) for tile in policy.cut(*SIZE)]
    found = merge(parts)
    assert len(found) == len(boxes)
    # One of each: every animal's own box is among them, to the wobble.
    nearest = np.abs(found.centres_px[:, None] - centres).max(axis=2).argmin(axis=1)
    assert sorted(nearest.tolist()) == list(range(len(boxes)))


@few
@given(seeds, st.sampled_from(POLICIES))
def test_an_animal_that_a_tile_misses_neither_takes_its_neighbour_along_nor_is_counted_twice(
    seed: int, policy: TilePolicy
) -> None:
    rng = np.random.default_rng(seed)
    centres, half = rows_of(rng, 46, 20, 0.25), np.array([23, 10])
    boxes = np.hstack([centres - half, centres + half])
    tiles = policy.cut(*SIZE)
    seen_by = rng.random((len(tiles), len(boxes))) < 0.8
    parts = [
        (tile, boxes_seen(tile, boxes[seen], rng.uniform(-0.7, 0.7, boxes[seen].shape)))
        for tile, seen in zip(tiles, seen_by, strict=True)
    ]
    found = merge(parts)
    nearest = np.abs(found.centres_px[:, None] - centres).max(axis=2).argmin(axis=1)
    assert len(set(nearest.tolist())) == len(nearest)
    cores = np.array([tile.core_px for tile in tiles])
    # Surely found: what the tile that answers for it saw, away from the border by more than the wobble.
    inside = (centres[None] > cores[:, None, :2] + 1) & (centres[None] < cores[:, None, 2:] - 1)
    sure = (inside.all(axis=2) & seen_by).any(axis=0)
    assert set(np.flatnonzero(sure).tolist()) <= set(nearest.tolist())


@few
@given(seeds, st.sampled_from(POLICIES), st.floats(0.0, np.pi))
def test_oriented_animals_flank_to_flank_at_any_slant_come_back_once_each(
    seed: int, policy: TilePolicy, angle: float
) -> None:
    rng = np.random.default_rng(seed)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.array(SIZE) / 2
    centres = (rows_of(rng, 50, 16, 0.0) - middle) @ turn + middle
    inside = ((centres > 40) & (centres < np.array(SIZE) - 40)).all(axis=1)
    centres = centres[inside]
    parts = []
    for tile in policy.cut(*SIZE):
        low_high = window(tile)
        near = ((centres > low_high[:2] - 5) & (centres < low_high[2:] + 5)).all(axis=1)
        wobbled = centres[near] + rng.uniform(-0.7, 0.7, (near.sum(), 2)) - low_high[:2]
        n = len(wobbled)
        rotated = np.column_stack([wobbled, np.full((n, 2), (46.0, 15.0)), angle + rng.uniform(-0.02, 0.02, n)])
        corners = corners_of(rotated)
        boxes = np.clip(around(corners), 0, np.tile(low_high[2:] - low_high[:2], 2))
        parts.append(
            (tile, sorted_detections(boxes, np.full(n, 0.9), np.zeros(n, int), NAMES, "test", corners_px=corners))
        )
    found = merge(parts)
    assert found.corners_px is not None
    assert len(found) == len(centres)
    nearest = np.abs(found.centres_px[:, None] - centres).max(axis=2).argmin(axis=1) if len(found) else np.arange(0)
    assert sorted(nearest.tolist()) == list(range(len(centres)))


@few
@given(seeds, st.sampled_from(POLICIES), st.sampled_from([6.0, 12.0, 30.0]))
def test_points_half_a_body_apart_come_back_once_each(seed: int, policy: TilePolicy, apart: float) -> None:
    rng = np.random.default_rng(seed)
    points = rows_of(rng, apart / 1.1, apart, 0.0)
    points = points[rng.random(len(points)) < 400 / max(400, len(points))]
    side = 1.6 * apart
    parts = []
    for tile in policy.cut(*SIZE):
        low_high = window(tile)
        wobbled = points + rng.uniform(-apart / 8, apart / 8, points.shape)
        local = (wobbled - low_high[:2])[((wobbled > low_high[:2]) & (wobbled < low_high[2:])).all(axis=1)]
        n = len(local)
        squares = np.hstack([local - side / 2, local + side / 2])
        parts.append(
            (tile, sorted_detections(squares, np.full(n, 0.9), np.zeros(n, int), NAMES, "test", points_px=local))
        )
    found = merge(parts)
    assert found.points_px is not None or not len(points)
    assert len(found) == len(points)


def test_an_oriented_animal_longer_than_the_overlap_becomes_one_around_its_parts() -> None:
    left, right = TilePolicy().cut(1000, 600)
    # 300 px long, 20 wide, along a line that rises by a tenth; each tile sees it up to its border.
    angle = np.arctan(0.1)
    whole = corners_of(np.array([[500.0, 300.0, 300.0, 20.0, angle]]))
    parts = []
    for tile, cut in ((left, (left.x_px + left.width_px - 350.0, 1)), (right, (650.0 - right.x_px, -1))):
        length, side = cut
        centre = (350.0 + length / 2 if side == 1 else 650.0 - length / 2) - tile.x_px
        rotated = np.array([[centre, 300.0 + 0.1 * (centre + tile.x_px - 500.0), length, 20.0, angle]])
        corners = corners_of(rotated)
        boxes = np.clip(around(corners), 0, (tile.width_px, tile.height_px) * 2)
        parts.append((tile, sorted_detections(boxes, [0.9], [0], NAMES, "test", corners_px=corners)))
    found = merge_tiles(parts, width_px=1000, height_px=600, names=NAMES, detector="test")
    assert len(found) == 1
    assert found.corners_px is not None
    ours, theirs = (np.sort(c.reshape(4, 2)[:, 0]) for c in (found.corners_px, whole))
    assert np.abs(ours - theirs).max() < 3.0


def test_the_order_of_the_tiles_does_not_matter_for_points_and_oriented_boxes() -> None:
    rng = np.random.default_rng(4)
    points = rng.uniform(0, 500, (200, 2))
    parts = []
    for tile in TilePolicy(max_px=320).cut(*SIZE):
        low_high = window(tile)
        local = (points - low_high[:2])[((points > low_high[:2]) & (points < low_high[2:])).all(axis=1)]
        squares = np.hstack([local - 8, local + 8])
        scores = rng.uniform(0.3, 0.9, len(local)).round(1)
        parts.append((tile, sorted_detections(squares, scores, np.zeros(len(local), int), NAMES, "", points_px=local)))
    one, other = merge(parts), merge(parts[::-1])
    assert np.array_equal(one.boxes_px, other.boxes_px)
    assert one.points_px is not None
    assert other.points_px is not None
    assert np.array_equal(one.points_px, other.points_px)
