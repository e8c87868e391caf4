"""Frames out of a drone's video, each a JPEG with the position, heights and attitude of its moment in EXIF and XMP.

The frames are captures like any other from then on. Decoding is PyAV's (extra `video`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.frame_writing import write_frame
from detect.subtitles import Subtitles, Telemetry, read_subtitles
from flightplan.ellipsoid import to_geocentric
from flightplan.errors import CaptureError, Skip

VIDEO_SUFFIXES = frozenset({".mp4", ".mov"})
_STILL_SHARE = 0.5
_MAX_FRAMES = 20_000
_NEVER_S = 3.0
"""Telemetry older than this says nothing of a frame."""


@dataclass(frozen=True)
class Frames:
    """The frames written, those that were there already among them, and what was passed over."""

    folder: Path
    paths: tuple[Path, ...]
    skips: tuple[Skip, ...]


def extract_frames(
    video: Path,
    folder: Path,
    *,
    every_s: float | None = 2.0,
    every_m: float | None = None,
    utc_offset: timedelta | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Frames:
    """Write frames of a video into `folder`, one each `every_s` seconds or each `every_m` metres flown.

    The .SRT lies beside the video, under its name. A frame is named after the video and its milliseconds, and one that
    is there already is not written again. `utc_offset` is how far the camera's clock ran ahead of UTC, where known: the
    subtitles name no zone. Frames without telemetry are written without a position. Raises CaptureError for a video or
    subtitles that cannot be read, a step that is not positive, more than 20,000 frames, or without PyAV.
    """
    if (every_s is None) == (every_m is None) or not (every_s or every_m or 0.0) > 0.0:
        raise CaptureError("Frames are taken every so many seconds, or every so many metres", where=str(video))
    subtitles = read_subtitles(_beside(video))
    with _opened(video) as container:
        stream = container.streams.video[0]
        duration_s = _duration_s(container, stream)
        times = _by_distance(subtitles, every_m) if every_m else np.arange(0.0, duration_s, every_s)
        times = times[times < duration_s]
        if len(times) > _MAX_FRAMES:
            raise CaptureError(
                f"{len(times)} frames are more than {_MAX_FRAMES}", where=str(video), hint="Widen the step."
            )
        if not len(times):
            raise CaptureError("No frame lies within the video", where=str(video), hint="Is the .SRT another flight's?")
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{video.stem}_{round(1000 * t):09d}.jpg" for t in times.tolist()]
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        skips = [*subtitles.skips]
        written = {i for i in range(len(paths)) if i not in set(missing)}
        for done, (i, pixels) in enumerate(_decoded(container, stream, times, missing, video, skips), start=1):
            moment = _at(subtitles, float(times[i]))
            write_frame(paths[i], pixels, moment, made_of=video.name, utc_offset=utc_offset)
            written.add(i)
            if progress is not None:
                progress(done, len(missing))
    skips += [Skip(str(paths[i]), "the video has no picture there") for i in range(len(paths)) if i not in written]
    return Frames(folder, tuple(paths[i] for i in sorted(written)), tuple(skips))


def _beside(video: Path) -> Path:
    for suffix in (".SRT", ".srt"):
        if video.with_suffix(suffix).is_file():
            return video.with_suffix(suffix)
    raise CaptureError(
        "There is no .SRT beside the video, so nobody knows where its frames were",
        where=str(video),
        hint="Copy the drone's .SRT into the same folder (subtitles have to be switched on before the flight).",
    )


def _opened(video: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise CaptureError(
            "Videos are read with PyAV, which is not installed", where=str(video),
            hint="Install it: pip install 'overfly[video]'",
        ) from error  # fmt: skip
    try:
        container = av.open(str(video))
    except (OSError, ValueError) as error:
        raise CaptureError(f"The video cannot be read ({error})", where=str(video)) from error
    if not container.streams.video:
        container.close()
        raise CaptureError("There is no picture in the video", where=str(video))
    return container


def _duration_s(container: Any, stream: Any) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return float(container.duration or 0) / 1e6


def _by_distance(subtitles: Subtitles, every_m: float) -> npt.NDArray[np.float64]:
    """Times at which the way flown reaches a multiple of `every_m`."""
    known = [m for m in subtitles.moments if m.longitude_deg is not None and m.latitude_deg is not None]
    where = to_geocentric(
        np.array([(m.longitude_deg, m.latitude_deg) for m in known], dtype=np.float64), np.zeros(len(known))
    )
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(where, axis=0), axis=1))])
    at = np.array([m.at_s for m in known])
    steps = np.floor(way / every_m)
    first = np.unique(steps, return_index=True)[1]
    return at[first]


def _decoded(
    container: Any,
    stream: Any,
    times: npt.NDArray[np.float64],
    wanted: Sequence[int],
    video: Path,
    skips: list[Skip],
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """The picture shown at each of the wanted times, in their order; a part that cannot be decoded is passed over."""
    import av

    stream.thread_type = "AUTO"
    half_s = _STILL_SHARE / float(stream.average_rate or 30)
    position = -math.inf
    frames: Iterator[Any] = iter(())
    for i in wanted:
        target = float(times[i])
        try:
            if target - position > 1.0 or not math.isfinite(position):
                container.seek(int(target / float(stream.time_base)), stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                position = float(frame.time or 0.0)
                if position >= target - half_s:
                    yield i, frame.to_ndarray(format="rgb24")
                    break
        except av.FFmpegError as error:
            skips.append(Skip(f"{video} at {target:.1f} s", f"cannot be decoded ({error})"))
            position = -math.inf


def _at(subtitles: Subtitles, time_s: float) -> Telemetry | None:
    """The last block that began by then, None where it is too old to say anything."""
    starts = [m.at_s for m in subtitles.moments]
    index = bisect_right(starts, time_s + 1e-6) - 1
    if index < 0 or time_s - starts[index] > _NEVER_S:
        return None
    return subtitles.moments[index]
