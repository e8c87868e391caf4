"""QGroundControl refuses a plan that lacks a key; MAVSDK's importer is a second reader of the same format.

Which keys QGroundControl asks for: its developer guide, "Plan File Format", and the required keys that its
MissionController, GeoFenceController, RallyPointController and SimpleMissionItem check on loading.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from flightplan.areas import Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.errors import MissionFormatError
from flightplan.formats import read_mission
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
LAND, LAKE = shapely.box(-900, -500, 900, 500), shapely.box(-200, -100, 150, 200)
AREA = StudyArea(
    "Olare", (Stratum("all", FRAME.delocalise(shapely.difference(LAND, LAKE))),), (FRAME.delocalise(LAKE),)
)


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    return plan_survey(
        AREA, PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=240.0, seed=4)
    )


@pytest.fixture(scope="module")
def files(plan: SurveyPlan, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plan")
    return {name: folder / kinds["plan"] for name, kinds in save_plan(plan, folder).items()}


def test_a_sortie_has_every_key_that_qgroundcontrol_asks_for(files: dict[str, Path]) -> None:
    for path in files.values():
        document = json.loads(path.read_text(encoding="utf-8"))
        assert (document["fileType"], document["version"]) == ("Plan", 1)
        assert document["groundStation"]
        mission, fence, rally = document["mission"], document["geoFence"], document["rallyPoints"]
        # A multirotor (MAV_TYPE_QUADROTOR) that ArduPilot flies (MAV_AUTOPILOT_ARDUPILOTMEGA)
        assert (mission["vehicleType"], mission["firmwareType"]) == (2, 3)
        assert (mission["version"], fence["version"], rally["version"]) == (2, 2, 2)
        for key in ("firmwareType", "vehicleType", "cruiseSpeed", "hoverSpeed", "globalPlanAltitudeMode"):
            assert isinstance(mission[key], int | float), key
        assert len(mission["plannedHomePosition"]) == 3
        for number, item in enumerate(mission["items"], start=1):
            assert {"type", "command", "autoContinue", "frame", "doJumpId", "params"} <= item.keys()
            assert (item["type"], item["doJumpId"], len(item["params"])) == ("SimpleItem", number, 7)
            if item["command"] in (16, 22):
                assert {"Altitude", "AltitudeMode", "AMSLAltAboveTerrain"} <= item.keys()
        assert [p["inclusion"] for p in fence["polygons"]] == [True, False]
        for polygon in fence["polygons"]:
            assert polygon["version"] == 1
            assert all(len(corner) == 2 for corner in polygon["polygon"])
        assert fence["circles"] == []
        assert all(len(point) == 3 for point in rally["points"])


@pytest.fixture(scope="module")
def importer() -> Iterator[Any]:
    """MAVSDK's importer. It wants a vehicle: a heartbeat handed to it in memory is enough, no socket is opened."""
    mavsdk = pytest.importorskip("mavsdk")
    raw = pytest.importorskip("mavsdk.plugins.mission_raw")
    from pymavlink.dialects.v20 import common

    link = common.MAVLink(None, srcSystem=1, srcComponent=1)
    heartbeat = link.heartbeat_encode(2, 3, 0, 0, 3).pack(link)
    with mavsdk.Mavsdk(mavsdk.Configuration.create_with_component_type(mavsdk.ComponentType.GROUND_STATION)) as sdk:
        sdk.add_any_connection("raw://")
        sdk.subscribe_raw_bytes_to_be_sent(lambda _: None)
        sdk.pass_received_raw_bytes(heartbeat)
        system = sdk.first_autopilot(10.0)
        assert system is not None
        plugin = raw.MissionRaw(system)
        yield plugin
        plugin.destroy()


def test_mavsdk_reads_the_same_items_fence_and_rally_point(
    importer: Any, plan: SurveyPlan, files: dict[str, Path]
) -> None:
    for sortie in plan.sorties:
        read = importer.import_qgroundcontrol_mission(str(files[sortie.identifier]))
        mission = sortie.mission
        # To an ArduPilot the first item is home.
        home, *items = read.mission_items
        assert (home.y / 1e7, home.x / 1e7) == pytest.approx(mission.home, abs=1e-6)
        assert [i.command for i in items] == [int(i.command) for i in mission.items]
        assert [i.frame for i in items] == [int(i.frame) for i in mission.items]
        placed = [(i, r) for i, r in zip(mission.items, items, strict=True) if i.longitude_deg is not None]
        assert np.array([(r.y / 1e7, r.x / 1e7, r.z) for _, r in placed]) == pytest.approx(
            np.array([(i.longitude_deg, i.latitude_deg, i.altitude_m) for i, _ in placed]), abs=1e-6
        )
        triggers = [r.param1 for r in items if r.command == 206]
        assert sorted(set(triggers)) == pytest.approx([0.0, plan.trigger_distance_m])
        corners = [(r.y / 1e7, r.x / 1e7) for r in read.geofence_items]
        assert np.array(corners) == pytest.approx(np.array([c for p in mission.fence for c in p.ring]), abs=1e-6)
        # MAV_CMD_NAV_FENCE_POLYGON_VERTEX_INCLUSION and _EXCLUSION
        assert {r.command for r in read.geofence_items} == {5001, 5002}
        assert [(r.y / 1e7, r.x / 1e7) for r in read.rally_items] == [
            pytest.approx((p.longitude_deg, p.latitude_deg), abs=1e-6) for p in mission.rally
        ]


def test_mavsdk_reads_the_same_items_from_the_plan_with_surveys(
    importer: Any, plan: SurveyPlan, files: dict[str, Path]
) -> None:
    """MAVSDK opens survey patterns of version 5 and takes the items they hold."""
    seen = 0
    for sortie in plan.sorties:
        path = files[sortie.identifier].with_name(f"{sortie.identifier}.survey.plan")
        if not path.exists():
            continue
        seen += 1
        plain = importer.import_qgroundcontrol_mission(str(files[sortie.identifier]))
        shown = importer.import_qgroundcontrol_mission(str(path))
        # A home whose height is not known is NaN, in both.
        np.testing.assert_array_equal(_values(shown.mission_items), _values(plain.mission_items))
        np.testing.assert_array_equal(_values(shown.geofence_items), _values(plain.geofence_items))
    assert seen > 0


PLANS = ["mavsdk_example", "qgroundcontrol_sample", "qgroundcontrol_sample_with_survey"]


@pytest.mark.parametrize("name", PLANS)
def test_mavsdk_finds_in_qgroundcontrols_own_files_what_we_find(importer: Any, shared_data: Path, name: str) -> None:
    path = shared_data / "missions" / f"{name}.plan"
    ours = read_mission(path)
    theirs = importer.import_qgroundcontrol_mission(str(path))
    _, *items = theirs.mission_items
    assert [(i.command, i.frame) for i in items] == [(int(i.command), int(i.frame)) for i in ours.items]
    placed = [(i, r) for i, r in zip(ours.items, items, strict=True) if i.longitude_deg is not None]
    assert np.array([(r.y / 1e7, r.x / 1e7, r.z) for _, r in placed]).reshape(-1, 3) == pytest.approx(
        np.array([(i.longitude_deg, i.latitude_deg, i.altitude_m) for i, _ in placed]).reshape(-1, 3), abs=1e-6
    )
    np.testing.assert_allclose(
        [(r.param1, r.param2, r.param3, r.param4) for r in items] or np.empty((0, 4)),
        [i.params for i in ours.items] or np.empty((0, 4)),
        rtol=1e-6,
    )
    corners = [c for p in ours.fence for c in p.ring] + [(c.longitude_deg, c.latitude_deg) for c in ours.fence_circles]
    seen = np.array([(r.y / 1e7, r.x / 1e7) for r in theirs.geofence_items]).reshape(-1, 2)
    assert seen == pytest.approx(np.array(corners).reshape(-1, 2), abs=1e-6)
    assert len(theirs.rally_items) == len(ours.rally)


@pytest.mark.parametrize("name", ["without_mission", "wrong_overall_version"])
def test_mavsdk_refuses_what_we_refuse(importer: Any, shared_data: Path, name: str) -> None:
    path = shared_data / "malformed" / f"{name}.plan"
    with pytest.raises(MissionFormatError):
        read_mission(path)
    with pytest.raises(Exception, match=r"FAILED"):
        importer.import_qgroundcontrol_mission(str(path))


def _values(items: list[Any]) -> np.ndarray:
    names = ("seq", "frame", "command", "autocontinue", "param1", "param2", "param3", "param4", "x", "y", "z")
    return np.array([[float(getattr(item, name)) for name in names] for item in items])
