"""Where and when a camera was, out of its picture's tags: each field with its source, or the reason it is unknown.

Attitude follows `flightplan.camera` (the gimbal order). Makers differ: DJI, Parrot and Skydio write the camera's own
angles, −90° straight down; senseFly and pix4d's vocabulary write those of an airframe whose camera looks down at pitch
0 (Pix4D, "XMP tags specification"). senseFly's roll in the Camera namespace has the opposite sign (OpenDroneMap and
orthority both turn it back).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from detect.altitudes import is_autel, read_accuracy, read_heights
from detect.exposure_times import read_time
from detect.fields import Fields
from detect.metadata import Metadata
from flightplan.frames import Floats

_ANGLES = ("yaw_deg", "pitch_deg", "roll_deg")


def read_pose(metadata: Metadata, *, clock_utc_offset: timedelta | None = None) -> Fields:
    """Position, heights, attitude, accuracy and time of one picture.

    `clock_utc_offset` is how far the camera's clock runs ahead of UTC; it is used where the file names no zone itself.
    """
    fields = Fields()
    _position(metadata, fields)
    read_heights(metadata, fields)
    _attitude(metadata, fields)
    read_accuracy(metadata, fields)
    read_time(metadata, fields, clock_utc_offset)
    return fields


# Position -------------------------------------------------------------------------------------------------------------

_POSITIONS = (
    ("drone-dji:GpsLongitude", "drone-dji:GpsLatitude"),
    ("drone-dji:GpsLongtitude", "drone-dji:GpsLatitude"),  # DJI's own spelling, on the P4RTK and others
    ("drone-dji:Longitude", "drone-dji:Latitude"),
    ("drone-autel:GpsLongitude", "drone-autel:GpsLatitude"),
    ("drone-autel:GpsLongtitude", "drone-autel:GpsLatitude"),
    ("drone-skydio:Longitude", "drone-skydio:Latitude"),
    ("sensefly:Longitude", "sensefly:Latitude"),
)
_NO_FIX = {"drone-dji:GpsStatus": "INVALID", "drone-autel:GpsStatus": "INVALID", "GPSStatus": "V"}


def _position(metadata: Metadata, fields: Fields) -> None:
    names = ("longitude_deg", "latitude_deg")
    for tag, word in _NO_FIX.items():
        said = metadata.text(tag)
        if said is not None and said.upper() == word:
            fields.miss(f"{'XMP' if ':' in tag else 'EXIF'} {tag} says {said}: the receiver had no position", *names)
            return
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
        written = [_xmp_degrees(metadata.text(f"exif:{tag}")) for tag in tags]
        if written[0] is not None and written[1] is not None:
            candidates.append((written[0], written[1], "XMP exif"))
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


def _xmp_degrees(text: str | None) -> float | None:
    """XMP's own spelling of a coordinate: "46,50,33.4N" or "46,50.556N" (XMP specification part 2, GPSCoordinate)."""
    found = re.fullmatch(r"(\d{1,3}),(\d{1,2}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])", text or "")
    if found is None:
        return None
    degrees, minutes, seconds, hemisphere = found.groups()
    value = float(degrees) + float(minutes) / 60.0 + float(seconds or 0.0) / 3600.0
    return -value if hemisphere in "SW" else value


def _sexagesimal(value: object) -> float | None:
    """Degrees, minutes and seconds as decimal degrees; None when the degrees are missing or any part is 0/0."""
    parts = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(parts) <= 3 or not all(isinstance(part, int | float) for part in parts):
        return None
    degrees = sum(float(part) / 60.0**power for power, part in enumerate(parts))
    return degrees if math.isfinite(degrees) else None


# Attitude -------------------------------------------------------------------------------------------------------------

_Angles = tuple[float, float, float]

_CAMERA_ANGLES: Mapping[str, tuple[str, str, str]] = {
    "drone-dji": ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree"),
    "drone-autel": ("GimbalYawDegree", "GimbalPitchDegree", "GimbalRollDegree"),
    "drone-parrot": ("CameraYawDegree", "CameraPitchDegree", "CameraRollDegree"),
    "drone-skydio": ("CameraOrientationNED:Yaw", "CameraOrientationNED:Pitch", "CameraOrientationNED:Roll"),
}
_AIRFRAME_ANGLES: Mapping[str, tuple[str, str, str]] = {
    "drone-dji": ("FlightYawDegree", "FlightPitchDegree", "FlightRollDegree"),
    "drone-autel": ("FlightYawDegree", "FlightPitchDegree", "FlightRollDegree"),
    "drone-parrot": ("DroneYawDegree", "DronePitchDegree", "DroneRollDegree"),
}
_FIXED_ANGLES: Mapping[str, tuple[str, str, str]] = {
    "sensefly": ("Heading", "PitchAngle", "RollAngle"),
    "sensefly-camera": ("Yaw", "Pitch", "Roll"),
    "pix4d-camera": ("Yaw", "Pitch", "Roll"),
}
"""Angles that are 0, 0, 0 for a camera looking straight down: the airframe's, where a camera has no gimbal."""


def _attitude(metadata: Metadata, fields: Fields) -> None:
    reason = "no attitude in XMP"
    for namespace, names in _CAMERA_ANGLES.items():
        angles, why = _angles(metadata, namespace, names)
        if angles is not None:
            _know_attitude(metadata, fields, angles, f"XMP {namespace} camera angles")
            break
        reason = why or reason
    for namespace, names in _AIRFRAME_ANGLES.items():
        airframe, _ = _angles(metadata, namespace, names)
        if airframe is not None:
            fields.know("airframe_yaw_deg", airframe[0], f"XMP {namespace}")
            break
    for namespace, names in _FIXED_ANGLES.items():
        angles, why = _angles(metadata, namespace, names)
        if angles is None:
            reason = why or reason
        elif "yaw_deg" not in fields.values:
            if namespace == "sensefly-camera":
                angles = (angles[0], angles[1], -angles[2])
            _fixed(metadata, fields, namespace, angles)
    fields.miss(reason, *_ANGLES)


def _fixed(metadata: Metadata, fields: Fields, namespace: str, angles: _Angles) -> None:
    """Put in angles that count from straight down, unless they can only be meant otherwise."""
    gimbal = is_autel(metadata)
    # A gimbal does not look back past straight down: then its maker counts from the horizon (Autel's EVO Lite).
    if angles[1] < (0.0 if gimbal else -45.0):
        _know_attitude(metadata, fields, angles, f"XMP {namespace}, read as camera angles")
        fields.findings.append(
            f"XMP {namespace} pitch {angles[1]:g}° can only be the camera's own: −90° is straight down"
        )
        return
    said = "camera angles, 0 straight down" if gimbal else "airframe, camera looking down"
    _know_attitude(metadata, fields, looking_down(*angles), f"XMP {namespace} {said}")
    if not gimbal and "airframe_yaw_deg" not in fields.values:
        fields.know("airframe_yaw_deg", angles[0], f"XMP {namespace}")


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
