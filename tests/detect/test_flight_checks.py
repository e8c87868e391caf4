"""What flights get wrong is named with the captures it concerns, and a flight without fault is left in peace."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from detect.captures import Capture, find_images, read_capture
from detect.clock_checks import CLOCK_OFFSET, CLOCK_RESET, CLOCK_STANDS, CLOCK_STEP, check_flown
from detect.findings import YAW_FLIPPED, PoseFinding, repaired
from detect.flight_checks import check_captures
from detect.flights import flight_of, flights_of
from detect.height_checks import HEIGHT_DATUM, HEIGHT_JUMP, HEIGHT_OFFSET, HEIGHT_OUTLIER, HEIGHT_SIGN
from detect.sequence_checks import FRAMES_MISSING, FRAMES_SURPLUS
from detect.yaw_checks import PICTURE_REWRITTEN, YAW_OFFSET, YAW_OUTLIER, YAW_REVERSED
from flightplan.errors import TerrainError
from flightplan.frames import HeightDatum, LocalFrame
from flightplan.terrain import Terrain

FRAME = LocalFrame(34.83, -2.33)
START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
GROUND_M = 1480.0


def fly(
    lines: int = 3,
    per_line: int = 8,
    *,
    spacing_m: float = 20.0,
    heading_deg: float = 10.0,
    crab_deg: float = 0.0,
    turns: bool = True,
    seed: int = 0,
    change: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda _, fields: fields,
) -> list[Capture]:
    """Lines there and back, with the noise of a drone; `change` spoils the fields of a capture by its number.

    `crab_deg` is how far the nose is off the track into a cross wind, to the right going and to the left coming.
    """
    rng = np.random.default_rng([seed, 5])
    captures = []
    for n in range(lines * per_line):
        line, along = divmod(n, per_line)
        there = line % 2 == 0
        station = (along if there else per_line - 1 - along) * spacing_m
        course = heading_deg + (0 if there else 180)
        ahead = np.array([np.sin(np.radians(heading_deg)), np.cos(np.radians(heading_deg))])
        across = np.array([ahead[1], -ahead[0]])
        lon, lat = FRAME.to_lonlat([ahead * station + across * 60.0 * line + rng.normal(0, 0.4, 2)])[0]
        yaw = (course if turns else heading_deg) + (crab_deg if there else -crab_deg) + rng.normal(0, 1.5)
        height = 80.0 + rng.normal(0, 0.2)
        fields: dict[str, Any] = {
            "time_utc": START + timedelta(seconds=2 * n + 20 * line),
            "longitude_deg": float(lon),
            "latitude_deg": float(lat),
            "altitude_takeoff_m": height,
            "altitude_msl_m": GROUND_M + height + rng.normal(0, 0.1),
            "yaw_deg": (yaw + 180) % 360 - 180,
            "pitch_deg": -90.0,
            "roll_deg": 0.0,
            "airframe_yaw_deg": (yaw + rng.normal(0, 1) + 180) % 360 - 180,
            "maker": "DJI",
            "model": "M3E",
            "software": "10.08.01.02",
        }
        fields = change(n, fields)
        time = fields["time_utc"]
        fields.setdefault("camera_clock", None if time is None else time.replace(tzinfo=None))
        name = fields.pop("name", f"DJI_{n + 1:04d}.JPG")
        captures.append(Capture(Path("card/100MEDIA") / name, f"{n:064d}", 4000, 3000, **fields))
    return captures


def spoil(which: Sequence[int], **by: Any) -> Callable[[int, dict[str, Any]], dict[str, Any]]:
    """Add to (or, where it is no number, set) fields of some captures."""

    def change(n: int, fields: dict[str, Any]) -> dict[str, Any]:
        if n in which:
            for name, value in by.items():
                plus = isinstance(value, int | float | timedelta)
                fields[name] = fields[name] + value if plus else value
        return fields

    return change


def named(finding: PoseFinding) -> list[int]:
    return [int(h) for h in finding.captures]


def only(findings: list[PoseFinding], kind: str) -> PoseFinding:
    assert [f.kind for f in findings] == [kind], [f.text for f in findings]
    return findings[0]


# A flight without fault


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(2, 12),
    st.floats(0, 360),
    st.floats(0, 25),
    st.booleans(),
)
def test_a_flight_without_fault_is_left_in_peace(seed, lines, per_line, heading, crab, turns) -> None:
    captures = fly(lines, per_line, heading_deg=heading, crab_deg=crab if turns else 0.0, turns=turns, seed=seed)
    assert check_captures(captures) == []


def test_a_flight_is_told_by_folder_camera_and_pause() -> None:
    one = fly()
    later = [replace(c, time_utc=c.time_utc + timedelta(hours=1), path=Path("card/100MEDIA", f"DJI_{i + 101:04d}.JPG"))
             for i, c in enumerate(fly(seed=2)) if c.time_utc is not None]  # fmt: skip
    elsewhere = [replace(c, path=Path("card/101MEDIA", c.path.name)) for c in fly(seed=3)]
    assert [len(f) for f in flights_of([*one, *later, *elsewhere])] == [24, 24, 24]


def test_pictures_are_in_the_order_of_their_numbers_also_where_the_counter_goes_round() -> None:
    names = [f"DJI_{(n + 990) % 999 + 1:04d}.JPG" for n in range(24)]
    captures = fly(change=lambda n, fields: fields | {"name": names[n]})
    flight = flights_of(reversed(captures))[0]
    assert [c.path.name for c in flight.captures] == names


@pytest.mark.parametrize(("yaw", "pitch", "roll", "azimuth"), [(30, -90, 180, -150), (30, -90, 0, 30), (30, -60, 0, 30),
                                                             (30, -90, 90, 120), (30, -20, 0, 30)])  # fmt: skip
def test_straight_down_a_roll_of_180_is_a_yaw_of_180(yaw: int, pitch: int, roll: int, azimuth: int) -> None:
    capture = replace(fly()[0], yaw_deg=float(yaw), pitch_deg=float(pitch), roll_deg=float(roll))
    assert flight_of([capture]).azimuth_deg[0] == pytest.approx(azimuth)


# Yaw


@pytest.mark.parametrize("turns", [True, False])
@pytest.mark.parametrize("which", [(3,), (0,), (15,), (2, 12)])
def test_lone_flipped_yaws_are_named_and_turned_back(which: tuple[int, ...], turns: bool) -> None:
    flight = fly(turns=turns)
    finding = only(check_captures(fly(turns=turns, change=spoil(which, yaw_deg=180.0))), YAW_FLIPPED)
    assert named(finding) == list(which)
    assert "the aircraft's own yaw went on along the line" in finding.text
    assert not finding.is_proved
    assert finding.repair is not None
    right = [flight[n].yaw_deg for n in which]
    assert [(a - b + 180) % 360 - 180 for a, b in zip(finding.repair["yaw_deg"], right, strict=True)] == pytest.approx(
        [0.0] * len(which), abs=1e-5
    )


def test_a_yaw_that_its_aircraft_confirms_says_so() -> None:
    finding = only(check_captures(fly(change=spoil([4], yaw_deg=180.0, airframe_yaw_deg=180.0))), YAW_FLIPPED)
    assert "says the same as the camera's" in finding.text


@pytest.mark.parametrize("turn", [55.0, -70.0, 178.0])
def test_the_first_picture_of_a_line_may_be_taken_coming_out_of_the_turn(turn: float) -> None:
    assert check_captures(fly(change=spoil([0, 8, 23], yaw_deg=turn, airframe_yaw_deg=turn))) == []
    said = check_captures(fly(change=spoil([0, 8, 23], yaw_deg=turn)))
    assert named(only(said, YAW_FLIPPED if turn > 135 else YAW_OUTLIER)) == [0, 8, 23]


def test_a_line_left_and_joined_again_has_two_more_ends() -> None:
    whole = fly(1, 24, change=spoil([14], yaw_deg=60.0, airframe_yaw_deg=60.0))
    assert YAW_OUTLIER in [f.kind for f in check_captures(whole)]
    assert YAW_OUTLIER not in [f.kind for f in check_captures([*whole[:9], *whole[14:]])]


def test_a_lone_yaw_off_by_less_than_half_a_turn_is_brought_back_to_its_line() -> None:
    finding = only(check_captures(fly(change=spoil([10], yaw_deg=80.0))), YAW_OUTLIER)
    assert named(finding) == [10]
    assert finding.repair is not None
    assert abs(abs(finding.repair["yaw_deg"][0]) - 170.0) < 4.0


@pytest.mark.parametrize("turns", [True, False])
def test_a_line_flipped_against_all_others_is_named(turns: bool) -> None:
    captures = fly(5, 6, turns=turns, change=spoil(range(6, 12), yaw_deg=180.0))
    assert named(only(check_captures(captures), YAW_FLIPPED)) == list(range(6, 12))


def test_an_offset_of_a_whole_flight_is_told_from_wind() -> None:
    finding = only(check_captures(fly(4, change=spoil(range(99), yaw_deg=17.0))), YAW_OFFSET)
    assert "+1" in finding.text
    assert len(finding.captures) == 32
    after, _ = repaired(fly(4, change=spoil(range(99), yaw_deg=17.0)), [finding], kinds=[YAW_OFFSET])
    assert check_captures(after) == []
    assert check_captures(fly(4, crab_deg=17.0)) == []


def test_an_offset_on_lines_flown_one_way_may_be_wind_and_is_left() -> None:
    assert check_captures(fly(1, 20, change=spoil(range(99), yaw_deg=17.0))) == []


def test_a_camera_mounted_across_is_no_offset_and_one_mounted_backwards_is_named() -> None:
    assert check_captures(fly(4, change=spoil(range(99), yaw_deg=90.0))) == []
    assert only(check_captures(fly(4, change=spoil(range(99), yaw_deg=180.0))), YAW_REVERSED).repair is not None


def test_a_flipped_line_that_may_be_another_one_is_named_with_it_and_not_turned() -> None:
    captures = [replace(c, airframe_yaw_deg=None) for c in fly(5, 6, change=spoil(range(6, 12), yaw_deg=180.0))]
    finding = only(check_captures(captures), YAW_FLIPPED)
    assert named(finding) == [*range(6, 12), *range(18, 24)]
    assert finding.repair is None


def test_pictures_that_a_viewer_turned_are_named_by_the_program_and_the_way_they_face() -> None:
    findings = check_captures(fly(change=spoil(range(8, 16), software="Microsoft Windows Photo Viewer 10.0")))
    assert [f.kind for f in findings] == [PICTURE_REWRITTEN, YAW_FLIPPED]
    assert named(findings[1]) == list(range(8, 16))
    assert findings[0].repair is None


def test_pictures_that_a_program_saved_without_choosing_a_direction_keep_their_yaw() -> None:
    findings = check_captures(fly(change=spoil(range(4, 16), software="Adobe Lightroom 9")))
    assert [f.kind for f in findings] == [PICTURE_REWRITTEN]


def test_brightons_flipped_yaws_are_named_from_metadata_alone(shared_data: Path) -> None:
    paths, _ = find_images([shared_data / "imagery/brighton_dji"])
    captures = [read_capture(path) for path in paths]
    findings = {f.kind: f for f in check_captures(captures)}
    name = {c.content_hash: c.path.name for c in captures}
    assert [name[h] for h in findings[YAW_FLIPPED].captures] == [f"DJI_00{n}.JPG" for n in (24, 25, 28, 29)]
    assert "6 pictures are missing (19, 20, 26, 27, 31, 32)" in findings[FRAMES_MISSING].text
    assert set(findings) == {YAW_FLIPPED, FRAMES_MISSING, PICTURE_REWRITTEN}


# Clock


def test_a_clock_that_was_reset_for_some_pictures_gives_them_no_time() -> None:
    def change(n: int, fields: dict[str, Any]) -> dict[str, Any]:
        if n >= 20:
            fields["time_utc"] = datetime(2000, 1, 1, 0, 3, tzinfo=UTC) + timedelta(seconds=2 * n)
        return fields

    finding = next(f for f in check_captures(fly(change=change)) if f.kind == CLOCK_RESET)
    assert named(finding) == [20, 21, 22, 23]
    assert finding.is_proved
    after, _ = repaired(fly(change=change), [finding])
    assert [c.time_utc for c in after[20:]] == [None] * 4
    assert after[19].time_utc is not None


def test_a_flight_on_new_years_day_is_no_reset_clock() -> None:
    by = datetime(2020, 1, 1, 9, tzinfo=UTC) - START
    finding = only(check_captures(fly(change=spoil(range(99), time_utc=by))), CLOCK_RESET)
    assert not finding.is_proved


@pytest.mark.parametrize(("seconds", "words"), [(-3600, "time zone"), (-7.5, "−8 s"), (5400, "time zone")])
def test_a_clock_that_steps_within_a_flight_is_set_right_by_the_longer_side(seconds: float, words: str) -> None:
    change = spoil(range(6), time_utc=timedelta(seconds=-seconds))
    finding = only(check_captures(fly(change=change)), CLOCK_STEP)
    assert named(finding) == list(range(6))
    assert words in finding.text
    assert finding.repair is not None
    off = [(t - c.time_utc).total_seconds() for t, c in zip(finding.repair["time_utc"], fly(), strict=False)]
    assert off == pytest.approx([0.0] * 6, abs=0.01)


@pytest.mark.parametrize("hours", [3.0, -5.75])
def test_pictures_outside_their_flight_are_named_with_the_zone_that_is_missing(hours: float) -> None:
    captures = fly(3, 20, change=spoil(range(99), time_utc=timedelta(hours=hours, seconds=8)))
    flown = (START - timedelta(minutes=2), START + timedelta(minutes=5))
    assert check_flown(fly(3, 20), *flown) == []
    finding = only(check_flown(captures, *flown), CLOCK_OFFSET)
    assert f"{hours:+g} h is missing" in finding.text
    assert finding.repair is not None
    assert finding.repair["time_utc"][0] == START + timedelta(seconds=8)


def test_pictures_of_another_day_are_named_without_a_zone() -> None:
    flown = (START + timedelta(days=3, minutes=-1), START + timedelta(days=3, minutes=4))
    assert only(check_flown(fly(), *flown), CLOCK_OFFSET).repair is None


def test_a_clock_that_stands_still_is_named() -> None:
    finding = only(
        check_captures(fly(change=spoil([9, 10, 11, 12], time_utc=START + timedelta(seconds=38)))), CLOCK_STANDS
    )
    assert set(named(finding)) == {9, 10, 11, 12}
    assert finding.repair is None


# Frames


def test_missing_frames_are_told_from_numbers_and_from_distances() -> None:
    captures = fly()
    finding = only(check_captures([c for i, c in enumerate(captures) if i not in (3, 4, 18)]), FRAMES_MISSING)
    assert "3 pictures are missing (4, 5, 19); the gaps on lines are as long as that" in finding.text
    assert named(finding) == [2, 5, 17, 19]


def test_frames_that_were_never_taken_are_told_from_distances_alone() -> None:
    taken = [c for i, c in enumerate(fly(3, 10)) if i not in (4, 5)]
    renumbered = [replace(c, path=Path("card", f"DJI_{i:04d}.JPG")) for i, c in enumerate(taken)]
    finding = only(check_captures(renumbered), FRAMES_MISSING)
    assert "about 2 are missing or never taken" in finding.text
    assert named(finding) == [3, 6]


def test_a_gap_that_was_planned_is_none() -> None:
    captures = fly(3, 10)
    taken = [c for i, c in enumerate(captures) if i not in (4, 5, 23)]
    renumbered = [replace(c, path=Path("card", f"DJI_{i:04d}.JPG")) for i, c in enumerate(taken)]
    place = [(c.longitude_deg, c.latitude_deg) for c in captures]
    planned = shapely.MultiLineString(
        [(place[0], place[3]), (place[6], place[9]), (place[10], place[19]), (place[20], place[29])]
    )
    finding = only(check_captures(renumbered, planned=planned), FRAMES_MISSING)
    assert "about 1 is missing or never taken" in finding.text, "the lines ask for the picture of the third line alone"
    assert named(finding) == [22, 24]
    elsewhere = shapely.MultiLineString([[(35.0, -2.0), (35.0, -2.1)]])
    finding = only(check_captures(renumbered, planned=elsewhere), FRAMES_MISSING)
    assert "about 3 are missing" in finding.text, "a plan that was not flown by says nothing"


def test_a_double_trigger_is_surplus() -> None:
    captures = fly(2, 10)
    twice = replace(captures[4], content_hash=f"{99:064d}", path=Path("card/100MEDIA/DJI_0005b.JPG"))
    shot = [*captures[:5], twice, *captures[5:]]
    renumbered = [replace(c, path=Path("card", f"DJI_{i:04d}.JPG")) for i, c in enumerate(shot)]
    assert named(only(check_captures(renumbered), FRAMES_SURPLUS)) == [99]


# Heights


@pytest.mark.parametrize("field", ["altitude_takeoff_m", "altitude_msl_m"])
def test_a_lone_height_is_mended_from_the_other_one(field: str) -> None:
    finding = only(check_captures(fly(change=spoil([7], **{field: 30.0}))), HEIGHT_OUTLIER)
    assert named(finding) == [7]
    assert finding.repair is not None
    assert finding.repair[field][0] == pytest.approx(getattr(fly()[7], field), abs=0.6)


def test_an_aircraft_that_climbs_and_comes_back_is_no_outlier() -> None:
    assert check_captures(fly(change=spoil([7], altitude_takeoff_m=30.0, altitude_msl_m=30.0))) == []


def test_a_height_that_is_set_anew_on_the_way_is_named_with_the_one_that_jumped() -> None:
    finding = only(check_captures(fly(change=spoil(range(17, 24), altitude_takeoff_m=-25.0))), HEIGHT_JUMP)
    assert named(finding) == list(range(17, 24))
    assert finding.repair is not None
    assert finding.repair["altitude_takeoff_m"] == pytest.approx([80.0] * 7, abs=1.0)
    assert "above take-off steps by" in finding.text


def test_an_absolute_height_far_from_the_ground_is_replaced_by_ground_and_height_above_it() -> None:
    ground = Terrain.flat(GROUND_M, HeightDatum.MEAN_SEA_LEVEL)
    assert check_captures(fly(), terrain=ground) == []
    finding = only(check_captures(fly(change=spoil(range(99), altitude_msl_m=25.0)), terrain=ground), HEIGHT_OFFSET)
    assert "25 m lower" in finding.text
    assert finding.repair is not None
    assert finding.repair["altitude_msl_m"][0] == pytest.approx(GROUND_M + 80.0, abs=1.0)


def test_a_height_below_all_land_has_the_wrong_sign_and_is_set_right_unasked() -> None:
    def change(n: int, fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"altitude_msl_m": -fields["altitude_msl_m"]}

    finding = only(check_captures(fly(change=change)), HEIGHT_SIGN)
    assert finding.is_proved
    after, _ = repaired(fly(change=change), [finding])
    assert after[3].altitude_msl_m == pytest.approx(GROUND_M + 80.0, abs=1.5)
    assert check_captures(fly(change=lambda _, f: f | {"altitude_msl_m": -300.0})) == []


def test_a_camera_below_the_ground_is_named() -> None:
    ground = Terrain.flat(GROUND_M, HeightDatum.MEAN_SEA_LEVEL)
    captures = fly(change=spoil(range(99), altitude_msl_m=-100.0))
    lost = [replace(c, altitude_takeoff_m=None) for c in captures]
    assert "below the ground" in only(check_captures(lost, terrain=ground), HEIGHT_OFFSET).text


def test_a_height_above_the_ellipsoid_by_another_name_is_known_by_the_geoid(monkeypatch) -> None:
    monkeypatch.setattr("detect.height_checks.geoid_height_m", lambda lonlat: np.full(len(lonlat), -17.0))
    ground = Terrain.flat(GROUND_M, HeightDatum.MEAN_SEA_LEVEL)
    captures = fly(change=spoil(range(99), altitude_msl_m=-17.0))
    finding = only(check_captures(captures, terrain=ground), HEIGHT_DATUM)
    after, _ = repaired(captures, [finding], kinds=[HEIGHT_DATUM])
    assert after[0].altitude_msl_m is None
    assert after[0].altitude_ellipsoid_m == pytest.approx(GROUND_M + 80.0 - 17.0, abs=1.0)
    assert check_captures(after, terrain=ground) == []


def test_two_heights_that_the_geoid_does_not_part_are_named(monkeypatch) -> None:
    both = [replace(c, altitude_ellipsoid_m=c.altitude_msl_m) for c in fly()]
    monkeypatch.setattr("detect.height_checks.geoid_height_m", _no_geoid)
    assert "no geoid is installed" in only(check_captures(both), HEIGHT_DATUM).text
    monkeypatch.setattr("detect.height_checks.geoid_height_m", lambda lonlat: np.full(len(lonlat), -17.0))
    assert "-17.0 m" in only(check_captures(both), HEIGHT_DATUM).text


def _no_geoid(_: object) -> None:
    raise TerrainError("none")


def test_captures_that_know_nothing_have_no_findings() -> None:
    bare = [Capture(Path(f"{n}.jpg"), f"{n:064d}", 64, 48) for n in range(20)]
    assert check_captures(bare) == []
