"""Pictures that know too little, matched to a flight log by time: position, heights, attitude and accuracy from it.

Each picture keeps what it knows itself; the log fills in the rest, and sets its time right by the offset found between
the camera's clock and the log's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detect.captures import Capture
from detect.clock_offset import ClockOffset, NoOffset, find_offset
from detect.findings import PoseFinding
from detect.flight_logs import FlightRecord
from detect.logged_shots import LoggedShot
from detect.poses import ROLL_OF_ORIENTATION, looking_down, wrap_deg
from detect.sequence_checks import FRAMES_MISSING, FRAMES_SURPLUS
from flightplan.frames import Floats, LocalFrame
from flightplan.messages import Message, Value, message, plural_message, some_of

LOG_MATCHED = "log-matched"
"""Captures that were found in a flight log: what they did not know is filled in from it."""

LOG_UNMATCHED = "log-unmatched"
"""Captures for which no flight log could be used, and why."""

_APART_M = 50.0
_CLEARLY_M = 8.0
_OFFSET_S = 2.0
_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def match_logs(captures: Iterable[Capture], records: Sequence[FlightRecord]) -> list[PoseFinding]:
    """Find the pictures of each folder and camera in the logs, and what the logs know of them.

    A camera's clock has one offset for all flights of a card, so the logs with GPS time are taken together; one without
    is tried alone. A match is proved by its pattern of intervals (`detect.clock_offset`), or where several fit by
    the pictures' own positions; it is given up where those lie elsewhere.
    """
    groups: dict[tuple[Path, str | None, str | None], list[Capture]] = {}
    for capture in captures:
        groups.setdefault((capture.path.parent, capture.maker, capture.model), []).append(capture)
    findings: list[PoseFinding] = []
    for group in groups.values():
        findings += _match_group(group, records)
    return findings


def _match_group(group: list[Capture], records: Sequence[FlightRecord]) -> list[PoseFinding]:
    timed = [c for c in group if _clock_s(c) is not None]
    name = group[0].path.parent.name or "."
    lacking = len(group) - len(timed)
    if not timed:
        return [PoseFinding(LOG_UNMATCHED, tuple(c.content_hash for c in group), _untimed(name, len(group)))]
    with_gps = [r for r in records if r.is_utc]
    tries = [with_gps] if with_gps else []
    tries += [[r] for r in records if not r.is_utc]
    reasons: list[Message] = []
    for logs in tries:
        found = _match(timed, logs, name)
        if isinstance(found, Message):
            reasons.append(found)
            continue
        if lacking:
            untimed = tuple(c.content_hash for c in group if _clock_s(c) is None)
            found.append(PoseFinding(LOG_UNMATCHED, untimed, _untimed(name, lacking)))
        return found
    why, *more = dict.fromkeys(reasons)
    for reason in more:
        why = message("{first}; {second}", first=why, second=reason)
    text = message("{flight}: no log fits: {why}", flight=name, why=why)
    return [PoseFinding(LOG_UNMATCHED, tuple(c.content_hash for c in timed), text)]


def _match(captures: list[Capture], logs: list[FlightRecord], name: str) -> list[PoseFinding] | Message:
    shots = [shot for log in logs for shot in log.shots]
    log_of = [log for log in logs for _ in log.shots]
    picture_s = np.array([_clock_s(c) for c in captures], dtype=np.float64)
    shot_s = np.array([shot.time_s for shot in shots])
    offset = find_offset(picture_s, shot_s, whole_seconds=bool((picture_s == np.round(picture_s)).all()))
    every = ", ".join(dict.fromkeys(log.path.name for log in logs))
    if isinstance(offset, NoOffset):
        chosen = _by_position(captures, shots, offset.rivals)
        if chosen is None:
            return message("{logs}: {reason}", logs=every, reason=offset.reason)
        offset = chosen
    called = ", ".join(dict.fromkeys(log_of[int(j)].path.name for j in offset.shot))
    apart_m = _apart_m([captures[i] for i in offset.picture], [shots[j] for j in offset.shot])
    if apart_m is not None and apart_m > _APART_M:
        return message(
            "{logs}: the pictures' own positions lie {apart:.0f} m (median) from where it says they were taken",
            logs=called,
            apart=apart_m,
        )
    findings = [_filled(captures, shots, log_of, offset, name, called, apart_m)]
    return [*findings, *_left_over(captures, shots, offset, name, called)]


def _filled(
    captures: list[Capture],
    shots: list[LoggedShot],
    log_of: list[FlightRecord],
    offset: ClockOffset,
    name: str,
    called: str,
    apart_m: float | None,
) -> PoseFinding:
    pairs = [(captures[i], shots[j]) for i, j in zip(offset.picture.tolist(), offset.shot.tolist(), strict=True)]
    is_utc = log_of[int(offset.shot[0])].is_utc
    rows = [_known_by(capture, shot, is_utc, offset.offset_s) for capture, shot in pairs]
    repair: dict[str, tuple[Any, ...]] = {}
    for field in dict.fromkeys(field for row in rows for field in row):
        repair[field] = tuple(
            row[field] if field in row else getattr(capture, field)
            for row, (capture, _) in zip(rows, pairs, strict=True)
        )
    messages = "/".join(sorted({shot.source for _, shot in pairs}))
    source = f"flight log {called} ({messages})"
    mounted = all(shot.camera_deg is not None for _, shot in pairs)
    attitude = "camera angles of its mount" if mounted else "airframe, camera looking down"
    sources = dict.fromkeys(repair, source) | {
        field: f"{source}, {attitude}" for field in (*_ANGLES, "airframe_yaw_deg") if field in repair
    }
    agreed: Value = ""
    if apart_m is not None:
        agreed = message("; the pictures' own positions agree to {apart:.1f} m (median)", apart=apart_m)
    text = message(
        "{flight}: {number} of {all} pictures are shots of {logs}: the camera's clock is {offset:+.1f} s from {clock}"
        " (scatter {scatter:.2f} s){agreed}; from the log: {filled}",
        flight=name,
        number=len(pairs),
        all=len(captures),
        logs=called,
        offset=float(offset.offset_s),
        clock=message("the log's GPS time") if is_utc else message("the log's own clock, which is not UTC"),
        scatter=float(offset.scatter_s),
        agreed=agreed,
        filled=tuple(repair) or message("nothing that the pictures do not know themselves"),
    )
    hashes = tuple(capture.content_hash for capture, _ in pairs)
    return PoseFinding(LOG_MATCHED, hashes, text, repair or None, is_proved=True, sources=sources)


def _known_by(capture: Capture, shot: LoggedShot, is_utc: bool, offset_s: float) -> dict[str, Any]:
    """What a shot knows that its picture does not."""
    known: dict[str, Any] = {}
    if capture.longitude_deg is None and shot.longitude_deg is not None:
        known |= {"longitude_deg": shot.longitude_deg, "latitude_deg": shot.latitude_deg}
        if capture.horizontal_accuracy_m is None and shot.horizontal_accuracy_m is not None:
            known["horizontal_accuracy_m"] = shot.horizontal_accuracy_m
    for field, value in (("altitude_msl_m", shot.altitude_msl_m), ("altitude_takeoff_m", shot.altitude_takeoff_m)):
        if getattr(capture, field) is None and value is not None:
            known[field] = value
    turn = ROLL_OF_ORIENTATION.get(capture.orientation)
    if shot.airframe_deg is not None and capture.airframe_yaw_deg is None:
        known["airframe_yaw_deg"] = wrap_deg(shot.airframe_deg[0])
    if capture.yaw_deg is None and turn is not None:
        angles = shot.camera_deg or (None if shot.airframe_deg is None else looking_down(*shot.airframe_deg))
        if angles is not None:
            turned = (wrap_deg(angles[0]), angles[1], wrap_deg(angles[2] + turn))
            known |= dict(zip(_ANGLES, turned, strict=True))
    guessed = capture.time_utc is None or "taken as UTC" in capture.sources.get("time_utc", "")
    if is_utc and (guessed or abs(offset_s) > _OFFSET_S):
        known["time_utc"] = datetime.fromtimestamp(round(shot.time_s, 3), UTC)
    return known


def _left_over(
    captures: list[Capture], shots: list[LoggedShot], offset: ClockOffset, name: str, called: str
) -> list[PoseFinding]:
    """Shots between the first and the last one found that have no picture, and pictures that belong to no shot."""
    order = np.argsort([shot.time_s for shot in shots], kind="stable")
    rank = np.argsort(order)[offset.shot]
    between = int(rank.max() - rank.min() + 1)
    findings = []
    if between > len(rank):
        lost = np.setdiff1d(np.arange(rank.min(), rank.max() + 1), rank)
        beside = _beside(lost, rank, offset.picture)
        text = message(
            "{flight}: {number} of {all} shots of {logs} have no picture, at {times} UTC",
            flight=name,
            number=len(lost),
            all=between,
            logs=called,
            times=some_of((f"{datetime.fromtimestamp(shots[int(order[n])].time_s, UTC):%H:%M:%S}" for n in lost), 6),
        )
        hashes = tuple(captures[int(i)].content_hash for i in beside)
        findings.append(PoseFinding(FRAMES_MISSING, hashes, text))
    odd = np.setdiff1d(np.arange(len(captures)), offset.picture)
    if len(odd):
        text = plural_message(
            "{flight}: {count} picture at no shot of {logs}: {pictures}",
            "{flight}: {count} pictures at no shot of {logs}: {pictures}",
            len(odd),
            flight=name,
            logs=called,
            pictures=some_of((captures[int(i)].path.name for i in odd), 6),
        )
        findings.append(PoseFinding(FRAMES_SURPLUS, tuple(captures[int(i)].content_hash for i in odd), text))
    return findings


def _beside(
    lost: npt.NDArray[np.int64], rank: npt.NDArray[np.int64], picture: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The pictures before and after lost shots."""
    at = np.searchsorted(rank, lost)
    return np.unique(np.concatenate([picture[np.maximum(at - 1, 0)], picture[np.minimum(at, len(picture) - 1)]]))


def _by_position(captures: list[Capture], shots: list[LoggedShot], rivals: Sequence[ClockOffset]) -> ClockOffset | None:
    """The one of several offsets that puts the pictures where they say they were; None where that does not tell."""
    if len(rivals) < 2:
        return None
    apart = []
    for rival in rivals:
        apart_m = _apart_m([captures[i] for i in rival.picture], [shots[j] for j in rival.shot])
        if apart_m is None:
            return None
        apart.append(apart_m)
    order = np.argsort(apart, kind="stable")
    best, next_best = apart[order[0]], apart[order[1]]
    return rivals[int(order[0])] if best < _APART_M and next_best > max(3.0 * best, best + _CLEARLY_M) else None


def _apart_m(captures: list[Capture], shots: list[LoggedShot]) -> float | None:
    """How far (median) the pictures' own positions lie from the log's; None where they have none."""
    both = [
        (c.longitude_deg, c.latitude_deg, s.longitude_deg, s.latitude_deg)
        for c, s in zip(captures, shots, strict=True)
        if None not in (c.longitude_deg, c.latitude_deg, s.longitude_deg, s.latitude_deg)
    ]
    if not both:
        return None
    places: Floats = np.array(both, dtype=np.float64)
    frame = LocalFrame(float(places[0, 2]), float(places[0, 3]))
    return float(np.median(np.hypot(*(frame.to_local(places[:, :2]) - frame.to_local(places[:, 2:])).T)))


def _clock_s(capture: Capture) -> float | None:
    """What the camera's clock showed, else the time that is known, as seconds since 1970."""
    if capture.camera_clock is not None:
        return capture.camera_clock.replace(tzinfo=UTC).timestamp()
    return None if capture.time_utc is None else capture.time_utc.timestamp()


def _untimed(name: str, count: int) -> Message:
    return plural_message(
        "{flight}: {count} picture cannot be found in a log by time, for its file tells none",
        "{flight}: {count} pictures cannot be found in a log by time, for their files tell none",
        count,
        flight=name,
    )
