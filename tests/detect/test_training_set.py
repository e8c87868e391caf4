"""From labels to tiles: the same set through every format, by its hash; and what cannot be learnt from is told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.ground_pixel import median_gsd_cm
from detect.labels import LabelSet, read_labels
from detect.training_set import TrainingRecipe, TrainingSet, write_training_set
from flightplan.errors import DetectorError

CSV = "image,label,xmin,ymin,xmax,ymax\n"


def picture(path: Path, seed: int = 1, size: tuple[int, int] = (160, 120)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed]).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    """Three flights of one picture each."""
    for number in range(1, 4):
        picture(tmp_path / "pictures" / f"flight{number}" / "0001.png", number)
    return tmp_path / "pictures"


def table(tmp_path: Path, *rows: str, name: str = "labels.csv") -> Path:
    (tmp_path / name).write_text(CSV + "\n".join(rows) + "\n")
    return tmp_path / name


def crowns(shared_data: Path) -> LabelSet:
    return read_labels(shared_data / "imagery" / "tree_crowns" / "2019_YELL_2_541000_4977000_image_crop.xml")


def crowns_as_yolo(folder: Path, labels: LabelSet) -> Path:
    (image,) = labels.images.values()
    assert image.size_px is not None
    assert image.path is not None
    shutil.copy(image.path, folder)
    middle = (image.boxes_px[:, :2] + image.boxes_px[:, 2:]) / 2 / image.size_px
    extent = (image.boxes_px[:, 2:] - image.boxes_px[:, :2]) / image.size_px
    rows = [" ".join(["0", *(f"{v:.6f}" for v in row)]) for row in np.hstack([middle, extent])]
    (folder / f"{image.path.stem}.txt").write_text("\n".join(reversed(rows)))
    (folder / "classes.txt").write_text("Tree\n")
    return folder


def crowns_as_coco(folder: Path, labels: LabelSet) -> Path:
    (image,) = labels.images.values()
    assert image.path is not None
    boxes = [[a, b, c - a, d - b] for a, b, c, d in image.boxes_px.tolist()]
    document = {
        "images": [{"id": 1, "file_name": image.path.name}],
        "categories": [{"id": 5, "name": "Tree"}],
        "annotations": [{"id": n, "image_id": 1, "category_id": 5, "bbox": box} for n, box in enumerate(boxes)],
    }
    (folder / "labels.json").write_text(json.dumps(document))
    return folder / "labels.json"


def crowns_as_csv(folder: Path, labels: LabelSet) -> Path:
    (image,) = labels.images.values()
    assert image.path is not None
    rows = [f"{image.path.name},Tree,{','.join(f'{v:g}' for v in box)}" for box in image.boxes_px.tolist()]
    return table(folder, *rows)


@pytest.mark.parametrize("write", [crowns_as_yolo, crowns_as_coco, crowns_as_csv])
def test_real_crowns_give_one_training_set_whatever_they_are_written_in(
    write: Callable[[Path, LabelSet], Path], tmp_path: Path, shared_data: Path
) -> None:
    labels = crowns(shared_data)
    (image,) = labels.images.values()
    assert image.path is not None
    other = read_labels(table(tmp_path, "flight/0001.png,Tree,10,10,40,40", name="other.csv"))
    picture(tmp_path / "kept" / "flight" / "0001.png")
    other = read_labels(tmp_path / "other.csv", images=[tmp_path / "kept"])
    recipe = TrainingRecipe(tile_px=640)
    given = tmp_path / "given"
    given.mkdir()
    again = read_labels(write(given, labels), images=[] if write is crowns_as_yolo else [image.path.parent])
    first = write_training_set(labels, tmp_path / "voc", recipe, held_out=[other])
    second = write_training_set(again, tmp_path / "again", recipe, held_out=[other])
    assert second.content_hash == first.content_hash
    assert first.boxes["train"]["Tree"] > 279


def test_points_of_a_size_are_the_boxes_of_that_size(tmp_path: Path, flights: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("images,x,y,labels\nflight1/0001.png,50,60,kob\nflight2/0001.png,80,30,kob\n")
    boxes = table(tmp_path, "flight1/0001.png,kob,40,50,60,70", "flight2/0001.png,kob,70,20,90,40")
    sets = [
        write_training_set(read_labels(path, images=[flights]), tmp_path / path.stem, TrainingRecipe(point_px=20.0))
        for path in (points, boxes)
    ]
    assert sets[0].content_hash == sets[1].content_hash
    assert sets[0].boxes == sets[1].boxes == {"train": {"kob": 1}, "val": {"kob": 1}}


def test_the_hash_knows_a_box_a_pixel_and_a_label(tmp_path: Path, flights: Path) -> None:
    def made(name: str, *rows: str) -> TrainingSet:
        return write_training_set(read_labels(table(tmp_path, *rows), images=[flights]), tmp_path / name)

    rows = ("flight1/0001.png,kob,40,50,60,70", "flight2/0001.png,kob,70,20,90,40")
    first = made("first", *rows)
    assert made("same", *reversed(rows)).content_hash == first.content_hash
    assert made("box", rows[0].replace("40,50", "41,50"), rows[1]).content_hash != first.content_hash
    assert made("name", *(row.replace("kob", "topi") for row in rows)).content_hash != first.content_hash
    picture(flights / "flight1" / "0001.png", 99)
    assert made("pixels", *rows).content_hash != first.content_hash


def test_tiles_are_squares_of_one_side_so_that_no_animal_is_enlarged(tmp_path: Path) -> None:
    picture(tmp_path / "p" / "a" / "1.png", 1, (300, 100))
    picture(tmp_path / "p" / "b" / "2.png", 2, (64, 40))
    labels = read_labels(table(tmp_path, "a/1.png,kob,10,10,26,22", "b/2.png,kob,10,10,26,22"), images=[tmp_path / "p"])
    made = write_training_set(labels, tmp_path / "t", TrainingRecipe(tile_px=192, overlap_px=32))
    shapes = {np.asarray(Image.open(path)).shape[:2] for path in (tmp_path / "t").rglob("*.png")}
    assert shapes == {(made.side_px, made.side_px)} == {(192, 192)}
    extents = {tuple(text.read_text().split()[3:]) for text in (tmp_path / "t").rglob("*.txt")} - {()}
    assert extents == {(f"{16 / 192:.6f}", f"{12 / 192:.6f}")}


def test_a_flight_that_alone_has_a_label_is_trained_on(tmp_path: Path, flights: Path) -> None:
    rows = ["flight1/0001.png,kob,1,1,9,9", "flight2/0001.png,kob,1,1,9,9", "flight3/0001.png,kob,1,1,9,9"]
    labels = read_labels(table(tmp_path, *rows, "flight2/0001.png,topi,30,30,40,40"), images=[flights])
    for seed in range(6):
        made = write_training_set(labels, tmp_path / f"{seed}", TrainingRecipe(seed=seed, val_share=0.5))
        assert any(folder.endswith("flight2") for folder in made.flights["train"])
        assert made.notes == ("no flight kept out has a topi: how well it is found is not known",)


def test_flights_that_each_have_a_label_of_their_own_cannot_be_split(tmp_path: Path, flights: Path) -> None:
    rows = [f"flight{n}/0001.png,{name},1,1,9,9" for n, name in enumerate(("kob", "topi", "oribi"), start=1)]
    with pytest.raises(DetectorError, match="a label that no other has"):
        write_training_set(read_labels(table(tmp_path, *rows), images=[flights]), tmp_path / "t")


def test_a_dataset_that_is_laid_out_in_train_val_and_test_is_shared_out_so(tmp_path: Path) -> None:
    for seed, part in enumerate(("train/a", "train/b", "valid/c", "test/d")):
        image = picture(tmp_path / "data" / "images" / part / "0.png", seed)
        text = tmp_path / "data" / "labels" / part / "0.txt"
        text.parent.mkdir(parents=True)
        text.write_text("0 0.5 0.5 0.2 0.2\n")
        assert image.is_file()
    (tmp_path / "data" / "data.yaml").write_text("names: [kob]\n")
    labels = read_labels(tmp_path / "data" / "data.yaml")
    for seed in range(4):
        made = write_training_set(labels, tmp_path / f"{seed}", TrainingRecipe(seed=seed))
        assert {s: [Path(f).name for f in folders] for s, folders in made.flights.items()} == {
            "train": ["a", "b"],
            "val": ["c"],
            "test": ["d"],
        }
        assert "if frames of one flight are in both" in made.notes[0]


def test_nothing_labelled_is_told_with_the_first_reason(tmp_path: Path, flights: Path) -> None:
    labels = read_labels(table(tmp_path, "flight1/0001.png,,,,,", "flight2/0001.png,kob,500,1,600,9"), images=[flights])
    with pytest.raises(DetectorError, match=r"Nothing is labelled.*line 3.*outside of the picture of 160x120"):
        write_training_set(labels, tmp_path / "t")


def test_labels_without_their_pictures_ask_for_the_folder(tmp_path: Path, flights: Path) -> None:
    labels = read_labels(table(tmp_path, "flight7/0009.png,kob,1,1,9,9"))
    with pytest.raises(DetectorError, match="--images"):
        write_training_set(labels, tmp_path / "t")
    some = table(tmp_path, *(f"flight{n}/0001.png,kob,1,1,9,9" for n in (1, 2)), "flight9/0009.png,kob,1,1,9,9")
    made = write_training_set(read_labels(some, images=[flights]), tmp_path / "some")
    assert [(skip.item, skip.reason) for skip in made.skipped] == [("flight9/0009.png", "its picture was not found")]


def test_labels_that_differ_only_in_writing_are_refused_with_how_to_join_them(tmp_path: Path, flights: Path) -> None:
    path = table(tmp_path, "flight1/0001.png,Kob,1,1,9,9", "flight2/0001.png,kob,1,1,9,9")
    with pytest.raises(DetectorError, match='--name "kob=Kob"'):
        write_training_set(read_labels(path, images=[flights]), tmp_path / "t")
    joined = read_labels(path, images=[flights], names={"kob": "Kob"})
    assert write_training_set(joined, tmp_path / "t").names == ("Kob",)


def test_a_label_that_only_the_kept_out_pictures_have_is_refused(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "imagery" / "tree_crowns"
    with pytest.raises(DetectorError, match=r"Nothing to learn 'Alive', 'Dead' from.*--name \"Alive=Tree\""):
        write_training_set(crowns(shared_data), tmp_path / "t", held_out=[read_labels(folder / "SOAP_061.xml")])
    known = {"Alive": "Tree", "Dead": "Tree"}
    soap = read_labels(folder / "SOAP_061.xml", names=known)
    made = write_training_set(
        crowns(shared_data),
        tmp_path / "t",
        TrainingRecipe(tile_px=640),
        held_out=[soap],
        tested=[read_labels(folder / "OSBS_029.csv")],
    )
    assert made.names == ("Tree",)
    assert [path.name for path in made.pictures["test"]] == ["OSBS_029.png"]
    assert not list((tmp_path / "t").rglob("OSBS*"))


def test_a_picture_seen_twice_is_not_on_both_sides(tmp_path: Path, flights: Path) -> None:
    shutil.copy(flights / "flight1/0001.png", flights / "flight2/copy.png")
    train = read_labels(
        table(tmp_path, "flight2/0001.png,kob,1,1,9,9", "flight2/copy.png,kob,1,1,9,9", name="train.csv"),
        images=[flights],
    )
    val = read_labels(table(tmp_path, "flight1/0001.png,kob,1,1,9,9"), images=[flights])
    made = write_training_set(train, tmp_path / "t", held_out=[val])
    assert [(skip.item, skip.reason) for skip in made.skipped] == [
        ("flight2/copy.png", "the same picture as flight1/0001.png, which is kept out")
    ]
    assert len(made.pictures["train"]) == 1
    with pytest.raises(DetectorError, match="both sides"):
        write_training_set(train, tmp_path / "again", held_out=[val], tested=[val])


def test_labels_listed_and_never_marked_are_noted(tmp_path: Path, flights: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "flight1/0001.png"}, {"id": 2, "file_name": "flight2/0001.png"}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("kob", "topi", "oribi"))],
        "annotations": [{"image_id": n, "category_id": 0, "bbox": [1, 1, 9, 9]} for n in (1, 2)],
    }
    (tmp_path / "labels.json").write_text(json.dumps(document))
    labels = read_labels(tmp_path / "labels.json", images=[flights])
    note = "no picture has a mark of 2 of the labels that are listed: oribi, topi"
    assert labels.notes == (note,)
    made = write_training_set(labels, tmp_path / "t")
    assert made.notes == (note,)
    assert made.names == ("kob",)


def test_empty_tiles_are_kept_in_the_share_asked_for(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / "p" / f"{number}" / "0.png", number, (480, 320))
    rows = [f"{n}/0.png,kob,{x},20,{x + 10},40" for n in (1, 2) for x in (20, 220, 420)]
    labels = read_labels(table(tmp_path, *rows), images=[tmp_path / "p"])
    for share, wanted in ((0.0, 0), (1.0, 3), (50.0, 12)):
        recipe = TrainingRecipe(tile_px=128, overlap_px=16, empty_share=share)
        made = write_training_set(labels, tmp_path / f"{share}", recipe)
        with_animals, empty = made.tiles["train"]
        assert with_animals == 3
        assert empty == wanted
        texts = [path.read_text() for path in (tmp_path / f"{share}" / "labels" / "train").iterdir()]
        assert sum(not text for text in texts) == empty


def test_the_size_of_a_pixel_comes_from_the_pictures_or_is_unknown_with_a_reason(
    tmp_path: Path, shared_data: Path
) -> None:
    value, said = median_gsd_cm([picture(tmp_path / "a.png")])
    assert value is None
    assert "do not say" in said
    ortho = shared_data / "imagery" / "everglades_ortho" / "Vacation_03192020_203.tif"
    value, said = median_gsd_cm([ortho])
    assert value is not None
    assert 0.5 < value < 3.0
    flown = sorted((shared_data / "imagery" / "brighton_dji").glob("*.JPG"))
    value, said = median_gsd_cm(flown)
    assert value is not None
    # 40 m up with a P3/P4 camera: 1.1 to 1.8 cm.
    assert 0.9 < value < 2.2
    assert f"{len(flown)} pictures" in said
