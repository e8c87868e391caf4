"""Where and when a camera was, out of its picture's tags: each field with its source, or the reason it is unknown.

Attitude follows `flightplan.camera` (the gimbal order). Makers differ: DJI, Parrot and Skydio write the camera's own
angles, −90° straight down; senseFly and pix4d's vocabulary write those of an airframe whose camera looks down at pitch
0 (Pix4D, "XMP tags specification"). senseFly's roll in the Camera namespace has the opposite sign (OpenDroneMap and
orthority both turn it back).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from detect.metadata import Metadata
from flightplan.frames import Floats

FIRST_YEAR = 2000
"""Pictures said to be older come from a clock that was reset."""

_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


@dataclass
class Fields:
    """Values of a capture being filled in, each with its source, and why the others are unknown."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def know(self, name: str, value: object, source: str) -> None:
        """Set a field and where it came from."""
        self.values[name] = value
        self.sources[name] = source

    def miss(self, reason: str, *names: str) -> None:
        """Say why fields are unknown; those known already stay known, and the first reason stands."""
        for name in names:
            if name not in self.values:
                self.unknown.setdefault(name, reason)


def read_pose(metadata: Metadata, *, clock_utc_offset: timedelta | None = None) -> Fields:
    """Position, heights, attitude, accuracy and time of one picture.

    `clock_utc_offset` is how far the camera's clock runs ahead of UTC; it is used where the file names no zone itself.
    """
    fields = Fields()
    _position(metadata, fields)
    _heights(metadata, fields)
    _attitude(metadata, fields)
    _accuracy(metadata, fields)
    _time(metadata, fields, clock_utc_offset)
    return fields


# Position -------------------------------------------------------------------------------------------------------------

_POSITIONS = (
    ("drone-dji:GpsLongitude", "drone-dji:GpsLatitude"),
    ("drone-dji:GpsLongtitude", "drone-dji:GpsLatitude"),  # DJI's own spelling, on the P4RTK and others
    ("sensefly:Longitude", "sensefly:Latitude"),
)


def _position(metadata: Metadata, fields: Fields) -> None:
    names = ("longitude_deg", "latitude_deg")
    candidates: list[tuple[float, float, str]] = []
    for longitude_tag, latitude_tag in _POSITIONS:
        longitude, latitude = metadata.number(longitude_tag), metadata.number(latitude_tag)
        if longitude is not None and latitude is not None:
            candidates.append((longitude, latitude, f"XMP {longitude_tag.split(':')[0]}"))
    reason = _exif_position(metadata, candidates)
    for longitude, latitude, source in candidates:
        if longitude == 0.0 and latitude == 0.0:
            reason = f"{source} says 0, 0: the receiver had no position"
        elif abs(longitude) > 180.0 or abs(latitude) > 90.0:
            reason = f"{source} says longitude {longitude:g}, latitude {latitude:g}: not on Earth"
        else:
            fields.know(names[0], longitude, source)
            fields.know(names[1], latitude, source)
            return
    fields.miss(reason, *names)


def _exif_position(metadata: Metadata, candidates: list[tuple[float, float, str]]) -> str:
    tags = ("GPSLongitude", "GPSLatitude")
    if not any(tag in metadata.exif for tag in tags):
        return "no GPS position in EXIF or XMP"
    degrees = []
    for tag, hemispheres in zip(tags, ({"E": 1.0, "W": -1.0}, {"N": 1.0, "S": -1.0}), strict=True):
        value = _sexagesimal(metadata.exif.get(tag))
        if value is None:
            return f"EXIF {tag} cannot be read as degrees: {metadata.exif.get(tag)!r}"
        sign = hemispheres.get((metadata.text(f"{tag}Ref") or "").upper()[:1])
        if sign is None:
            return f"EXIF {tag}Ref names no hemisphere: {metadata.exif.get(f'{tag}Ref')!r}"
        degrees.append(sign * value)
    candidates.append((degrees[0], degrees[1], "EXIF"))
    return ""


def _sexagesimal(value: object) -> float | None:
    """Degrees, minutes and seconds as decimal degrees; None when the degrees are missing or any part is 0/0."""
    parts = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(parts) <= 3 or not all(isinstance(part, int | float) for part in parts):
        return None
    degrees = sum(float(part) / 60.0**power for power, part in enumerate(parts))
    return degrees if math.isfinite(degrees) else None


# Heights --------------------------------------------------------------------------------------------------------------


def _heights(metadata: Metadata, fields: Fields) -> None:
    for tag in ("drone-dji:RelativeAltitude", "drone-autel:RelativeAltitude", "sensefly:Height"):
        relative = metadata.number(tag)
        if relative is not None and "altitude_takeoff_m" not in fields.values:
            fields.know("altitude_takeoff_m", relative, f"XMP {tag}")
    if metadata.number("sensefly:AltitudeAMSL") is not None:
        fields.know("altitude_msl_m", metadata.number("sensefly:AltitudeAMSL"), "XMP sensefly:AltitudeAMSL")
    if metadata.number("sensefly:AltitudeWGS84") is not None:
        fields.know("altitude_ellipsoid_m", metadata.number("sensefly:AltitudeWGS84"), "XMP sensefly:AltitudeWGS84")
    _dji_absolute(metadata, fields)
    if "altitude_msl_m" not in fields.values and "altitude_ellipsoid_m" not in fields.values:
        _exif_altitude(metadata, fields)
    fields.miss("no height above take-off in XMP", "altitude_takeoff_m")
    fields.miss("no height above mean sea level in EXIF or XMP", "altitude_msl_m")
    fields.miss("no height above the ellipsoid in EXIF or XMP", "altitude_ellipsoid_m")


def _dji_absolute(metadata: Metadata, fields: Fields) -> None:
    absolute = metadata.number("drone-dji:AbsoluteAltitude")
    if absolute is None:
        return
    source = "XMP drone-dji:AbsoluteAltitude"
    if absolute == 0.0:
        fields.miss(f"{source} is 0, which the maker writes for unknown", "altitude_msl_m")
        return
    kind, flag = metadata.text("drone-dji:AltitudeType"), metadata.number("drone-dji:RtkFlag")
    # With an RTK fix DJI writes the height above the ellipsoid of the reference station's datum under the same name.
    if kind == "RtkAlt" or (kind is None and flag == 50.0):
        fields.know("altitude_ellipsoid_m", absolute, f"{source} ({kind or 'RtkFlag 50'})")
        return
    fields.know("altitude_msl_m", absolute, f"{source} ({kind or 'barometric'})")
    fields.findings.append(
        "DJI's absolute altitude can be 25 m or more off; the height above take-off is the better one"
    )


def _exif_altitude(metadata: Metadata, fields: Fields) -> None:
    altitude = metadata.number("GPSAltitude")
    if altitude is None:
        if "GPSAltitude" in metadata.exif:
            fields.miss(f"EXIF GPSAltitude is not a number: {metadata.exif['GPSAltitude']!r}", "altitude_msl_m")
        return
    if altitude == 0.0:
        fields.miss("EXIF GPSAltitude is 0, which cameras write for unknown", "altitude_msl_m")
        return
    reference = metadata.exif.get("GPSAltitudeRef", 0)
    code = reference[0] if isinstance(reference, bytes) and reference else reference
    if code in (2, 3):  # Exif 3.0: above and below the ellipsoid
        fields.know("altitude_ellipsoid_m", altitude if code == 2 else -altitude, "EXIF GPSAltitude")
    elif code == 1:
        fields.know("altitude_msl_m", -abs(altitude), "EXIF GPSAltitude")
        fields.findings.append(f"EXIF puts the camera {abs(altitude):g} m below sea level (GPSAltitudeRef 1)")
    else:
        fields.know("altitude_msl_m", altitude, "EXIF GPSAltitude")
        if "GPSAltitudeRef" not in metadata.exif:
            fields.findings.append("EXIF does not say what its altitude is measured from: taken as mean sea level")


# Attitude -------------------------------------------------------------------------------------------------------------

_Angles = tuple[float, float, float]

_CAMERA_ANGLES: Mapping[str, tuple[str, str, str]] = {
    "drone-dji": ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree"),
    "drone-autel": ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree"),
    "drone-parrot": ("CameraYawDegree", "CameraPitchDegree", "CameraRollDegree"),
    "drone-skydio": ("CameraOrientationNED:Yaw", "CameraOrientationNED:Pitch", "CameraOrientationNED:Roll"),
}
_AIRFRAME_ANGLES: Mapping[str, tuple[str, str, str]] = {
    "sensefly": ("Heading", "PitchAngle", "RollAngle"),
    "sensefly-camera": ("Yaw", "Pitch", "Roll"),
    "pix4d-camera": ("Yaw", "Pitch", "Roll"),
    "drone-dji": ("FlightYawDegree", "FlightPitchDegree", "FlightRollDegree"),
    "drone-parrot": ("DroneYawDegree", "DronePitchDegree", "DroneRollDegree"),
}


def _attitude(metadata: Metadata, fields: Fields) -> None:
    reason = "no attitude in XMP"
    for namespace, names in _CAMERA_ANGLES.items():
        angles, why = _angles(metadata, namespace, names)
        if angles is not None:
            _know_attitude(metadata, fields, angles, f"XMP {namespace} camera angles")
            break
        reason = why or reason
    for namespace, names in _AIRFRAME_ANGLES.items():
        airframe, why = _angles(metadata, namespace, names)
        if airframe is None:
            reason = reason if why is None else why
            continue
        if namespace == "sensefly-camera":
            airframe = (airframe[0], airframe[1], -airframe[2])
        fields.know("airframe_yaw_deg", airframe[0], f"XMP {namespace}")
        # Only makers without a gimbal mean the camera by it.
        if namespace in ("sensefly", "sensefly-camera", "pix4d-camera") and "yaw_deg" not in fields.values:
            if abs(airframe[1]) > 45.0:
                _know_attitude(metadata, fields, airframe, f"XMP {namespace}, read as camera angles")
                fields.findings.append(
                    f"XMP {namespace} pitch {airframe[1]:g}° can only be the camera's own: −90° is straight down"
                )
            else:
                _know_attitude(
                    metadata, fields, looking_down(*airframe), f"XMP {namespace} airframe, camera looking down"
                )
        break
    fields.miss(reason, *_ANGLES)


def _angles(metadata: Metadata, namespace: str, names: tuple[str, str, str]) -> tuple[_Angles | None, str | None]:
    values = [metadata.number(f"{namespace}:{name}") for name in names]
    if any(value is None for value in values):
        missing = [name for name, value in zip(names, values, strict=True) if value is None]
        return None, f"XMP {namespace} lacks {', '.join(missing)}" if len(missing) < 3 else None
    yaw, pitch, roll = (float(value) for value in values if value is not None)
    if yaw == 0.0 and pitch == 0.0 and roll == 0.0:
        return None, f"all angles in XMP {namespace} are exactly 0: not written"
    if abs(yaw) > 360.0 or abs(pitch) > 180.0 or abs(roll) > 360.0:
        return None, f"XMP {namespace} angles are out of range: {yaw:g}, {pitch:g}, {roll:g}"
    return (yaw, pitch, roll), None


ROLL_OF_ORIENTATION = {1: 0.0, 3: 180.0, 6: -90.0, 8: 90.0}
"""How far a camera is rolled in its picture as seen, by EXIF orientation; those that mirror have none."""


def _know_attitude(metadata: Metadata, fields: Fields, angles: _Angles, source: str) -> None:
    # Pixels are those of the picture as it is seen; turning it turns the camera about its own axis, which is roll.
    turn = ROLL_OF_ORIENTATION.get(metadata.orientation)
    if turn is None:
        fields.miss(
            f"EXIF orientation {metadata.orientation} mirrors the picture: no attitude of a camera does that", *_ANGLES
        )
        return
    if turn:
        source = f"{source}, turned by EXIF orientation {metadata.orientation}"
    for name, value in zip(_ANGLES, (angles[0], angles[1], wrap_deg(angles[2] + turn)), strict=True):
        fields.know(name, value, source)


def looking_down(heading_deg: float, pitch_deg: float, roll_deg: float) -> _Angles:
    """Yaw, pitch and roll of a camera fixed to an airframe, looking down, the top of its picture towards the nose.

    The airframe's angles are heading, nose up and right wing down. The camera's rotation is Rz·Ry·Rx(airframe) ·
    Ry(−90°), taken apart again in the gimbal order; close to straight down yaw and roll stand for each other, and only
    together they mean the attitude.
    """
    rotation = rotation_matrix(heading_deg, pitch_deg, roll_deg) @ rotation_matrix(0.0, -90.0, 0.0)
    pitch = -math.asin(float(np.clip(rotation[2, 0], -1.0, 1.0)))
    if math.hypot(rotation[0, 0], rotation[1, 0]) < 1e-9:
        yaw, roll = math.atan2(-rotation[0, 1], rotation[1, 1]), 0.0
    else:
        yaw, roll = math.atan2(rotation[1, 0], rotation[0, 0]), math.atan2(rotation[2, 1], rotation[2, 2])
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def rotation_matrix(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Floats:
    """Rz(yaw) · Ry(pitch) · Rx(roll), (3, 3), from (forward, right, down) to (north, east, down)."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([yaw_deg, pitch_deg, roll_deg])) for f in (np.cos, np.sin))
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def wrap_deg(angle_deg: float) -> float:
    """The same direction in (−180, 180]."""
    wrapped = math.remainder(angle_deg, 360.0)
    return 180.0 if wrapped == -180.0 else wrapped


# Accuracy -------------------------------------------------------------------------------------------------------------


def _accuracy(metadata: Metadata, fields: Fields) -> None:
    east, north = metadata.number("drone-dji:RtkStdLon"), metadata.number("drone-dji:RtkStdLat")
    if east and north and east > 0.0 and north > 0.0:
        fields.know("horizontal_accuracy_m", math.sqrt((east**2 + north**2) / 2.0), "XMP drone-dji RTK deviation")
        return
    for tag in ("pix4d-camera:GPSXYAccuracy", "sensefly-camera:GPSXYAccuracy", "GPSHPositioningError"):
        accuracy = metadata.number(tag)
        if accuracy is not None and accuracy > 0.0:
            fields.know("horizontal_accuracy_m", accuracy, f"XMP {tag}" if ":" in tag else f"EXIF {tag}")
            return
    fields.miss("no accuracy of the position in EXIF or XMP", "horizontal_accuracy_m")


# Time -----------------------------------------------------------------------------------------------------------------


def _time(metadata: Metadata, fields: Fields, clock_utc_offset: timedelta | None) -> None:
    for tag in ("drone-dji:UTCAtExposure", "sensefly:UTCTime"):
        exact = _iso_time(metadata.text(tag))
        if exact is not None and exact.year >= FIRST_YEAR:
            fields.know(
                "time_utc", exact.replace(tzinfo=UTC) if exact.tzinfo is None else exact.astimezone(UTC), f"XMP {tag}"
            )
            return
    local, gps = camera_clock(metadata), _gps_time(metadata)
    if local is not None and local.year < FIRST_YEAR:
        fields.findings.append(f"the camera's clock says {local:%Y-%m-%d}: it was reset")
        if gps is None:
            fields.miss("the camera's clock was reset", "time_utc")
        local = None
    if local is None:
        if gps is not None:
            fields.know("time_utc", gps, "EXIF GPS time")
        fields.miss("no date and time in EXIF or XMP", "time_utc")
        return
    offset, source = _zone(metadata, local, gps, clock_utc_offset)
    if offset is None:
        fields.findings.append("no time zone is written: the camera's clock is taken as UTC")
        offset, source = timedelta(), "EXIF, taken as UTC"
    fields.know("time_utc", (local - offset).replace(tzinfo=UTC), source)


def _zone(
    metadata: Metadata, local: datetime, gps: datetime | None, clock_utc_offset: timedelta | None
) -> tuple[timedelta | None, str]:
    written = _utc_offset(metadata.text("OffsetTimeOriginal") or metadata.text("OffsetTime"))
    if written is not None:
        return written, "EXIF with its time zone"
    if gps is not None:
        ahead = local.replace(tzinfo=UTC) - gps
        quarters = round(ahead / timedelta(minutes=15))
        # Zones are whole quarters of an hour; what is left over is the clock's own error, a few seconds at most.
        if abs(quarters) <= 14 * 4 and abs(ahead - quarters * timedelta(minutes=15)) < timedelta(seconds=90):
            return quarters * timedelta(minutes=15), "EXIF, zone from the GPS time"
        return ahead, "EXIF GPS time"
    if clock_utc_offset is not None:
        return clock_utc_offset, f"EXIF, clock said to be {clock_utc_offset / timedelta(hours=1):+g} h from UTC"
    return None, ""


def camera_clock(metadata: Metadata) -> datetime | None:
    """What the camera's own clock showed at the exposure, without a zone, right or wrong."""
    for tag, fraction in (
        ("DateTimeOriginal", "SubsecTimeOriginal"),
        ("DateTimeDigitized", "SubsecTimeDigitized"),
        ("DateTime", "SubsecTime"),
    ):
        text = metadata.text(tag)
        try:
            moment = datetime.strptime(text or "", "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        digits = metadata.text(fraction) or ""
        return moment + timedelta(seconds=float(f"0.{digits}") if digits.isascii() and digits.isdigit() else 0.0)
    return None


def _gps_time(metadata: Metadata) -> datetime | None:
    stamp, clock = metadata.text("GPSDateStamp"), metadata.exif.get("GPSTimeStamp")
    if stamp is None or not isinstance(clock, tuple) or len(clock) != 3:
        return None
    try:
        day = datetime.strptime(stamp.replace("-", ":"), "%Y:%m:%d").replace(tzinfo=UTC)
        moment = day + timedelta(hours=float(clock[0]), minutes=float(clock[1]), seconds=float(clock[2]))
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment.year >= FIRST_YEAR else None


def _iso_time(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _utc_offset(text: str | None) -> timedelta | None:
    try:
        return datetime.strptime(text or "", "%z").utcoffset()
    except ValueError:
        return None
