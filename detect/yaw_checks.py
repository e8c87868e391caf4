"""Yaw against track against neighbours: which way pictures say they look, and what contradicts it.

Three things tell where the top of a picture points: the camera's yaw, the nose of the aircraft, and the way it flew.
On a survey they keep one relation: the camera turns with the aircraft, or keeps its heading on every line. What breaks
the relation is named. Wind does not: a crabbing wing is turned one way going and the other way coming back.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import numpy.typing as npt

from detect.findings import YAW_FLIPPED, PoseFinding
from detect.flights import Flight, mean_direction_deg, turn_deg
from flightplan.frames import Floats
from flightplan.messages import Message, Value, message, plural_message

YAW_OUTLIER = "yaw-outlier"
"""A lone capture looks another way than the others of its line, by less than half a turn."""

YAW_OFFSET = "yaw-offset"
"""The yaw of a whole flight differs from its track by one angle, on lines flown both ways."""

YAW_REVERSED = "yaw-reversed"
"""The top of every picture of a flight points back along its track."""

PICTURE_REWRITTEN = "picture-rewritten"
"""Pictures were saved by another program than the camera: it may have turned or cut them, and their angles not."""

_LEAST_ON_LINE, _LONE_SHARE = 4, 1 / 3
_CANDIDATES = 256
_OUTLIER_DEG, _OUTLIER_SPREADS, _FLIPPED_DEG = 45.0, 6.0, 135.0
_STEADY = 0.9
_LEFT_STEPS = 3.0
_MEDOID = 300
_LEAST_OFFSET_DEG, _BOTH_WAYS_DEG = 8.0, 6.0
_QUARTERS_DEG = (-180.0, -90.0, 0.0, 90.0, 180.0)
# Programs that people look at, turn, cut and export pictures with. A camera's firmware is a version number.
_PROGRAMS = re.compile(
    r"photo|lightroom|gimp|paint|picasa|magick|irfan|xnview|acdsee|digikam|darktable|preview|capture one|snapseed"
    r"|viewer|windows|macos|adobe|affinity|luminar|exiftool|dji terra|pix4d|metashape|google|apple|shotwell|gwenview",
    re.IGNORECASE,
)


def check_yaw(flight: Flight) -> list[PoseFinding]:
    """Name the captures of a flight whose yaw does not fit, with the yaw that would."""
    lone = _lone(flight)
    rest = np.ones(len(flight), dtype=np.bool_)
    for finding in lone:
        rest &= ~np.isin([c.content_hash for c in flight.captures], finding.captures)
    return [*_rewritten(flight), *lone, *_whole_lines(flight, rest), *_offset(flight, rest)]


# One capture against its line -----------------------------------------------------------------------------------------


def _lone(flight: Flight) -> list[PoseFinding]:
    relative = turn_deg(flight.azimuth_deg, flight.course_deg)
    off = np.zeros(len(flight))
    camera = turn_deg(flight.azimuth_deg, flight.airframe_deg)
    with_nose = np.isfinite(camera)
    if with_nose.any():
        camera = turn_deg(camera, _usual_deg(camera[with_nose]))
    for line in range(int(flight.line.max(initial=-1)) + 1):
        rows = np.flatnonzero((flight.line == line) & np.isfinite(relative))
        if len(rows) < _LEAST_ON_LINE:
            continue
        usual = _usual_deg(relative[rows])
        away = turn_deg(relative[rows], usual)
        spread = 1.4826 * float(np.median(np.abs(away)))
        odd = np.abs(away) > max(_OUTLIER_DEG, _OUTLIER_SPREADS * spread)
        ends = _ends(flight, rows)
        odd[ends] &= ~_still_turning(camera[rows[ends]], away[ends])
        if odd.sum() <= _LONE_SHARE * len(rows):
            off[rows[odd]] = away[odd]
    findings = []
    flipped = np.abs(off) > _FLIPPED_DEG
    if flipped.any():
        rows = np.flatnonzero(flipped)
        findings.append(
            _turned(
                flight,
                rows,
                np.full(len(rows), 180.0),
                YAW_FLIPPED,
                plural_message(
                    "{count} picture is turned by 180° against the others of its line and the way it was flown{nose}",
                    "{count} pictures are turned by 180° against the others of their line and the way it was"
                    " flown{nose}",
                    len(rows),
                    nose=_nose(flight, rows),
                ),
            )
        )
    rows = np.flatnonzero((off != 0.0) & ~flipped)
    if len(rows):
        angles = tuple(f"{angle:+.0f}°" for angle in off[rows][:6])
        findings.append(
            _turned(
                flight,
                rows,
                -off[rows],
                YAW_OUTLIER,
                plural_message(
                    "{count} picture is turned by {angles} against the other pictures of its line{nose}",
                    "{count} pictures are turned by {angles} against the other pictures of their line{nose}",
                    len(rows),
                    angles=angles,
                    nose=_nose(flight, rows),
                ),
            )
        )
    return findings


def _ends(flight: Flight, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which captures of a line begin or end a stretch of it: at its ends, and where it was left and joined again."""
    step = np.hypot(*np.diff(flight.position_m[rows], axis=0).T)
    left = np.concatenate([[True], step > _LEFT_STEPS * np.median(step), [True]])
    return np.asarray(left[1:] | left[:-1])


def _still_turning(camera: Floats, away: Floats) -> npt.NDArray[np.bool_]:
    """Whether pictures at the ends of a line may really look another way: the aircraft comes out of its turn there.

    `camera` is how far each camera is turned against its aircraft more than usual, NaN where nobody says.
    """
    return np.where(np.isfinite(camera), np.abs(camera) < _OUTLIER_DEG, np.abs(away) < _FLIPPED_DEG)


def _usual_deg(angles: Floats) -> float:
    """The angle that most of the others lie close to: the medoid, which a few wrong ones do not move."""
    # Of many, some all around are candidates enough: what counts is the mean of those near the best.
    tried = angles if len(angles) <= _CANDIDATES else np.sort(angles)[:: -(-len(angles) // _CANDIDATES)]
    apart = np.abs(turn_deg(tried[:, None], angles[None, :]))
    middle = float(tried[np.argmin(np.median(apart, axis=1))])
    near = np.abs(turn_deg(angles, middle)) < _OUTLIER_DEG
    return mean_direction_deg(angles[near])[0]


def _nose(flight: Flight, rows: npt.NDArray[np.int64]) -> Value:
    """What the aircraft's own yaw says of these captures."""
    nose = turn_deg(flight.airframe_deg[rows], flight.course_deg[rows])
    camera = turn_deg(flight.azimuth_deg[rows], flight.airframe_deg[rows])
    others = np.setdiff1d(np.arange(len(flight)), rows)
    usual = turn_deg(flight.azimuth_deg, flight.airframe_deg)[others]
    if not np.isfinite(nose).all() or not np.isfinite(usual).any():
        return ""
    apart = np.abs(turn_deg(camera, _usual_deg(usual[np.isfinite(usual)])))
    if (apart > _OUTLIER_DEG).all():
        return message("; the aircraft's own yaw went on along the line")
    if (apart < _OUTLIER_DEG).all():
        return message("; the aircraft's own yaw says the same as the camera's")
    return ""


# Lines against each other ---------------------------------------------------------------------------------------------


def _whole_lines(flight: Flight, rest: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    """Lines that are turned by half against the relation that the other lines keep."""
    known = rest & (flight.line >= 0) & np.isfinite(flight.azimuth_deg) & np.isfinite(flight.course_deg)
    lines = [line for line in np.unique(flight.line[known]).tolist() if (known & (flight.line == line)).sum() >= 2]
    if len(lines) < 3:
        return []
    of_track = _lines_against(flight, known, lines, turn_deg(flight.azimuth_deg, flight.course_deg))
    of_north = _lines_against(flight, known, lines, flight.azimuth_deg)
    fitting = [odd for odd in (of_track, of_north) if odd is not None]
    if not fitting or not all(fitting):
        return []  # all turn with the track, or all keep their heading, or neither
    odd: set[int] | None = min(fitting, key=lambda o: int(np.isin(flight.line[known], sorted(o)).sum()))
    sizes = {int(np.isin(flight.line[known], sorted(o)).sum()) for o in fitting}
    if len(fitting) == 2 and len(sizes) == 1 and of_track != of_north:
        # Turning with the track and keeping a heading are broken by as many captures: the nose has to tell.
        nose = known & np.isfinite(flight.airframe_deg)
        of_nose = _lines_against(flight, nose, lines, turn_deg(flight.azimuth_deg, flight.airframe_deg))
        odd = of_nose if of_nose in fitting else None
    if odd is not None and len(odd) > _LONE_SHARE * len(lines):
        return []
    rows = np.flatnonzero(known & np.isin(flight.line, sorted(set().union(*fitting) if odd is None else odd)))
    if odd is None:
        text = message(
            "{number} pictures are on two lines one of which is turned by 180° against the others; which is open",
            number=len(rows),
        )
        return [PoseFinding(YAW_FLIPPED, flight.hashes(rows), flight.told(text, rows))]
    return [
        _turned(
            flight,
            rows,
            np.full(len(rows), 180.0),
            YAW_FLIPPED,
            plural_message(
                "{count} picture is turned by 180° against the relation of yaw and track that the other {lines} lines"
                " keep{nose}; a line flown backwards looks the same",
                "{count} pictures are turned by 180° against the relation of yaw and track that the other {lines} lines"
                " keep{nose}; a line flown backwards looks the same",
                len(rows),
                lines=len(lines) - len(odd),
                nose=_nose(flight, rows),
            ),
        )
    ]


def _lines_against(flight: Flight, known: npt.NDArray[np.bool_], lines: list[int], angles: Floats) -> set[int] | None:
    """The lines turned by half against most, measured so; None where some are turned by anything else."""
    if not known.any():
        return None
    usual = _usual_deg(angles[known])
    odd = set()
    for line in lines:
        mine = known & (flight.line == line)
        away = abs(float(turn_deg(mean_direction_deg(angles[mine])[0], usual))) if mine.any() else 0.0
        if away > _FLIPPED_DEG:
            odd.add(line)
        elif away > _OUTLIER_DEG:
            return None
    return odd


def _offset(flight: Flight, rest: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    relative = turn_deg(flight.azimuth_deg, flight.course_deg)
    rows = np.flatnonzero(rest & np.isfinite(relative))
    if len(rows) < 2 * _LEAST_ON_LINE:
        return []
    first = flight.course_deg[rows[0]]
    going = np.abs(turn_deg(flight.course_deg[rows], first)) < 90.0
    if min(going.sum(), (~going).sum()) < _LEAST_ON_LINE:
        return []  # what wind does and what a wrong compass does cannot be told apart on lines flown one way
    (there, steady), (back, steady_back) = (mean_direction_deg(relative[rows[way]]) for way in (going, ~going))
    if min(steady, steady_back) < _STEADY or abs(float(turn_deg(there, back))) > 2 * _BOTH_WAYS_DEG:
        return []
    offset = mean_direction_deg(relative[rows])[0]
    quarter = min(_QUARTERS_DEG, key=lambda q: abs(offset - q))
    every = np.flatnonzero(np.isfinite(flight.azimuth_deg))
    said = message(
        "on lines flown both ways ({number} pictures){nose}", number=len(rows), nose=_nose_offset(flight, rows)
    )
    if abs(offset - quarter) >= _LEAST_OFFSET_DEG:
        text = message(
            "the camera's yaw differs from the track by {offset:+.1f}° {where}: the compass, or how it is mounted",
            offset=float(offset),
            where=said,
        )
        return [_turned(flight, every, np.full(len(every), quarter - offset), YAW_OFFSET, text)]
    if abs(quarter) == 180.0:
        text = message("the top of every picture points back along the track {where}", where=said)
        return [_turned(flight, every, np.full(len(every), 180.0), YAW_REVERSED, text)]
    return []


def _nose_offset(flight: Flight, rows: npt.NDArray[np.int64]) -> Value:
    nose = turn_deg(flight.airframe_deg[rows], flight.course_deg[rows])
    nose = nose[np.isfinite(nose)]
    if not len(nose):
        return ""
    return message(
        "; the aircraft's own yaw differs from it by {offset:+.1f}°", offset=float(mean_direction_deg(nose)[0])
    )


# Pictures saved by another program ------------------------------------------------------------------------------------


def _rewritten(flight: Flight) -> list[PoseFinding]:
    """Pictures that a viewer or an editor saved: one that turned them left their angles as they were."""
    programs = [c.software or "" for c in flight.captures]
    usual = Counter(programs).most_common(1)[0][0]
    edited = np.array([bool(_PROGRAMS.search(p)) for p in programs])
    if not edited.any():
        return []
    rows, rest = np.flatnonzero(edited), np.flatnonzero(~edited)
    which = tuple(sorted({programs[i] for i in rows.tolist()}))
    others: Value = ""
    if len(rest) and usual:
        others = message(
            "; the other {number} are as the camera wrote them ({program})", number=len(rest), program=usual
        )
    text = message(
        "{flight}: {number} of {all} pictures were saved by {programs}{others}: {pictures}. Such a program can turn or"
        " cut a picture, and leaves the angles of the unturned one",
        flight=flight.name,
        number=len(rows),
        all=len(flight),
        programs=which,
        others=others,
        pictures=flight.names(rows),
    )
    findings = [PoseFinding(PICTURE_REWRITTEN, flight.hashes(rows), text)]
    seen, unseen = flight.azimuth_deg[rows], flight.azimuth_deg[rest]
    if len(rest) < 2 or not np.isfinite(seen).all() or not np.isfinite(unseen).all():
        return findings
    (one, steady), (other, steady_rest) = mean_direction_deg(seen), mean_direction_deg(unseen)
    if min(steady, steady_rest) > _STEADY and abs(float(turn_deg(one, other))) > _FLIPPED_DEG:
        text = plural_message(
            "{count} picture is said to face {one:.0f}°, the others {other:.0f}°, and exactly those {number} of {all}"
            " were saved by {programs}: they were turned by 180° to look the same way up, and their yaw was left as"
            " flown",
            "{count} pictures are said to face {one:.0f}°, the others {other:.0f}°, and exactly those {number} of {all}"
            " were saved by {programs}: they were turned by 180° to look the same way up, and their yaw was left as"
            " flown",
            len(rows),
            one=float(one % 360),
            other=float(other % 360),
            number=len(rows),
            all=len(flight),
            programs=which,
        )
        findings.append(_turned(flight, rows, np.full(len(rows), 180.0), YAW_FLIPPED, text))
    return findings


# Sentences ------------------------------------------------------------------------------------------------------------


def _turned(flight: Flight, rows: npt.NDArray[np.int64], by_deg: Floats, kind: str, text: Message) -> PoseFinding:
    """A finding that proposes to turn captures by an angle each."""
    yaws = []
    for row, by in zip(rows.tolist(), by_deg.tolist(), strict=True):
        yaw = flight.captures[row].yaw_deg
        assert yaw is not None
        yaws.append(round(float(turn_deg(yaw + by, 0.0)), 6))
    return PoseFinding(kind, flight.hashes(rows), flight.told(text, rows), {"yaw_deg": tuple(yaws)})
