"""`overfly plan`: effort said in any way, and told again per stratum and transect."""

import json
from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner, Result

from flightplan.areas import Stratum, StudyArea, write_area
from flightplan.commands.plan import plan_command
from flightplan.frames import LocalFrame

FRAME = LocalFrame(34.83, -2.33)


def run(folder: Path, *arguments: str) -> Result:
    boxes = {"north": shapely.box(-1200, 0, 1200, 800), "south": shapely.box(-1200, -600, 1200, 0)}
    park = StudyArea("park", tuple(Stratum(n, FRAME.delocalise(b)) for n, b in boxes.items()))
    write_area(park, folder / "park.geojson")
    fixed = ("--camera", "overfly-demo", "--height", "80", "--heading", "0", "--out", str(folder / "plan"), "--json")
    return CliRunner().invoke(plan_command, [str(folder / "park.geojson"), *fixed, *arguments])


def planned(folder: Path, *arguments: str) -> dict:
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_each_transect_says_the_strip_that_it_sees(tmp_path: Path) -> None:
    document = planned(tmp_path, "--spacing", "400")
    assert document["strip_width_m"] == pytest.approx(96.0)
    assert len(document["transects"]) == document["lines"] == 12
    for transect in document["transects"]:
        height_m = {"north": 800, "south": 600}[transect["stratum"]]
        assert transect["strip_width_m"] == pytest.approx(96.0)
        assert transect["strip_area_m2"] <= 96.0 * height_m * 1.001
    inner = [t for t in document["transects"] if t["name"].endswith("-003")]
    assert [t["strip_area_m2"] for t in inner] == pytest.approx([96.0 * 800, 96.0 * 600], rel=1e-3)
    total = sum(t["strip_area_m2"] for t in document["transects"])
    assert sum(s["strip_area_km2"] for s in document["strata"]) == pytest.approx(total / 1e6, rel=1e-3)


def test_neyman_s_lines_go_where_the_earlier_survey_found_the_spread(tmp_path: Path) -> None:
    (tmp_path / "earlier.csv").write_text("stratum,sd,possible_units\nnorth,1,25\nsouth,3,25\n", encoding="utf-8")
    document = planned(
        tmp_path, "--total-lines", "16", "--allocate", "neyman", "--earlier", str(tmp_path / "earlier.csv")
    )
    lines = {s["name"]: s["lines"] for s in document["strata"]}
    assert lines["north"] in (4, 5)
    assert lines["south"] in (12, 13)


def test_a_length_is_shared_out_by_area_and_a_stratum_may_differ(tmp_path: Path) -> None:
    document = planned(tmp_path, "--length", "8.4", "--stratum-spacing", "south=300")
    spacing = {s["name"]: s["spacing_m"] for s in document["strata"]}
    assert spacing == {"north": pytest.approx(400.0, rel=1e-3), "south": 300.0}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "--total-lines or --length"),
        (("--spacing", "400", "--length", "8"), 2, "--total-lines or --length"),
        (("--total-lines", "16", "--allocate", "neyman"), 2, "belong together"),
        (("--total-lines", "16", "--stratum-spacing", "south"), 2, "woodland=400"),
        (("--total-lines", "16", "--stratum-spacing", "west=300"), 1, "no stratum 'west'"),
        (("--stratum-spacing", "south=300"), 1, "say one of"),
    ],
)
def test_effort_not_said_or_said_twice_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert not (tmp_path / "plan").exists()
