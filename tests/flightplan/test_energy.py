"""Wind along and across each leg, what an airspeed costs, and what a payload adds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.drones import FIXED_WING, MULTIROTOR, Drone, drone_from_file, drone_library, drone_named
from flightplan.energy import Wind, fly_legs, swath_turned_m
from flightplan.errors import PlanError, UnreadableFileError
from flightplan.frames import LocalFrame
from flightplan.operations import Operations
from flightplan.plan import SurveyPlan
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
COPTER, WING = drone_named("DJI Mavic 3 Enterprise"), drone_named("WingtraOne GEN II")
headings, winds, froms = st.floats(0, 360), st.floats(0, 12), st.floats(0, 360)


def heading(degrees: float, length_m: float = 1000.0) -> np.ndarray:
    return length_m * np.array([np.sin(np.radians(degrees)), np.cos(np.radians(degrees))])


@given(degrees=headings, wind_mps=winds, from_deg=froms, kind=st.sampled_from([COPTER, WING]))
def test_speed_over_ground_is_speed_through_the_air_and_the_wind_added_as_vectors(
    degrees: float, wind_mps: float, from_deg: float, kind: object
) -> None:
    drone = COPTER if kind is COPTER else WING
    wind = Wind(wind_mps, from_deg)
    try:
        costs = fly_legs(drone, [heading(degrees)], 14.0, wind)
    except PlanError:
        assume(False)
    nose = degrees + costs.crab_deg[0]
    # The wind blows from `from_deg`: written with meteorology's signs, not with the module's own vector.
    air = wind_mps * np.array([-np.sin(np.radians(from_deg)), -np.cos(np.radians(from_deg))])
    over_ground = costs.ground_mps[0] * heading(degrees, 1.0)
    through_air = over_ground - air
    assert np.hypot(*through_air) == pytest.approx(costs.airspeed_mps[0], abs=1e-9)
    assert costs.airspeed_mps[0] <= drone.max_speed_mps + 1e-9
    if drone.kind == FIXED_WING:
        assert costs.airspeed_mps[0] == 14.0
        assert through_air == pytest.approx(14.0 * heading(nose, 1.0), abs=1e-9)
    else:
        assert costs.ground_mps[0] <= 14.0
        assert costs.ground_mps[0] == 14.0 or costs.airspeed_mps[0] == pytest.approx(drone.max_speed_mps)


def test_a_line_against_the_wind_takes_a_fixed_wing_longer_than_the_one_with_it_saves() -> None:
    against, behind = fly_legs(WING, [heading(270), heading(90)], 16.0, Wind(6.0, 270.0)).seconds
    assert (against, behind) == (pytest.approx(1000 / 10), pytest.approx(1000 / 22))
    assert against + behind > 2 * 1000 / 16


def test_a_multirotor_holds_its_ground_speed_and_pays_in_power() -> None:
    wind = Wind(6.0, 0.0)
    costs = fly_legs(COPTER, [heading(0), heading(180)], 8.0, wind)
    assert costs.ground_mps.tolist() == [8.0, 8.0]
    assert costs.airspeed_mps == pytest.approx([14.0, 2.0])
    assert costs.seconds[0] == costs.seconds[1]
    assert costs.energy_wh[0] > 1.05 * costs.energy_wh[1]


def test_a_multirotor_at_its_greatest_airspeed_slows_down_over_ground() -> None:
    costs = fly_legs(COPTER, [heading(0)], 12.0, Wind(9.0, 0.0))
    assert costs.ground_mps == pytest.approx([COPTER.max_speed_mps - 9.0])


def test_a_leg_that_cannot_be_held_against_the_wind_is_refused_with_its_heading() -> None:
    slow = replace(WING, cruise_speed_mps=15.0)
    with pytest.raises(PlanError, match=r"cannot fly 45° against 15\.5 m/s from 45°"):
        fly_legs(slow, [heading(45)], 15.0, Wind(15.5, 45.0))


def test_without_a_direction_nothing_changes() -> None:
    lengths = np.array([3.0, 40.0, 900.0])
    costs = fly_legs(COPTER, np.column_stack([lengths, np.zeros(3)]), 9.0, None)
    assert costs.seconds.tolist() == COPTER.leg_seconds(lengths, 9.0).tolist()
    assert costs.energy_wh.tolist() == COPTER.leg_wh(costs.seconds).tolist()


@pytest.mark.parametrize("drone", drone_library(), ids=lambda d: d.name)
def test_a_power_curve_goes_through_the_data_sheet(drone: Drone) -> None:
    at_cruise = float(drone.power_w(drone.cruise_speed_mps))
    if drone.kind == MULTIROTOR:
        assert float(drone.power_w(0.0)) == pytest.approx(drone.hover_power_w)
    assert at_cruise == pytest.approx(drone.cruise_power_w, rel=0.02)
    fast = drone.power_w(np.linspace(drone.cruise_speed_mps, drone.max_speed_mps, 9))
    assert (np.diff(fast) >= -1e-9).all() or drone.cruise_power_w < drone.hover_power_w


def test_the_library_has_multirotors_and_fixed_wings_each_with_its_source() -> None:
    library = drone_library()
    assert len(library) >= 12
    assert {d.kind for d in library} == {MULTIROTOR, FIXED_WING}
    assert all(len(d.source) > 40 and d.mass_kg is not None for d in library)


def test_a_payload_costs_mass_to_the_power_of_one_and_a_half_and_has_a_limit() -> None:
    drone = drone_named("DJI Matrice 350 RTK")
    heavier = drone.carrying(1.0)
    assert heavier.hover_power_w / drone.hover_power_w == pytest.approx((8.27 / 7.27) ** 1.5)
    assert drone.carrying(0.0) is drone
    with pytest.raises(PlanError, match=r"may carry 1\.93 kg"):
        drone.carrying(2.5)
    with pytest.raises(PlanError, match="its mass is not"):
        replace(drone, mass_kg=None).carrying(0.5)


def test_frames_turned_by_the_crab_angle_show_less_across() -> None:
    """Against sampled points: which of them lie in a frame again within each trigger distance along the track."""
    width, length, trigger = 96.0, 72.0, 57.6
    for crab_deg in (0.0, 5.0, 15.0, 25.0):
        angle = np.radians(crab_deg)
        across = np.linspace(-80, 80, 1601)
        along = np.linspace(0, trigger, 200, endpoint=False)
        y, x = np.meshgrid(across, along, indexing="ij")
        seen = np.zeros(y.shape, dtype=bool)
        for frame in range(-4, 5):
            forward, right = x - frame * trigger, y
            u = forward * np.cos(angle) + right * np.sin(angle)
            v = -forward * np.sin(angle) + right * np.cos(angle)
            seen |= (np.abs(u) <= length / 2) & (np.abs(v) <= width / 2)
        whole = across[seen.all(axis=1)]
        assert swath_turned_m(width, length, trigger, crab_deg) == pytest.approx(np.ptp(whole), abs=1.0)


def small_park(width_m: float = 3000.0) -> StudyArea:
    ((longitude, latitude),) = FRAME.to_lonlat([(-width_m / 2, 0)])
    land = FRAME.delocalise(shapely.box(-width_m / 2, -600, width_m / 2, 600))
    return StudyArea("park", (Stratum("all", land),), (), (LaunchSite("camp", float(longitude), float(latitude)),))


def plan(operations: Operations, **asked: object) -> SurveyPlan:
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 90.0, "drone": COPTER, **asked}
    return plan_survey(
        small_park(),
        PlanRequest(camera=camera_named("overfly-demo"), operations=operations, **settings),  # type: ignore[arg-type]
    )


def test_wind_along_the_lines_makes_sorties_dearer_than_wind_that_is_not_there() -> None:
    still, windy = (plan(Operations(wind=Wind(speed, 90.0)), speed_mps=9.0) for speed in (0.0, 9.0))
    assert sum(s.energy_share for s in windy.sorties) > 1.1 * sum(s.energy_share for s in still.sorties)
    assert windy.duration_s > still.duration_s
    assert any("cannot hold 9.0 m/s" in w for w in windy.warnings)


def test_a_fixed_wing_s_plan_says_how_far_frames_are_turned() -> None:
    result = plan(Operations(wind=Wind(6.0, 0.0)), drone="WingtraOne GEN II")
    assert any("off the track" in n for n in result.notes)
    crab_deg = np.degrees(np.arcsin(6 / 16))
    assert any(f"frames turned by {crab_deg:.0f}°" in n for n in result.notes)


def test_a_wind_stronger_than_the_drone_bears_is_refused_though_only_its_direction_was_asked_with_it() -> None:
    with pytest.raises(PlanError, match="made for"):
        plan(Operations(wind=Wind(13.0, 40.0)))


def test_a_payload_takes_from_each_battery() -> None:
    light, heavy = (plan(Operations(payload_kg=kg)) for kg in (0.0, 0.13))
    assert sum(s.energy_share for s in heavy.sorties) > 1.15 * sum(s.energy_share for s in light.sorties)
    assert heavy.aircraft is not None
    assert heavy.aircraft.mass_kg == pytest.approx(1.045)


def test_a_drone_of_one_s_own_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "quad.toml"
    path.write_text(
        'name = "quad"\nkind = "multirotor"\nbattery_wh = 80\nhover_power_w = 150\ncruise_power_w = 140\n'
        "cruise_speed_mps = 10\nmax_speed_mps = 15\nmax_wind_mps = 8\n"
    )
    drone = drone_from_file(path)
    assert (drone.name, drone.source) == ("quad", "quad.toml")
    # Without mass or disc: the larger power, and more beyond the cruise speed.
    assert drone.power_w([0.0, 10.0, 15.0]) == pytest.approx([150.0, 150.0, 150.0 * 2.25])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("battery_wh = 80\n", "missing"),
        ("speling = 1\n", "unknown key 'speling'"),
        ('kind = "balloon"\n', "kind must be"),
        ("battery_wh = -1\n", "battery_wh must be a number above 0"),
        ("cruise_speed_mps = 40\n", "not between"),
        ("reserve_share = 1.5\n", "below 1"),
        ("[[drone]]\n[[drone]]\n", "keys of one drone"),
    ],
)
def test_a_drone_file_that_does_not_hold_together_is_refused_with_the_key(
    tmp_path: Path, text: str, words: str
) -> None:
    whole = {
        "kind": '"multirotor"',
        "battery_wh": "80",
        "hover_power_w": "150",
        "cruise_power_w": "140",
        "cruise_speed_mps": "10",
        "max_speed_mps": "15",
        "max_wind_mps": "8",
    }
    key = text.split(" =")[0]
    rest = {} if words in ("missing", "keys of one drone") else {k: v for k, v in whole.items() if k != key}
    path = tmp_path / "quad.toml"
    path.write_text("".join(f"{k} = {v}\n" for k, v in rest.items()) + text)
    with pytest.raises(PlanError, match=words):
        drone_from_file(path)


def test_a_drone_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quad.toml"
    path.write_text("name: quad")
    with pytest.raises(UnreadableFileError, match="not a drone file"):
        drone_from_file(path)
