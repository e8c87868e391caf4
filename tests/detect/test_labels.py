"""The same marks in every format are the same marks, and the same training set; every bad row is named."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from detect.commands.train import train_command
from detect.labels import LabelSet, read_labels
from detect.training_set import TrainingRecipe, write_training_set
from flightplan.errors import DetectorError, UnreadableFileError

SIZE = (300, 200)
BOXES: dict[str, list[tuple[str, tuple[float, float, float, float]]]] = {
    "flight1/0001.png": [("zebra", (10, 20, 31, 33)), ("topi", (95, 90, 125, 110)), ("zebra", (280, 190, 300, 200))],
    "flight1/0002.png": [],
    "flight2/0001.png": [("topi", (150.5, 60, 190, 81))],
    "flight3/0001.png": [("zebra", (40, 41, 60, 53))],
}
NAMES = ("topi", "zebra")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three flights, the same file name in each."""
    rng = np.random.default_rng(4)
    for name in BOXES:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def as_yolo(folder: Path, pictures: Path) -> Path:
    shutil.copytree(pictures, folder / "images")
    for name, rows in BOXES.items():
        path = (folder / "labels" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            " ".join(
                [str(NAMES.index(label))]
                + [f"{v:.6f}" for v in ((x0 + x1) / 600, (y0 + y1) / 400, (x1 - x0) / 300, (y1 - y0) / 200)]
            )
            for label, (x0, y0, x1, y1) in rows
        ]
        if lines:
            path.write_text("\n".join(lines))
    (folder / "data.yaml").write_text("train: images\nnames:\n  0: topi\n  1: 'zebra'\n")
    return folder / "data.yaml"


def as_coco(folder: Path, pictures: Path) -> Path:
    ids = {name: number for number, name in enumerate(BOXES, start=7)}
    document = {
        "images": [{"id": i, "file_name": name, "width": 300, "height": 200} for name, i in ids.items()],
        "categories": [{"id": 9, "name": "zebra"}, {"id": 4, "name": "topi"}],
        "annotations": [
            {
                "id": 1,
                "image_id": ids[name],
                "category_id": {"zebra": 9, "topi": 4}[label],
                "bbox": [a, b, c - a, d - b],
            }
            for name, rows in BOXES.items()
            for label, (a, b, c, d) in rows
        ],
    }
    folder.mkdir()
    (folder / "labels.json").write_text(json.dumps(document))
    return folder / "labels.json"


def as_voc(folder: Path, pictures: Path) -> Path:
    for name, rows in BOXES.items():
        things = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
            "</object>"
            for label, (a, b, c, d) in rows
        )
        path = (folder / name).with_suffix(".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation><filename>{Path(name).name}</filename>{things}</annotation>")
    return folder


def as_csv(folder: Path, pictures: Path) -> Path:
    rows = [f"{name},{label},{','.join(map(str, box))}" for name, found in BOXES.items() for label, box in found]
    rows += [f"{name},,,,," for name, found in BOXES.items() if not found]
    folder.mkdir()
    (folder / "labels.csv").write_text("\n".join(["image_path,label,xmin,ymin,xmax,ymax", *reversed(rows)]))
    return folder / "labels.csv"


FORMATS = (as_yolo, as_coco, as_voc, as_csv)
Writer = Callable[[Path, Path], Path]


def read(write: Writer, folder: Path, pictures: Path) -> LabelSet:
    source = write(folder, pictures)
    return read_labels(source, images=[] if write is as_yolo else [pictures])


@pytest.mark.parametrize("write", FORMATS)
def test_a_format_gives_back_the_marks_written_in_it(write: Writer, tmp_path: Path, pictures: Path) -> None:
    found = read(write, tmp_path / "given", pictures)
    assert found.names == NAMES
    assert found.skipped == ()
    assert not found.points
    assert list(found.images) == sorted(BOXES)
    for name, rows in BOXES.items():
        image = found.images[name]
        assert image.size_px == SIZE
        assert image.path is not None
        assert image.path.parts[-2:] == tuple(name.split("/"))
        marks = sorted(zip(image.labels, image.boxes_px.tolist(), strict=True))
        assert [label for label, _ in marks] == [label for label, _ in sorted(rows)]
        for (_, box), (_, written) in zip(marks, sorted(rows), strict=True):
            assert box == pytest.approx(written, abs=1e-3)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for kind in ("images", "labels") for path in (folder / kind).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_same_marks_give_the_same_training_set_through_every_format(tmp_path: Path, pictures: Path) -> None:
    recipe = TrainingRecipe(tile_px=128, overlap_px=32, empty_share=0.5, seed=3)
    sets = []
    for write in FORMATS:
        made = write_training_set(
            read(write, tmp_path / write.__name__, pictures), tmp_path / f"{write.__name__}-t", recipe
        )
        sets.append(contents(tmp_path / f"{write.__name__}-t"))
        assert made.names == NAMES
        assert made.skipped == ()
    assert all(other == sets[0] for other in sets[1:])
    assert sum(name.startswith("labels/train") and not text for name, text in sets[0].items()) > 0


def test_a_flight_is_on_one_side_only_and_boxes_are_where_the_animals_are(tmp_path: Path, pictures: Path) -> None:
    made = write_training_set(
        read(as_coco, tmp_path / "given", pictures), tmp_path / "t", TrainingRecipe(tile_px=320, empty_share=1.0)
    )
    assert not set(made.flights["train"]) & set(made.flights["val"])
    assert len(made.flights["train"]) + len(made.flights["val"]) == 3
    assert sum(len(made.pictures[split]) for split in ("train", "val")) == 4
    # One tile of 320 x 224, padded to a square: the first box, by its left edge, has its middle at 20.5, 26.5.
    (tile,) = [path for path in (tmp_path / "t").rglob("*0001__0_0.txt") if path.read_text().count("\n") == 3]
    first = tile.read_text().splitlines()[0].split()
    assert first == ["1", f"{20.5 / 320:.6f}", f"{26.5 / 320:.6f}", f"{21 / 320:.6f}", f"{13 / 320:.6f}"]


def test_one_flight_is_never_split(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "one.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\nflight1/0001.png,a,1,1,9,9\nflight1/0002.png,a,1,1,9,9\n"
    )
    with pytest.raises(DetectorError, match="one flight"):
        write_training_set(read_labels(tmp_path / "one.csv", images=[pictures]), tmp_path / "t")


def test_a_picture_is_never_on_both_sides(tmp_path: Path, pictures: Path) -> None:
    labels = read(as_csv, tmp_path / "given", pictures)
    with pytest.raises(DetectorError, match="both sides"):
        write_training_set(labels, tmp_path / "t", held_out=[labels])


def test_points_need_a_size_and_become_boxes_of_it(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "points.csv").write_text("images,x,y,labels\nflight1/0001.png,100,80,3\nflight2/0001.png,50,60,3\n")
    points = read_labels(tmp_path / "points.csv", images=[pictures], names={"3": "kob"})
    assert points.points
    with pytest.raises(DetectorError, match="--point-px"):
        write_training_set(points, tmp_path / "refused")
    made = write_training_set(points, tmp_path / "t", TrainingRecipe(tile_px=320, point_px=20.0))
    assert made.names == ("kob",)
    (text,) = {path.read_text() for path in (tmp_path / "t").rglob("train/*.txt")}
    assert text in ("0 0.312500 0.250000 0.062500 0.062500\n", "0 0.156250 0.187500 0.062500 0.062500\n")


def test_every_bad_row_is_named(tmp_path: Path, pictures: Path) -> None:
    (tmp_path / "bad.csv").write_text(
        "image,label,xmin,ymin,xmax,ymax\nflight1/0001.png,a,1,1,9,9\nflight1/0001.png,a,9,1,1,9\nflight1/0001.png,a,nan,1,5,9\n"
        "flight1/0001.png,,1,1,5,9\nflight1/0001.png,a,400,1,500,9\nflight1/0001.png,a,1,1\n"
    )
    found = read_labels(tmp_path / "bad.csv", images=[pictures])
    assert [skip.item for skip in found.skipped] == [f"bad.csv, line {n}" for n in range(3, 8)]
    assert "outside of the picture" in found.skipped[3].reason
    folder = as_yolo(tmp_path / "yolo", pictures).parent
    (folder / "labels/flight1/0001.txt").write_text(
        "0 0.5 0.5 0.1 0.1\n0 0.5 0.5\nx 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 inf\n"
    )
    (folder / "labels/flight1/0099.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    names = [skip.item for skip in read_labels(folder).skipped]
    assert names == [f"labels/flight1/0001.txt, line {n}" for n in (2, 3, 4)] + ["labels/flight1/0099.txt"]
    voc = as_voc(tmp_path / "voc", pictures)
    (voc / "flight1/0001.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>'
    )
    (voc / "flight1/0002.xml").write_text("<annotation><object><name>a</name></object></annotation>")
    names = [skip.item for skip in read_labels(voc, images=[pictures]).skipped]
    assert names == ["0001.xml", "0002.xml, object 1"]
    document = json.loads(as_coco(tmp_path / "coco", pictures).read_text())
    document["annotations"][1]["category_id"] = 99
    document["annotations"][2]["bbox"] = [1, 2, 3]
    (tmp_path / "coco/labels.json").write_text(json.dumps(document))
    names = [skip.item for skip in read_labels(tmp_path / "coco/labels.json", images=[pictures]).skipped]
    assert names == ["labels.json, annotation 2", "labels.json, annotation 3"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "what,where\n1,2\n"),
        ("a.json", "{"),
        ("a.json", '{"images": 3}'),
        ("a.json", "[]"),
        ("a.csv", ""),
        ("a.doc", ""),
    ],
)
def test_what_is_no_labels_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableFileError, match=name):
        read_labels(tmp_path / name)


def test_real_tree_crowns_are_read_from_xml_and_csv(shared_data: Path) -> None:
    folder = shared_data / "imagery" / "tree_crowns"
    counts = {}
    for file in ("2019_YELL_2_541000_4977000_image_crop.xml", "SOAP_061.xml", "OSBS_029.csv"):
        (image,) = read_labels(folder / file).images.values()
        assert image.path is not None
        counts[file] = len(image)
    assert list(counts.values()) == [279, 37, 61]


def test_without_the_extra_training_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    ran = CliRunner().invoke(train_command, [str(tmp_path), "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert "pip install 'overfly[yolo]'" in ran.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.yolo
@pytest.mark.filterwarnings("ignore")  # torch and ultralytics warn of their own
def test_training_leaves_a_model_that_detects_and_a_card_that_says_on_what(tmp_path: Path, pictures: Path) -> None:
    pytest.importorskip("ultralytics")
    from detect.detectors import load_detector
    from detect.models import shipped_model

    arguments = [str(as_csv(tmp_path / "given", pictures)), "--images", str(pictures), "--out", str(tmp_path / "out")]
    small = ["--start", str(shipped_model().with_suffix(".yaml")), "--epochs", "1", "--tile", "128", "--batch", "2"]
    ran = CliRunner().invoke(train_command, [*arguments, *small, "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout.splitlines()[-1])
    detector = load_detector(tmp_path / "out" / "model.onnx", threads=1)
    assert detector.names == NAMES
    assert detector.threshold == told["threshold"]
    card = (tmp_path / "out" / "model.md").read_text()
    assert "| train | flight" in card
    assert "count bias" in card
    again = CliRunner().invoke(train_command, [*arguments, *small])
    assert again.exit_code == 1
    assert "trained here already" in again.stderr
