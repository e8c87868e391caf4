"""`overfly fly` with several --connect: what it prints, how it ends, what it leaves."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.commands.fly import fly_command
from flightplan.commands.fly_together import _timed, is_as_planned
from flightplan.drones import drone_named
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.vehicle.screen import status, table
from flightplan.vehicle.together import Desk, Member, Together
from sim.vehicle import Fleet, Home, SimulatedVehicle

FRAME = LocalFrame(34.83, -2.33)
START_S = 1_790_000_000.0


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    """Two sorties from one site, to two lines each."""
    import shapely

    ((lon, lat),) = FRAME.to_lonlat([(0, -190)])
    area = StudyArea(
        "Ol",
        (Stratum("all", FRAME.delocalise(shapely.box(-300, -200, 300, 200))),),
        (),
        (LaunchSite("camp", lon, lat),),
    )
    small = replace(drone_named("overfly-demo"), battery_wh=22.0)
    found = plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"), altitude_agl_m=80.0, spacing_m=150.0, heading_deg=0.0, seed=4,
            drone=small,
        ),
    )  # fmt: skip
    assert len(found.sorties) == 2
    return found


def vehicles(plan: SurveyPlan, count: int) -> list[SimulatedVehicle]:
    home = Home(*plan.sorties[0].mission.home, 1500.0)
    return [
        SimulatedVehicle(
            home.moved(0.0, 15.0 * n),
            n,
            system_id=n + 1,
            start_time_utc_s=START_S,
            parameters={"BATT_CAPACITY": 12_000},
        )
        for n in range(count)
    ]


def fly(*arguments: object, clock: SimulatedClock | None = None) -> Result:
    return CliRunner().invoke(fly_command, [str(a) for a in arguments], obj=clock)


def test_two_vehicles_share_a_plan_and_one_document_tells_of_both(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    clock = SimulatedClock(START_S)
    with Fleet(vehicles(plan, 2), clock=clock) as fleet:
        urls = ",".join(fleet.addresses)
        result = fly(tmp_path / "plan", "--connect", urls, "--out", tmp_path / "flights", "--json", clock=clock)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["outcome"] == "completed"
    assert [s["sortie"] for s in document["sorties"]] == ["sortie-01", "sortie-02"]
    assert document["gaps"] == []
    assert [(v["number"], v["sorties"], v["error"]) for v in document["vehicles"]] == [
        (1, ["sortie-01"], None),
        (2, ["sortie-02"], None),
    ]
    assert {c["sortie"] for c in document["captures"] if c["on_line"]} == {"sortie-01", "sortie-02"}
    assert f"Vehicle 2, {fleet.addresses[1]}: sortie-02 at" in result.stderr
    assert "[2 sortie-02] cleared: it may take off" in result.stderr
    for name in ("sortie-01", "sortie-02"):
        assert (tmp_path / "flights" / name / "flight.tlog").stat().st_size > 10_000
    again = fly(tmp_path / "plan", "--connect", "tcp:127.0.0.1:9,tcp:127.0.0.1:8", "--out", tmp_path / "flights")
    assert again.exit_code == 0
    assert "Every sortie was flown before" in again.stdout


def test_one_that_does_not_answer_does_not_stop_the_other_and_what_is_left_is_named(
    plan: SurveyPlan, tmp_path: Path
) -> None:
    save_plan(plan, tmp_path / "plan")
    clock = SimulatedClock(START_S)
    with Fleet(vehicles(plan, 1), clock=clock) as fleet:
        url = fleet.addresses[0]
        result = fly(
            tmp_path / "plan", "--connect", "tcp:127.0.0.1:9", "--connect", url, "--out", tmp_path / "f", clock=clock
        )
    assert result.exit_code == 1
    assert "Vehicle 1: tcp:127.0.0.1:9: no vehicle answered" in result.stderr
    assert "sortie-02: completed" in result.stdout
    assert "Not flown yet: sortie-01" in result.stdout
    # With a new battery the one that flies takes on what is left.
    clock = SimulatedClock(START_S)
    with Fleet(vehicles(plan, 1), clock=clock) as fleet:
        rest = fly(tmp_path / "plan", "--connect", fleet.addresses[0], "--out", tmp_path / "f", clock=clock)
    assert rest.exit_code == 0, rest.stderr
    assert "sortie-01: completed" in rest.stdout


def test_two_vehicles_resume_two_sorties_together(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    out = tmp_path / "f"
    for sortie in plan.sorties:
        (out / sortie.identifier).mkdir(parents=True)
        (out / sortie.identifier / "captures.jsonl").write_text("")
    clock = SimulatedClock(START_S)
    with Fleet(vehicles(plan, 2), clock=clock) as fleet:
        urls = ",".join(fleet.addresses)
        result = fly(tmp_path / "plan", "--resume", "--connect", urls, "--out", out, "--json", clock=clock)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [s["sortie"] for s in document["sorties"]] == ["sortie-01-resume-1", "sortie-02-resume-1"]
    assert (document["gaps"], document["left"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--connect", "tcp:127.0.0.1:9"], "named twice"),
        (["--connect", "tcp:127.0.0.1:8", "--system-id", "3"], "as many --system-id as --connect"),
        (["--connect", "tcp:127.0.0.1:8", "--separation", "50"], "50 is not METRES,METRES"),
    ],
)
def test_wrong_usage_is_exit_code_2(plan: SurveyPlan, tmp_path: Path, arguments: list[str], words: str) -> None:
    save_plan(plan, tmp_path / "plan")
    result = fly(tmp_path / "plan", "--connect", "tcp:127.0.0.1:9", "--out", tmp_path / "f", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_only_flights_as_planned_keep_their_times(plan: SurveyPlan) -> None:
    one, two = plan.sorties
    late = [replace(one, takeoff_offset_s=60.0), replace(two, takeoff_offset_s=600.0, drone=2)]
    assert [s.takeoff_offset_s for s in _timed(late, as_planned=True)] == [0.0, 540.0]
    assert [s.takeoff_offset_s for s in _timed(late, as_planned=False)] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("drones", "vehicle_count", "kept"), [(1, 2, False), (2, 2, True), (2, 3, True), (3, 2, False)]
)
def test_only_a_plan_for_as_many_drones_is_flown_as_planned(
    plan: SurveyPlan, drones: int, vehicle_count: int, kept: bool
) -> None:
    assert is_as_planned(replace(plan, drones=drones), vehicle_count) is kept


def test_keys_are_for_all_until_a_digit_chooses_one() -> None:
    desk = Desk([1, 2, 3])
    one, two, three = (desk.keys_for(n) for n in (1, 2, 3))
    desk.type("p2c?9l")
    assert (one(), two(), three()) == ("p", "pcl", "p")
    desk.type("ar")
    assert (one(), two(), three()) == ("r", "r", "r")
    assert one() == ""
    desk.close()
    with pytest.raises(KeyboardInterrupt):
        two()


def test_a_key_for_one_that_waits_keeps_it_on_the_ground(plan: SurveyPlan, tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    with Fleet(vehicles(plan, 2), clock=clock) as fleet:
        members = [Member(n + 1, url, [plan.sorties[n]]) for n, url in enumerate(fleet.addresses)]

        def follow(member: Member, event) -> None:
            if (member.number, event.kind) == (1, "transect"):
                together.desk.type("2pr1r")

        together = Together(
            members, frame=plan.area.frame, drone=drone_named("overfly-demo"), clock=clock, out=tmp_path,
            on_event=follow,
        )  # fmt: skip
        together.fly()
        assert fleet.vehicles[1].exposures == []
    refused = members[1].results["sortie-02"]
    assert (refused.outcome, refused.captures) == ("not flown", ())
    assert "the take-off was called off" in str(refused.reason)


def test_a_key_sends_one_home_and_the_screen_tells_how_each_stands(plan: SurveyPlan, tmp_path: Path) -> None:
    clock = SimulatedClock(START_S)
    seen: list[list[tuple[str, str]]] = []
    drawn: list[str] = []
    with Fleet(vehicles(plan, 2), clock=clock) as fleet:
        members = [Member(n + 1, url, [plan.sorties[n]]) for n, url in enumerate(fleet.addresses)]

        def follow(member: Member, event) -> None:
            if (member.number, event.kind) == (1, "transect"):
                together.desk.type("1r")
                console = Console(file=io.StringIO(), width=160)
                console.print(table(together, clock.now_s()))
                drawn.append(console.file.getvalue())
                seen.append([(s.sortie, s.state) for s in (status(together, m, clock.now_s()) for m in members)])

        together = Together(
            members, frame=plan.area.frame, drone=drone_named("overfly-demo"), clock=clock, out=tmp_path,
            on_event=follow,
        )  # fmt: skip
        together.fly()
    assert seen[0] == [("sortie-01", "AUTO"), ("sortie-02", "waits for clearance")]
    assert "sortie-01" in drawn[0]
    assert "80 m" in drawn[0]
    assert members[0].results["sortie-01"].outcome == "cut short"
    assert members[1].results["sortie-02"].outcome == "completed"
