"""Detections go to files and come back, and an image searched in vain is not one never searched."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from detect.detection_files import read_detections, write_detections
from detect.detections import Detections, sorted_detections
from flightplan.errors import Skip, UnreadableFileError

NAMES = ("elephant", "zebra")
FOUND = sorted_detections([[27.0, 10.0, 73.5, 30.25], [1.0, 2.0, 20.0, 8.0]], [0.9, 0.35], [1, 0], NAMES, "abc")


def results() -> list[tuple[Path, Detections | Skip]]:
    placed = Detections(
        FOUND.boxes_px, FOUND.scores, FOUND.class_ids, NAMES, "abc", (800, 600), np.array([[34.8, -2.3], [34.9, -2.4]])
    )
    empty = sorted_detections([], [], [], NAMES, "abc")
    return [
        (Path("a/1.jpg"), FOUND),
        (Path("b/1.jpg"), empty),
        (Path("c/1.jpg"), Skip("c/1.jpg", "cut short")),
        (Path("ortho.tif"), placed),
    ]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_what_is_written_is_read_again(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"detections{suffix}"
    images, total, skips = write_detections(path, results())
    assert (images, total, skips) == (3, 4, [Skip("c/1.jpg", "cut short")])
    again = read_detections(path)
    assert list(again) == ["a/1.jpg", "b/1.jpg", "ortho.tif"]
    assert again["a/1.jpg"].boxes_px.tolist() == FOUND.boxes_px.tolist()
    assert again["a/1.jpg"].scores.tolist() == FOUND.scores.tolist()
    assert again["a/1.jpg"].labels == ("zebra", "elephant")
    assert again["a/1.jpg"].detector == "abc"
    assert len(again["b/1.jpg"]) == 0


def test_a_csv_has_a_row_without_label_for_an_image_searched_in_vain(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.csv", results())
    rows = list(csv.DictReader((tmp_path / "d.csv").read_text().splitlines()))
    assert [(row["image"], row["label"]) for row in rows if not row["label"]] == [("b/1.jpg", "")]
    assert rows[-2]["longitude_deg"] == "34.800000000"
    assert rows[0]["longitude_deg"] == ""


def test_a_coco_file_measures_boxes_by_corner_and_size(tmp_path: Path) -> None:
    write_detections(tmp_path / "d.json", results())
    document = json.loads((tmp_path / "d.json").read_text())
    assert document["annotations"][0]["bbox"] == [27.0, 10.0, 46.5, 20.25]
    assert document["images"][2] == {"id": 3, "file_name": "ortho.tif", "width": 800, "height": 600}
    assert [category["name"] for category in document["categories"]] == ["elephant", "zebra"]
    assert document["skipped"] == [{"file_name": "c/1.jpg", "reason": "cut short"}]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_the_same_results_give_the_same_bytes(suffix: str, tmp_path: Path) -> None:
    write_detections(tmp_path / f"one{suffix}", results())
    write_detections(tmp_path / f"two{suffix}", results())
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_a_run_that_breaks_off_leaves_no_file_that_looks_complete(tmp_path: Path) -> None:
    def breaks() -> object:
        yield results()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_detections(tmp_path / "d.csv", breaks())
    assert not (tmp_path / "d.csv").exists()


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.csv or \.json"):
        write_detections(tmp_path / "d.xlsx", results())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("d.csv", "image,label\nx,y\n", "score, x_min_px"),
        ("d.csv", "image,label,score,x_min_px,y_min_px,x_max_px,y_max_px\na,zebra,high,0,0,1,1\n", "line 2"),
        ("d.csv", "image,label,score,x_min_px,y_min_px,x_max_px,y_max_px\na,zebra,nan,0,0,1,1\n", "not finite"),
        ("d.json", "[]", "no object"),
        ("d.json", "{", "not detections"),
        ("d.json", '{"images": [], "categories": [], "annotations": [{"bbox": [1, 2]}]}', "annotation 1"),
    ],
)
def test_a_file_that_holds_no_detections_is_refused_where_it_is_wrong(
    name: str, text: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=reason):
        read_detections(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_oriented_boxes_and_points_are_written_and_read_again(suffix: str, tmp_path: Path) -> None:
    corners = np.array([[[10.0, 0.0], [30.25, 20.0], [20.0, 30.0], [0.0, 10.0]]])
    turned = sorted_detections([[0, 0, 30.25, 30]], [0.9], [0], NAMES, "abc", corners_px=corners)
    point = sorted_detections([[-2, 3, 8, 13]], [0.8], [1], NAMES, "abc", points_px=[[3.0, 8.5]])
    path = tmp_path / f"detections{suffix}"
    write_detections(path, [(Path("turned.jpg"), turned), (Path("point.jpg"), point), (Path("box.jpg"), FOUND)])
    again = read_detections(path)
    assert again["turned.jpg"].corners_px is not None
    assert again["turned.jpg"].corners_px.tolist() == corners.tolist()
    assert again["turned.jpg"].points_px is None
    assert again["point.jpg"].points_px is not None
    assert again["point.jpg"].points_px.tolist() == [[3.0, 8.5]]
    assert again["point.jpg"].centres_px.tolist() == [[3.0, 8.5]]
    assert (again["box.jpg"].corners_px, again["box.jpg"].points_px) == (None, None)


@pytest.mark.parametrize("shape", ["POINT (1 nan)", "POINT (1", "LINESTRING (0 0, 1 1"])
def test_a_shape_that_is_none_is_refused(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "detections.csv"
    write_detections(path, [(Path("a.jpg"), FOUND)])
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], f'{lines[1]}"{shape}"']), encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="not detections"):
        read_detections(path)
