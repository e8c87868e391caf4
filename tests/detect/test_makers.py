"""Pictures as each maker's drones write them: every field with its value, its datum and its source."""

import io
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from detect.captures import Capture, capture_of

DJI = "http://www.dji.com/drone-dji/1.0/"
AUTEL = "http://www.autelrobotics.com/drone-autel/1.0/"
SKYDIO = "https://www.skydio.com/drone-skydio/1.0/"
PARROT = "http://www.parrot.com/drone-parrot/1.0/"
PIX4D = "http://pix4d.com/camera/1.0/"
SENSEFLY, SENSEFLY_CAMERA = "http://ns.sensefly.com/sensefly/1.0/", "http://ns.sensefly.com/Camera/1.0/"
XMP_EXIF = "http://ns.adobe.com/exif/1.0/"

Properties = Mapping[str, Mapping[str, str | tuple[str, ...] | Mapping[str, str]]]
STYLES = pytest.mark.parametrize("as_elements", [False, True], ids=["attributes", "elements"])


def packet(properties: Properties, *, as_elements: bool) -> bytes:
    """An XMP packet; tuples are sequences and mappings structures, which only elements can hold."""
    spaces = "".join(f' xmlns:n{i}="{uri}"' for i, uri in enumerate(properties))
    attributes, elements = "", ""
    for i, values in enumerate(properties.values()):
        for name, value in values.items():
            tag = f"n{i}:{name}"
            if isinstance(value, tuple):
                items = "".join(f"<rdf:li>{item}</rdf:li>" for item in value)
                elements += f"<{tag}><rdf:Seq>{items}</rdf:Seq></{tag}>"
            elif isinstance(value, Mapping):
                parts = "".join(f"<n{i}:{part}>{text}</n{i}:{part}>" for part, text in value.items())
                elements += f'<{tag} rdf:parseType="Resource">{parts}</{tag}>'
            elif as_elements:
                elements += f"<{tag}>{value}</{tag}>"
            else:
                attributes += f' {tag}="{value}"'
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{spaces}{attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
        f'{" " * 200}<?xpacket end="w"?>'
    ).encode()


def rational(value: float) -> TiffImagePlugin.IFDRational:
    fraction = Fraction(value).limit_denominator(100_000)
    return TiffImagePlugin.IFDRational(fraction.numerator, fraction.denominator)


def gps(longitude: float, latitude: float, altitude: float | None = None, reference: bytes = b"\0") -> dict[int, Any]:
    def parts(degrees: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
        whole, rest = divmod(abs(degrees), 1.0)
        minutes, rest = divmod(rest * 60.0, 1.0)
        return rational(whole), rational(minutes), rational(rest * 60.0)

    tags: dict[int, Any] = {1: "N" if latitude >= 0 else "S", 2: parts(latitude)}
    tags |= {3: "E" if longitude >= 0 else "W", 4: parts(longitude)}
    return tags if altitude is None else tags | {5: reference, 6: rational(altitude)}


def picture(
    make: str,
    model: str,
    *,
    xmp: Properties | None = None,
    as_elements: bool = False,
    size: tuple[int, int] = (400, 300),
    gps: dict[int, Any] | None = None,
    exif: dict[int, Any] | None = None,
    software: str = "10.05.02.03",
) -> Capture:
    """The capture of a small JPEG with a maker's tags."""
    tags = Image.Exif()
    tags.update({0x010F: make, 0x0110: model, 0x0131: software})
    tags.get_ifd(0x8769).update({0x9003: "2026:07:01 09:30:15"} | (exif or {}))
    tags.get_ifd(0x8825).update(gps or {})
    stream = io.BytesIO()
    more = {"xmp": packet(xmp, as_elements=as_elements)} if xmp else {}
    Image.new("RGB", size, (90, 120, 60)).save(stream, "JPEG", exif=tags, **more)
    return capture_of(Path("DJI_0001.JPG"), stream.getvalue())


# DJI


def dji(**changed: str) -> Properties:
    """A Mavic 3 Enterprise with an RTK fix."""
    values = {
        "Version": "1.6", "ImageSource": "WideCamera", "GpsStatus": "RTK", "AltitudeType": "RtkAlt",
        "GpsLatitude": "-2.333112345", "GpsLongitude": "+34.833512345", "AbsoluteAltitude": "+1498.234",
        "RelativeAltitude": "+79.900", "GimbalRollDegree": "+0.00", "GimbalYawDegree": "-104.60",
        "GimbalPitchDegree": "-89.90", "FlightRollDegree": "+1.20", "FlightYawDegree": "-101.30",
        "FlightPitchDegree": "-8.70", "CamReverse": "0", "RtkFlag": "50", "RtkStdLon": "0.011", "RtkStdLat": "0.013",
        "RtkStdHgt": "0.027", "RtkDiffAge": "1.0", "SurveyingMode": "1",
        "DewarpData": "2022-06-08;370.000,370.000,1.500,-2.500,-0.112575,0.014874,-0.000085,0.000000,-0.027064",
        "DewarpFlag": "0", "UTCAtExposure": "2026-07-01T06:30:15.123456",
    }  # fmt: skip
    return {DJI: values | changed}


@STYLES
def test_a_dji_with_rtk_gives_every_field(as_elements: bool) -> None:
    c = picture("DJI", "M3E", xmp=dji(), as_elements=as_elements, gps=gps(34.9, -2.4, 1498.2))
    assert (c.longitude_deg, c.latitude_deg) == (34.833512345, -2.333112345)
    assert (c.altitude_ellipsoid_m, c.altitude_msl_m, c.altitude_takeoff_m) == (1498.234, None, 79.9)
    assert (c.yaw_deg, c.pitch_deg, c.roll_deg, c.airframe_yaw_deg) == (-104.6, -89.9, 0.0, -101.3)
    assert c.horizontal_accuracy_m == pytest.approx(math.sqrt((0.011**2 + 0.013**2) / 2))
    assert c.vertical_accuracy_m == 0.027
    assert c.time_utc == datetime(2026, 7, 1, 6, 30, 15, 123456, tzinfo=UTC)
    assert c.camera is not None
    assert (c.camera.focal_length_px, c.camera.principal_point_px) == (370.0, (201.0, 147.0))
    assert c.camera.distortion == (-0.112575, 0.014874, -0.000085, 0.0, -0.027064)
    assert (c.maker, c.model, c.software, c.findings) == ("DJI", "M3E", "10.05.02.03", ())
    assert c.sources == {
        "longitude_deg": "XMP drone-dji", "latitude_deg": "XMP drone-dji",
        "altitude_takeoff_m": "XMP drone-dji:RelativeAltitude",
        "altitude_ellipsoid_m": "XMP drone-dji:AbsoluteAltitude (RtkAlt)",
        "yaw_deg": "XMP drone-dji camera angles", "pitch_deg": "XMP drone-dji camera angles",
        "roll_deg": "XMP drone-dji camera angles", "airframe_yaw_deg": "XMP drone-dji",
        "horizontal_accuracy_m": "XMP drone-dji RTK deviation", "vertical_accuracy_m": "XMP drone-dji RTK deviation",
        "time_utc": "XMP drone-dji:UTCAtExposure", "camera": "XMP drone-dji:DewarpData",
        "maker": "EXIF Make", "model": "EXIF Model",
    }  # fmt: skip
    assert set(c.unknown) == {"altitude_msl_m"}


@STYLES
@pytest.mark.parametrize("kind", ["PressureAlt", "GPSFusionAlt"])
def test_a_dji_without_rtk_is_above_sea_level_and_of_unknown_accuracy(as_elements: bool, kind: str) -> None:
    zeros = {"RtkStdLon": "0.000", "RtkStdLat": "0.000", "RtkStdHgt": "0.000", "RtkFlag": "0", "AltitudeType": kind}
    c = picture("DJI", "M3E", xmp=dji(GpsStatus="Normal", **zeros), as_elements=as_elements)
    assert (c.altitude_msl_m, c.altitude_ellipsoid_m, c.horizontal_accuracy_m) == (1498.234, None, None)
    assert c.sources["altitude_msl_m"] == f"XMP drone-dji:AbsoluteAltitude ({kind})"
    assert any("25 m" in finding for finding in c.findings)


def test_a_dji_that_says_its_position_is_invalid_has_none() -> None:
    c = picture("DJI", "M3E", xmp=dji(GpsStatus="Invalid"), gps=gps(34.9, -2.4))
    assert c.longitude_deg is None
    assert c.unknown["longitude_deg"] == "XMP drone-dji:GpsStatus says Invalid: the receiver had no position"


def test_djis_own_spelling_of_longitude_is_read() -> None:
    values = dict(dji()[DJI])
    values["GpsLongtitude"] = values.pop("GpsLongitude")
    assert picture("DJI", "FC6310R", xmp={DJI: values}).longitude_deg == 34.833512345


# Autel


def autel_new(**changed: str) -> Properties:
    """Autel's newer firmware: DJI's names and namespace."""
    values = {
        "AbsoluteAltitude": "+1489.20", "RelativeAltitude": "+80.10", "GpsLatitude": "-2.3331",
        "GpsLongtitude": "34.8335", "GimbalRollDegree": "+0.00", "GimbalYawDegree": "+12.40",
        "GimbalPitchDegree": "-90.00", "FlightRollDegree": "+1.00", "FlightYawDegree": "+10.00",
        "FlightPitchDegree": "-4.00",
    }  # fmt: skip
    return {DJI: values | changed}


@STYLES
@pytest.mark.parametrize("namespace", [DJI, AUTEL])
def test_autels_newer_firmware_speaks_like_dji_but_its_datum_is_in_doubt(as_elements: bool, namespace: str) -> None:
    c = picture("Autel Robotics", "XT705", xmp={namespace: autel_new()[DJI]}, as_elements=as_elements)
    name = "drone-dji" if namespace == DJI else "drone-autel"
    assert (c.longitude_deg, c.latitude_deg) == (34.8335, -2.3331)
    assert (c.altitude_ellipsoid_m, c.altitude_msl_m, c.altitude_takeoff_m) == (1489.2, None, 80.1)
    assert (c.yaw_deg, c.pitch_deg, c.roll_deg, c.airframe_yaw_deg) == (12.4, -90.0, 0.0, 10.0)
    assert c.sources["altitude_ellipsoid_m"] == f"XMP {name}:AbsoluteAltitude (Autel)"
    assert c.sources["longitude_deg"] == f"XMP {name}"
    assert any("older firmware means sea level" in finding for finding in c.findings)


@STYLES
@pytest.mark.parametrize(("pitch", "tilt"), [("0.0", -90.0), ("30.0", -60.0), ("80.0", -10.0), ("-60.0", -60.0)])
def test_autels_older_firmware_counts_from_straight_down_or_from_the_horizon(
    as_elements: bool, pitch: str, tilt: float
) -> None:
    xmp = {PIX4D: {"Yaw": "40.0", "Pitch": pitch, "Roll": "0.0", "VertCS": "ellipsoidal", "GPSXYAccuracy": "1.5"}}
    c = picture("Autel Robotics", "XT701", xmp=xmp, as_elements=as_elements, gps=gps(34.8335, -2.3331, 1489.0))
    assert (c.yaw_deg, c.pitch_deg, c.roll_deg) == pytest.approx((40.0, tilt, 0.0), abs=1e-6)
    assert "airframe" not in c.sources["yaw_deg"]
    assert c.airframe_yaw_deg is None
    assert (c.altitude_ellipsoid_m, c.altitude_msl_m) == (1489.0, None)
    assert c.sources["altitude_ellipsoid_m"] == "EXIF GPSAltitude (VertCS ellipsoidal)"
    assert c.horizontal_accuracy_m == 1.5


# Skydio


def skydio() -> Properties:
    """A Skydio X2."""
    return {
        SKYDIO: {
            "Latitude": "-2.33311", "Longitude": "34.83351", "AbsoluteAltitude": "1580.25", "RelativeAltitude": "79.5",
            "CameraOrientationNED": {"Yaw": "-171.25", "Pitch": "-89.5", "Roll": "0.75"},
            "CalibratedFocalLengthX": "237.6", "CalibratedFocalLengthY": "237.6", "CalibratedOpticalCenterX": "200.5",
            "CalibratedOpticalCenterY": "148.5", "DewarpData": "0.13000, -0.24000, 0.10400",
        }
    }  # fmt: skip


@STYLES
def test_a_skydio_gives_the_cameras_angles_and_its_height_above_sea_level(as_elements: bool) -> None:
    c = picture("Skydio", "Skydio X2", xmp=skydio(), as_elements=as_elements, gps=gps(34.9, -2.4, 1563.0))
    assert (c.longitude_deg, c.latitude_deg) == (34.83351, -2.33311)
    assert (c.altitude_msl_m, c.altitude_ellipsoid_m, c.altitude_takeoff_m) == (1580.25, None, 79.5)
    assert (c.yaw_deg, c.pitch_deg, c.roll_deg) == (-171.25, -89.5, 0.75)
    assert c.camera is not None
    assert c.camera.focal_length_px == pytest.approx(237.6)
    assert c.camera.principal_point_px == (200.5, 148.5)
    assert c.camera.distortion == (0.13, -0.24, 0.0, 0.0, 0.104)
    assert c.sources["altitude_msl_m"] == "XMP drone-skydio:AbsoluteAltitude"
    assert c.sources["yaw_deg"] == "XMP drone-skydio camera angles"
    assert c.sources["camera"] == "XMP drone-skydio:CalibratedFocalLength"


def test_a_skydios_exif_altitude_is_above_the_ellipsoid_whatever_it_says() -> None:
    c = picture("Skydio", "VT300-L_93", gps=gps(34.8, -2.3, 1563.0, b"\0"))
    assert (c.altitude_ellipsoid_m, c.altitude_msl_m) == (1563.0, None)
    assert c.sources["altitude_ellipsoid_m"] == "EXIF GPSAltitude (above the ellipsoid, as Skydio writes it)"


# Parrot


def parrot() -> Properties:
    """An ANAFI, which writes pix4d's names too."""
    return {
        PARROT: {
            "CameraYawDegree": "12.5", "CameraPitchDegree": "-88.0", "CameraRollDegree": "0.5",
            "DroneYawDegree": "3.25", "DronePitchDegree": "-7.0", "DroneRollDegree": "1.0",
        },
        PIX4D: {"Yaw": "3.25", "Pitch": "-7.0", "Roll": "1.0", "AboveGroundAltitude": "80.5"},
    }  # fmt: skip


@STYLES
@pytest.mark.parametrize(("model", "msl", "ellipsoid"), [("Anafi", 1580.0, None), ("ANAFI Ai", None, 1580.0)])
def test_a_parrot_gives_camera_and_drone_and_the_datum_of_its_model(
    as_elements: bool, model: str, msl: float | None, ellipsoid: float | None
) -> None:
    c = picture("Parrot", model, xmp=parrot(), as_elements=as_elements, gps=gps(34.8335, -2.3331, 1580.0))
    assert (c.yaw_deg, c.pitch_deg, c.roll_deg, c.airframe_yaw_deg) == (12.5, -88.0, 0.5, 3.25)
    assert (c.altitude_msl_m, c.altitude_ellipsoid_m, c.altitude_takeoff_m) == (msl, ellipsoid, 80.5)
    assert c.sources["airframe_yaw_deg"] == "XMP drone-parrot"
    assert c.sources["altitude_takeoff_m"] == "XMP pix4d-camera:AboveGroundAltitude"
    assert any("above ground" in finding for finding in c.findings)
    assert c.sources["longitude_deg"] == "EXIF"


def test_a_position_that_only_xmp_has_is_read_in_xmps_own_spelling() -> None:
    xmp = {XMP_EXIF: {"GPSLatitude": "2,19.98666S", "GPSLongitude": "34,50,0.6E"}}
    c = picture("Parrot", "Bluegrass", xmp=xmp)
    assert (c.longitude_deg, c.latitude_deg) == pytest.approx((34.8335, -2.333111), abs=1e-7)
    assert c.sources["longitude_deg"] == "XMP exif"


# senseFly


def sensefly() -> Properties:
    """An eBee, whose two namespaces tell the same attitude, the roll with opposite signs."""
    return {
        SENSEFLY: {
            "Heading": "40.0", "PitchAngle": "8.0", "RollAngle": "-2.0", "Latitude": "41.03575",
            "Longitude": "-83.30542", "AltitudeAMSL": "321.58", "AltitudeWGS84": "286.18",
            "Height": "73.70", "UTCTime": "2013-06-04T17:39:49",
        },
        SENSEFLY_CAMERA: {"Yaw": "40.0", "Pitch": "8.0", "Roll": "2.0", "GPSXYAccuracy": "2.0", "GPSZAccuracy": "3.0"},
    }  # fmt: skip


@STYLES
def test_a_sensefly_gives_both_heights_and_its_airframes_attitude(as_elements: bool) -> None:
    c = picture("Canon", "PowerShot", xmp=sensefly(), as_elements=as_elements, gps=gps(-83.3, 41.0, 281.7))
    assert (c.longitude_deg, c.latitude_deg) == (-83.30542, 41.03575)
    assert (c.altitude_msl_m, c.altitude_ellipsoid_m, c.altitude_takeoff_m) == (321.58, 286.18, 73.7)
    assert c.airframe_yaw_deg == 40.0
    assert c.pitch_deg == pytest.approx(-90.0 + math.hypot(8.0, 2.0), abs=0.05)
    assert c.sources["yaw_deg"] == "XMP sensefly airframe, camera looking down"
    assert (c.horizontal_accuracy_m, c.vertical_accuracy_m) == (2.0, 3.0)
    assert c.sources["horizontal_accuracy_m"] == "XMP sensefly-camera:GPSXYAccuracy"
    assert c.time_utc == datetime(2013, 6, 4, 17, 39, 49, tzinfo=UTC)
    assert c.sources["time_utc"] == "XMP sensefly:UTCTime"


@STYLES
def test_the_camera_namespace_alone_gives_the_same_attitude(as_elements: bool) -> None:
    both = picture("senseFly", "S.O.D.A.", xmp=sensefly(), as_elements=as_elements)
    alone = picture("senseFly", "S.O.D.A.", xmp={SENSEFLY_CAMERA: sensefly()[SENSEFLY_CAMERA]}, as_elements=as_elements)
    angles = [(c.yaw_deg, c.pitch_deg, c.roll_deg, c.airframe_yaw_deg) for c in (both, alone)]
    assert angles[0] == pytest.approx(angles[1])


# Pix4D's vocabulary, and plain cameras


@STYLES
def test_pix4ds_vocabulary_gives_attitude_accuracy_and_lens(as_elements: bool) -> None:
    xmp: Properties = {
        PIX4D: {
            "Yaw": "30.0", "Pitch": "5.0", "Roll": "-1.0", "GPSXYAccuracy": "0.02", "GPSZAccuracy": "0.04",
            "PerspectiveFocalLength": "4.0", "PrincipalPoint": ("2.05", "1.48"),
            "PerspectiveDistortion": ("-0.1", "0.05", "-0.01", "0.001", "-0.002"),
        }
    }  # fmt: skip
    c = picture(
        "Sentera", "6X", xmp=xmp, as_elements=as_elements, exif={0xA20E: rational(100.0), 0xA210: 4},
        gps=gps(34.8335, -2.3331, 1580.0),
    )  # fmt: skip
    assert c.airframe_yaw_deg == 30.0
    assert c.sources["yaw_deg"] == "XMP pix4d-camera airframe, camera looking down"
    assert (c.horizontal_accuracy_m, c.vertical_accuracy_m) == (0.02, 0.04)
    assert c.camera is not None
    assert c.camera.focal_length_px == pytest.approx(400.0)
    assert c.camera.principal_point_px == pytest.approx((199.5 + 5.0, 149.5 - 2.0))
    assert c.camera.distortion == (-0.1, 0.05, 0.001, -0.002, -0.01)
    assert (c.altitude_msl_m, c.sources["altitude_msl_m"]) == (1580.0, "EXIF GPSAltitude")


def test_an_accuracy_of_a_kilometre_or_of_zero_is_none() -> None:
    for text in ("1000", "0"):
        c = picture("Sentera", "6X", xmp={PIX4D: {"GPSXYAccuracy": text, "GPSZAccuracy": text}})
        assert (c.horizontal_accuracy_m, c.vertical_accuracy_m) == (None, None)


def test_a_plain_camera_gives_what_exif_has() -> None:
    c = picture(
        "SONY", "ILCE-7RM4", gps=gps(34.8335, -2.3331, 1580.0) | {31: rational(3.5)},
        exif={0x9011: "+03:00", 0x9291: "250", 0x920A: rational(35.0), 0xA20E: rational(66.0), 0xA210: 4},
    )  # fmt: skip
    assert (c.longitude_deg, c.latitude_deg) == pytest.approx((34.8335, -2.3331), abs=1e-7)
    assert (c.altitude_msl_m, c.altitude_takeoff_m, c.yaw_deg) == (1580.0, None, None)
    assert (c.horizontal_accuracy_m, c.sources["horizontal_accuracy_m"]) == (3.5, "EXIF GPSHPositioningError")
    assert c.time_utc == datetime(2026, 7, 1, 6, 30, 15, 250000, tzinfo=UTC)
    assert c.camera_clock == datetime(2026, 7, 1, 9, 30, 15, 250000)
    assert c.camera is not None
    assert c.camera.focal_length_px == pytest.approx(35.0 * 66.0)
    assert c.unknown["yaw_deg"] == "no attitude in XMP"


def test_a_receiver_that_says_void_had_no_position() -> None:
    c = picture("SONY", "ILCE-7RM4", gps=gps(34.8335, -2.3331) | {9: "V"})
    assert c.longitude_deg is None
    assert c.unknown["longitude_deg"] == "EXIF GPSStatus says V: the receiver had no position"
    assert picture("SONY", "ILCE-7RM4", gps=gps(34.8335, -2.3331) | {9: "A"}).longitude_deg is not None
