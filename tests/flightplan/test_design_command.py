"""`overfly design`: what a design would give."""

import json
from pathlib import Path

import pytest
import rasterio
import shapely
from click.testing import CliRunner

from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.commands.design import design_command
from flightplan.frames import LocalFrame

FRAME = LocalFrame(34.83, -2.33)


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    write_area(
        StudyArea("p", (Stratum("all", FRAME.delocalise(shapely.box(-1500, -600, 1500, 600))),)), folder / "p.geojson"
    )
    result = CliRunner().invoke(design_command, [str(folder / "p.geojson"), "--width", "60", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("name", ["coverage.tif", "coverage.csv"])
def test_the_command_says_what_the_design_gives_and_writes_its_map(tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    code, text, _ = run(
        tmp_path, "--spacing", "300", "--draws", "60", "--cell", "100", "--heading", "0", "--out", str(out), "--json"
    )
    assert code == 0
    document = json.loads(text)
    assert document["map"] == str(out)
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
        (["--spacing", "300", "--out", "map.png"], 2, ".tif or a .csv"),
        (["--spacing", "300", "--design", "segmented"], 1, "length of its segments"),
        (["--spacing", "300", "--draws", "0"], 1, "no probability"),
    ],
)
def test_the_command_refuses_with_the_reason(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    got, out, err = run(tmp_path, *arguments)
    assert (got, out) == (code, "")
    assert words in err
