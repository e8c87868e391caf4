"""Training goes on from an ONNX export: the network is the one exported, whatever it learns to tell apart next."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from detect.models import shipped_model
from flightplan.errors import DetectorError

pytestmark = [pytest.mark.yolo, pytest.mark.filterwarnings("ignore")]  # torch and ultralytics warn of their own

Answer = npt.NDArray[np.float32]


def answer_of_onnx(path: Path, pixels: npt.NDArray[np.uint8]) -> Answer:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    planes = (pixels.transpose(2, 0, 1)[None] / 255.0).astype(np.float32)
    return np.asarray(session.run(None, {session.get_inputs()[0].name: planes})[0])[0]


def answer_of(network: Any, pixels: npt.NDArray[np.uint8]) -> Answer:
    import torch

    planes = torch.from_numpy((pixels.transpose(2, 0, 1)[None] / 255.0).astype(np.float32))
    with torch.no_grad():
        return np.asarray(network.eval()(planes)[0].numpy())[0]


def bus() -> npt.NDArray[np.uint8]:
    """A picture of people and a bus, which ultralytics brings along; 640 px square."""
    import ultralytics

    path = Path(ultralytics.__file__).parent / "assets" / "bus.jpg"
    return np.asarray(Image.open(path).convert("RGB").resize((640, 640)))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with weights of its own, trained on nothing, as overfly exports it."""
    import torch
    from ultralytics import YOLO

    from detect.train import export_onnx

    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(4)
    model = YOLO(str(shipped_model().with_suffix(".yaml")), task="detect")
    with torch.no_grad():
        for module in model.model.modules():
            if hasattr(module, "running_mean"):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.3)
    model.model.names = {0: "elephant", 1: "zebra"}
    torch.save({"model": model.model, "train_args": {}}, folder / "small.pt")
    return export_onnx(folder / "small.pt", folder / "small.onnx")


def test_a_network_read_from_its_export_answers_as_the_export_does(exported: Path) -> None:
    from detect.onnx_weights import read_onnx_weights
    from detect.starting import network_of

    weights = read_onnx_weights(exported)
    assert weights.names == ("elephant", "zebra")
    assert not weights.quantised
    pixels = np.random.default_rng([1]).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    theirs, ours = answer_of_onnx(exported, pixels), answer_of(network_of(weights, exported), pixels)
    assert theirs.std() > 1.0
    assert np.abs(ours - theirs).max() < 1e-2
    assert np.abs(ours[4:] - theirs[4:]).max() < 1e-5


def test_settling_normalisations_on_pictures_changes_their_statistics_and_not_the_answers(
    exported: Path, tmp_path: Path
) -> None:
    import torch

    from detect.onnx_weights import read_onnx_weights
    from detect.starting import network_of, start_from_onnx

    rng = np.random.default_rng([2])
    tiles = [tmp_path / f"{n}.png" for n in range(3)]
    for tile in tiles:
        Image.fromarray(rng.integers(60, 180, (96, 96, 3), dtype=np.uint8)).save(tile)
    made = start_from_onnx(exported, tmp_path / "start.pt", ("elephant", "zebra"), tiles)
    network = torch.load(made, weights_only=False)["model"]
    pixels = np.asarray(Image.open(tiles[0]))
    plain = network_of(read_onnx_weights(exported), exported)
    assert answer_of(network, pixels) == pytest.approx(answer_of(plain, pixels), abs=2e-3)
    first = network.model[0]
    planes = torch.from_numpy(
        np.stack([np.asarray(Image.open(t)).transpose(2, 0, 1) / 255.0 for t in tiles]).astype(np.float32)
    )
    with torch.no_grad():
        seen = first.conv(planes)
    assert torch.allclose(first.bn.running_mean, seen.mean((0, 2, 3)), atol=1e-4)
    assert torch.allclose(first.bn.running_var, seen.var((0, 2, 3)), rtol=1e-2)


def test_classes_known_by_name_keep_their_weights_and_new_ones_start_as_the_mean(
    exported: Path, tmp_path: Path
) -> None:
    import torch

    from detect.onnx_weights import read_onnx_weights
    from detect.starting import start_from_onnx

    tile = tmp_path / "tile.png"
    Image.new("RGB", (64, 64), (90, 120, 60)).save(tile)
    made = start_from_onnx(exported, tmp_path / "start.pt", ("Zebra", "topi", "elephant"), [tile])
    network = torch.load(made, weights_only=False)["model"]
    assert network.names == {0: "Zebra", 1: "topi", 2: "elephant"}
    arrays = read_onnx_weights(exported).arrays
    (name,) = [name for name in arrays if ".cv3." in name and name.endswith(".2.weight")]
    ours, theirs = network.state_dict()[name].numpy(), arrays[name]
    assert ours.shape[0] == 3
    assert ours[0].tolist() == theirs[1].tolist()
    assert ours[2].tolist() == theirs[0].tolist()
    assert ours[1] == pytest.approx(theirs.mean(0), abs=1e-7)


def test_integer_weights_times_their_scale_find_what_the_quantised_network_finds(shared_data: Path) -> None:
    from detect.onnx_weights import read_onnx_weights
    from detect.starting import network_of

    path = shared_data / "models" / "yolov8n_coco_int8.onnx"
    weights = read_onnx_weights(path)
    assert weights.quantised
    assert weights.architecture == "yolov8n.yaml"
    assert len(weights.names) == 80
    theirs, ours = answer_of_onnx(path, bus()), answer_of(network_of(weights, path), bus())
    sure = np.flatnonzero(theirs[4:].max(axis=0) > 0.25)
    assert len(sure) > 10
    # The export also rounds what passes between its layers, to 8 bits of each layer's range.
    assert np.abs(ours[4:] - theirs[4:]).max() < 0.1
    assert np.corrcoef(ours[4:].ravel(), theirs[4:].ravel())[0, 1] > 0.999
    assert (ours[4:, sure].argmax(axis=0) == theirs[4:, sure].argmax(axis=0)).all()
    assert np.median(np.abs(ours[:4, sure] - theirs[:4, sure])) < 2.0


def test_training_goes_on_from_an_export_of_its_own_without_changing_the_network(
    exported: Path, tmp_path: Path
) -> None:
    from detect.onnx_weights import read_onnx_weights
    from detect.starting import start_from_onnx
    from detect.train import Recipe, export_onnx, train

    rng = np.random.default_rng([5])
    data = tmp_path / "tiles"
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (data / kind / split).mkdir(parents=True)
        for n in range(2):
            pixels = rng.integers(60, 90, (96, 96, 3), dtype=np.uint8)
            pixels[30:50, 20:60] = 220
            Image.fromarray(pixels).save(data / "images" / split / f"{n}.png")
            (data / "labels" / split / f"{n}.txt").write_text("0 0.416667 0.416667 0.416667 0.208333\n")
    (data / "data.yaml").write_text(f"path: {data}\ntrain: images/train\nval: images/val\nnames:\n  0: topi\n")
    start = start_from_onnx(exported, tmp_path / "start.pt", ("topi",), (data / "images/train").glob("*.png"))
    # No step is taken, so what comes out is what went in.
    recipe = Recipe(str(start), epochs=1, image_px=96, batch=2, workers=0, extra={"lr0": 0.0, "weight_decay": 0.0})
    trained = train(data / "data.yaml", tmp_path / "run", recipe)
    again = read_onnx_weights(export_onnx(trained.last, tmp_path / "again.onnx"))
    before = read_onnx_weights(exported)
    assert again.names == ("topi",)
    assert set(again.arrays) == set(before.arrays)
    deep = "model.7.cv2.conv.weight"
    assert np.corrcoef(again.arrays[deep].ravel(), before.arrays[deep].ravel())[0, 1] > 0.99


def test_what_cannot_be_started_from_is_refused_with_what_to_do(exported: Path, tmp_path: Path) -> None:
    import onnx

    from detect.onnx_weights import read_onnx_weights
    from detect.starting import network_of

    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(DetectorError, match=r"text\.onnx"):
        read_onnx_weights(tmp_path / "text.onnx")

    def written(name: str, **metadata: str) -> Path:
        model = onnx.load(exported)
        entries = {e.key: e.value for e in model.metadata_props if e.key not in ("architecture", "description")}
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, entries | metadata)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    with pytest.raises(DetectorError, match="does not say what network"):
        read_onnx_weights(written("silent.onnx"))
    other = written("other.onnx", description="Ultralytics YOLOv8n model trained on coco.yaml")
    with pytest.raises(DetectorError, match=r"does not fit|has no"):
        network_of(read_onnx_weights(other), other)
    # What a file says its network is built of is looked up by name and called: nothing but layers is let through.
    layers = {"nc": 2, "backbone": [[-1, 1, "torch_safe_load", ["/etc/passwd"]]], "head": [[-1, 1, "Detect", [2]]]}
    with pytest.raises(DetectorError, match="none that can be trained"):
        read_onnx_weights(written("evil.onnx", architecture=json.dumps(layers)))
    layers = json.loads(next(e.value for e in onnx.load(exported).metadata_props if e.key == "architecture"))
    told = read_onnx_weights(written("act.onnx", architecture=json.dumps({**layers, "activation": "exit()"})))
    assert "activation" not in told.architecture
