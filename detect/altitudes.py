"""Heights out of a picture's tags, each with the datum its maker measures it from, and how sure the position is.

The same tag means different things: DJI's AbsoluteAltitude is above sea level by barometer or GPS, and above the
ellipsoid with an RTK fix; EXIF's GPSAltitude is above sea level by the standard, and above the ellipsoid from senseFly,
from Skydio (its metadata overview), and from Parrot's ANAFI Ai, but not its other drones (Parrot, photo metadata).
"""

from __future__ import annotations

import math

from detect.fields import Fields
from detect.metadata import Metadata

_RELATIVE = (
    "drone-dji:RelativeAltitude",
    "drone-autel:RelativeAltitude",
    "drone-skydio:RelativeAltitude",
    "sensefly:Height",
)
_ABOVE_GROUND = ("pix4d-camera:AboveGroundAltitude", "drone-parrot:AboveGroundAltitude")
_RTK_FIXED = 50.0
_NO_ACCURACY_M = 1000.0
"""What programs write that do not know how good a position is."""


def read_heights(metadata: Metadata, fields: Fields) -> None:
    """Put the heights above take-off, sea level and the ellipsoid into `fields`, or why each is unknown."""
    _relative(metadata, fields)
    for name, tag in (
        ("altitude_msl_m", "sensefly:AltitudeAMSL"),
        ("altitude_ellipsoid_m", "sensefly:AltitudeWGS84"),
        # Above EGM96, as the gimbal's own position is (Skydio 2 and X2).
        ("altitude_msl_m", "drone-skydio:AbsoluteAltitude"),
    ):
        height = metadata.number(tag)
        if height == 0.0 and tag.startswith("drone-skydio"):
            fields.miss(f"XMP {tag} is 0, which the maker writes for unknown", name)
        elif height is not None:
            fields.know(name, height, f"XMP {tag}")
    for namespace in ("drone-dji", "drone-autel"):
        _absolute(metadata, fields, namespace)
    if "altitude_msl_m" not in fields.values and "altitude_ellipsoid_m" not in fields.values:
        _exif_altitude(metadata, fields)
    fields.miss("no height above take-off in XMP", "altitude_takeoff_m")
    fields.miss("no height above mean sea level in EXIF or XMP", "altitude_msl_m")
    fields.miss("no height above the ellipsoid in EXIF or XMP", "altitude_ellipsoid_m")


def _relative(metadata: Metadata, fields: Fields) -> None:
    for tag in (*_RELATIVE, *_ABOVE_GROUND):
        height = metadata.number(tag)
        if height is None:
            continue
        fields.know("altitude_takeoff_m", height, f"XMP {tag}")
        if tag in _ABOVE_GROUND:
            fields.findings.append("XMP tells the height above ground: it is taken as the height above take-off")
        return


def _absolute(metadata: Metadata, fields: Fields, namespace: str) -> None:
    """AbsoluteAltitude as DJI writes it, and Autel after it."""
    absolute = metadata.number(f"{namespace}:AbsoluteAltitude")
    if absolute is None or {"altitude_msl_m", "altitude_ellipsoid_m"} & fields.values.keys():
        return
    source = f"XMP {namespace}:AbsoluteAltitude"
    if absolute == 0.0:
        fields.miss(f"{source} is 0, which the maker writes for unknown", "altitude_msl_m")
        return
    kind, flag = metadata.text(f"{namespace}:AltitudeType"), metadata.number(f"{namespace}:RtkFlag")
    # With an RTK fix DJI writes the height above the ellipsoid of the reference station's datum under the same name.
    if kind == "RtkAlt" or (kind is None and flag == _RTK_FIXED):
        fields.know("altitude_ellipsoid_m", absolute, f"{source} ({kind or 'RtkFlag 50'})")
        return
    if is_autel(metadata):
        fields.know("altitude_ellipsoid_m", absolute, f"{source} (Autel)")
        fields.findings.append(
            "Autel does not say what its absolute altitude is measured from: taken as the ellipsoid, as its newer "
            "firmware does; older firmware means sea level"
        )
        return
    fields.know("altitude_msl_m", absolute, f"{source} ({kind or 'barometric'})")
    fields.findings.append(
        "DJI's absolute altitude can be 25 m or more off; the height above take-off is the better one"
    )


def is_autel(metadata: Metadata) -> bool:
    """Whether Autel made the camera; some of its models give no name but "Camera" in EXIF."""
    return any("autel" in (metadata.text(tag) or "").lower() for tag in ("Make", "tiff:Make", "Model"))


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
    above = _ellipsoid_by_maker(metadata)
    if code in (2, 3):  # Exif 3.0: above and below the ellipsoid
        fields.know("altitude_ellipsoid_m", altitude if code == 2 else -altitude, "EXIF GPSAltitude")
    elif above is not None:
        fields.know("altitude_ellipsoid_m", -abs(altitude) if code == 1 else altitude, f"EXIF GPSAltitude ({above})")
    elif code == 1:
        fields.know("altitude_msl_m", -abs(altitude), "EXIF GPSAltitude")
        fields.findings.append(f"EXIF puts the camera {abs(altitude):g} m below sea level (GPSAltitudeRef 1)")
    else:
        fields.know("altitude_msl_m", altitude, "EXIF GPSAltitude")
        if "GPSAltitudeRef" not in metadata.exif:
            fields.findings.append("EXIF does not say what its altitude is measured from: taken as mean sea level")


def _ellipsoid_by_maker(metadata: Metadata) -> str | None:
    """Why EXIF's altitude is above the ellipsoid, whatever its reference says; None where the reference is right."""
    make, model = ((metadata.text(tag) or "").lower() for tag in ("Make", "Model"))
    if "skydio" in make:
        return "above the ellipsoid, as Skydio writes it"
    if "parrot" in make and "ai" in model.replace("anafi", "").split():
        return "above the ellipsoid, as the ANAFI Ai writes it"
    datum = metadata.text("pix4d-camera:VertCS") or metadata.text("sensefly-camera:VertCS")
    if datum is not None and "ellips" in datum.lower():
        return f"VertCS {datum}"
    return None


# Accuracy -------------------------------------------------------------------------------------------------------------


def read_accuracy(metadata: Metadata, fields: Fields) -> None:
    """Put standard deviations of the position into `fields`: those of RTK, else what the maker or EXIF says of it."""
    for namespace in ("drone-dji", "drone-autel", "drone-skydio"):
        east, north, up = (_positive(metadata, f"{namespace}:RtkStd{name}") for name in ("Lon", "Lat", "Hgt"))
        if east is not None and north is not None:
            source = f"XMP {namespace} RTK deviation"
            fields.know("horizontal_accuracy_m", math.sqrt((east**2 + north**2) / 2.0), source)
            if up is not None:
                fields.know("vertical_accuracy_m", up, source)
            break
    for name, tags in (
        ("horizontal_accuracy_m", ("pix4d-camera:GPSXYAccuracy", "sensefly-camera:GPSXYAccuracy")),
        ("vertical_accuracy_m", ("pix4d-camera:GPSZAccuracy", "sensefly-camera:GPSZAccuracy")),
        ("horizontal_accuracy_m", ("GPSHPositioningError",)),
    ):
        for tag in tags:
            accuracy = _positive(metadata, tag)
            if accuracy is not None and accuracy < _NO_ACCURACY_M and name not in fields.values:
                fields.know(name, accuracy, f"XMP {tag}" if ":" in tag else f"EXIF {tag}")
    fields.miss("no accuracy of the position in EXIF or XMP", "horizontal_accuracy_m")
    fields.miss("no accuracy of the height in XMP", "vertical_accuracy_m")


def _positive(metadata: Metadata, tag: str) -> float | None:
    value = metadata.number(tag)
    return value if value is not None and value > 0.0 else None
