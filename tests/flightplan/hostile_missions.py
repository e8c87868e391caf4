"""Good files of every format to be broken, and what reading a broken one says."""

import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from flightplan.cameras import camera_named
from flightplan.errors import MissionFormatError, UnreadableFileError
from flightplan.formats import read_mission, write_fence_and_rally, write_mission, write_survey_plan
from flightplan.mission import FenceCircle, FencePolygon, Mission, MissionItem, RallyPoint

# OVERFLY_CROWD=2500 tries twenty thousand: `pytest --hypothesis-show-statistics` counts them.
EXAMPLES = int(os.environ.get("OVERFLY_CROWD", "100"))
crowd = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _line(n: int) -> tuple[MissionItem, ...]:
    west, ends = 34.83 + n * 0.002, (-2.33, -2.34) if n % 2 == 0 else (-2.34, -2.33)
    name = f"Wald-{n} è 象"
    return (
        MissionItem(16, 3, (0.0,) * 4, west, ends[0], 80.0),
        MissionItem(206, 2, (57.6, 0.0, 1.0, 0.0), transect=name),
        MissionItem(16, 3, (0.0,) * 4, west, ends[1], 80.0, name),
        MissionItem(206, 2),
    )


GOOD = Mission(
    items=(
        MissionItem(22, 3, (0.0,) * 4, 34.83, -2.33, 60.0),
        MissionItem(178, 2, (1.0, 12.5, -1.0, 0.0)),
        *_line(0),
        *_line(1),
        *_line(2),
        MissionItem(16, 3, (1.5, 0.0, 0.0, 0.0), 34.835, -2.335, 70.25),
        MissionItem(2000, 2, (0.0, 0.0, 1.0, 0.0)),
        MissionItem(20, 2),
    ),
    home=(34.83, -2.33),
    home_altitude_msl_m=1523.25,
    fence=(FencePolygon(((34.82, -2.32), (34.84, -2.32), (34.84, -2.35), (34.82, -2.35)), True),),
    rally=(RallyPoint(34.83, -2.33, 60.0),),
    cruise_speed_mps=12.5,
    fence_circles=(FenceCircle(34.8375, -2.335, 150.5, False),),
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good file of each kind."""
    folder = tmp_path_factory.mktemp("good")
    files = {
        s: write_mission(GOOD, folder / f"good{s}") for s in (".plan", ".waypoints", ".kml", ".csv", ".geojson", ".kmz")
    }
    files |= {f".{kind}": path for kind, path in write_fence_and_rally(GOOD, folder / "good").items()}
    survey = write_survey_plan(GOOD, camera_named("DJI Mavic 3E wide"), folder / "good")
    assert survey is not None
    files[".survey"] = survey
    found = {kind: path.read_bytes() for kind, path in files.items()}
    with zipfile.ZipFile(io.BytesIO(found[".kmz"])) as archive:
        found[".wpml"] = archive.read("wpmz/waylines.wpml")
    found[".oldfence"] = b"-35.36 149.16\n-35.37 149.15\n-35.35 149.15\n-35.35 149.17\n"
    found[".oldrally"] = b"RALLY -35.36 149.16 40.0 20.0 0.0 0\nRALLY -35.37 149.17 40.0 20.0 0.0 0\n"
    return found


TEXT = [
    ".plan",
    ".survey",
    ".waypoints",
    ".fence",
    ".rally",
    ".kml",
    ".csv",
    ".geojson",
    ".wpml",
    ".oldfence",
    ".oldrally",
]


def outcome(data: bytes, path: Path) -> Mission | str:
    """What reading says: the mission, or the refusal, which names the file."""
    path.write_bytes(data)
    try:
        found = read_mission(path)
    except (MissionFormatError, UnreadableFileError) as error:
        if not (str(path) in str(error) and error.what.strip()):
            raise
        return str(error)
    # What is read is whole: it can be kept and read again.
    again = read_mission(write_mission(found, path.with_name("kept.geojson")))
    assert again == found
    return found


def archive(members: dict[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items() if isinstance(members, dict) else members:
            file.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()
