"""How a camera is mounted and exposed: what it then sees of the ground, and how fast one may fly."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan, cos, degrees, inf, radians, tan

from flightplan.camera import Camera
from flightplan.errors import CameraError, PlanError

DEFAULT_BLUR_PX = 0.5
"""The motion blur that is let pass: half a pixel, which a picture's sharpness hides."""

_STEEPEST_DEG = 80.0


@dataclass(frozen=True, kw_only=True)
class Mounting:
    """What was asked of the camera: long side along the flight (`portrait`), tilted forward, and how it is exposed.

    `tilt_deg` is from straight down towards the nose. Within the `exposure_s` (the camera's own when None) the ground
    moves by `blur_px` of a pixel at most.
    """

    portrait: bool = False
    tilt_deg: float = 0.0
    exposure_s: float | None = None
    blur_px: float = DEFAULT_BLUR_PX

    def __post_init__(self) -> None:
        if not 0 <= self.tilt_deg <= _STEEPEST_DEG:
            raise PlanError(f"a tilt of {self.tilt_deg:g}° is not one", hint="0 is straight down; forward up to 60")
        if self.exposure_s is not None and not 0 < self.exposure_s <= 1:
            raise PlanError(f"an exposure of {self.exposure_s:g} s is not one", hint="Say 1/1000")
        if not 0 < self.blur_px <= 10:
            raise PlanError(f"a blur of {self.blur_px:g} pixels is not one")

    def camera(self, camera: Camera) -> Camera:
        """Return the camera as it is mounted."""
        return camera.portrait() if self.portrait else camera

    def gsd_cm(self, camera: Camera, altitude_agl_m: float) -> float:
        """Return the ground sampling distance across the middle of a frame of the mounted camera."""
        return camera.gsd_cm(altitude_agl_m) / cos(radians(self.tilt_deg))

    def altitude_for_gsd_m(self, camera: Camera, gsd_cm: float) -> float:
        """Return the height above ground of that ground sampling distance."""
        return camera.altitude_for_gsd_m(gsd_cm) * cos(radians(self.tilt_deg))

    def view(self, camera: Camera, altitude_agl_m: float) -> View:
        """Return what a frame of the mounted camera shows of level ground.

        Raises CameraError when it would show the horizon.
        """
        if self.tilt_deg == 0:
            across_m, along_m = camera.footprint_m(altitude_agl_m)
            gsd_cm = camera.gsd_cm(altitude_agl_m)
            return View(across_m, along_m, -along_m / 2, along_m / 2, gsd_cm, gsd_cm)
        vertical = camera.focal_length_y_px or camera.focal_length_px
        half_deg = degrees(atan(camera.image_height_px / 2 / vertical))
        if self.tilt_deg + half_deg > _STEEPEST_DEG:
            raise CameraError(
                f"tilted by {self.tilt_deg:g}° it sees up to {self.tilt_deg + half_deg:.0f}° from straight down",
                where=camera.name,
                hint=f"Tilt it by {max(0.0, _STEEPEST_DEG - half_deg):.0f}° at most",
            )
        near, far = radians(self.tilt_deg - half_deg), radians(self.tilt_deg + half_deg)
        # The depth of a row of the frame, along the optical axis, over the height.
        near_depth, far_depth = (cos(radians(half_deg)) / cos(angle) for angle in (near, far))
        across_m = camera.footprint_m(altitude_agl_m)[0]
        return View(
            across_m=across_m * near_depth,
            along_m=altitude_agl_m * (tan(far) - tan(near)),
            ahead_near_m=altitude_agl_m * tan(near),
            ahead_far_m=altitude_agl_m * tan(far),
            finest_gsd_cm=camera.gsd_cm(altitude_agl_m) * near_depth,
            coarsest_gsd_cm=camera.gsd_cm(altitude_agl_m) * far_depth,
        )

    def fastest_mps(self, camera: Camera, gsd_cm: float) -> float:
        """Return the ground speed whose blur is the greatest let pass; infinite when the exposure is not known."""
        exposure_s = self.exposure_s or camera.exposure_s
        return inf if exposure_s is None else self.blur_px * gsd_cm / 100 / exposure_s

    def exposure_note(self, camera: Camera, gsd_cm: float, speed_mps: float) -> str:
        """Return what to set the camera to, or what was reckoned with."""
        exposure_s = self.exposure_s or camera.exposure_s
        if exposure_s is None:
            longest_s = self.blur_px * gsd_cm / 100 / speed_mps
            return (
                f"expose for 1/{1 / longest_s:.0f} s or less: {self.blur_px:g} px of motion blur at {speed_mps:.3g} m/s"
            )
        blur_px = speed_mps * exposure_s / (gsd_cm / 100)
        return f"motion blur is {blur_px:.2g} px, at {speed_mps:.3g} m/s and an exposure of {exposure_s:.3g} s"


@dataclass(frozen=True)
class View:
    """What a frame shows of level ground: its narrowest width, its length, and where it begins and ends ahead.

    `ahead_near_m` and `ahead_far_m` are from the point under the aircraft, forward positive. The ground sampling
    distances are across the frame, at its near edge and at its far edge.
    """

    across_m: float
    along_m: float
    ahead_near_m: float
    ahead_far_m: float
    finest_gsd_cm: float
    coarsest_gsd_cm: float
