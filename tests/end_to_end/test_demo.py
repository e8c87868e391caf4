"""The whole chain over a small park: the same numbers on every run, and again after being killed anywhere."""

import json
import subprocess
import sys
from pathlib import Path

import pyogrio
import pytest
import shapely
from click.testing import CliRunner

from flightplan.areas import Stratum, StudyArea
from flightplan.errors import WorkspaceError
from flightplan.frames import LocalFrame
from overfly.cli import main
from overfly.demo import Silent, run_demo

_FRAME = LocalFrame(34.83, -2.33)
SMALL_PARK = StudyArea(
    name="small park",
    strata=(
        Stratum("west", shapely.Polygon(_FRAME.to_lonlat([(0, 0), (700, 0), (700, 600), (0, 600)]).round(7))),
        Stratum("east", shapely.Polygon(_FRAME.to_lonlat([(700, 0), (1400, 0), (1400, 600), (700, 600)]).round(7))),
    ),
)
SMALL = {"area": SMALL_PARK, "lines": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("demo") / "out"
    return folder, run_demo(folder, 3, Silent(), **SMALL)


def numbers(document: dict) -> dict:
    """What must not differ between two runs: all but the clock's and the folder's."""
    return {k: v for k, v in document.items() if k not in ("seconds", "report", "census")}


def test_the_demo_sets_estimates_with_limits_beside_the_truth(finished: tuple[Path, dict]) -> None:
    _, document = finished
    assert {e["species"] for e in document["estimates"]} == set(document["truth"]) == {"elephant", "zebra"}
    assert {e["stratum"] for e in document["estimates"]} == {"west", "east", "total"}
    for e in document["estimates"]:
        assert (e["lower"] is None) == (e["limits_reason"] is not None)
        if e["lower"] is not None:
            assert 0 <= e["lower"] <= e["estimate"] <= e["upper"]
            assert e["upper"] > e["lower"]
            assert e["cv"] == pytest.approx(e["se"] / e["estimate"])
    assert document["metres_outside"] == 0
    assert document["captures_on_effort"] == document["captures"] > 20
    assert 0.15 < document["area_searched_km2"] / document["area_km2"] < 0.5


def test_the_census_of_the_demo_opens_in_a_gis(finished: tuple[Path, dict]) -> None:
    _, document = finished
    layers = dict(pyogrio.list_layers(document["census"]))
    assert layers["strata"] == "MultiPolygon"
    assert layers["transects"] == "MultiLineString"
    assert layers["footprints"] == "Polygon"
    assert layers["individuals"] == "Point"
    individuals = pyogrio.read_info(document["census"], layer="individuals")
    assert individuals["features"] >= document["individuals"]
    assert "4326" in individuals["crs"]


def test_running_a_finished_demo_again_changes_nothing(finished: tuple[Path, dict]) -> None:
    folder, document = finished
    report = Path(document["report"]).read_bytes()
    assert numbers(run_demo(folder, 3, Silent(), **SMALL)) == numbers(document)
    assert Path(document["report"]).read_bytes() == report


class KilledError(Exception):
    """What the test raises in place of a kill."""


class KillsAt(Silent):
    """A stage that ends the program when a step begins, or in the midst of one."""

    def __init__(self, step: str, *, at_progress: int | None = None) -> None:
        self.step_wanted, self.at_progress, self.here = step, at_progress, False

    def step(self, text: str) -> None:
        self.here = text.startswith(self.step_wanted)
        if self.here and self.at_progress is None:
            raise KilledError

    def progress(self, done: int, total: int) -> None:
        if self.here and self.at_progress is not None and done >= self.at_progress:
            raise KilledError


@pytest.mark.parametrize(
    "killer",
    [
        KillsAt("Flying", at_progress=5),
        KillsAt("Looking for animals", at_progress=1),
        KillsAt("Placing"),
        KillsAt("Writing the report"),
    ],
    ids=["rendering", "detecting", "counting", "reporting"],
)
def test_a_demo_stopped_anywhere_goes_on_to_the_same_numbers(
    finished: tuple[Path, dict], tmp_path: Path, killer: KillsAt
) -> None:
    with pytest.raises(KilledError):
        run_demo(tmp_path / "out", 3, killer, **SMALL)
    assert numbers(run_demo(tmp_path / "out", 3, Silent(), **SMALL)) == numbers(finished[1])


FLY_AND_DIE = """
import os, sys
from pathlib import Path
from tests_park import SMALL
import overfly.demo as demo

def die(*_, **__):
    os._exit(9)

class Dies(demo.Silent):
    def step(self, text):
        if text.startswith("Flying"):
            demo.Gimbal.shot = counted(demo.Gimbal.shot)

def counted(shot):
    seen = []
    def take(self, exposure, reported):
        seen.append(exposure.index)
        if len(seen) > 10:
            os._exit(9)
        return shot(self, exposure, reported)
    return take

if __name__ == "__main__":
    demo.run_demo(Path(sys.argv[1]), 3, Dies(), **SMALL)
"""


def test_a_sortie_cut_short_is_flown_again_and_its_frames_are_set_aside(
    finished: tuple[Path, dict], tmp_path: Path
) -> None:
    park = Path(__file__).read_text(encoding="utf-8").partition("\n@pytest.fixture")[0]
    (tmp_path / "tests_park.py").write_text(park, encoding="utf-8")
    (tmp_path / "fly_and_die.py").write_text(FLY_AND_DIE, encoding="utf-8")
    out = tmp_path / "out"
    died = subprocess.run(
        [sys.executable, str(tmp_path / "fly_and_die.py"), str(out)], capture_output=True, check=False
    )
    assert died.returncode == 9, died.stderr.decode()
    logged = (out / "demo" / "flights" / "sortie-01" / "captures.jsonl").read_text().splitlines()
    assert len(logged) == 11  # acknowledged frames are on disk although the program died
    assert numbers(run_demo(out, 3, Silent(), **SMALL)) == numbers(finished[1])
    assert (out / "demo" / "flights" / "sortie-01.1" / "captures.jsonl").read_text().splitlines() == logged
    assert (out / "demo" / "set-aside" / "sortie-01.1").is_dir()


def test_a_folder_of_another_seed_or_with_other_things_is_refused(finished: tuple[Path, dict], tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="holds a demo of seed 3, not 4"):
        run_demo(finished[0], 4, Silent())
    (tmp_path / "letter.txt").write_text("dear ranger")
    with pytest.raises(WorkspaceError, match="holds something else"):
        run_demo(tmp_path, 3, Silent())
    assert (tmp_path / "letter.txt").read_text() == "dear ranger"


def test_the_command_of_a_refused_folder_says_why_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear ranger")
    result = CliRunner().invoke(main, ["demo", "--out", str(tmp_path), "--json"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "holds something else" in result.stderr


def test_result_file_is_the_document_that_was_printed(finished: tuple[Path, dict]) -> None:
    folder, document = finished
    assert numbers(json.loads((folder / "demo" / "result.json").read_text())) == numbers(document)
