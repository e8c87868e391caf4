"""Blur, exposure and missing data, told from a reduced decode: what nobody should learn only when counting.

A JPEG is decoded at half its size and in grey, which is what its entropy coding costs and little more, and at a quarter
or less where it is large, so that memory stays with a few megabytes a picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detect.captures import Capture
from detect.findings import PoseFinding
from detect.flights import Flight, flights_of
from detect.images import MAX_PIXELS, ends_properly, refuse_missing_data
from detect.metadata import noted_warnings, open_header
from flightplan.errors import CaptureError
from flightplan.frames import Floats
from flightplan.messages import Message, message, plural_message

PICTURE_BLURRED = "picture-blurred"
"""Pictures with less fine detail than the others of their flight, or than any sharp picture has."""

PICTURE_EXPOSURE = "picture-exposure"
"""Pictures that are too bright or too dark to see animals in, or unlike the others of their flight."""

PICTURE_CUT_SHORT = "picture-cut-short"
"""Pictures whose data end too early: the lower part is missing."""

PICTURE_GREY = "picture-grey"
"""Pictures whose last rows are one colour, as a program paints them that has run out of data."""

_REDUCED_PIXELS = 7_000_000
_LAG = 4
_FLAT_LEVELS = 1.0
_BRIGHT, _DARK = 250, 8
_GREY_SHARE = 0.02
_BLURRED_ANYWHERE, _BLURRED_HERE, _SPREADS = 0.36, 0.8, 5.0
_WHITE_SHARE, _BLACK_SHARE, _STOPS = 0.3, 0.7, 1.5
_LEAST = 5
_SHARP = 0.5


@dataclass(frozen=True)
class PictureLook:
    """What a reduced decode shows of one picture.

    `sharpness` is the mean difference between neighbouring pixels over that between pixels four apart, in the direction
    (of four) in which it is least: about 0.5 to 0.6 for a sharp picture at half its size whatever it shows, 0.34 once
    smeared over 8 pixels, 0.25 for a ramp; None where there is nothing to see. `scale` is the reduction. `brightness`
    is the mean level (0 to 255), `white` and `black` the shares of pixels at the ends. `grey_rows` is the share of rows
    at the lower end of the stored picture that are one colour. `cut_short` says how its data end too early.
    """

    scale: int = 1
    sharpness: float | None = None
    brightness: float | None = None
    white: float = 0.0
    black: float = 0.0
    grey_rows: float = 0.0
    cut_short: str | None = None


def look_at(path: Path, data: bytes) -> PictureLook | None:
    """Look at a JPEG or PNG whose content is in hand; None for what is no picture, too large, or a TIFF."""
    try:
        with noted_warnings([]):
            image = open_header(io.BytesIO(data), path)
    except CaptureError:
        return None
    pixels = image.width * image.height
    if image.format == "TIFF" or pixels > MAX_PIXELS or (image.format == "PNG" and pixels > 8 * _REDUCED_PIXELS):
        return None
    scale = 2
    while pixels > _REDUCED_PIXELS * scale**2 and scale < 8:
        scale *= 2
    if image.format == "JPEG":
        if not ends_properly(data):
            return PictureLook(cut_short=message("its data never end"))
        image.draft("L", (image.width // scale, image.height // scale))
    try:
        grey = np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        return PictureLook(cut_short=str(error))
    if image.format != "JPEG":
        grey = grey[::scale, ::scale]
    grey_rows = _grey_rows(grey)
    cut_short = None
    if grey_rows > 0.0 and image.format == "JPEG":
        try:
            refuse_missing_data(path, data)
        except CaptureError as error:
            cut_short = error.what
    return PictureLook(
        scale=scale,
        sharpness=_sharpness(grey),
        brightness=float(grey.mean()),
        white=float((grey >= _BRIGHT).mean()),
        black=float((grey <= _DARK).mean()),
        grey_rows=grey_rows,
        cut_short=cut_short,
    )


def check_pictures(captures: Iterable[Capture], looks: Mapping[str, PictureLook]) -> list[PoseFinding]:
    """Name the pictures of each flight that are blurred, badly exposed or incomplete; `looks` is by content hash."""
    return [f for flight in flights_of(captures) for f in _check_flight(flight, looks)]


def _check_flight(flight: Flight, looks: Mapping[str, PictureLook]) -> list[PoseFinding]:
    seen = [looks.get(c.content_hash) for c in flight.captures]
    cut = np.array([look is not None and look.cut_short is not None for look in seen])
    grey = np.array([look is not None and look.grey_rows > _GREY_SHARE for look in seen]) & ~cut
    findings = []
    if cut.any():
        rows = np.flatnonzero(cut)
        why = tuple(sorted({look.cut_short for look in seen if look is not None and look.cut_short is not None}))
        text = plural_message(
            "{count} picture is cut short ({why})", "{count} pictures are cut short ({why})", len(rows), why=why
        )
        findings.append(PoseFinding(PICTURE_CUT_SHORT, flight.hashes(rows), flight.told(text, rows)))
    if grey.any():
        rows = np.flatnonzero(grey)
        text = plural_message(
            "the last rows of {count} picture are one colour ({shares:.0%} of the picture)",
            "the last rows of {count} pictures are one colour ({shares:.0%} of the picture)",
            len(rows),
            shares=tuple(look.grey_rows for look in (seen[i] for i in rows[:6]) if look is not None),
        )
        findings.append(PoseFinding(PICTURE_GREY, flight.hashes(rows), flight.told(text, rows)))
    whole = ~cut & ~grey
    return [*findings, *_blurred(flight, seen, whole), *_badly_exposed(flight, seen, whole)]


def _blurred(flight: Flight, seen: list[PictureLook | None], whole: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    sharpness = _column(seen, lambda look: look.sharpness)
    half = _column(seen, lambda look: float(look.scale)) == 2.0
    known = whole & np.isfinite(sharpness)
    if not known.any():
        return []
    usual = float(np.median(sharpness[known]))
    spread = 1.4826 * float(np.median(np.abs(sharpness[known] - usual)))
    blurred = known & half & (sharpness < _BLURRED_ANYWHERE)
    if known.sum() >= _LEAST:
        blurred |= known & (sharpness < min(_BLURRED_HERE * usual, usual - _SPREADS * spread))
    rows = np.flatnonzero(blurred)
    if not len(rows):
        return []
    text = plural_message(
        "{count} picture is blurred: {values:.2f} of fine to coarse detail, where the flight has {usual:.2f} and a"
        " sharp picture {sharp:.1f}",
        "{count} pictures are blurred: {values:.2f} of fine to coarse detail, where the flight has {usual:.2f} and a"
        " sharp picture {sharp:.1f}",
        len(rows),
        values=tuple(float(s) for s in sharpness[rows[:6]]),
        usual=usual,
        sharp=_SHARP,
    )
    return [PoseFinding(PICTURE_BLURRED, flight.hashes(rows), flight.told(text, rows))]


def _badly_exposed(flight: Flight, seen: list[PictureLook | None], whole: npt.NDArray[np.bool_]) -> list[PoseFinding]:
    brightness = _column(seen, lambda look: look.brightness)
    known = whole & np.isfinite(brightness)
    if not known.any():
        return []
    white, black = _column(seen, lambda look: look.white), _column(seen, lambda look: look.black)
    # An eight-bit level is about the 2.2th root of the light.
    stops = 2.2 * np.log2(np.maximum(brightness, 1.0))
    away = stops - np.median(stops[known])
    spread = 1.4826 * float(np.median(np.abs(away[known])))
    unlike = np.abs(away) > max(_STOPS, _SPREADS * spread) if known.sum() >= _LEAST else np.zeros(len(flight), np.bool_)
    findings = []
    for bad, words in (
        (known & (white > _WHITE_SHARE), _over_exposed),
        (known & (black > _BLACK_SHARE), _under_exposed),
        (known & unlike & (away > 0) & ~(white > _WHITE_SHARE), _brighter),
        (known & unlike & (away < 0) & ~(black > _BLACK_SHARE), _darker),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            findings.append(PoseFinding(PICTURE_EXPOSURE, flight.hashes(rows), flight.told(words(len(rows)), rows)))
    return findings


def _over_exposed(count: int) -> Message:
    return plural_message(
        "{count} picture is over-exposed (a third of the picture is white)",
        "{count} pictures are over-exposed (a third of the picture is white)",
        count,
    )


def _under_exposed(count: int) -> Message:
    return plural_message(
        "{count} picture is under-exposed (most of the picture is black)",
        "{count} pictures are under-exposed (most of the picture is black)",
        count,
    )


def _brighter(count: int) -> Message:
    return plural_message(
        "{count} picture is far brighter than the others of the flight",
        "{count} pictures are far brighter than the others of the flight",
        count,
    )


def _darker(count: int) -> Message:
    return plural_message(
        "{count} picture is far darker than the others of the flight",
        "{count} pictures are far darker than the others of the flight",
        count,
    )


# One picture ----------------------------------------------------------------------------------------------------------


def _grey_rows(grey: npt.NDArray[np.uint8]) -> float:
    """The share of rows at the lower end that are one level, and the same one."""
    flat = (grey == grey[-1, -1]).all(axis=1)
    return 0.0 if not flat[-1] else float(np.argmin(flat[::-1]) if not flat.all() else len(flat)) / len(flat)


def _sharpness(grey: npt.NDArray[np.uint8]) -> float | None:
    """Every fourth row (or column) is enough."""
    if min(grey.shape) <= 4 * _LAG:
        return None
    level = grey.astype(np.int16)
    height, width = level.shape
    ratios = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        rows, columns = slice(0, height - _LAG, _LAG), slice(_LAG, width - _LAG)
        if (down, right) == (1, 0):
            rows, columns = slice(0, height - _LAG), slice(_LAG, width - _LAG, _LAG)
        here = level[rows, columns]
        near, far = (_shifted(level, rows, columns, down * n, right * n) for n in (1, _LAG))
        coarse = float(np.abs(far - here).mean())
        if coarse < _FLAT_LEVELS:
            return None
        ratios.append(float(np.abs(near - here).mean()) / coarse)
    return min(ratios)


def _shifted(level: npt.NDArray[np.int16], rows: slice, columns: slice, down: int, right: int) -> npt.NDArray[np.int16]:
    return level[
        rows.start + down : rows.stop + down : rows.step, columns.start + right : columns.stop + right : columns.step
    ]


def _column(seen: list[PictureLook | None], of: Callable[[PictureLook], float | None]) -> Floats:
    values = (None if look is None else of(look) for look in seen)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
