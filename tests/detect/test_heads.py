"""What a network answers becomes boxes, and of boxes that overlap the best stays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detect.detectors.heads import decode_head, pairwise_iou, suppress
from flightplan.errors import DetectorError


def decode(output: np.ndarray, classes: int = 2, threshold: float = 0.25, iou: float = 0.7) -> list[tuple]:
    boxes, scores, class_ids = decode_head(output.astype(np.float32), classes, threshold=threshold, iou=iou, limit=100)
    return [
        (*np.round(box, 3).tolist(), round(float(s), 3), int(c))
        for box, s, c in zip(boxes, scores, class_ids, strict=True)
    ]


def test_the_anchor_free_head_gives_centre_size_and_a_score_for_each_class() -> None:
    # Columns are candidates: x, y, w, h, elephant, zebra.
    output = np.array([[50, 20, 46, 20, 0.1, 0.8], [200, 100, 19, 6, 0.6, 0.2], [9, 9, 2, 2, 0.2, 0.1]]).T
    assert decode(output) == [(27, 10, 73, 30, 0.8, 1), (190.5, 97, 209.5, 103, 0.6, 0)]


def test_the_version_5_head_multiplies_by_objectness() -> None:
    output = np.zeros((10, 7))
    output[3] = (50, 20, 46, 20, 0.5, 0.1, 0.9)
    assert decode(output) == [(27, 10, 73, 30, 0.45, 1)]


def test_an_end_to_end_head_is_only_filtered() -> None:
    output = np.zeros((300, 6))
    output[0] = (27, 10, 73, 30, 0.9, 1)
    output[1] = (28, 10, 74, 30, 0.8, 1)
    output[2] = (28, 10, 74, 30, 0.2, 1)
    assert decode(output) == [(27, 10, 73, 30, 0.9, 1), (28, 10, 74, 30, 0.8, 1)]


def test_with_two_classes_the_anchor_free_head_is_not_taken_for_an_end_to_end_one() -> None:
    output = np.zeros((6, 5586))
    output[:, 7] = (50, 20, 46, 20, 0.0, 0.8)
    assert decode(output) == [(27, 10, 73, 30, 0.8, 1)]


def test_one_animal_is_one_species_the_likelier() -> None:
    output = np.array([[50, 20, 46, 20, 0.6, 0.1], [51, 20, 46, 20, 0.1, 0.8]]).T
    assert decode(output) == [(28, 10, 74, 30, 0.8, 1)]


def test_numbers_that_are_none_are_left_out() -> None:
    output = np.array([[np.nan, 20, 46, 20, 0.9, 0.1], [np.inf, 1, 1, 1, 0.9, 0], [50, 20, 46, 20, 0.6, 0.1]]).T
    assert decode(output) == [(27, 10, 73, 30, 0.6, 0)]


@pytest.mark.parametrize("shape", [(5, 8), (300, 9), (84,), (2, 3, 4)])
def test_an_answer_of_no_known_head_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(DetectorError, match="x".join(map(str, shape))):
        decode(np.zeros(shape))


def greedy(boxes: np.ndarray, iou: float) -> list[int]:
    """Suppression as the textbook has it: one box after the other."""
    overlap = pairwise_iou(boxes, boxes)
    kept: list[int] = []
    for i in range(len(boxes)):
        if all(overlap[i, j] <= iou for j in kept):
            kept.append(i)
    return kept


@given(st.integers(0, 2**32), st.integers(0, 120), st.sampled_from([0.3, 0.5, 0.7]), st.sampled_from([15, 60]))
def test_suppression_keeps_what_the_greedy_one_keeps(seed: int, count: int, iou: float, spread: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, spread, (count, 2))
    boxes = np.hstack([low, low + rng.uniform(2, 20, (count, 2))]).astype(np.float32)
    assert suppress(boxes, iou).tolist() == greedy(boxes, iou)


def test_boxes_without_area_overlap_nothing() -> None:
    boxes = np.array([[1, 1, 1, 1], [1, 1, 1, 1]], np.float32)
    assert pairwise_iou(boxes, boxes).tolist() == [[0, 0], [0, 0]]
