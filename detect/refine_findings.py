"""What comparing its pictures says of a flight: headings, the size of the ground, heights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from detect.bundle import Adjusted
from detect.captures import Capture
from detect.findings import YAW_FLIPPED, PoseFinding
from detect.placed_flight import PlacedFlight
from detect.stations import Station, above_ground_m
from detect.turns import GroundScale

YAW_TURNED = "yaw-turned"
"""Captures whose headings the pictures contradict by a quarter turn: the camera sat sideways in its mount."""

GROUND_SCALE = "ground-scale"
"""The ground is larger or smaller in the pictures than height above ground and focal length say."""

HEIGHT_ALONE = "height-against-pictures"
"""Some captures' heights disagree with the size at which they and their neighbours show the same ground."""

_CLEAR = 3.0
_LEAST_SCALE, _LEAST_HEIGHT, _LEAST_RISE = 0.03, 0.05, 4.0


def turn_findings(
    captures: Sequence[Capture], flight: PlacedFlight, quarters: npt.NDArray[np.int64]
) -> Iterator[PoseFinding]:
    """Captures whose headings, of the flight's stations (N,), are off by so many quarter turns clockwise."""
    for quarter, kind, words in (
        (2, YAW_FLIPPED, "by 180°"),
        (1, YAW_TURNED, "by 90° clockwise"),
        (3, YAW_TURNED, "by 90° anticlockwise"),
    ):
        those = [flight.used[n] for n in np.flatnonzero(quarters == quarter)]
        if those:
            yaws = tuple(wrapped(float(captures[n].yaw_deg or 0.0) + 90.0 * quarter) for n in those)
            yield PoseFinding(
                kind,
                tuple(captures[n].content_hash for n in those),
                f"The pictures contradict the yaw of {len(those)} captures {words}: {_names(captures, those)}",
                {"yaw_deg": yaws},
                is_proved=True,
            )


def scale_findings(
    captures: Sequence[Capture], flight: PlacedFlight, scale: GroundScale | None
) -> Iterator[PoseFinding]:
    """Ground larger or smaller in the pictures than it should be, where that is sure."""
    if scale is None or not is_off(scale):
        return
    size = "larger" if scale.ratio > 1 else "smaller"
    height_m = float(np.median([above_ground_m(s) for s in flight.stations]))
    yield PoseFinding(
        GROUND_SCALE,
        tuple(captures[n].content_hash for n in flight.used),
        f"The ground in the pictures is {abs(scale.ratio - 1):.1%} ± {scale.error:.1%} {size} than heights and focal "
        f"length say: at {height_m:.0f} m that is {abs(scale.ratio - 1) * height_m:.1f} m of height above the ground",
    )


def height_findings(
    captures: Sequence[Capture], flight: PlacedFlight, start: Sequence[Station], found: Adjusted
) -> Iterator[PoseFinding]:
    """Captures whose height alone is off: by more than its errors allow, and not as the flight's is."""
    alone = found.changes[:, 2] - found.flight[2]
    allowed = np.array([s.errors.height_m for s in start])
    known = np.sqrt(found.own[:, 2, 2])
    share = np.abs(alone) / np.array([above_ground_m(s) for s in start])
    off = (np.abs(alone) > _LEAST_RISE * np.maximum(allowed, known)) & (share > _LEAST_HEIGHT)
    those = [flight.used[n] for n in np.flatnonzero(off)]
    if those:
        rises = ", ".join(f"{alone[n]:+.1f} m" for n in np.flatnonzero(off)[:5])
        yield PoseFinding(
            HEIGHT_ALONE,
            tuple(captures[n].content_hash for n in those),
            f"The size at which {len(those)} captures show the ground contradicts their heights ({rises}): "
            f"{_names(captures, those)}",
        )


def is_off(scale: GroundScale | None) -> bool:
    """Whether the size of the ground contradicts heights and focal length by more than it may be wrong itself."""
    return scale is not None and abs(scale.ratio - 1) > max(_CLEAR * scale.error, _LEAST_SCALE)


def wrapped(angle_deg: float) -> float:
    """Return an angle from -180 to 180 degrees."""
    return (angle_deg + 180.0) % 360.0 - 180.0


def _names(captures: Sequence[Capture], those: Sequence[int], most: int = 8) -> str:
    names = [captures[n].path.name for n in those[:most]]
    return ", ".join(names) + (f" and {len(those) - most} more" if len(those) > most else "")
