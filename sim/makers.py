"""What each maker's drones write into a picture: names, namespaces, datums and habits, from one simulated shot.

The fields are those that `detect.poses` and `detect.altitudes` read, so a simulated flight tries the readers as well.
Heights are what the maker means by them: DJI's and Skydio's absolute altitude above the sea, Autel's above the
ellipsoid, an ANAFI's "above ground" above take-off, senseFly's both; senseFly tells the airframe's attitude, 0 being a
camera that looks straight down, and whole seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from flightplan.camera import Camera, rotation
from flightplan.errors import CameraError, TerrainError
from flightplan.geoid import geoid_height_m

Fields = Mapping[str, str | Mapping[str, str]]


@dataclass(frozen=True)
class Told:
    """What a drone believes of one exposure, in the units that makers write.

    Heights in metres: above mean sea level and the ellipsoid (None where nobody knows the ground's), and above
    take-off; angles are the camera's.
    """

    time_s: float
    longitude_deg: float
    latitude_deg: float
    takeoff_m: float
    msl_m: float | None
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    airframe_yaw_deg: float
    accuracy_m: float | None
    thermal: bool = False

    @property
    def ellipsoid_m(self) -> float | None:
        """The height above the ellipsoid, by the geoid under it; None where this machine has no geoid."""
        if self.msl_m is None:
            return None
        try:
            return self.msl_m + float(geoid_height_m([(self.longitude_deg, self.latitude_deg)])[0])
        except TerrainError:
            return None

    @property
    def when(self) -> datetime:
        """The moment, UTC."""
        return datetime.fromtimestamp(self.time_s, UTC)


@dataclass(frozen=True)
class Maker:
    """A maker: what EXIF calls it and a drone of it, what it writes in XMP, and its EXIF altitude's datum.

    `exif_height` is "msl", "ellipsoid" or None where none is written; `whole_seconds` where EXIF has no fraction.
    """

    make: str
    model: str
    write: Callable[[Told, Camera], Fields]
    exif_height: str | None = "msl"
    whole_seconds: bool = False


def _signed(value: float, digits: int = 3) -> str:
    return f"{value:+.{digits}f}"


def _wrapped(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0


def _optics(camera: Camera) -> tuple[float, float]:
    cx, cy = camera.principal_point_px or ((camera.image_width_px - 1) / 2, (camera.image_height_px - 1) / 2)
    return cx + 0.5, cy + 0.5


def _dji(told: Told, camera: Camera) -> Fields:
    cx, cy = _optics(camera)
    fields: dict[str, str | Mapping[str, str]] = {
        "GpsLatitude": f"{told.latitude_deg:.9f}",
        "GpsLongitude": f"{told.longitude_deg:.9f}",
        "RelativeAltitude": _signed(told.takeoff_m),
        "GimbalYawDegree": _signed(_wrapped(told.yaw_deg)),
        "GimbalPitchDegree": _signed(told.pitch_deg),
        "GimbalRollDegree": _signed(told.roll_deg),
        "FlightYawDegree": _signed(_wrapped(told.airframe_yaw_deg)),
        "FlightPitchDegree": "+0.000",
        "FlightRollDegree": "+0.000",
        "CalibratedFocalLength": f"{camera.focal_length_px:.6f}",
        "CalibratedOpticalCenterX": f"{cx:.6f}",
        "CalibratedOpticalCenterY": f"{cy:.6f}",
        "UTCAtExposure": f"{told.when:%Y-%m-%dT%H:%M:%S.%f}",
    }
    if told.msl_m is not None:
        fields["AbsoluteAltitude"] = _signed(told.msl_m)
        fields["AltitudeType"] = "GpsFusionAlt"
    if told.thermal:
        fields["ImageSource"] = "InfraredCamera"
    return fields


def _autel(told: Told, camera: Camera) -> Fields:
    fields: dict[str, str | Mapping[str, str]] = {
        "drone-autel:GpsLatitude": f"{told.latitude_deg:.7f}",
        "drone-autel:GpsLongtitude": f"{told.longitude_deg:.7f}",
        "drone-autel:RelativeAltitude": _signed(told.takeoff_m, 2),
        "drone-autel:GimbalYawDegree": _signed(_wrapped(told.yaw_deg), 2),
        "drone-autel:GimbalPitchDegree": _signed(told.pitch_deg, 2),
        "drone-autel:GimbalRollDegree": _signed(told.roll_deg, 2),
        "drone-autel:FlightYawDegree": _signed(_wrapped(told.airframe_yaw_deg), 2),
        "drone-autel:FlightPitchDegree": "+0.00",
        "drone-autel:FlightRollDegree": "+0.00",
    }
    if told.ellipsoid_m is not None:
        fields["drone-autel:AbsoluteAltitude"] = _signed(told.ellipsoid_m, 2)
    return fields


def _skydio(told: Told, camera: Camera) -> Fields:
    cx, cy = _optics(camera)
    fields: dict[str, str | Mapping[str, str]] = {
        "drone-skydio:Latitude": f"{told.latitude_deg:.7f}",
        "drone-skydio:Longitude": f"{told.longitude_deg:.7f}",
        "drone-skydio:RelativeAltitude": f"{told.takeoff_m:.2f}",
        "drone-skydio:CalibratedFocalLengthX": f"{camera.focal_length_px:.4f}",
        "drone-skydio:CalibratedFocalLengthY": f"{camera.focal_length_px:.4f}",
        "drone-skydio:CalibratedOpticalCenterX": f"{cx - 0.5:.4f}",
        "drone-skydio:CalibratedOpticalCenterY": f"{cy - 0.5:.4f}",
        "drone-skydio:CameraOrientationNED": {
            "Yaw": f"{_wrapped(told.yaw_deg):.3f}",
            "Pitch": f"{told.pitch_deg:.3f}",
            "Roll": f"{told.roll_deg:.3f}",
        },
    }
    if told.msl_m is not None:
        fields["drone-skydio:AbsoluteAltitude"] = f"{told.msl_m:.2f}"
    return fields


def _parrot(told: Told, camera: Camera) -> Fields:
    return {
        "drone-parrot:CameraYawDegree": f"{_wrapped(told.yaw_deg):.3f}",
        "drone-parrot:CameraPitchDegree": f"{told.pitch_deg:.3f}",
        "drone-parrot:CameraRollDegree": f"{told.roll_deg:.3f}",
        "drone-parrot:DroneYawDegree": f"{_wrapped(told.airframe_yaw_deg):.3f}",
        "drone-parrot:DronePitchDegree": "0.000",
        "drone-parrot:DroneRollDegree": "0.000",
        "pix4d-camera:AboveGroundAltitude": f"{told.takeoff_m:.2f}",
    }


def _sensefly(told: Told, camera: Camera) -> Fields:
    heading, pitch, roll = airframe_of(told.yaw_deg, told.pitch_deg, told.roll_deg)
    fields: dict[str, str | Mapping[str, str]] = {
        "sensefly:Heading": f"{heading % 360.0:.3f}",
        "sensefly:PitchAngle": f"{pitch:.3f}",
        "sensefly:RollAngle": f"{roll:.3f}",
        "sensefly:Latitude": f"{told.latitude_deg:.7f}",
        "sensefly:Longitude": f"{told.longitude_deg:.7f}",
        "sensefly:Height": f"{told.takeoff_m:.2f}",
        "sensefly:UTCTime": f"{told.when:%Y-%m-%dT%H:%M:%S}",
    }
    if told.msl_m is not None and told.ellipsoid_m is not None:
        fields["sensefly:AltitudeAMSL"] = f"{told.msl_m:.2f}"
        fields["sensefly:AltitudeWGS84"] = f"{told.ellipsoid_m:.2f}"
    return fields


def airframe_of(yaw_deg: float, pitch_deg: float, roll_deg: float) -> tuple[float, float, float]:
    """Heading, nose up and right wing down of the airframe under which a fixed camera has that attitude."""
    airframe = rotation(yaw_deg, pitch_deg, roll_deg) @ rotation(0.0, -90.0, 0.0).T
    pitch = -np.arcsin(np.clip(airframe[2, 0], -1.0, 1.0))
    heading, roll = np.arctan2(airframe[1, 0], airframe[0, 0]), np.arctan2(airframe[2, 1], airframe[2, 2])
    return float(np.degrees(heading)), float(np.degrees(pitch)), float(np.degrees(roll))


MAKERS: Mapping[str, Maker] = {
    "dji": Maker("DJI", "M3E", _dji),
    "autel": Maker("Autel Robotics", "XT705", _autel, exif_height="ellipsoid", whole_seconds=True),
    "skydio": Maker("Skydio", "Skydio X2", _skydio, exif_height="ellipsoid"),
    "parrot": Maker("Parrot", "Anafi", _parrot, whole_seconds=True),
    "sensefly": Maker("senseFly", "S.O.D.A.", _sensefly, whole_seconds=True),
}


@dataclass(frozen=True)
class Slips:
    """What goes wrong with metadata: shares of frames, and what is wrong with a whole flight.

    `no_position` frames have none, `null_island` ones say 0, 0; `yaw_flipped` have been turned by a picture viewer,
    `height_off` have a height from take-off that is `height_off_m` too high. `clock_ahead_s` is the camera's clock in
    EXIF, and then no field says UTC.
    """

    no_position: float = 0.0
    null_island: float = 0.0
    yaw_flipped: float = 0.0
    height_off: float = 0.0
    height_off_m: float = 30.0
    clock_ahead_s: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Slips:
        """Read `name=number,...`. Raises CameraError for a name or a number that is none."""
        values: dict[str, float] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, number = part.partition("=")
            name = name.strip().replace("-", "_")
            try:
                values[name] = float(number)
            except ValueError:
                values[name] = float("nan")
            most = float("inf") if name in ("clock_ahead_s", "height_off_m") else 1.0
            known = name in cls.__dataclass_fields__ and np.isfinite(values[name])
            if not known or not (most > 1 or 0 <= values[name] <= 1):
                raise CameraError(
                    f"{part!r} is no slip of metadata",
                    hint=f"Write NAME=SHARE of {', '.join(cls.__dataclass_fields__)}, shares from 0 to 1",
                )
        return cls(**values)

    def drawn(self, count: int, rng: np.random.Generator) -> list[str]:
        """Draw the slip of each of `count` frames: the name of a share, or nothing."""
        shares = {n: getattr(self, n) for n in ("no_position", "null_island", "yaw_flipped", "height_off")}
        luck = rng.random(count)
        found = np.full(count, "", dtype=object)
        below = 0.0
        for name, share in shares.items():
            found[(luck >= below) & (luck < below + share)] = name
            below += share
        return [str(name) for name in found]
