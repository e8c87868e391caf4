"""`overfly train` from end to end, on a few small simulated flights: what it writes is what detecting then uses."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from detect.commands.train import train_command
from detect.models import shipped_model


@pytest.mark.yolo
@pytest.mark.filterwarnings("ignore")
def test_training_from_an_export_on_simulated_flights(tmp_path: Path) -> None:
    from PIL import Image

    from detect.detectors import load_detector
    from detect.onnx_weights import read_onnx_weights
    from flightplan.camera import Camera
    from sim.datasets import training_views
    from sim.park import demo_area
    from sim.world import World

    camera = Camera(name="tiny", image_width_px=160, image_height_px=160, focal_length_px=80 / 0.12)
    images: list[dict[str, object]] = []
    marks: list[dict[str, object]] = []
    for side, seed in (("train", 61), ("train", 62), ("train", 63), ("test", 64)):
        world = World.build(demo_area(), seed, density=4.0)
        folder = tmp_path / side / f"flight-{seed}"
        folder.mkdir(parents=True)
        views = training_views(world, camera, 8, altitudes_m=(75.0, 85.0), with_animals=1.0, tilt_deg=2.0)
        for sample in views:
            Image.fromarray(sample.image).save(folder / f"{sample.name}.jpg", quality=95)
            images.append({"id": len(images), "file_name": f"flight-{seed}/{sample.name}.jpg", "side": side})
            for label in sample.labels:
                x0, y0, x1, y1 = label.box_px
                if label.visible_share >= 0.3:
                    box = [x0, y0, x1 - x0, y1 - y0]
                    kind = ("elephant", "zebra").index(label.species)
                    marks.append({"image_id": len(images) - 1, "category_id": kind, "bbox": box, "side": side})
    for side in ("train", "test"):
        document = {
            "images": [image for image in images if image["side"] == side],
            "annotations": [mark for mark in marks if mark["side"] == side],
            "categories": [{"id": 0, "name": "elephant"}, {"id": 1, "name": "zebra"}],
        }
        (tmp_path / side / "labels.json").write_text(json.dumps(document))
    arguments = [str(tmp_path / "train/labels.json"), "--test", str(tmp_path / "test/labels.json"), "--gsd", "12"]
    arguments += [
        "--start",
        str(shipped_model()),
        "--epochs",
        "1",
        "--rate",
        "0.00001",
        "--tile",
        "160",
        "--batch",
        "4",
    ]
    arguments += [
        "--threads",
        "1",
        "--val-share",
        "0.3",
        "--calibrate",
        "platt",
        "--out",
        str(tmp_path / "out"),
        "--json",
    ]
    ran = CliRunner().invoke(train_command, arguments)
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout.splitlines()[-1])
    # The shipped weights went in, and one epoch at next to no rate leaves them: good at what they are good at.
    assert told["test"]["f1"] > 0.5
    assert told["test"]["map50"] > 0.5
    assert {Path(folder).name for folder in told["flights"]["test"]} == {"flight-64"}
    assert not set(told["flights"]["train"]) & set(told["flights"]["val"])
    detector = load_detector(Path(told["model"]), threads=1)
    facts = detector.facts  # type: ignore[attr-defined]
    assert facts.gsd_cm == 12.0
    assert facts.threshold == told["threshold"]
    assert dict(facts.thresholds) == told["thresholds"]
    assert told["calibrated"]
    calibrated = load_detector(Path(told["model"]), threads=1, calibrated=True)
    pixels = np.asarray(Image.open(next((tmp_path / "test").rglob("*.jpg"))).convert("RGB"))
    before, after = detector.detect_batch([pixels])[0], calibrated.detect_batch([pixels])[0]
    assert len(before) == len(after)
    assert read_onnx_weights(Path(told["model"])).names == ("elephant", "zebra")
    card = (tmp_path / "out" / "model.md").read_text()
    for part in ("On the test flights, which chose nothing", "12.0 cm of ground", "flight-64", told["data"], "Platt"):
        assert part in card
    assert "the weights of the ONNX export overfly-demo.onnx" in card


@pytest.mark.yolo
@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("weights.bin", "starts from a .pt"),
        ("nowhere/weights.pt", "nothing to start from"),
        ("nowhere/weights.onnx", "cannot be read"),
    ],
)
def test_what_cannot_be_started_from_is_told_before_any_tile_is_cut(start: str, words: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(train_command, [str(tmp_path), "--start", start, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 1
    assert words in ran.stderr
    assert not (tmp_path / "out").exists()
