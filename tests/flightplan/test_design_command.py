"""`overfly design`: what a design would give."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from click.testing import CliRunner
from PIL import Image

from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.commands.design import design_command
from flightplan.frames import LocalFrame

FRAME = LocalFrame(34.83, -2.33)


def run(folder: Path, *arguments: str, width: tuple[str, ...] = ("--width", "60")) -> tuple[int, str, str]:
    write_area(
        StudyArea("p", (Stratum("all", FRAME.delocalise(shapely.box(-1500, -600, 1500, 600))),)), folder / "p.geojson"
    )
    result = CliRunner().invoke(design_command, [str(folder / "p.geojson"), *width, *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", ["coverage.tif", "coverage.csv"])
def test_the_command_says_what_the_design_gives_and_writes_its_map(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    code, text, _ = run(
        tmp_path, "--spacing", "300", "--draws", "60", "--cell", "100", "--heading", "0", "--out", str(out), "--json"
    )
    assert code == 0
    document = json.loads(text)
    assert document["maps"] == [str(out)]
    assert document["lines"]["mean"] == pytest.approx(10.2, abs=0.3)
    assert document["length_km"]["mean"] == pytest.approx(12.2, abs=0.4)
    assert document["sampled_share"]["mean"] == pytest.approx(0.2, abs=0.005)
    coverage = document["coverage_probability"]
    assert 0 < coverage["min"] < 0.2 < coverage["max"] < 1
    assert coverage["mean"] == pytest.approx(0.2, abs=0.03)
    assert document["no_possible_transects"] is None
    if out.suffix == ".tif":
        with rasterio.open(out) as dataset:
            assert dataset.count == 4
    else:
        assert len(out.read_text(encoding="utf-8").splitlines()) == document["cells"] + 1


def test_a_zigzag_says_that_it_has_no_number_of_possible_transects(tmp_path: Path) -> None:
    code, text, _ = run(tmp_path, "--fraction", "15", "--design", "zigzag", "--draws", "20", "--cell", "150", "--json")
    assert code == 0
    assert "no draw" in json.loads(text)["no_possible_transects"]
    code, text, _ = run(tmp_path, "--fraction", "15", "--design", "zigzag", "--draws", "20", "--cell", "150")
    assert "a place is seen with probability" in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "--total-lines or --length"),
        (["--spacing", "300", "--out", "map.jpg"], 2, ".png, .html, .tif"),
        (["--spacing", "300", "--camera", "overfly-demo", "--height", "80"], 2, "one follows from the other"),
        (["--spacing", "300", "--design", "segmented"], 1, "length of its segments"),
        (["--spacing", "300", "--draws", "0"], 1, "no probability"),
    ],
)
def test_the_command_refuses_with_the_reason(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    got, out, err = run(tmp_path, *arguments)
    assert (got, out) == (code, "")
    assert words in err


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (("--gsd", "2"), "need --camera"),
        (("--camera", "overfly-demo"), "one of --gsd and --height"),
        (("--out", "x.png"), "needs --width"),
    ],
)
def test_a_strip_that_is_not_said_whole_is_asked_for(tmp_path: Path, width: tuple[str, ...], words: str) -> None:
    code, _, err = run(tmp_path, "--spacing", "300", width=width)
    assert code == 2
    assert words in err


def test_a_camera_and_its_height_are_a_strip(tmp_path: Path) -> None:
    asked = ("--spacing", "300", "--draws", "20", "--cell", "150", "--json")
    code, text, _ = run(tmp_path, *asked, width=("--camera", "overfly-demo", "--height", "80"))
    assert code == 0
    assert json.loads(text)["strip_width_m"] == pytest.approx(96.0)
    _, by_gsd, _ = run(tmp_path, *asked, width=("--camera", "overfly-demo", "--gsd", "12"))
    assert json.loads(by_gsd)["strip_width_m"] == pytest.approx(96.0)


def test_without_a_strip_lines_and_length_are_told_and_coverage_is_not_made_up(tmp_path: Path) -> None:
    asked = ("--spacing", "300", "--draws", "30", "--cell", "150", "--heading", "0")
    code, text, _ = run(tmp_path, *asked, "--json", width=())
    document = json.loads(text)
    assert code == 0
    assert document["lines"]["mean"] == pytest.approx(10, abs=0.2)
    assert document["length_km"]["mean"] == pytest.approx(12, abs=0.3)
    for unknown in ("strip_width_m", "sampled_share", "coverage_probability", "cells"):
        assert document[unknown] is None
    assert document["strata"][0]["possible_transects"] is None
    assert "not said" in document["coverage_reason"]
    assert "coverage is not told" in run(tmp_path, *asked, width=())[1]


def test_the_map_is_a_picture_and_a_page_that_needs_nothing_else(tmp_path: Path) -> None:
    asked = ("--spacing", "300", "--heading", "0", "--design", "zigzag", "--draws", "60", "--cell", "60")
    picture, page = tmp_path / "c.png", tmp_path / "c.html"
    code, text, _ = run(tmp_path, *asked, "--out", str(picture), "--out", str(page), "--json")
    assert code == 0
    assert json.loads(text)["maps"] == [str(picture), str(page)]
    shown = np.asarray(Image.open(picture).convert("RGB")).astype(int)
    # Beside the turns, in the north and the south, places are seen less often, and are bluer.
    ink = (np.abs(shown - 247).max(axis=2) > 20)[: int(shown.shape[0] * 0.88)]
    rows = np.flatnonzero(ink.mean(axis=1) > 0.5)
    bluer = (shown[..., 2] - shown[..., 0]).mean(axis=1)[rows.min() : rows.max()]
    tenth = len(bluer) // 10
    assert min(bluer[2:tenth].mean(), bluer[-tenth:-2].mean()) > bluer[3 * tenth : 7 * tenth].mean() + 5
    words = page.read_text(encoding="utf-8")
    assert base64.b64encode(picture.read_bytes()).decode() in words
    assert not re.findall(r"<script|https?:|<link", words)
    assert "coverage unevenness" in words


def test_what_to_expect_of_other_effort_follows_from_the_earlier_survey(tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.csv"
    earlier.write_text("stratum,variance,lines,estimate\nall,400,10,200\n", encoding="utf-8")
    asked = ("--total-lines", "20", "--allocate", "neyman", "--earlier", str(earlier), "--draws", "40", "--cell", "200")
    code, text, err = run(tmp_path, *asked, "--json")
    assert code == 0, err
    expect = json.loads(text)["to_expect"]
    # Twice the lines: half the variance, and less for the two fifths that are then searched (60 m of 150 m).
    assert expect["standard_error"] == pytest.approx((400 / 2 * 0.6) ** 0.5, rel=0.03)
    assert expect["cv"] == pytest.approx(expect["standard_error"] / 200)
    assert "to expect" in run(tmp_path, *asked)[1]
