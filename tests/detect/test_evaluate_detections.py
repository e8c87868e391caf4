"""Detections against truth: answers worked out by hand, COCO's own evaluation, and matching as taking turns."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from detect.commands.evaluate import evaluate_group
from detect.evaluate_detections import Matching, average_precision, evaluate_detections, match
from detect.labels import ImageLabels, LabelSet, read_labels
from flightplan.errors import DetectorError

Marks = dict[str, list[tuple[str, float, tuple[float, ...]]]]


def labels(marks: Marks, *, points: bool = False, silence_is_empty: bool = False) -> LabelSet:
    """Marks by picture: label, score and box, or point."""
    images = {
        name: ImageLabels(
            name,
            np.array([box if len(box) == 4 else box * 2 for _, _, box in rows], float).reshape(-1, 4),
            tuple(label for label, _, _ in rows),
            np.array([score for _, score, _ in rows], float),
        )
        for name, rows in marks.items()
    }
    names = tuple(sorted({label for rows in marks.values() for label, _, _ in rows}))
    return LabelSet(images, names, points, silence_is_empty=silence_is_empty)


def square(x: float, y: float, side: float = 10.0) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


TRUTH: Marks = {
    "a.jpg": [("zebra", 1, square(0, 0)), ("zebra", 1, square(50, 0)), ("topi", 1, square(100, 0, 20))],
    "b.jpg": [("zebra", 1, square(0, 0))],
    "c.jpg": [],
}
FOUND: Marks = {
    "a.jpg": [
        ("zebra", 0.9, square(1, 0)),  # right: overlap 9/11
        ("zebra", 0.8, square(0, 1)),  # the same animal again: wrong
        ("zebra", 0.4, square(50, 0)),  # right
        ("topi", 0.7, square(0, 0)),  # a zebra taken for a topi: wrong
    ],
    "b.jpg": [("zebra", 0.6, square(8, 0))],  # overlap 2/18: wrong
    "c.jpg": [("zebra", 0.3, square(5, 5))],  # nothing there: wrong
}


def test_figures_are_those_worked_out_by_hand() -> None:
    result = evaluate_detections(labels(FOUND), labels(TRUTH), threshold=0.35)
    zebra = result.labels["zebra"]
    # From 0.35 on: 4 found, 2 right, of 3. Errors of the count per frame: +1, 0, 0.
    assert (zebra.given.n_found, zebra.given.n_right, zebra.given.n_truth) == (4, 2, 3)
    assert zebra.given.precision == 0.5
    assert zebra.given.recall == pytest.approx(2 / 3)
    assert zebra.given.f1 == pytest.approx(4 / 7)
    assert zebra.given.mae == zebra.given.bias == pytest.approx(1 / 3)
    assert zebra.given.rmse == pytest.approx(np.sqrt(1 / 3))
    # F1 by threshold: 0.9 2/4, 0.8 2/5, 0.6 2/6, 0.4 4/7, 0.3 4/8.
    assert zebra.best.threshold == 0.4
    # Precision 1 up to recall 1/3 (34 of 101 points), then 2/4 up to 2/3 (33 points), then 0.
    assert zebra.map50 == pytest.approx((34 * 1 + 33 * 0.5) / 101)
    topi = result.labels["topi"]
    assert (topi.map50, topi.given.precision, topi.given.recall, topi.given.f1) == (0.0, 0.0, 0.0, 0.0)
    everything = result.all_labels
    assert (everything.given.n_found, everything.given.n_right, everything.given.n_truth) == (5, 2, 4)
    assert everything.map50 == pytest.approx(zebra.map50 / 2)


def test_a_true_animal_and_its_detection_count_by_the_true_size_and_a_false_one_by_its_own() -> None:
    sizes = evaluate_detections(labels(FOUND), labels(TRUTH)).sizes
    assert (sizes["8-16"].given.n_truth, sizes["8-16"].given.n_found, sizes["8-16"].given.n_right) == (3, 6, 2)
    assert (sizes["16-32"].given.n_truth, sizes["16-32"].given.n_found) == (1, 0)
    assert sizes["16-32"].given.recall == 0.0
    assert sizes["16-32"].given.precision is None
    assert sizes["128+"].map50 is None


def test_points_match_within_a_radius_and_one_to_one() -> None:
    truth = labels({"a": [("kob", 1, (100, 100)), ("kob", 1, (130, 100))]}, points=True)
    found = labels({"a": [("kob", 0.9, (112, 100)), ("kob", 0.8, (114, 100)), ("kob", 0.7, (151, 100))]}, points=True)
    result = evaluate_detections(found, truth)
    assert result.matching.radius_px == 20
    # 0.9 takes the one at 100, 12 px off; 0.8 the one at 130, 16 px off; 0.7 is 21 px off.
    assert result.all_labels.given.n_right == 2
    assert result.sizes == {}
    wide = evaluate_detections(found, truth, matching=Matching(radius_px=11.0))
    assert wide.all_labels.given.n_right == 0


def test_the_better_score_chooses_first_and_takes_the_closest() -> None:
    truth = labels({"a": [("kob", 1, (100, 100)), ("kob", 1, (110, 100))]}, points=True)
    found = labels({"a": [("kob", 0.5, (108, 100)), ("kob", 0.9, (109, 100))]}, points=True)
    assert evaluate_detections(found, truth, matching=Matching(radius_px=5)).all_labels.given.n_right == 1
    assert evaluate_detections(found, truth, matching=Matching(radius_px=9)).all_labels.given.n_right == 2


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 9))
def test_matching_is_taking_turns_by_score(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng([seed])
    close = rng.integers(0, 5, (n, m)).astype(float)
    score = rng.integers(0, 6, n) / 5.0
    rows, columns = np.nonzero(close > 1)
    taken = match(rows, columns, close[rows, columns], score, m)
    free, expected = set(range(m)), np.full(n, -1)
    for i in np.argsort(-score, kind="stable"):
        choices = sorted((j for j in free if close[i, j] > 1), key=lambda j: (-close[i, j], j))
        if choices:
            expected[i] = choices[0]
            free.discard(choices[0])
    assert taken.tolist() == expected.tolist()


def test_average_precision_without_truth_is_unknown_and_without_detections_nil() -> None:
    nothing = np.empty(0)
    assert average_precision(nothing, nothing.astype(bool), 0) is None
    assert average_precision(nothing, nothing.astype(bool), 3) == 0.0


def test_a_picture_never_searched_is_left_out_unless_the_format_is_silent_about_empty_ones() -> None:
    truth = labels({"a": [("kob", 1, square(0, 0))], "b": [("kob", 1, square(0, 0))]})
    found: Marks = {"a": [("kob", 0.9, square(0, 0))], "z": [("kob", 0.9, square(0, 0))]}
    assert evaluate_detections(labels(found), truth).all_labels.given.recall == 1.0
    assert evaluate_detections(labels(found), truth, frames="truth").all_labels.given.recall == 0.5
    assert evaluate_detections(labels(found, silence_is_empty=True), truth).all_labels.given.recall == 0.5
    everything = evaluate_detections(labels(found), truth, frames="all")
    assert everything.all_labels.given.precision == 0.5
    assert everything.frames == {"scored": 3, "only_in_truth": 1, "only_in_detections": 1}


def test_pictures_are_the_same_by_as_much_of_their_path_as_tells_them_apart() -> None:
    box = [("kob", 1.0, square(0, 0))]
    truth = labels({"f1/1.jpg": box, "f2/1.jpg": []})
    found = labels({"/card/f1/1.JPG": box, "/card/f2/1.JPG": []})
    assert evaluate_detections(found, truth).all_labels.given.f1 == 1.0
    with pytest.raises(DetectorError, match="no picture in common"):
        evaluate_detections(labels({"z.jpg": box}), truth)


def test_average_precision_is_that_of_pycocotools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    rng = np.random.default_rng(8)
    truth, found = [], []
    for image in range(1, 13):
        for _ in range(int(rng.integers(0, 9))):
            kind, box = int(rng.integers(1, 3)), [*rng.uniform(0, 90, 2), *rng.uniform(6, 40, 2)]
            truth.append((image, kind, box))
            found += [
                (image, kind, (np.array(box) + rng.normal(0, 3, 4)).tolist(), float(rng.uniform()))
                for _ in range(int(rng.integers(0, 3)))
            ]
        found.append((image, int(rng.integers(1, 3)), [5.0, 5.0, 12.0, 12.0], float(rng.uniform())))
    base = {
        "info": {},
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 200} for i in range(1, 13)],
        "categories": [{"id": 1, "name": "kob"}, {"id": 2, "name": "topi"}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, k, b) in enumerate(truth, start=1)
        ],
    }
    results = [{"image_id": i, "category_id": k, "bbox": b, "score": s} for i, k, b, s in found]
    (tmp_path / "truth.json").write_text(json.dumps(base))
    (tmp_path / "found.json").write_text(json.dumps(results))
    theirs = coco.COCO(str(tmp_path / "truth.json"))
    judged = cocoeval.COCOeval(theirs, theirs.loadRes(str(tmp_path / "found.json")), "bbox")
    judged.params.iouThrs = np.array([0.5])
    judged.evaluate()
    judged.accumulate()
    capsys.readouterr()
    ours = evaluate_detections(
        read_labels(tmp_path / "found.json", reference=tmp_path / "truth.json"), read_labels(tmp_path / "truth.json")
    )
    by_label = judged.eval["precision"][0, :, :, 0, 2].mean(axis=0)
    assert [ours.labels[name].map50 for name in ("kob", "topi")] == pytest.approx(by_label.tolist(), abs=1e-6)
    assert 0.2 < by_label.min() < by_label.max() < 0.95


def test_the_command_prints_every_figure_per_label_and_in_all(shared_data: Path) -> None:
    folder = shared_data / "imagery" / "points_and_detections"
    arguments = ["detect", str(folder / "detections.csv"), str(folder / "points.csv"), "--radius", "20", "--json"]
    ran = CliRunner().invoke(evaluate_group, [*arguments, "--threshold", "0.9", "--name", "3=kob"])
    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    figures = {"precision", "recall", "f1", "map50", "mae", "rmse", "bias", "best"}
    assert figures <= set(document["all"])
    assert all(figures <= set(entry) for entry in document["labels"].values())
    assert set(document["labels"]) == {"1", "2", "kob", "4", "5", "6"}
    # The ids are right and the species column is not: by it, four in five of the kobs' 1170 would be lost.
    assert document["labels"]["kob"]["n_truth"] == 1170
    assert document["labels"]["kob"]["recall"] > 0.9
    assert document["frames"] == {"of": "both", "scored": 618, "only_in_truth": 310, "only_in_detections": 0}
    assert "column species is not used" in ran.stderr


def test_the_command_names_each_bad_row_and_leaves_with_3(tmp_path: Path) -> None:
    rows = [["image", "x", "y", "labels", "score"], ["a.jpg", 1, 2, "kob", 0.5], ["a.jpg", "here", 2, "kob", 0.5]]
    with (tmp_path / "found.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    (tmp_path / "truth.csv").write_text("images,x,y,labels\na.jpg,1,2,kob\n,3,4,kob\n")
    ran = CliRunner().invoke(evaluate_group, ["detect", str(tmp_path / "found.csv"), str(tmp_path / "truth.csv")])
    assert ran.exit_code == 3
    assert "found.csv, line 3: x is no number: 'here'" in ran.stderr
    assert "truth.csv, line 3: it names no picture" in ran.stderr
