"""A flight that ends early is resumed: what was missed is flown, what was photographed is not flown again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.clock import SimulatedClock
from flightplan.commands.fly import fly_command
from flightplan.errors import PlanError
from flightplan.frames import LocalFrame
from flightplan.mission import Command
from flightplan.mission_builder import mission_path
from flightplan.paths import Airspace
from flightplan.plan import SurveyPlan
from flightplan.plan_files import save_plan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest
from flightplan.terrain import Terrain
from flightplan.vehicle.campaign import choose_sorties, fly_one, resume_one
from flightplan.vehicle.effort import EffortMap
from flightplan.vehicle.flight import Outcome
from flightplan.vehicle.logs import CAPTURES, FlightCapture, read_captures
from flightplan.vehicle.resume import FrameLimits, assess, log_folders, plan_resume
from sim.faults import Faults, FaultyVehicle
from sim.vehicle import Exposure, Home, SimulatedVehicle, VehicleServer

FRAME = LocalFrame(34.83, -2.33)
START_S = 1_790_000_000.0
FOOTPRINT_M = 72.0
PACK = {"BATT_CAPACITY": 12_000}
VILLAGE = shapely.box(-60, -60, 60, 60)


@pytest.fixture(scope="module")
def plan() -> SurveyPlan:
    ((lon, lat),) = FRAME.to_lonlat([(-340, -240)])
    land = shapely.difference(shapely.box(-350, -250, 350, 250), VILLAGE)
    area = StudyArea(
        "Ol", (Stratum("all", FRAME.delocalise(land)),), (FRAME.delocalise(VILLAGE),), (LaunchSite("camp", lon, lat),)
    )
    return plan_survey(
        area,
        PlanRequest(
            camera=camera_named("overfly-demo"),
            altitude_agl_m=80.0,
            spacing_m=200.0,
            heading_deg=0.0,
            seed=4,
            drone="overfly-demo",
        ),
    )


@contextmanager
def served(plan: SurveyPlan, vehicle: SimulatedVehicle | None = None) -> Iterator[tuple]:
    clock = SimulatedClock(START_S)
    vehicle = vehicle or SimulatedVehicle(home_of(plan), 5, start_time_utc_s=START_S, parameters=PACK)
    with VehicleServer(vehicle, clock=clock) as server:
        yield server.address, clock, vehicle


def home_of(plan: SurveyPlan) -> Home:
    return Home(*plan.sorties[0].mission.home, 1500.0)


def metres_not_seen(plan: SurveyPlan, exposures: list[Exposure]) -> float:
    """What the truth of the frames leaves of the transects, without the log, the effort map or the assessment.

    A line's last metres beyond a trigger's reach are the plan's own to leave.
    """
    frames = FRAME.to_local([(e.lon, e.lat) for e in exposures if abs(e.altitude_home_m - 80.0) < 12.0])
    step_m, left_m = 2.0, 0.0
    for transect in (t for s in plan.strata for t in s.transects):
        for segment in transect.segments:
            start, end = FRAME.to_local(segment)
            at = np.linspace(start, end, int(np.hypot(*(end - start)) / step_m) + 1)
            along = np.linspace(0, np.hypot(*(end - start)), len(at))
            far = np.min(np.hypot(*(at[:, None] - frames[None]).transpose(2, 0, 1)), axis=1)
            near_end = (along < plan.trigger_distance_m) | (along > along[-1] - plan.trigger_distance_m)
            reach_m = np.where(near_end, plan.trigger_distance_m + 5, FOOTPRINT_M / 2 + 2)
            left_m += step_m * np.count_nonzero(far > reach_m)
    return left_m


def sag(vehicle: SimulatedVehicle) -> None:
    vehicle.parameters.set("SIM_BATT_VOLTAGE", 10.0)
    vehicle.parameter_changed("SIM_BATT_VOLTAGE")


def somebody_sends_it_home(vehicle: SimulatedVehicle) -> None:
    vehicle.change_mode(6)


def cut_short(plan: SurveyPlan, out: Path, frame: int, how: Callable[[SimulatedVehicle], None]) -> list[Exposure]:
    """Fly the first sortie until a frame at which something happens."""
    with served(plan) as (url, clock, vehicle):
        result = fly_one(
            plan.sorties[0], url, out=out, clock=clock, on_capture=lambda c: how(vehicle) if c.index == frame else None
        )
        assert result.outcome is Outcome.CUT_SHORT
        return list(vehicle.exposures)


def resumed(plan: SurveyPlan, out: Path) -> list[Exposure]:
    with served(plan) as (url, clock, vehicle):
        result, left = resume_one(plan, plan.sorties[0], url, out=out, clock=clock)
        assert result is not None
        assert result.outcome is Outcome.COMPLETED
        assert left.missing == ()
        assert all(c.on_line for c in result.captures)
        return list(vehicle.exposures)


@pytest.mark.parametrize(("frame", "how"), [(3, sag), (9, somebody_sends_it_home), (17, sag)])
def test_a_flight_cut_short_and_resumed_has_seen_every_metre(plan: SurveyPlan, tmp_path: Path, frame, how) -> None:
    first = cut_short(plan, tmp_path, frame, how)
    assert metres_not_seen(plan, first) > 100.0
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert all("RTL" in skip.reason for skip in found.rejected)
    second = resumed(plan, tmp_path)
    assert metres_not_seen(plan, first[: found.good_count] + second) == 0.0
    assert len(found.rejected) + found.good_count == len(first)
    # What was photographed is not flown again, but for the overlap.
    assert len(second) <= planned_frames(plan) - found.good_count + 4
    assert choose_sorties(plan.sorties[:1], None, tmp_path) == ()


def planned_frames(plan: SurveyPlan) -> int:
    lengths = [
        np.hypot(*np.diff(FRAME.to_local(s), axis=0)[0]) for st in plan.strata for t in st.transects for s in t.segments
    ]
    return int(np.sum(np.floor(np.array(lengths) / plan.trigger_distance_m) + 1))


def test_a_lost_link_ends_in_a_failsafe_and_the_rest_is_flown_later(plan: SurveyPlan, tmp_path: Path) -> None:
    faults = Faults(cut=((60.0, 90.0),))
    deaf = FaultyVehicle(home_of(plan), 5, faults=faults, start_time_utc_s=START_S, parameters=PACK)
    with served(plan, deaf) as (url, clock, _):
        result = fly_one(plan.sorties[0], url, out=tmp_path, clock=clock)
        first = list(deaf.exposures)
    assert result.outcome is Outcome.CUT_SHORT
    assert any("GCS Failsafe" in e.text or e.kind == "failsafe" for e in result.events)
    good = [c.index for c in result.captures if c.on_line]
    assert len(result.captures) < len(first)  # frames were taken that nobody was told of
    second = resumed(plan, tmp_path)
    assert metres_not_seen(plan, [e for e in first if e.index in good] + second) == 0.0


def test_a_killed_programs_log_is_enough_to_resume(plan: SurveyPlan, tmp_path: Path) -> None:
    def die(capture: FlightCapture) -> None:
        if capture.index == 11:
            raise OSError("no space left on device")

    with served(plan) as (url, clock, vehicle):
        with pytest.raises(OSError, match="no space left"):
            fly_one(plan.sorties[0], url, out=tmp_path, clock=clock, on_capture=die)
        first = list(vehicle.exposures)
    log = tmp_path / "sortie-01" / CAPTURES
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])  # the last line was on its way to the disk
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert found.good_count == whole.count(b"\n") - 1
    second = resumed(plan, tmp_path)
    assert metres_not_seen(plan, first[: found.good_count] + second) == 0.0


def test_a_camera_that_misses_shots_leaves_gaps_that_further_flights_close(plan: SurveyPlan, tmp_path: Path) -> None:
    faulty = FaultyVehicle(home_of(plan), 3, faults=Faults(shots=0.3), start_time_utc_s=START_S, parameters=PACK)
    with served(plan, faulty) as (url, clock, _):
        result = fly_one(plan.sorties[0], url, out=tmp_path, clock=clock)
        first = list(faulty.exposures)
    assert result.outcome is Outcome.COMPLETED
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert len(found.missing) >= 3
    second = resumed(plan, tmp_path)
    assert metres_not_seen(plan, first + second) == 0.0
    with served(plan) as (url, clock, _):
        nothing, left = resume_one(plan, plan.sorties[0], url, out=tmp_path, clock=clock)
    assert (nothing, left.missing) == (None, ())


def test_a_resumed_flight_that_is_cut_short_too_is_resumed_again(plan: SurveyPlan, tmp_path: Path) -> None:
    first = cut_short(plan, tmp_path, 5, sag)
    with served(plan) as (url, clock, vehicle):
        result, left = resume_one(
            plan,
            plan.sorties[0],
            url,
            out=tmp_path,
            clock=clock,
            on_capture=lambda c: somebody_sends_it_home(vehicle) if c.index == 6 else None,
        )
        second = [e for e, c in zip(vehicle.exposures, result.captures, strict=True) if c.on_line]
    assert result.outcome is Outcome.CUT_SHORT
    assert left.missing
    third = resumed(plan, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == [
        "sortie-01",
        "sortie-01-resume-1",
        "sortie-01-resume-2",
    ]
    assert metres_not_seen(plan, first[:5] + second + third) == 0.0


def log_of(plan: SurveyPlan, folder: Path, changes: dict[int, dict] | None = None) -> None:
    """Write the log of a perfect flight of the plan's first sortie, with some frames changed or (None) left out."""
    folder.mkdir()
    lines, index, clock_s, here, armed = [], 0, 0.0, None, None
    for item in plan.sorties[0].mission.items:
        if item.command == Command.DO_SET_CAM_TRIGG_DIST:
            armed = item.transect
        elif item.longitude_deg is not None:
            there = FRAME.to_local([(item.longitude_deg, item.latitude_deg)])[0]
            if armed:
                clock_s += 60.0
                length_m = np.hypot(*(there - here))
                for along_m in np.arange(0.0, length_m, plan.trigger_distance_m):
                    index += 1
                    lon, lat = FRAME.to_lonlat(here + along_m / length_m * (there - here))[0].tolist()
                    clock_s += 4.8
                    seconds = f"{clock_s // 60:02.0f}:{clock_s % 60:06.3f}"
                    frame = FlightCapture(
                        index,
                        f"2026-09-21T13:{seconds}Z",
                        lon,
                        lat,
                        1580.0,
                        80.0,
                        0.0,
                        0.0,
                        0.0,
                        4,
                        armed,
                        True,
                        None,
                        float(along_m),
                        0.0,
                    )
                    changed = (changes or {}).get(index, {})
                    if changed is not None:
                        lines.append(json.dumps(asdict(replace(frame, **changed))))
            here = there
    (folder / CAPTURES).write_text("\n".join(lines) + "\n")


def test_a_perfect_flight_misses_nothing(plan: SurveyPlan, tmp_path: Path) -> None:
    log_of(plan, tmp_path / "sortie-01")
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert (found.missing, found.rejected) == ((), ())
    assert found.good_count == planned_frames(plan)
    assert plan_resume(plan, plan.sorties[0], found.missing) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"altitude_home_m": 60.0}, "its height is 20 m from the planned one"),
        ({"pitch_deg": -50.0}, "tilted by 50°"),
        ({"roll_deg": 30.0, "pitch_deg": 40.0}, "tilted by 48°"),
        ({"on_line": False, "reason": "the vehicle was in RTL, not on its mission"}, "in RTL"),
        ({"transect": "all-009"}, "on no line of this sortie"),
        ({"longitude_deg": 34.9}, "on no line of this sortie"),
    ],
)
def test_a_frame_beyond_the_limits_does_not_count_and_its_place_is_missing(
    plan: SurveyPlan, tmp_path: Path, changes: dict, words: str
) -> None:
    log_of(plan, tmp_path / "sortie-01", {3: changes})
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert [skip.item for skip in found.rejected] == ["sortie-01 frame 3"]
    assert words in found.rejected[0].reason
    (gap,) = found.missing
    d = plan.trigger_distance_m
    # Frames 2 and 4 answer for half a footprint each.
    assert (gap.line, gap.from_m, gap.to_m) == (1, pytest.approx(d + 36, abs=0.1), pytest.approx(3 * d - 36, abs=0.1))


def test_a_frame_flown_too_fast_does_not_count(plan: SurveyPlan, tmp_path: Path) -> None:
    log_of(plan, tmp_path / "sortie-01", {3: {"time_utc": "2026-09-21T13:01:12.000Z"}})
    found = assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"))
    assert [(s.item, s.reason) for s in found.rejected] == [
        ("sortie-01 frame 3", "flown at 24.0 m/s, planned were 12.0")
    ]
    unlimited = FrameLimits(speed_share=3.0)
    assert assess(plan, plan.sorties[0], log_folders(tmp_path, "sortie-01"), unlimited).missing == ()


def test_a_log_cut_short_anywhere_gives_the_whole_lines_before_the_cut(plan: SurveyPlan, tmp_path: Path) -> None:
    log_of(plan, tmp_path / "sortie-01", {n: {"item": "wüste"} for n in range(1, 5)})
    log = tmp_path / "sortie-01" / CAPTURES
    whole = log.read_bytes().replace(b"\\u00fc", "ü".encode())
    middle_of_a_letter = whole.index("ü".encode(), 700) + 1
    for cut in (0, middle_of_a_letter, len(whole) - 1, len(whole)):
        log.write_bytes(whole[:cut])
        lines = whole[:cut].split(b"\n")
        complete = len(lines) - 1 + (lines[-1].endswith(b"}"))
        assert len(read_captures(log.parent)) == complete


def test_two_halves_from_two_flights_make_a_whole(plan: SurveyPlan, tmp_path: Path) -> None:
    whole = planned_frames(plan)
    log_of(plan, tmp_path / "sortie-01", dict.fromkeys(range(8, whole + 1)))
    log_of(plan, tmp_path / "sortie-01-resume-1", dict.fromkeys(range(1, 8)))
    log_of(plan, tmp_path / "sortie-011", {})
    folders = log_folders(tmp_path, "sortie-01")
    assert [f.name for f in folders] == ["sortie-01", "sortie-01-resume-1"]
    assert assess(plan, plan.sorties[0], folders).missing == ()


@settings(max_examples=25, deadline=None)
@given(lost=st.sets(st.integers(1, 40), min_size=1, max_size=12))
def test_whatever_is_missing_its_flights_are_legal_fit_a_battery_and_cover_it(plan: SurveyPlan, lost: set[int]) -> None:
    sortie = plan.sorties[0]
    with TemporaryDirectory() as folder:
        log_of(plan, Path(folder) / "sortie-01", dict.fromkeys(lost))
        found = assess(plan, sortie, [Path(folder) / "sortie-01"])
    airspace = Airspace.over(plan.area, allowance_m=plan.allowance_m, buffer_m=plan.buffer_m)
    pieces = []
    for flight in plan_resume(plan, sortie, found.missing):
        assert airspace.metres_outside(FRAME.to_local(mission_path(flight.mission))) == 0.0
        assert flight.energy_share <= 0.8
        assert flight.mission.home == pytest.approx(sortie.mission.home, abs=1e-9)
        effort = EffortMap(flight.mission)
        assert all(leg.trigger_distance_m == plan.trigger_distance_m for leg in effort.legs)
        for before, item in pairwise(flight.mission.items):
            if item.transect and item.longitude_deg is not None:
                assert before.command == Command.DO_SET_CAM_TRIGG_DIST
                assert before.params[0] == plan.trigger_distance_m
        path = FRAME.to_local([(i.longitude_deg, i.latitude_deg) for i in flight.mission.items if i.longitude_deg])
        pieces += [shapely.LineString(p) for p in pairwise(path)]
    flown = shapely.union_all(pieces)
    for gap in found.missing:
        gone = FRAME.to_local([gap.start, gap.end])
        assert shapely.distance(flown, shapely.points(gone)) == pytest.approx([0.0, 0.0], abs=0.5)


def test_a_sortie_over_hills_wants_its_elevation_model_again(plan: SurveyPlan, tmp_path: Path) -> None:
    sortie = plan.sorties[0]
    items = list(sortie.mission.items)
    line_end = next(n for n, i in enumerate(items) if i.transect and i.longitude_deg is not None)
    items[line_end] = replace(items[line_end], altitude_m=95.0)
    hilly = replace(sortie, mission=replace(sortie.mission, items=tuple(items)))
    missing = assess(plan, hilly, []).missing
    with pytest.raises(PlanError, match="--terrain"):
        plan_resume(plan, hilly, missing)
    (again,) = plan_resume(plan, hilly, missing, terrain=Terrain.flat(1500.0))
    assert {i.altitude_m for i in again.mission.items if i.longitude_deg is not None} == {80.0}


def test_the_command_resumes_and_prints_the_gaps_left(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(plan, tmp_path / "plan")
    cut_short(plan, tmp_path / "flights", 8, sag)
    with served(plan) as (url, clock, _):
        arguments = [tmp_path / "plan", "--resume", "--connect", url, "--out", tmp_path / "flights", "--json"]
        result = CliRunner().invoke(fly_command, [str(a) for a in arguments], obj=clock)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert [s["sortie"] for s in document["sorties"]] == ["sortie-01-resume-1"]
    assert document["gaps"] == []
    assert "are missing" in result.stderr
    again = CliRunner().invoke(fly_command, [str(a) for a in arguments[:-1]])
    assert again.exit_code == 0
    assert "sortie-01: 0 gaps left, 0 m" in again.stdout


def test_a_mission_file_alone_cannot_be_resumed(plan: SurveyPlan, tmp_path: Path) -> None:
    save_plan(plan, tmp_path)
    arguments = [tmp_path / "sortie-01.waypoints", "--resume", "--connect", "tcp:127.0.0.1:9", "--out", tmp_path / "f"]
    result = CliRunner().invoke(fly_command, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "does not say where may be flown" in result.stderr


def test_surveys_under_random_faults_are_covered_in_the_end_and_count_no_frame_off_the_lines(
    load_benchmark: Callable[[str], ModuleType],
) -> None:
    found = load_benchmark("flights").run(2, seed=1)
    assert found["flights"] > 2
    assert set(found["outcomes"]) > {"completed"}
    assert found["not_as_they_should_be"] == []
    assert (found["frames_off_line_that_count"], found["surveys_not_covered"]) == (0, 0)
