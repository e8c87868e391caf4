"""Pictures of 20 megapixels through overfly and through SAHI: images per second, memory, whether they find the same.

Both run in this one go, one after the other, on the same network: YOLOv8n with COCO's weights, from an ONNX file in
which they are integers. SAHI runs it as `.pt` through its ultralytics backend, cut into tiles of 640 pixels that
overlap by a fifth, as its documentation does; overfly runs an ONNX export of that same `.pt`, once in single precision
and once with `--fast`, in tiles that overlap by the longest thing. The frames are a real one of savanna, with things
that such a network knows cut out of the pictures that ultralytics ships, 48 to 96 px long; where they were put is the
truth that all are judged by. Each runs in a process of its own, on all processors, and is timed after one frame.

    python benchmarks/against_sahi.py --sahi-python /opt/yolo/bin/python --work /tmp/sahi

prints JSON. `--sahi-python` has sahi, ultralytics and onnx; this one has overfly and openvino.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("OVERFLY_TESTDATA", ROOT.parent / "shared" / "data"))
MODEL = DATA / "models" / "yolov8n_coco_int8.onnx"
FRAME = DATA / "imagery" / "points_and_detections" / "00f46f6f471fbadbdce4a2e2378e47fc5dbd6f36.JPG"

THRESHOLD = 0.25
TRUE_IOU = 0.5
TILE_PX = 640
SAHI_OVERLAP = 0.2
OVERLAP_PX = 96
LENGTHS_PX = (48, 64, 80, 96)

Rows = npt.NDArray[np.float64]


def main() -> None:
    """Make the model and the frames once, let both look, print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sahi-python", default=sys.executable)
    parser.add_argument("--work", type=Path, default=Path("/tmp/against_sahi"))
    parser.add_argument("--n", type=int, default=4, help="frames timed, after the one that warms up")
    parser.add_argument("--things", type=int, default=60, help="things in a frame")
    parser.add_argument(
        "--only", default="sahi,overfly,overfly_fast", help="who runs, in which order; none makes the frames"
    )
    parser.add_argument("--backend", choices=["onnx", "openvino"])
    parser.add_argument("--tile-px", type=int, default=TILE_PX)
    parser.add_argument("--step", choices=[*STEPS], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        print(json.dumps(STEPS[asked.step](asked)))
        return
    asked.work.mkdir(parents=True, exist_ok=True)
    if not (asked.work / "yolov8n.onnx").exists():
        _call(asked, "model", asked.sahi_python)
    frames = make_frames(asked)
    if asked.only == "none":
        return
    wanted = asked.only.split(",")
    ran = {name: _call(asked, name, asked.sahi_python if name == "sahi" else sys.executable) for name in wanted}
    truth = {name: np.array(boxes) for name, boxes in json.loads((asked.work / "truth.json").read_text()).items()}
    found = {
        name: {k: np.array(v).reshape(-1, 6) for k, v in result.pop("found").items()} for name, result in ran.items()
    }
    for name, result in ran.items():
        result["f1"], result["precision"], result["recall"] = agreement(truth, found[name])
    report: dict[str, Any] = {"frames": len(frames), "size_px": [5525, 3690], "processors": os.cpu_count(), **ran}
    for name in set(wanted) - {"sahi"} if "sahi" in ran else ():
        report[name]["times_as_fast"] = ran[name]["images_per_s"] / ran["sahi"]["images_per_s"]
        report[name]["f1_difference"] = ran[name]["f1"] - ran["sahi"]["f1"]
        report[name]["f1_against_sahi"] = agreement(found["sahi"], found[name])[0]
    print(json.dumps(report, indent=1))


def _call(asked: argparse.Namespace, step: str, python: str) -> dict[str, Any]:
    command = [python, __file__, "--step", step, "--work", str(asked.work), "--n", str(asked.n)]
    command += ["--tile-px", str(asked.tile_px)] + (["--backend", asked.backend] if asked.backend else [])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
    # Both programs come from this file, the interpreter from the command line.
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{step} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def make_model(asked: argparse.Namespace) -> dict[str, Any]:
    """The network as `.pt` with the weights of the ONNX file, its export with free sizes, crops of what it knows."""
    import ast

    import onnx
    import torch
    from PIL import Image
    from ultralytics import YOLO
    from ultralytics.utils import ASSETS

    from detect.onnx_weights import read_onnx_weights

    weights = read_onnx_weights(MODEL)
    network = YOLO(str(weights.architecture)).model.float().eval().fuse(verbose=False)
    told = {entry.key: entry.value for entry in onnx.load(MODEL).metadata_props}
    network.names = ast.literal_eval(told["names"])
    state = network.state_dict()
    network.load_state_dict(
        {
            k: torch.from_numpy(weights.arrays[k]).reshape(v.shape) if k in weights.arrays else v
            for k, v in state.items()
        }
    )
    path = asked.work / "yolov8n.pt"
    torch.save({"model": network, "train_args": {}, "epoch": -1}, path)
    model = YOLO(str(path))
    model.export(format="onnx", dynamic=True, imgsz=TILE_PX, simplify=True, opset=17, device="cpu")
    land = np.asarray(Image.open(FRAME).convert("RGB"))[1000:1480, 1000:1480]
    crops = []
    for name in ("bus.jpg", "zidane.jpg"):
        picture = np.asarray(Image.open(ASSETS / name).convert("RGB"))
        for box, kind in _known(model, picture, 0.5):
            margin = 0.06 * max(box[2:] - box[:2])
            left, top = np.maximum(0, box[:2] - margin).astype(int)
            right, bottom = np.minimum(picture.shape[1::-1], box[2:] + margin).astype(int)
            crop = Image.fromarray(picture[top:bottom, left:right])
            inside = box - np.array([left, top, left, top])
            known = [_is_one_thing(model, land, crop, inside, kind, length) for length in LENGTHS_PX]
            if sum(known) >= len(known) - 1:
                file = f"crop_{len(crops)}.png"
                crop.save(asked.work / file)
                crops.append([file, inside.tolist(), kind])
    (asked.work / "crops.json").write_text(json.dumps(crops))
    return {"crops": len(crops)}


def _known(model: Any, picture: npt.NDArray[np.uint8], threshold: float) -> list[tuple[Rows, int]]:
    size = [-(-side // 32) * 32 for side in picture.shape[:2]]
    boxes = model.predict(picture[:, :, ::-1].copy(), conf=threshold, imgsz=size, verbose=False, device="cpu")[0].boxes
    return [(row[:4].astype(float), int(row[5])) for row in boxes.data.cpu().numpy()]


def _is_one_thing(
    model: Any, land: npt.NDArray[np.uint8], crop: Any, inside: Rows, kind: int, length_px: float
) -> bool:
    """Whether the network knows a crop on savanna, at a length, as what it is and as nothing else besides."""
    scene, placed = land.copy(), _put(crop, inside, length_px)
    scene[200 : 200 + placed[0].shape[0], 200 : 200 + placed[0].shape[1]] = placed[0]
    found = _known(model, scene, THRESHOLD)
    return len(found) == 1 and found[0][1] == kind and bool(np.abs(found[0][0] - placed[1] - 200).max() < length_px / 5)


def _put(crop: Any, inside: Rows, length_px: float) -> tuple[npt.NDArray[np.uint8], Rows]:
    """A crop at the size at which the thing in it is `length_px` long, and the thing's box in it."""
    from PIL import Image

    scale = length_px / max(inside[2:] - inside[:2])
    size = (max(8, round(crop.width * scale)), max(8, round(crop.height * scale)))
    pixels = np.asarray(crop.resize(size, Image.Resampling.LANCZOS))
    return pixels, inside * np.tile([size[0] / crop.width, size[1] / crop.height], 2)


def make_frames(asked: argparse.Namespace) -> list[Path]:
    """Frames of savanna with things that the network knows, none touching another."""
    from PIL import Image

    crops = json.loads((asked.work / "crops.json").read_text())
    truth: dict[str, list[list[float]]] = {}
    frames = []
    for number in range(asked.n + 1):
        path = asked.work / f"frame_{number}.jpg"
        frames.append(path)
        rng = np.random.default_rng([20, number])
        base = np.asarray(Image.open(FRAME).convert("RGB"))[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])].copy()
        taken = np.zeros((base.shape[0] // 16 + 1, base.shape[1] // 16 + 1), dtype=bool)
        boxes: list[list[float]] = []
        while len(boxes) < asked.things:
            name, inside, kind = crops[int(rng.integers(len(crops)))]
            pixels, box = _put(
                Image.open(asked.work / name), np.array(inside), rng.uniform(LENGTHS_PX[0], LENGTHS_PX[-1])
            )
            height, width = pixels.shape[:2]
            x, y = int(rng.integers(0, base.shape[1] - width)), int(rng.integers(0, base.shape[0] - height))
            cells = np.s_[y // 16 : (y + height) // 16 + 1, x // 16 : (x + width) // 16 + 1]
            if taken[cells].any():
                continue
            taken[cells] = True
            base[y : y + height, x : x + width] = pixels
            boxes.append([*(box + np.array([x, y, x, y])).tolist(), 1.0, kind])
        truth[path.name] = boxes
        if not path.exists():
            Image.fromarray(base).save(path, quality=90)
    del truth["frame_0.jpg"]
    (asked.work / "truth.json").write_text(json.dumps(truth))
    return frames[1:]


def run_overfly(asked: argparse.Namespace) -> dict[str, Any]:
    """The engine of `overfly detect`, on all processors."""
    from detect.detections import Detections
    from detect.detectors import is_rounded, load_detector
    from detect.engine import Ask, look
    from detect.tiles import TilePolicy

    detector = load_detector(
        asked.work / "yolov8n.onnx",
        threshold=THRESHOLD,
        threads=1,
        backend=asked.backend,
        fast=asked.step == "overfly_fast",
    )
    policy = TilePolicy(max_px=asked.tile_px, overlap_px=OVERLAP_PX)
    frames = [asked.work / f"frame_{number}.jpg" for number in range(asked.n + 1)]
    list(look([Ask(frames[0])], detector, policy=policy))
    start, used = time.perf_counter(), time.process_time()
    found: dict[str, list[list[float]]] = {}
    for looked in look([Ask(path) for path in frames[1:]], detector, policy=policy):
        assert isinstance(looked.result, Detections)
        rows = np.column_stack([looked.result.boxes_px, looked.result.scores, looked.result.class_ids])
        found[looked.path.name] = rows.tolist()
    tiles = len(policy.cut(5525, 3690))
    runtime = {
        "runtime": getattr(detector, "runtime", "?"),
        "tiles": tiles,
        "tile_px": asked.tile_px,
        "bits": 16 if is_rounded(detector) else 32,
    }
    return {**_took(start, used, asked.n), **runtime, "found": found}


def run_sahi(asked: argparse.Namespace) -> dict[str, Any]:
    """SAHI's sliced prediction, with its own defaults for all but what is said above."""
    import sahi
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    model = AutoDetectionModel.from_pretrained(
        model_type="ultralytics",
        model_path=str(asked.work / "yolov8n.pt"),
        confidence_threshold=THRESHOLD,
        device="cpu",
    )
    cut = {
        "slice_height": TILE_PX, "slice_width": TILE_PX, "verbose": 0,
        "overlap_height_ratio": SAHI_OVERLAP, "overlap_width_ratio": SAHI_OVERLAP,
    }  # fmt: skip
    frames = [asked.work / f"frame_{number}.jpg" for number in range(asked.n + 1)]
    get_sliced_prediction(str(frames[0]), model, **cut)
    start, used = time.perf_counter(), time.process_time()
    found: dict[str, list[list[float]]] = {}
    for path in frames[1:]:
        result = get_sliced_prediction(str(path), model, **cut)
        found[path.name] = [
            [*map(float, thing.bbox.to_xyxy()), float(thing.score.value), int(thing.category.id)]
            for thing in result.object_prediction_list
        ]
    return {**_took(start, used, asked.n), "version": sahi.__version__, "found": found}


def _took(start: float, used: float, frames: int) -> dict[str, float]:
    # Of this program alone: what getrusage says counts the one that started it too.
    status = Path("/proc/self/status").read_text().splitlines()
    peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    seconds, worked = time.perf_counter() - start, time.process_time() - used
    return {
        "images_per_s": frames / seconds,
        "s_per_image": seconds / frames,
        "processor_s_per_image": worked / frames,
        "peak_rss_mb": peak_kb / 1024,
    }


def agreement(truth: dict[str, Rows], found: dict[str, Rows]) -> tuple[float, float, float]:
    """F1, precision and recall: one to one, best score first, the same class and an overlap of a half."""
    right = total_found = total_true = 0
    for name, true in truth.items():
        ours = found.get(name, np.empty((0, 6)))
        total_found, total_true = total_found + len(ours), total_true + len(true)
        free = np.ones(len(true), dtype=bool)
        for row in ours[np.argsort(-ours[:, 4], kind="stable")]:
            low, high = np.maximum(true[:, :2], row[:2]), np.minimum(true[:, 2:4], row[2:4])
            both = np.clip(high - low, 0, None).prod(axis=1)
            union = (true[:, 2:4] - true[:, :2]).prod(axis=1) + (row[2:4] - row[:2]).prod() - both
            overlap = np.where(free & (true[:, 5] == row[5]), both / union, 0.0)
            if len(overlap) and overlap.max() >= TRUE_IOU:
                free[overlap.argmax()] = False
                right += 1
    precision, recall = right / max(1, total_found), right / max(1, total_true)
    return 2 * precision * recall / max(1e-9, precision + recall), precision, recall


STEPS = {"model": make_model, "overfly": run_overfly, "overfly_fast": run_overfly, "sahi": run_sahi}

if __name__ == "__main__":
    main()
