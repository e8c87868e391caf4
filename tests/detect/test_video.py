"""Frames of a drone's video know where they were taken, from the subtitles beside it."""

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detect.captures import read_capture
from detect.subtitles import read_subtitles
from detect.video import extract_frames
from flightplan.errors import CaptureError

RATE, SECONDS, WIDTH, HEIGHT = 10, 6, 320, 180
LON, LAT = 34.83, -2.33
STEP_DEG = 5.0 / 111_195
NOON = datetime(2026, 6, 1, 12, 0, 0)


def moment(n: int) -> datetime:
    return NOON + timedelta(milliseconds=100 * n)


def stamp(n: int) -> str:
    ms = 100 * n
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def clock(n: int, mark: str) -> str:
    return f"{moment(n):%Y-%m-%d %H:%M:%S}{mark}{moment(n).microsecond // 1000:03d}"


def gimbal(n: int) -> str:
    return (
        f'<font size="28">FrameCnt: {n + 1}, DiffTime: 100ms\n{clock(n, ".")}\n'
        f"[iso: 100] [shutter: 1/800.0] [fnum: 2.8] [focal_len: 24.00] [latitude: {LAT + n * STEP_DEG / 10:.8f}] "
        f"[longitude: {LON:.6f}] [rel_alt: 60.100 abs_alt: 1561.320] "
        "[gb_yaw: -12.5 gb_pitch: -90.0 gb_roll: 0.0] </font>"
    )


def older(n: int) -> str:
    return (
        f'<font size="36">SrtCnt : {n + 1}, DiffTime : 100ms\n{clock(n, ",")},000\n'
        f"[iso : 110] [focal_len : 240] [latitude : {LAT + n * STEP_DEG / 10:.8f}] [longtitude : {LON:.6f}] "
        "[altitude: 1561.320] </font>"
    )


def phantom(n: int) -> str:
    return (
        f"HOME({LON},{LAT}) {moment(n):%Y.%m.%d %H:%M:%S}\n"
        f"GPS({LON:.6f},{LAT + n * STEP_DEG / 10:.8f},19) BAROMETER:60.1\n"
        "ISO:100 Shutter:60 EV: Fnum:2.2"
    )


def mini(n: int) -> str:
    return (
        f"F/2.8, SS 320.0, ISO 100, EV 0, DZOOM 1.000, GPS ({LON:.6f}, {LAT + n * STEP_DEG / 10:.8f}, 19), "
        "D 21.41m, H 60.10m, H.S 5.00m/s, V.S 0.00m/s"
    )


def write_subtitles(path: Path, words, every: int = 1) -> Path:
    blocks = [
        f"{i + 1}\n{stamp(n)} --> {stamp(n + every)}\n{words(n)}" for i, n in enumerate(range(0, RATE * SECONDS, every))
    ]
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of grey that grows lighter by 4 each frame."""
    path = tmp_path_factory.mktemp("video") / "DJI_0001.MP4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 2_000_000
        for n in range(RATE * SECONDS):
            grey = np.full((HEIGHT, WIDTH, 3), 8 + 4 * n, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def video(recorded: Path, tmp_path: Path) -> Path:
    copy = tmp_path / recorded.name
    copy.write_bytes(recorded.read_bytes())
    return copy


@pytest.mark.parametrize(("words", "every"), [(gimbal, 1), (older, 1), (phantom, 10), (mini, 10)])
def test_every_layout_of_subtitles_gives_position_and_height(tmp_path: Path, words, every: int) -> None:
    found = read_subtitles(write_subtitles(tmp_path / "a.SRT", words, every)).moments
    assert len(found) == RATE * SECONDS // every
    last = found[-1]
    n = RATE * SECONDS - every
    assert last.at_s == pytest.approx(n / 10)
    assert (last.longitude_deg, last.latitude_deg) == pytest.approx((LON, LAT + n * STEP_DEG / 10), abs=1e-8)
    assert last.relative_altitude_m == (None if words is older else 60.1)
    assert last.absolute_altitude_m == (1561.32 if words in (gimbal, older) else None)
    assert last.focal_length_35mm == (24.0 if words in (gimbal, older) else None)
    assert last.gimbal_pitch_deg == (-90.0 if words is gimbal else None)
    assert (last.local_time is None) == (words is mini)


def test_frames_are_captures_with_the_place_and_time_of_their_moment(video: Path, tmp_path: Path) -> None:
    write_subtitles(video.with_suffix(".SRT"), gimbal)
    found = extract_frames(video, tmp_path / "frames", every_s=2.0, utc_offset=timedelta(hours=3))
    assert [p.name for p in found.paths] == [f"DJI_0001_{n:09d}.jpg" for n in (0, 2000, 4000)]
    for path, n in zip(found.paths, (0, 20, 40), strict=True):
        assert np.asarray(Image.open(path)).mean() == pytest.approx(8 + 4 * n, abs=3)
        capture = read_capture(path)
        assert capture.latitude_deg == pytest.approx(LAT + n * STEP_DEG / 10, abs=1e-8)
        assert (capture.altitude_takeoff_m, capture.pitch_deg) == (60.1, -90.0)
        assert capture.yaw_deg % 360 == 347.5
        assert capture.time_utc == moment(n).replace(tzinfo=UTC) - timedelta(hours=3)
        # 24 mm on the full width of a 4:3 sensor: 71.6° across.
        assert capture.camera.focal_length_px == pytest.approx(24 / 34.6 * WIDTH)


def test_frames_by_distance_lie_that_far_apart(video: Path, tmp_path: Path) -> None:
    write_subtitles(video.with_suffix(".SRT"), gimbal)
    found = extract_frames(video, tmp_path / "frames", every_s=None, every_m=10.0)
    where = [read_capture(p).latitude_deg for p in found.paths]
    assert np.diff(where) * 111_195 == pytest.approx(10.0, abs=0.6)
    assert len(where) == 3


def test_frames_that_are_there_are_not_written_again(video: Path, tmp_path: Path) -> None:
    write_subtitles(video.with_suffix(".SRT"), gimbal)
    first = extract_frames(video, tmp_path / "frames", every_s=1.0)
    kept = {p: p.stat().st_mtime_ns for p in first.paths}
    first.paths[2].unlink()
    again = extract_frames(video, tmp_path / "frames", every_s=1.0)
    assert again.paths == first.paths
    assert [p for p in again.paths if p.stat().st_mtime_ns != kept[p]] == [first.paths[2]]


def test_a_frame_without_telemetry_has_no_position(video: Path, tmp_path: Path) -> None:
    path = write_subtitles(video.with_suffix(".SRT"), gimbal)
    blocks = path.read_text().split("\n\n")
    path.write_text("\n\n".join(blocks[:5]))
    found = extract_frames(video, tmp_path / "frames", every_s=5.0)
    known = [read_capture(p).latitude_deg is not None for p in found.paths]
    assert known == [True, False]


def test_broken_blocks_are_named_and_passed_over(tmp_path: Path) -> None:
    path = write_subtitles(tmp_path / "a.SRT", gimbal)
    blocks = path.read_text().split("\n\n")
    blocks[3] = "4\nno time here"
    blocks[7] = blocks[2]
    path.write_text("\n\n".join(blocks))
    found = read_subtitles(path)
    assert [s.item for s in found.skips] == [f"{path}, block 4", f"{path}, block 8"]
    assert len(found.moments) == RATE * SECONDS - 2


@pytest.mark.parametrize(("longitude", "latitude"), [(0.0, 0.0), (200.0, 1.0), (1.0, 91.0)])
def test_no_fix_is_no_position(tmp_path: Path, longitude: float, latitude: float) -> None:
    path = tmp_path / "a.SRT"
    path.write_text(
        f"1\n00:00:00,000 --> 00:00:01,000\n[latitude: {latitude}] [longitude: {longitude}] [rel_alt: 3.0]\n"
    )
    with pytest.raises(CaptureError, match="no positions"):
        read_subtitles(path)


def test_what_cannot_be_used_is_said(video: Path, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"no \.SRT beside the video"):
        extract_frames(video, tmp_path / "frames")
    write_subtitles(video.with_suffix(".SRT"), gimbal)
    with pytest.raises(CaptureError, match="every so many seconds, or every so many metres"):
        extract_frames(video, tmp_path / "frames", every_s=2.0, every_m=3.0)
    broken = tmp_path / "broken.MP4"
    broken.write_bytes(b"not a video at all" * 100)
    write_subtitles(broken.with_suffix(".SRT"), gimbal)
    with pytest.raises(CaptureError, match="cannot be read"):
        extract_frames(broken, tmp_path / "frames")
    with pytest.raises(CaptureError, match="more than 20000"):
        extract_frames(video, tmp_path / "frames", every_s=0.0001)


@given(st.text(max_size=400))
def test_any_text_is_telemetry_or_is_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.SRT"
    path.write_text(f"1\n00:00:01,000 --> 00:00:02,000\n{text}", encoding="utf-8", errors="replace")
    with contextlib.suppress(CaptureError):
        assert any(m.latitude_deg is not None for m in read_subtitles(path).moments)
