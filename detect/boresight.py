"""How a camera sits in its gimbal or airframe: the small fixed turn between the angles written and the optical axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detect.captures import Capture
from detect.findings import PoseFinding
from detect.stations import angles_deg
from flightplan.camera import rotation
from flightplan.errors import CaptureError

BORESIGHT = "boresight"
"""Attitudes corrected by a boresight that somebody measured."""

_LARGEST_DEG = 20.0


@dataclass(frozen=True)
class Boresight:
    """The turn from where the written angles say that the camera looks to where it does, in the camera's own axes.

    The camera is turned by `roll_deg` about its optical axis (clockwise seen from behind), then by `pitch_deg` upwards,
    then by `yaw_deg` to the right: R = R(written) · Rz(yaw) · Ry(pitch) · Rx(roll), as `flightplan.camera` has it.
    Raises CaptureError for one above 20°, which is a mounting and no misalignment.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        if not max(abs(self.yaw_deg), abs(self.pitch_deg), abs(self.roll_deg)) <= _LARGEST_DEG:
            raise CaptureError(f"a boresight is a few degrees, not {self.yaw_deg}, {self.pitch_deg}, {self.roll_deg}")

    def turned(self, yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[float, float, float]:
        """The camera's yaw, pitch and roll in degrees, from those written."""
        written = rotation(yaw_deg, pitch_deg, roll_deg)
        return angles_deg(np.asarray(written @ rotation(self.yaw_deg, self.pitch_deg, self.roll_deg)))


def correct_boresight(captures: Sequence[Capture], boresight: Boresight) -> PoseFinding:
    """Return the repair that corrects the attitudes of captures; those without one are left out.

    Raises CaptureError when none has an attitude.
    """
    known = [c for c in captures if None not in (c.yaw_deg, c.pitch_deg, c.roll_deg)]
    if not known:
        raise CaptureError("no capture has an attitude that a boresight could correct")
    angles = [boresight.turned(c.yaw_deg or 0.0, c.pitch_deg or 0.0, c.roll_deg or 0.0) for c in known]
    yaws, pitches, rolls = zip(*angles, strict=True)
    return PoseFinding(
        BORESIGHT,
        tuple(c.content_hash for c in known),
        f"The camera is turned in its mount by yaw {boresight.yaw_deg:g}°, pitch {boresight.pitch_deg:g}°, "
        f"roll {boresight.roll_deg:g}°, as was said",
        {"yaw_deg": yaws, "pitch_deg": pitches, "roll_deg": rolls},
        is_proved=True,
    )
