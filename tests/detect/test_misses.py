"""What was taken for what, the curve over thresholds, and pictures of the worst misses."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from defusedxml.ElementTree import fromstring
from PIL import Image

from detect.commands.evaluate_detect import evaluate_detect_command
from detect.confidence_curve import confidence_curves, drawn, write_curves
from detect.confusion import confusion, write_confusion
from detect.evaluate_detections import Marks, Matching, evaluate_detections
from detect.labels import ImageLabels, LabelSet
from detect.misses import CROP_PX, draw_misses, worst_misses

Rows = list[tuple[str, float, tuple[float, float, float, float]]]


def labels(marks: dict[str, Rows], paths: dict[str, Path] | None = None) -> LabelSet:
    images = {
        name: ImageLabels(
            name,
            np.array([box for _, _, box in rows], float).reshape(-1, 4),
            tuple(label for label, _, _ in rows),
            np.array([score for _, score, _ in rows], float),
            (paths or {}).get(name),
        )
        for name, rows in marks.items()
    }
    return LabelSet(images, tuple(sorted({row[0] for rows in marks.values() for row in rows})), False)


def square(x: float, y: float, side: float = 20.0) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


TRUTH: dict[str, Rows] = {
    "a.png": [("kob", 1, square(20, 20)), ("topi", 1, square(80, 20)), ("topi", 1, square(140, 20))],
    "b.png": [("kob", 1, square(20, 20)), ("kob", 1, square(150, 100))],
}
FOUND: dict[str, Rows] = {
    "a.png": [
        ("kob", 0.9, square(21, 20)),  # right
        ("kob", 0.8, square(80, 21)),  # a topi taken for a kob
        ("kob", 0.7, square(20, 21)),  # the first kob again: false
        ("topi", 0.6, square(100, 100)),  # nothing there: false
    ],
    "b.png": [("kob", 0.2, square(20, 20)), ("topi", 0.95, square(60, 100))],  # below the threshold; false
}


def marks(paths: dict[str, Path] | None = None) -> Marks:
    return evaluate_detections(labels(FOUND, paths), labels(TRUTH, paths)).marks


def test_true_labels_against_found_ones_with_the_background_on_both_sides(tmp_path: Path) -> None:
    found = confusion(marks(), Matching(), 0.5)
    assert found.names == ("kob", "topi")
    # Rows: kob, topi, background; columns the same. Both kobs of b.png and the last topi are missed.
    assert found.counts.tolist() == [[1, 0, 2], [1, 0, 1], [1, 2, 0]]
    assert confusion(marks(), Matching(), 0.1).counts.tolist() == [[2, 0, 1], [1, 0, 1], [1, 2, 0]]
    write_confusion(found, tmp_path / "confusion.csv")
    with (tmp_path / "confusion.csv").open() as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["true \\ found", "kob", "topi", "background"],
        ["kob", "1", "0", "2"],
        ["topi", "1", "0", "1"],
        ["background", "1", "2", "0"],
    ]


def test_a_right_detection_keeps_its_mark_whatever_another_label_claims() -> None:
    truth = labels({"a": [("kob", 1, square(0, 0))]})
    found = labels({"a": [("topi", 0.9, square(0, 0)), ("kob", 0.5, square(1, 0))]})
    counts = confusion(evaluate_detections(found, truth).marks, Matching(), 0.0).counts
    assert counts.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_rows_sum_to_the_truth_and_columns_to_what_was_found() -> None:
    rng = np.random.default_rng([2])

    def some(n: int) -> Rows:
        names = ("kob", "topi", "oribi")
        return [(names[rng.integers(3)], float(rng.random()), square(*rng.uniform(0, 120, 2))) for _ in range(n)]

    truth, found = ({f"{i}": some(int(rng.integers(0, 12))) for i in range(9)} for _ in range(2))
    judged = evaluate_detections(labels(found), labels(truth))
    counts = confusion(judged.marks, judged.matching, 0.3).counts
    kept = {
        name: sum(row[0] == name and row[1] >= 0.3 for rows in found.values() for row in rows)
        for name in judged.marks.names
    }
    assert counts[:-1].sum(axis=1).tolist() == [judged.labels[name].given.n_truth for name in judged.marks.names]
    assert counts[:, :-1].sum(axis=0).tolist() == list(kept.values())


def test_the_curve_is_the_figures_at_each_threshold(tmp_path: Path) -> None:
    curves = confidence_curves(marks(), steps=16)
    assert [curve.label for curve in curves] == ["all", "kob", "topi"]
    everything = curves[0]
    assert everything.threshold[[0, -1]].tolist() == [0.2, 0.95]
    for i, threshold in enumerate(everything.threshold):
        given = evaluate_detections(labels(FOUND), labels(TRUTH), threshold=float(threshold)).all_labels.given
        assert everything.precision[i] == pytest.approx(given.precision)
        assert everything.recall[i] == pytest.approx(given.recall)
        assert everything.f1[i] == pytest.approx(given.f1)
        assert everything.found_ratio[i] == pytest.approx(given.n_found / given.n_truth)
    table, picture = write_curves(curves, tmp_path)
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert len(rows) == 3 * 16
    assert [float(rows[0][name]) for name in ("threshold", "recall")] == pytest.approx([0.2, 0.4])
    assert len(fromstring(picture.read_text()).findall(".//{*}polyline")) == 9


def test_a_label_never_found_has_a_curve_without_precision() -> None:
    found = labels({"a": [("kob", 0.9, square(0, 0))]})
    truth = labels({"a": [("kob", 1, square(0, 0)), ("topi", 1, square(50, 50))]})
    topi = confidence_curves(evaluate_detections(found, truth).marks)[2]
    assert topi.label == "topi"
    assert np.isnan(topi.precision).all()
    assert topi.recall.tolist() == [0.0]
    assert "<svg" in drawn([topi])


def test_the_worst_come_first_and_say_what_they_are() -> None:
    whole = marks()
    taken = confusion(whole, Matching(), 0.5)
    worst = worst_misses(whole, taken, Matching(), 0.5)
    told = [(miss.kind, miss.picture, round(miss.score, 2), miss.text) for miss in worst]
    assert told == [
        ("missed", 0, 0.0, "topi"),
        ("missed", 1, 0.0, "kob"),
        ("missed", 1, 0.2, "kob"),  # found at 0.2: a lower threshold would have it
        ("false", 1, 0.95, "topi"),
        ("false", 0, 0.7, "kob"),
        ("false", 0, 0.6, "topi"),
        ("confused", 0, 0.8, "kob, truly topi"),
    ]
    assert len(worst_misses(whole, taken, Matching(), 0.5, count=1)) == 3


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    paths = {name: tmp_path / "pictures" / name for name in TRUTH}
    (tmp_path / "pictures").mkdir()
    for path in paths.values():
        Image.new("RGB", (200, 160), (60, 120, 60)).save(path)
    return paths


def test_truth_is_drawn_yellow_and_what_was_found_blue(tmp_path: Path, pictures: dict[str, Path]) -> None:
    whole = marks(pictures)
    misses = worst_misses(whole, confusion(whole, Matching(), 0.5), Matching(), 0.5)
    written, skips = draw_misses(whole, misses, tmp_path, 0.5)
    assert [path.name for path in written] == ["misses.html", "misses.png"]
    assert skips == []
    page = written[0].read_text()
    assert page.count("<img") == len(misses) == 7
    assert "kob, truly topi" in page
    sheet = np.asarray(Image.open(written[1]).convert("RGB")).astype(int)
    # The first crop: the missed topi, drawn yellow and not blue; 64 px are shown three times as large.
    first = sheet[28 : 28 + CROP_PX, 8 : 8 + CROP_PX]
    assert (np.abs(first - (255, 214, 10)).sum(axis=2) < 30).sum() > 4 * 55
    assert (np.abs(first - (0, 200, 255)).sum(axis=2) < 30).sum() == 0
    # The fourth, in the next row but one: a false topi, drawn blue and not yellow.
    top = 28 + CROP_PX + 34 + 24
    false = sheet[top : top + CROP_PX, 8 : 8 + CROP_PX]
    assert (np.abs(false - (0, 200, 255)).sum(axis=2) < 30).sum() > 4 * 55
    assert (np.abs(false - (255, 214, 10)).sum(axis=2) < 30).sum() == 0


def test_pictures_that_are_not_there_leave_a_page_of_places(tmp_path: Path) -> None:
    whole = marks()
    misses = worst_misses(whole, confusion(whole, Matching(), 0.5), Matching(), 0.5)
    written, skips = draw_misses(whole, misses, tmp_path, 0.5)
    assert [path.name for path in written] == ["misses.html"]
    assert skips == []
    assert "a.png at 150, 30" in written[0].read_text()


def test_a_broken_picture_is_a_skip_and_those_there_are_chosen_from(tmp_path: Path, pictures: dict[str, Path]) -> None:
    pictures["a.png"].write_bytes(b"no picture")
    whole = marks(pictures)
    misses = worst_misses(whole, confusion(whole, Matching(), 0.5), Matching(), 0.5)
    assert [skip.item for skip in draw_misses(whole, misses, tmp_path, 0.5)[1]] == ["a.png"]
    only = marks({"b.png": pictures["b.png"]})
    misses = worst_misses(only, confusion(only, Matching(), 0.5), Matching(), 0.5)
    assert {miss.picture for miss in misses} == {1}


def test_the_command_writes_them_and_says_where(tmp_path: Path, pictures: dict[str, Path]) -> None:
    for name, rows, head in (("found", FOUND, "score,"), ("truth", TRUTH, "")):
        lines = [f"image,label,{head}xmin,ymin,xmax,ymax"]
        for image, marked in rows.items():
            for label, score, box in marked:
                lines.append(",".join([image, label, *([str(score)] if head else []), *map(str, box)]))
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    arguments = [str(tmp_path / "found.csv"), str(tmp_path / "truth.csv"), "--threshold", "0.5", "--json"]
    ran = CliRunner().invoke(
        evaluate_detect_command, [*arguments, "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    )
    assert ran.exit_code == 0, ran.stderr
    document = json.loads(ran.stdout)
    names = ["confidence.csv", "confidence.svg", "confusion.csv", "misses.html", "misses.png"]
    assert [Path(path).name for path in document["out"]] == names
    assert all(Path(path).is_file() for path in document["out"])
    assert document["confusion"] == {
        "names": ["kob", "topi", "background"],
        "counts": [[1, 0, 2], [1, 0, 1], [1, 2, 0]],
    }
    figures = {"precision", "recall", "f1", "map50", "mae", "rmse", "bias"}
    for entry in (document["all"], *document["labels"].values()):
        assert figures <= set(entry)
        assert figures <= set(entry["best"])
    assert document["reliability"]["n"] == [0, 0, 1, 0, 0, 0, 1, 1, 1, 2]
    plain = CliRunner().invoke(evaluate_detect_command, arguments[:2])
    assert "true / found" in plain.stdout
