"""Pictures that know nothing but their camera's clock find their place in a flight's log, or are refused by name."""

import gzip
import importlib.util
import json
import math
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymavlink.dialects.v20 import ardupilotmega

from detect.findings import repaired
from detect.flight_logs import read_log
from detect.log_matching import LOG_MATCHED, LOG_UNMATCHED, match_logs
from detect.poses import looking_down
from detect.sequence_checks import FRAMES_MISSING, FRAMES_SURPLUS
from flightplan.errors import CaptureError

_spec = importlib.util.spec_from_file_location("flown_shots", Path(__file__).with_name("flown_shots.py"))
flown_shots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(flown_shots)
CAMERA_AHEAD_S, Extra, START_S, capture_log, dataflash = (
    flown_shots.CAMERA_AHEAD_S,
    flown_shots.Extra,
    flown_shots.START_S,
    flown_shots.capture_log,
    flown_shots.dataflash,
)
kinds, pictures, shot, survey_s, tlog = (
    flown_shots.kinds,
    flown_shots.pictures,
    flown_shots.shot,
    flown_shots.survey_s,
    flown_shots.tlog,
)


# Reading logs


@pytest.mark.parametrize("kind", ["tlog", "dataflash", "capture log"])
def test_the_shots_of_every_kind_of_log_are_read_alike(tmp_path: Path, kind: str) -> None:
    times = survey_s()
    write = {"tlog": tlog, "dataflash": dataflash, "capture log": capture_log}[kind]
    record = read_log(write(tmp_path / "flight", times))
    assert (record.kind, record.is_utc, len(record.shots)) == (kind, True, 40)
    assert [s.time_s for s in record.shots] == pytest.approx(times.tolist(), abs=0.0011)
    s = record.shots[13]
    assert (s.longitude_deg, s.latitude_deg) == pytest.approx((34.8313, -2.3294), abs=1e-6)
    assert (s.altitude_msl_m, s.altitude_takeoff_m) == pytest.approx((1581.3, 81.3), abs=0.011)
    assert s.airframe_deg == pytest.approx((190.0, -6.0, 2.0), abs=1e-4)
    accuracy = {"tlog": 0.4, "dataflash": 0.35, "capture log": None}[kind]
    assert s.horizontal_accuracy_m == pytest.approx(accuracy) if accuracy else s.horizontal_accuracy_m is None


def _gimbal(link: Any, yaw: float, boot_ms: int) -> list[Any]:
    y, p = math.radians(yaw + 5.0), math.radians(-88.0)
    q = [math.cos(y / 2) * math.cos(p / 2), -math.sin(y / 2) * math.sin(p / 2),
         math.cos(y / 2) * math.sin(p / 2), math.sin(y / 2) * math.cos(p / 2)]  # fmt: skip
    return [link.gimbal_device_attitude_status_encode(0, 0, boot_ms, 64, q, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    "extra",
    [
        _gimbal,
        lambda link, yaw, ms: [link.mount_orientation_encode(ms, 0.0, -88.0, 5.0, yaw_absolute=yaw + 5.0)],
        lambda link, yaw, ms: [link.mount_status_encode(0, 0, -8800, 0, 500)],
    ],
)
def test_a_mount_that_tells_its_angles_is_the_camera(tmp_path: Path, extra: Extra) -> None:
    record = read_log(tlog(tmp_path / "a.tlog", survey_s(), extra))
    assert record.shots[13].camera_deg == pytest.approx((195.0, -88.0, 0.0), abs=1e-3)
    assert record.shots[13].airframe_deg == pytest.approx((190.0, -6.0, 2.0), abs=1e-4)


def test_without_a_mount_nobody_tells_the_cameras_angles(tmp_path: Path) -> None:
    assert read_log(tlog(tmp_path / "a.tlog", survey_s())).shots[0].camera_deg is None
    assert read_log(dataflash(tmp_path / "a.bin", survey_s())).shots[0].camera_deg is None
    mounted = read_log(dataflash(tmp_path / "b.bin", survey_s(), mount=True)).shots[13]
    assert mounted.camera_deg == pytest.approx((195.0, -88.0, 0.5))


def test_triggers_are_used_where_no_camera_answered_and_not_beside_one_that_did(tmp_path: Path) -> None:
    both = read_log(dataflash(tmp_path / "both.bin", survey_s(), ("TRIG", "CAM")))
    only = read_log(dataflash(tmp_path / "trig.bin", survey_s(), ("TRIG",)))
    assert ({s.source for s in both.shots}, len(both.shots)) == ({"CAM"}, 40)
    assert ({s.source for s in only.shots}, len(only.shots)) == ({"TRIG"}, 40)


def test_a_tlog_without_gps_time_says_so(tmp_path: Path) -> None:
    assert not read_log(tlog(tmp_path / "a.tlog", survey_s(), utc=False)).is_utc


def test_torn_packets_in_a_tlog_lose_no_more_than_themselves(tmp_path: Path) -> None:
    path = tlog(tmp_path / "a.tlog", survey_s())
    data = bytearray(path.read_bytes())
    size = len(data) // 40
    data[10 * size + 12 : 10 * size + 40] = bytes(28)
    data[20 * size : 20 * size + 5] = b""
    path.write_bytes(data + b"\xfd\xff\x00")
    assert 37 <= len(read_log(path).shots) <= 40


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.bin", b"\xa3\x95\x80" + b"\xff" * 400, "broken|no exposure"),
        ("a.bin", b"\xa3\x95" + bytes(range(256)) * 8, "broken|no exposure"),
        ("a.tlog", bytes(8) + b"\xfd" + bytes(range(256)) * 8, "No telemetry|no exposure"),
        ("a.txt", b"no log at all, just words", "no flight log"),
        ("a.jsonl", b'{"time_utc": 3}\n{"time_utc": "x"}\n', "lines of the log are broken"),
        ("empty.tlog", b"", "no flight log"),
    ],
)
def test_what_is_no_log_or_a_broken_one_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CaptureError, match=words) as refused:
        read_log(tmp_path / name)
    assert name in str(refused.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["tlog", "bin"]), st.integers(1, 60))
def test_flipped_bytes_in_a_log_are_shots_or_one_error_never_a_crash(tmp_path_factory, seed, kind, flips) -> None:
    folder = tmp_path_factory.mktemp("log")
    path = (tlog if kind == "tlog" else dataflash)(folder / f"a.{kind}", survey_s(1, 6))
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for at in rng.integers(0, len(data), flips):
        data[at] = rng.integers(0, 256)
    path.write_bytes(data)
    try:
        record = read_log(path)
    except CaptureError:
        return
    assert all(math.isfinite(s.time_s) for s in record.shots)


# Pictures and logs


def test_pictures_without_metadata_get_all_that_the_log_knows_with_its_source(tmp_path: Path) -> None:
    times = survey_s()
    findings = match_logs(pictures(times), [read_log(tlog(tmp_path / "a.tlog", times))])
    assert kinds(findings) == [LOG_MATCHED]
    assert f"{CAMERA_AHEAD_S:+.0f}"[:5] in findings[0].text
    after, done = repaired(pictures(times), findings)
    one = after[13]
    s = shot(13)
    assert (one.longitude_deg, one.latitude_deg) == pytest.approx((s["lon"], s["lat"]), abs=1e-6)
    assert (one.altitude_msl_m, one.altitude_takeoff_m) == pytest.approx((s["msl"], s["rel"]), abs=1e-3)
    assert one.altitude_ellipsoid_m is None
    assert one.horizontal_accuracy_m == pytest.approx(0.4)
    yaw, pitch, roll = looking_down(190.0, -6.0, 2.0)
    assert (one.pitch_deg, one.roll_deg) == pytest.approx((pitch, roll), abs=1e-4)
    assert math.cos(math.radians((one.yaw_deg or 0.0) - yaw)) == pytest.approx(1.0, abs=1e-9)
    assert one.airframe_yaw_deg == pytest.approx(-170.0, abs=1e-3)
    assert one.time_utc is not None
    assert one.time_utc.timestamp() == pytest.approx(times[13], abs=0.002)
    assert one.sources["longitude_deg"] == "flight log a.tlog (CAMERA_FEEDBACK)"
    assert one.sources["yaw_deg"] == "flight log a.tlog (CAMERA_FEEDBACK), airframe, camera looking down"
    assert one.sources["time_utc"].startswith("repaired: flight log a.tlog")
    assert len({r.capture for r in done}) == 40


def test_a_mounts_own_angles_are_the_cameras_and_the_source_says_so(tmp_path: Path) -> None:
    times = survey_s()
    for record in (
        read_log(dataflash(tmp_path / "a.bin", times, mount=True)),
        read_log(capture_log(tmp_path / "flight", times)),
    ):
        after, _ = repaired(pictures(times), match_logs(pictures(times), [record]))
        assert (after[13].yaw_deg, after[13].pitch_deg, after[13].roll_deg) == pytest.approx((-165.0, -88.0, 0.5))
        assert after[13].sources["yaw_deg"].endswith("camera angles of its mount")


def test_what_a_picture_knows_itself_is_kept(tmp_path: Path) -> None:
    times = survey_s()
    knowing = [
        replace(c, longitude_deg=shot(n)["lon"] + 1e-5, latitude_deg=shot(n)["lat"], yaw_deg=1.0, pitch_deg=-89.0,
                roll_deg=0.0, sources={**c.sources, "longitude_deg": "EXIF", "yaw_deg": "XMP"})
        for n, c in enumerate(pictures(times))
    ]  # fmt: skip
    findings = match_logs(knowing, [read_log(tlog(tmp_path / "a.tlog", times))])
    assert "the pictures' own positions agree to 1.1 m" in findings[0].text
    after, _ = repaired(knowing, findings)
    assert [c.longitude_deg for c in after] == [c.longitude_deg for c in knowing]
    assert after[5].sources["longitude_deg"] == "EXIF"
    assert (after[5].yaw_deg, after[5].sources["yaw_deg"]) == (1.0, "XMP")
    assert after[5].altitude_takeoff_m == pytest.approx(80.5)


def test_a_log_that_contradicts_the_pictures_positions_is_not_used(tmp_path: Path) -> None:
    times = survey_s()
    elsewhere = [replace(c, longitude_deg=36.0, latitude_deg=-1.0) for c in pictures(times)]
    findings = match_logs(elsewhere, [read_log(tlog(tmp_path / "a.tlog", times))])
    assert kinds(findings) == [LOG_UNMATCHED]
    assert "own positions lie" in findings[0].text


def test_dropped_and_surplus_shots_are_named_and_the_rest_is_matched(tmp_path: Path) -> None:
    times = survey_s()
    kept = np.delete(times, [7, 8, 21])
    taken = pictures(np.sort(np.append(kept, times[15] + 1.1)))
    findings = match_logs(taken, [read_log(dataflash(tmp_path / "a.bin", times))])
    assert kinds(findings) == [LOG_MATCHED, FRAMES_MISSING, FRAMES_SURPLUS]
    assert "37 of 38 pictures" in findings[0].text
    assert "3 of 40 shots of a.bin have no picture" in findings[1].text
    assert [int(h) for h in findings[1].captures] == [6, 7, 19, 20]
    assert [int(h) for h in findings[2].captures] == [14]
    after, _ = repaired(taken, findings)
    assert after[14].longitude_deg is None
    assert after[36].longitude_deg == pytest.approx(shot(38)["lon"], abs=1e-6)


def test_an_ambiguous_match_is_refused_and_says_by_how_much(tmp_path: Path) -> None:
    times = START_S + 2.0 * np.arange(30.0)
    findings = match_logs(pictures(times[1:-1]), [read_log(tlog(tmp_path / "a.tlog", times))])
    assert kinds(findings) == [LOG_UNMATCHED]
    assert "more than one offset" in findings[0].text
    assert repaired(pictures(times[1:-1]), findings)[1] == ()


def test_pictures_that_know_where_they_were_settle_what_the_pattern_leaves_open(tmp_path: Path) -> None:
    times = START_S + 2.0 * np.arange(30.0)
    knowing = [
        replace(c, longitude_deg=shot(n + 1)["lon"] + 2e-5, latitude_deg=shot(n + 1)["lat"])
        for n, c in enumerate(pictures(times[1:-1]))
    ]
    findings = match_logs(knowing, [read_log(tlog(tmp_path / "a.tlog", times))])
    assert kinds(findings) == [LOG_MATCHED]
    after, _ = repaired(knowing, findings)
    assert [c.altitude_takeoff_m for c in after] == pytest.approx([80.0 + 0.1 * n for n in range(1, 29)], abs=1e-3)


def test_of_two_vehicles_in_a_log_the_one_with_the_camera_is_read(tmp_path: Path) -> None:
    def other(link: Any, yaw: float, boot_ms: int) -> list[Any]:
        packed = link.mount_orientation_encode(boot_ms, 0.0, -45.0, 5.0, yaw_absolute=5.0).pack(
            ardupilotmega.MAVLink(None, srcSystem=7)
        )
        return [SimpleNamespace(pack=lambda _: packed)]

    record = read_log(tlog(tmp_path / "a.tlog", survey_s(), other))
    assert len(record.shots) == 40
    assert {s.camera_deg for s in record.shots} == {None}


def test_a_camera_whose_clock_was_reset_is_found_all_the_same(tmp_path: Path) -> None:
    times = survey_s()
    reset = datetime(1980, 1, 1, tzinfo=UTC).timestamp() - START_S
    taken = [replace(c, time_utc=None, sources={}) for c in pictures(times, ahead_s=reset)]
    after, _ = repaired(taken, match_logs(taken, [read_log(tlog(tmp_path / "a.tlog", times))]))
    assert [c.time_utc.timestamp() for c in after if c.time_utc] == pytest.approx(times.tolist(), abs=0.002)


def test_one_camera_over_several_flights_has_one_offset(tmp_path: Path) -> None:
    first, second = survey_s(seed=1), survey_s(seed=2) + timedelta(hours=2).total_seconds()
    logs = [read_log(tlog(tmp_path / "a.tlog", first)), read_log(dataflash(tmp_path / "b.bin", second))]
    findings = match_logs(pictures(np.concatenate([first, second])), logs)
    assert kinds(findings) == [LOG_MATCHED]
    assert "80 of 80 pictures are shots of a.tlog, b.bin" in findings[0].text


def test_pictures_without_any_time_are_named(tmp_path: Path) -> None:
    times = survey_s()
    blind = [replace(c, camera_clock=None, time_utc=None) for c in pictures(times)]
    record = read_log(tlog(tmp_path / "a.tlog", times))
    assert kinds(match_logs(blind, [record])) == [LOG_UNMATCHED]
    some = [*blind[:2], *pictures(times)[2:]]
    findings = match_logs(some, [record])
    assert kinds(findings) == [LOG_MATCHED, LOG_UNMATCHED]
    assert len(findings[1].captures) == 2


def test_a_real_autopilots_recording_is_matched(shared_data: Path, tmp_path: Path) -> None:
    link = ardupilotmega.MAVLink(None, srcSystem=1)
    data, times = b"", []
    with gzip.open(shared_data / "autopilot/survey_flight.jsonl.gz", "rt") as lines:
        for line in lines:
            m = json.loads(line)
            if m.get("dir") != "rx" or m["msg"] not in ("CAMERA_FEEDBACK", "ATTITUDE", "GLOBAL_POSITION_INT"):
                continue
            names = ardupilotmega.mavlink_map[getattr(ardupilotmega, f"MAVLINK_MSG_ID_{m['msg']}")].fieldnames
            message = getattr(link, f"{m['msg'].lower()}_encode")(*(m[name] for name in names))
            data += struct.pack(">Q", round((START_S + m["boot_ms"] / 1000) * 1e6)) + message.pack(link)
            if m["msg"] == "CAMERA_FEEDBACK":
                times.append(m["time_usec"] / 1e6)
    (tmp_path / "survey.tlog").write_bytes(data)
    record = read_log(tmp_path / "survey.tlog")
    assert (len(record.shots), record.is_utc) == (48, True)
    taken = pictures(np.delete(np.array(times), [5, 30]))
    findings = match_logs(taken, [record])
    assert kinds(findings) == [LOG_MATCHED, FRAMES_MISSING]
    after, _ = repaired(taken, findings)
    assert after[0].latitude_deg == pytest.approx(-2.3328506, abs=1e-7)
    assert after[0].altitude_takeoff_m == pytest.approx(80.0)
    assert after[45].time_utc is not None
    assert after[45].time_utc.timestamp() == pytest.approx(times[-1], abs=0.002)
