"""`overfly detect`: thresholds and scale are what was asked for, or what the workspace says."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from detect.models import shipped_model
from overfly.cli import main
from overfly.workspace import Workspace


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "land.png"
    Image.fromarray(np.full((96, 128, 3), 120, np.uint8)).save(path)
    return path


def detect(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["detect", *map(str, arguments), "--json"])


def test_a_label_has_the_threshold_asked_for_it_and_the_others_that_of_all(picture: Path, tmp_path: Path) -> None:
    done = detect(picture, "--out", tmp_path / "a.csv", "--threshold", "0.3", "--threshold", "zebra=0.6")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["threshold"], told["thresholds"]) == (0.3, {"zebra": 0.6})


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--threshold", "lion=0.5"], 1, "does not know 'lion'"),
        (["--threshold", "zebra=high"], 2, "is no SCORE or LABEL=SCORE"),
        (["--threshold", "1.5"], 1, "between 0 and 1"),
        (["--tile-px", "128", "--overlap-px", "100"], 2, "overlap by half"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], exit_code: int, said: str, picture: Path, tmp_path: Path
) -> None:
    done = detect(picture, "--out", tmp_path / "a.csv", *arguments)
    assert done.exit_code == exit_code
    assert said in done.stderr


def test_pictures_whose_scale_is_not_known_are_looked_at_and_counted(picture: Path, tmp_path: Path) -> None:
    done = detect(picture, "--out", tmp_path / "a.csv", "--gsd-cm", "12")
    assert done.exit_code == 0, done.stderr
    assert "Of 1 pictures the size of a pixel on the ground is not known" in done.stderr


def test_the_workspace_says_which_thresholds_and_scale_its_model_has(tmp_path: Path) -> None:
    shutil.copy(shipped_model(), tmp_path / "mine.onnx")
    text = 'name = "Olare"\narea = "a.geojson"\ncensus = "c.gpkg"\n[detector]\nmodel = "mine.onnx"\n'
    (tmp_path / "overfly.toml").write_text(f"{text}threshold = 0.3\nthresholds = {{ zebra = 0.6 }}\ngsd_cm = 12\n")
    workspace = Workspace.open(tmp_path)
    assert workspace.thresholds == {"": 0.3, "zebra": 0.6}
    assert workspace.gsd_cm == 12.0
    (tmp_path / "overfly.toml").write_text(f'{text}gsd_cm = "fine"\n')
    with pytest.raises(ValueError, match="gsd_cm is not a number"):
        Workspace.open(tmp_path)
