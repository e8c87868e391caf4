"""Oriented boxes and points reach the census as they are, with the box around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counts.census import Census
from counts.store.detections import DetectionTable, read_detections
from detect.detections import Detections, sorted_detections
from overfly.chain import detect_survey, ingest

CORNERS = np.array([[[20.0, 10.0], [40.0, 20.0], [36.0, 28.0], [16.0, 18.0]]])
POINT = np.array([[2.0, 30.0]])


@dataclass
class Shapes:
    """A detector that finds one oriented box, or one point near the left border, in every tile."""

    points: bool
    names: tuple[str, ...] = ("elephant",)
    content_hash: str = "b" * 64
    threshold: float = 0.25
    fixed_tile_px: tuple[int, int] | None = None

    def detect_batch(self, tiles: Sequence[np.ndarray]) -> list[Detections]:
        if self.points:
            square = np.hstack([POINT - 8, POINT + 8])
            found = sorted_detections(square, [0.9], [0], self.names, self.content_hash, points_px=POINT)
        else:
            around = np.hstack([CORNERS.min(axis=1), CORNERS.max(axis=1)])
            found = sorted_detections(around, [0.9], [0], self.names, self.content_hash, corners_px=CORNERS)
        return [found for _ in tiles]


def detected(tmp_path: Path, *, points: bool) -> DetectionTable:
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.jpg")
    with Census.open(tmp_path / "c.gpkg") as census:
        ingest(census, "wet", [tmp_path / "a.jpg"])
        run = detect_survey(census, Shapes(points), name="shapes").run_id
        with census.reading() as session:
            return read_detections(session, run)


def test_an_oriented_box_is_kept_by_its_corners(tmp_path: Path) -> None:
    table = detected(tmp_path, points=False)
    assert table.boxes_px.tolist() == [[16, 10, 40, 28]]
    assert table.outlines_px[0].tolist() == CORNERS[0].tolist()


def test_a_point_at_the_border_is_kept_where_it_is(tmp_path: Path) -> None:
    table = detected(tmp_path, points=True)
    assert table.outlines_px[0].tolist() == POINT.tolist()
    # The square is not cut at the border, or its middle would be another place.
    assert table.boxes_px.mean(axis=0).reshape(2, 2).mean(axis=0) == pytest.approx(POINT[0])
