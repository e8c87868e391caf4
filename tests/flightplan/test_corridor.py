"""Along a river: what lies beside it is seen, as wide as was asked, and bends are flown as legs."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import shapely
from click.testing import CliRunner

from flightplan.cameras import camera_named
from flightplan.commands.plan import plan_command
from flightplan.corridor import read_corridor
from flightplan.errors import AreaError, DesignError
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
X = np.linspace(0, 4000, 81)
RIVER = shapely.LineString(np.column_stack([X, 400 * np.sin(X / 600)]))


def write_line(path: Path, line: shapely.LineString) -> Path:
    geometry = json.loads(shapely.to_geojson(FRAME.delocalise(line)))
    path.write_text(json.dumps({"type": "Feature", "properties": {"name": "Mara"}, "geometry": geometry}))
    return path


def plan(path: Path, width_m: float, **asked: object) -> SurveyPlan:
    area, corridor = read_corridor(path, width_m)
    said = {"altitude_agl_m": 80.0, "front_overlap": 0.75, "side_overlap": 0.3, **asked}
    request = PlanRequest(camera=camera_named("overfly-demo"), corridor=corridor, **said)  # type: ignore[arg-type]
    return plan_survey(area, request)


@pytest.fixture(scope="module")
def looks(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("looks")


def test_a_straight_fence_gets_parallel_lines_as_far_apart_as_asked(tmp_path: Path) -> None:
    fence = write_line(tmp_path / "fence.geojson", shapely.LineString([(0, 0), (3000, 1000)]))
    result = plan(fence, 200.0)
    # Strips are 96 m wide and 67.2 m apart: three hold 230 m, two only 163 m.
    lines = [t for s in result.strata for t in s.transects]
    assert len(lines) == 3
    ends = [result.area.frame.to_local(np.asarray(t.segments[0])) for t in lines]
    along = (ends[0][1] - ends[0][0]) / np.hypot(*(ends[0][1] - ends[0][0]))
    across = [float(e[0] @ (-along[1], along[0])) for e in ends]
    assert np.abs(np.diff(across)) == pytest.approx(67.2, abs=0.05)
    assert all(np.hypot(*(e[1] - e[0])) == pytest.approx(np.hypot(3000, 1000), rel=1e-3) for e in ends)
    assert result.coverage == pytest.approx(1.0, abs=1e-6)
    assert result.area.area_m2 == pytest.approx(200 * np.hypot(3000, 1000), rel=1e-3)


def test_a_winding_river_is_seen_on_both_banks(tmp_path: Path, looks: ModuleType) -> None:
    result = plan(write_line(tmp_path / "river.geojson", RIVER), 250.0)
    assert result.metres_outside == 0.0
    # Looks are counted as if all pictures lay one way, so the ground itself is sampled here, picture by picture.
    plane = looks.Plane(result.area)
    pictures = [looks.pictures_of(s.mission, plane) for s in result.sorties]
    places, along = (np.concatenate([getattr(p, name) for p in pictures]) for name in ("places", "along"))
    ground = plane.shape(shapely.difference(result.area.strata[0].polygon, result.not_covered or shapely.Point()))
    rng = np.random.default_rng([5])
    west, south, east, north = ground.bounds
    points = np.column_stack([rng.uniform(west, east, 20_000), rng.uniform(south, north, 20_000)])
    points = points[shapely.contains_xy(ground, *points.T)]
    d = points[:, None] - places[None]
    lengthwise = np.abs(np.einsum("ijk,jk->ij", d, along))
    sideways = np.abs(d[..., 0] * along[:, 1] - d[..., 1] * along[:, 0])
    seen_in = ((lengthwise <= 36.1) & (sideways <= 48.1)).sum(axis=1)
    assert len(points) > 1000
    assert seen_in.min() >= 1
    assert result.not_covered_m2 < 0.01 * result.area.area_m2
    # Never further from the river than the outermost strip's middle.
    flown = result.area.frame.to_local([e for s in result.strata for t in s.transects for g in t.segments for e in g])
    river = result.area.localise(FRAME.delocalise(RIVER))
    assert shapely.distance(river, shapely.points(flown)).max() < 125


def test_every_other_line_is_flown_back(tmp_path: Path) -> None:
    result = plan(write_line(tmp_path / "river.geojson", RIVER), 250.0)
    lines_m = sum(t.length_m for s in result.strata for t in s.transects)
    assert result.length_m < 1.15 * lines_m
    order = [t for s in result.sorties for t in s.transects]
    assert sorted(order) == sorted(t.identifier for s in result.strata for t in s.transects)


def test_a_fixed_wing_turns_where_a_bend_is_too_tight_for_it(tmp_path: Path) -> None:
    bend = shapely.LineString([(0, 0), (2000, 0), (2600, 1800)])
    result = plan(write_line(tmp_path / "coast.geojson", bend), 150.0, drone="WingtraOne GEN II")
    assert result.metres_outside == 0.0
    assert result.turning is not None
    assert result.length_m > 1.05 * sum(t.length_m for s in result.strata for t in s.transects)


def test_what_is_no_line_or_no_full_coverage_is_refused(tmp_path: Path) -> None:
    fence = write_line(tmp_path / "fence.geojson", shapely.LineString([(0, 0), (3000, 1000)]))
    square = write_line(tmp_path / "square.geojson", shapely.box(0, 0, 500, 500))
    with pytest.raises(AreaError, match="is not a line but a Polygon"):
        read_corridor(square, 100.0)
    with pytest.raises(AreaError, match="-5 m wide is none"):
        read_corridor(fence, -5.0)
    with pytest.raises(DesignError, match="full coverage, flown once"):
        plan(fence, 300.0, side_overlap=None, spacing_m=150.0)


def test_the_command_plans_a_corridor_and_reads_it_back(tmp_path: Path) -> None:
    river = write_line(tmp_path / "river.geojson", RIVER)
    asked = ["--camera", "overfly-demo", "--height", "80", "--front", "70", "--side", "30", "--corridor", "200"]
    result = CliRunner().invoke(plan_command, [str(river), *asked, "--out", str(tmp_path / "p"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["metres_outside"] == 0
    read = load_plan(tmp_path / "p")
    assert read.design.corridor is not None
    assert read.design.corridor.width_m == 200.0
    assert len(read.design.corridor.lines[0]) == 81
