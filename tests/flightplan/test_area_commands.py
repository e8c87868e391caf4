"""Large areas planned in parts, boundaries mended where they cross themselves: by their commands."""

import json
from pathlib import Path

import click
import pyproj
import pytest
import shapely
from click.testing import CliRunner

from flightplan.areas import read_area
from flightplan.commands.mend import mend_command
from flightplan.commands.plan import plan_command
from flightplan.errors import AreaError
from flightplan.mending import mend_file
from flightplan.plan_files import load_plan

GEOD = pyproj.Geod(ellps="WGS84")


def geojson(path: Path, *pairs) -> Path:
    members = [
        {"type": "Feature", "properties": p, "geometry": g if isinstance(g, dict) else shapely.geometry.mapping(g)}
        for g, p in pairs
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": members}), encoding="utf-8")
    return path


def run(command: click.Command, *words: object) -> dict:
    result = CliRunner().invoke(command, [str(w) for w in words])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


# --- parts -----------------------------------------------------------------------------------------------------------


WEST, EAST = shapely.box(20.0, 1.0, 20.02, 1.02), shapely.box(26.0, 1.0, 26.03, 1.02)


def test_an_area_too_large_for_one_frame_is_planned_in_parts(tmp_path: Path) -> None:
    area = geojson(
        tmp_path / "isles.geojson",
        (WEST, {"stratum": "west"}),
        (EAST, {"stratum": "east"}),
        (shapely.Point(26.01, 1.01), {"name": "jetty"}),
        (shapely.box(20.008, 1.008, 20.01, 1.01), {"role": "exclusion"}),
    )
    out = tmp_path / "plan"
    document = run(plan_command, area, "--camera", "overfly-demo", "--height", 80, "--lines", 4, "--out", out, "--json")
    plans = [load_plan(out / f"part-{i}") for i in (1, 2)]
    assert [[s.name for s in p.strata] for p in plans] == [["west"], ["east"]]
    assert [len(p.area.exclusions) for p in plans] == [1, 0]
    assert [[s.name for s in p.area.launch_sites] for p in plans] == [[], ["jetty"]]
    assert [round(p.area.frame.longitude_deg, 3) for p in plans] == [20.01, 26.015]
    assert document["metres_outside"] == 0
    assert document["lines"] == sum(len(s.transects) for p in plans for s in p.strata)
    assert document["length_km"] == pytest.approx(sum(p.length_m for p in plans) / 1000, abs=0.002)
    truth_km2 = sum(abs(GEOD.geometry_area_perimeter(p.area.boundary)[0]) for p in plans) / 1e6
    assert document["area_km2"] == pytest.approx(truth_km2, rel=1e-4)
    assert {s["name"].split("/")[0] for s in document["sorties"]} == {"part-1", "part-2"}
    assert all(Path(f).is_file() for s in document["sorties"] for f in s["files"].values())
    assert all(w.startswith(("part-1: ", "part-2: ")) for w in document["warnings"])
    assert [d["plan"] for d in document["parts"]] == [str(out / "part-1"), str(out / "part-2")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--length", "20"], "cannot be shared out over parts"),
        (["--lines", "3", "--stratum-spacing", "north=500"], "no stratum 'north'. There are: east, west"),
        (["--lines", "3", "--launch", "20.01", "1.01"], "put launch sites into its own file"),
    ],
)
def test_what_cannot_be_divided_is_refused_and_nothing_written(tmp_path: Path, words: list[str], said: str) -> None:
    area = geojson(tmp_path / "isles.geojson", (WEST, {"stratum": "west"}), (EAST, {"stratum": "east"}))
    out = tmp_path / "plan"
    base = [str(area), "--camera", "overfly-demo", "--height", "80", "--out", str(out)]
    result = CliRunner().invoke(plan_command, [*base, *words])
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert not out.exists()


def test_a_part_that_cannot_be_planned_leaves_no_other_behind(tmp_path: Path) -> None:
    # The second part lies inside airspace that begins at the ground.
    area = geojson(tmp_path / "isles.geojson", (WEST, {}), (EAST, {}))
    zone = geojson(
        tmp_path / "zones.geojson", (EAST.buffer(0.1), {"name": "P-9", "lower": "GND"}), (WEST, {"lower": "900 m AGL"})
    )
    out = tmp_path / "plan"
    words = [area, "--camera", "overfly-demo", "--height", "80", "--lines", "3", "--airspace", zone, "--out", out]
    result = CliRunner().invoke(plan_command, [str(w) for w in words])
    assert result.exit_code == 1
    assert "isles, part 2: obstacles and airspace leave nothing" in result.stderr
    assert not out.exists()
    # With a permission for it the part that it lies over is flown, and the other does not ask for it.
    document = run(plan_command, *words, "--permit", "p-9", "--json")
    assert [any("permission" in w for w in d["warnings"]) for d in document["parts"]] == [False, True]


def test_what_the_user_says_of_coordinates_holds_for_every_file_that_does_not_say(tmp_path: Path) -> None:
    area = geojson(tmp_path / "park.geojson", (WEST, {}))
    masts = tmp_path / "masts.csv"
    masts.write_text('name,wkt,h\nmast,"POINT (20.01 1.01)",95\n', encoding="utf-8")
    out = tmp_path / "plan"
    words = [
        area,
        "--camera",
        "overfly-demo",
        "--height",
        80,
        "--lines",
        4,
        "--obstacles",
        masts,
        "--out",
        out,
        "--json",
    ]
    words += ["--obstacle-height", "h:m:agl"]
    refused = CliRunner().invoke(plan_command, [str(w) for w in words])
    assert "masts.csv: does not state its coordinate reference system" in refused.stderr
    document = run(plan_command, *words, "--crs", "EPSG:4326")
    assert any("mast (95 m AGL)" in w for w in document["warnings"])
    assert document["metres_outside"] == 0


# --- mending ---------------------------------------------------------------------------------------------------------


BOW_TIE = {
    "type": "Polygon",
    "coordinates": [[[34.0, -2.0], [34.02, -1.98], [34.02, -2.0], [34.0, -1.98], [34.0, -2.0]]],
}
TRIANGLES = shapely.MultiPolygon(
    [
        shapely.Polygon([(34.0, -2.0), (34.01, -1.99), (34.0, -1.98)]),
        shapely.Polygon([(34.02, -2.0), (34.01, -1.99), (34.02, -1.98)]),
    ]
)


def test_a_bow_tie_mended_is_its_two_triangles_and_both_are_shown(tmp_path: Path) -> None:
    source = geojson(tmp_path / "park.geojson", (BOW_TIE, {"stratum": "tie"}), (WEST, {"stratum": "sound"}))
    out = tmp_path / "mended.geojson"
    document = run(mend_command, source, out, "--json")
    (polygon,) = document["polygons"]
    assert polygon["name"] == "feature 1"
    assert polygon["crossings"] == [[34.01, -1.99]]
    assert polygon["polygons_after"] == 2
    truth_km2 = sum(abs(GEOD.geometry_area_perimeter(t)[0]) for t in TRIANGLES.geoms) / 1e6
    assert polygon["mended_km2"] == pytest.approx(truth_km2, rel=1e-5)
    # Gone round one way and the other, a bow tie has no area to most programs.
    assert polygon["drawn_km2"] == pytest.approx(0, abs=1e-3)
    assert polygon["difference_km2"] == pytest.approx(truth_km2, abs=1e-3)
    features = json.loads(out.read_text(encoding="utf-8"))["features"]
    assert [f["properties"]["stratum"] for f in features] == ["tie", "sound"]
    assert shapely.geometry.shape(features[0]["geometry"]).normalize().equals_exact(TRIANGLES.normalize(), 1e-9)
    both = json.loads((tmp_path / "mended.mending.geojson").read_text(encoding="utf-8"))["features"]
    assert [f["properties"]["role"] for f in both] == ["before", "after"]
    assert both[0]["geometry"] == BOW_TIE
    picture = (tmp_path / "mended.mending.svg").read_text(encoding="utf-8")
    assert (picture.count('class="before"'), picture.count('class="after"'), picture.count("<circle")) == (1, 1, 1)


def test_what_was_mended_with_consent_can_be_planned(tmp_path: Path) -> None:
    source = geojson(tmp_path / "park.geojson", (BOW_TIE, {}))
    with pytest.raises(AreaError, match="`overfly mend` shows it before and after"):
        read_area(source)
    mend_file(source, tmp_path / "mended.geojson")
    area = read_area(tmp_path / "mended.geojson")
    assert len(shapely.get_parts(area.strata[0].polygon)) == 2


def test_a_ring_that_runs_back_over_itself_loses_only_its_spike(tmp_path: Path) -> None:
    ring = [[34.0, -2.0], [34.02, -2.0], [34.06, -2.0], [34.02, -2.0], [34.02, -1.98], [34.0, -1.98], [34.0, -2.0]]
    source = geojson(tmp_path / "park.geojson", ({"type": "Polygon", "coordinates": [ring]}, {}))
    ((mending,), _) = mend_file(source, tmp_path / "mended.geojson")
    assert mending.after.equals(shapely.box(34.0, -2.0, 34.02, -1.98))
