"""Tags that cameras get wrong never become a position, a height, an attitude or a time."""

import io
import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from detect.captures import Capture, find_images, read_capture
from detect.metadata import parse_xmp, read_metadata
from detect.poses import looking_down, rotation_matrix
from flightplan.errors import CaptureError

EXIF, GPS = 0x8769, 0x8825
DJI = "http://www.dji.com/drone-dji/1.0/"


def xmp(properties: dict[str, str], namespace: str = DJI, *, as_elements: bool = False) -> bytes:
    if as_elements:
        body = ">" + "".join(f"<n:{name}>{value}</n:{name}>" for name, value in properties.items())
    else:
        body = "".join(f' n:{name}="{value}"' for name, value in properties.items()) + ">"
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:n="{namespace}"{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def rational(value: float | tuple[int, int]) -> TiffImagePlugin.IFDRational:
    if isinstance(value, tuple):
        return TiffImagePlugin.IFDRational(*value)
    fraction = Fraction(value).limit_denominator(1_000_000)
    return TiffImagePlugin.IFDRational(fraction.numerator, fraction.denominator)


def gps(longitude: float = 34.8335, latitude: float = -2.3331, **more: Any) -> dict[int, Any]:
    def sexagesimal(degrees: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
        whole, rest = divmod(abs(degrees), 1.0)
        minutes, rest = divmod(rest * 60.0, 1.0)
        return rational(whole), rational(minutes), rational(rest * 60.0)

    tags = {1: "N" if latitude >= 0 else "S", 2: sexagesimal(latitude)}
    tags |= {3: "E" if longitude >= 0 else "W", 4: sexagesimal(longitude)}
    return tags | {int(tag[1:]): value for tag, value in more.items()}


@pytest.fixture
def photo(tmp_path: Path):
    """Write a small JPEG with these tags and read its capture."""

    def write(
        *,
        main: dict[int, Any] | None = None,
        exif: dict[int, Any] | None = None,
        gps: dict[int, Any] | None = None,
        xmp: bytes | None = None,
        size: tuple[int, int] = (64, 48),
        **options: Any,
    ) -> Capture:
        tags = Image.Exif()
        tags.update(main or {})
        tags.get_ifd(EXIF).update(exif or {})
        tags.get_ifd(GPS).update(gps or {})
        path = tmp_path / "photo.jpg"
        Image.new("RGB", size, (90, 120, 60)).save(path, exif=tags, **({"xmp": xmp} if xmp else {}))
        return read_capture(path, **options)

    return write


# Position


def test_a_position_south_and_east_keeps_its_signs(photo) -> None:
    capture = photo(gps=gps(34.8335, -2.3331))
    assert (capture.longitude_deg, capture.latitude_deg) == pytest.approx((34.8335, -2.3331), abs=1e-7)
    assert capture.sources["longitude_deg"] == "EXIF"


def test_a_position_of_zero_zero_is_unknown(photo) -> None:
    capture = photo(gps=gps(0.0, 0.0))
    assert capture.longitude_deg is None
    assert "0, 0" in capture.unknown["longitude_deg"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({2: (rational((0, 0)), rational(0.0), rational(0.0))}, "GPSLatitude cannot be read"),
        ({1: ""}, "names no hemisphere"),
        ({3: "X"}, "names no hemisphere"),
        ({2: (rational(95.0), rational(0.0), rational(0.0))}, "not on Earth"),
    ],
)
def test_a_position_that_cannot_be_is_unknown_with_its_reason(photo, wrong: dict[int, Any], reason: str) -> None:
    capture = photo(gps=gps() | wrong)
    assert capture.latitude_deg is None
    assert reason in capture.unknown["latitude_deg"]


def test_a_picture_without_gps_says_so(photo) -> None:
    capture = photo()
    assert capture.longitude_deg is None
    assert capture.unknown["longitude_deg"] == "no GPS position in EXIF or XMP"


def test_an_empty_maker_position_leaves_the_one_in_exif(photo) -> None:
    capture = photo(gps=gps(), xmp=xmp({"GpsLatitude": "0.0", "GpsLongitude": "0.0"}))
    assert capture.latitude_deg == pytest.approx(-2.3331, abs=1e-7)
    assert capture.sources["latitude_deg"] == "EXIF"


# Heights


def test_an_rtk_altitude_is_ellipsoidal_and_a_barometric_one_is_not(photo) -> None:
    rtk = photo(xmp=xmp({"AbsoluteAltitude": "+1480.25", "RelativeAltitude": "+80.00", "RtkFlag": "50"}))
    assert (rtk.altitude_ellipsoid_m, rtk.altitude_msl_m, rtk.altitude_takeoff_m) == (1480.25, None, 80.0)
    plain = photo(xmp=xmp({"AbsoluteAltitude": "+1480.25", "RtkFlag": "0"}))
    assert (plain.altitude_ellipsoid_m, plain.altitude_msl_m, plain.altitude_takeoff_m) == (None, 1480.25, None)
    assert any("25 m" in finding for finding in plain.findings)


def test_an_altitude_of_exactly_zero_is_unknown(photo) -> None:
    capture = photo(gps=gps(t5=b"\0", t6=rational(0.0)))
    assert capture.altitude_msl_m is None
    assert "0, which cameras write for unknown" in capture.unknown["altitude_msl_m"]


def test_a_relative_altitude_of_zero_is_a_height(photo) -> None:
    assert photo(xmp=xmp({"RelativeAltitude": "+0.00"})).altitude_takeoff_m == 0.0


@pytest.mark.parametrize(
    ("reference", "msl", "ellipsoid"),
    [(b"\0", 250.0, None), (b"\1", -250.0, None), (b"\2", None, 250.0), (None, 250.0, None)],
)
def test_the_altitude_reference_decides_the_datum(
    photo, reference: bytes | None, msl: float | None, ellipsoid: float | None
) -> None:
    capture = photo(gps=gps(t6=rational(250.0)) | ({5: reference} if reference is not None else {}))
    assert (capture.altitude_msl_m, capture.altitude_ellipsoid_m) == (msl, ellipsoid)
    assert bool(capture.findings) == (reference in (b"\1", None))


# Attitude


@pytest.mark.parametrize("as_elements", [False, True])
def test_the_gimbal_is_not_the_airframe(photo, as_elements: bool) -> None:
    angles = {"GimbalYawDegree": "+20.50", "GimbalPitchDegree": "-90.00", "GimbalRollDegree": "+0.00"}
    body = {"FlightYawDegree": "+0.10", "FlightPitchDegree": "-7.00", "FlightRollDegree": "+1.00"}
    capture = photo(xmp=xmp(angles | body, as_elements=as_elements))
    assert (capture.yaw_deg, capture.pitch_deg, capture.roll_deg) == (20.5, -90.0, 0.0)
    assert capture.airframe_yaw_deg == 0.1


def test_angles_that_are_all_zero_were_never_written(photo) -> None:
    zeros = {f"Gimbal{name}Degree": "+0.00" for name in ("Yaw", "Pitch", "Roll")}
    capture = photo(xmp=xmp(zeros))
    assert capture.yaw_deg is None
    assert "exactly 0" in capture.unknown["yaw_deg"]


def test_two_angles_of_three_are_no_attitude(photo) -> None:
    capture = photo(xmp=xmp({"GimbalYawDegree": "10", "GimbalPitchDegree": "-90"}))
    assert capture.yaw_deg is None
    assert "GimbalRollDegree" in capture.unknown["yaw_deg"]


def test_the_airframe_of_a_gimballed_camera_never_stands_in_for_it(photo) -> None:
    capture = photo(xmp=xmp({"FlightYawDegree": "5", "FlightPitchDegree": "-7", "FlightRollDegree": "1"}))
    assert capture.yaw_deg is None
    assert capture.airframe_yaw_deg == 5.0


@pytest.mark.parametrize(
    ("namespace", "names"),
    [
        ("http://www.parrot.com/drone-parrot/1.0/", ("CameraYawDegree", "CameraPitchDegree", "CameraRollDegree")),
    ],
)
def test_parrot_writes_the_cameras_own_angles(photo, namespace: str, names: tuple[str, ...]) -> None:
    capture = photo(xmp=xmp(dict(zip(names, ("12", "-88", "1"), strict=True)), namespace))
    assert (capture.yaw_deg, capture.pitch_deg, capture.roll_deg) == (12.0, -88.0, 1.0)


def test_the_two_sensefly_namespaces_describe_one_attitude(photo) -> None:
    body = {"Heading": "40", "PitchAngle": "8", "RollAngle": "-2"}
    one = photo(xmp=xmp(body, "http://ns.sensefly.com/sensefly/1.0/", as_elements=True))
    other = photo(xmp=xmp({"Yaw": "40", "Pitch": "8", "Roll": "2"}, "http://ns.sensefly.com/Camera/1.0/"))
    assert one.yaw_deg is not None
    angles = [(c.yaw_deg, c.pitch_deg, c.roll_deg) for c in (one, other)]
    assert angles[0] == pytest.approx(angles[1])
    # The nose is 8 degrees up, so the camera looks ahead of straight down by that, and a little to the right.
    forward = rotation_matrix(*angles[0])[:, 0]
    ahead = np.array([math.cos(math.radians(40)), math.sin(math.radians(40)), 0.0])
    assert forward @ ahead == pytest.approx(math.sin(math.radians(8)) * math.cos(math.radians(2)), abs=1e-9)


def test_pix4ds_vocabulary_looks_down_at_pitch_zero(photo) -> None:
    capture = photo(xmp=xmp({"Yaw": "30", "Pitch": "0", "Roll": "0"}, "http://pix4d.com/camera/1.0/"))
    assert (capture.yaw_deg, capture.pitch_deg, capture.roll_deg) == pytest.approx((30.0, -90.0, 0.0), abs=1e-6)


@given(st.floats(-180, 180), st.floats(-60, 60), st.floats(-60, 60))
def test_a_camera_looking_down_turns_with_its_airframe(heading: float, pitch: float, roll: float) -> None:
    angles = looking_down(heading, pitch, roll)
    airframe = rotation_matrix(heading, pitch, roll)
    camera = rotation_matrix(*angles)
    # Its axis is the airframe's down, the top of its picture the nose, its right the right wing.
    assert np.allclose(camera[:, 0], airframe[:, 2], atol=1e-7)
    assert np.allclose(-camera[:, 2], airframe[:, 0], atol=1e-7)
    assert np.allclose(camera[:, 1], airframe[:, 1], atol=1e-7)


@pytest.mark.parametrize(("orientation", "roll"), [(1, 2.0), (3, -178.0), (6, -88.0), (8, 92.0)])
def test_a_turned_picture_is_a_rolled_camera(photo, orientation: int, roll: float) -> None:
    angles = {"GimbalYawDegree": "45", "GimbalPitchDegree": "-90", "GimbalRollDegree": "2"}
    capture = photo(main={0x0112: orientation}, xmp=xmp(angles))
    assert capture.roll_deg == pytest.approx(roll)
    assert (capture.width_px, capture.height_px) == ((48, 64) if orientation >= 5 else (64, 48))


def test_a_mirrored_picture_has_no_attitude(photo) -> None:
    capture = photo(main={0x0112: 2}, xmp=xmp({f"Gimbal{n}Degree": "5" for n in ("Yaw", "Pitch", "Roll")}))
    assert capture.yaw_deg is None
    assert "mirrors" in capture.unknown["yaw_deg"]


# Time


def test_a_written_zone_makes_the_time_exact_to_the_millisecond(photo) -> None:
    capture = photo(exif={0x9003: "2026:07:01 09:30:15", 0x9291: "125", 0x9011: "+03:00"})
    assert capture.time_utc == datetime(2026, 7, 1, 6, 30, 15, 125000, tzinfo=UTC)
    assert capture.findings == ()


def test_without_a_zone_the_clock_is_taken_as_utc_and_the_capture_says_so(photo) -> None:
    capture = photo(exif={0x9003: "2026:07:01 09:30:15"})
    assert capture.time_utc == datetime(2026, 7, 1, 9, 30, 15, tzinfo=UTC)
    assert any("taken as UTC" in finding for finding in capture.findings)


def test_a_zone_that_is_told_is_used_where_none_is_written(photo) -> None:
    capture = photo(exif={0x9003: "2026:07:01 09:30:15"}, clock_utc_offset=timedelta(hours=3))
    assert capture.time_utc == datetime(2026, 7, 1, 6, 30, 15, tzinfo=UTC)
    assert capture.sources["time_utc"] == "EXIF, clock said to be +3 h from UTC"


def test_the_gps_time_tells_the_zone_of_the_cameras_clock(photo) -> None:
    stamp = {7: (rational(6.0), rational(30.0), rational(14.0)), 29: "2026:07:01"}
    capture = photo(exif={0x9003: "2026:07:01 09:30:15", 0x9291: "5"}, gps=gps() | stamp)
    assert capture.time_utc == datetime(2026, 7, 1, 6, 30, 15, 500000, tzinfo=UTC)


def test_a_clock_that_was_reset_gives_no_time(photo) -> None:
    capture = photo(exif={0x9003: "1980:01:01 00:00:00"})
    assert capture.time_utc is None
    assert capture.unknown["time_utc"] == "the camera's clock was reset"


@pytest.mark.parametrize("text", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2026-07-01", "noon"])
def test_a_time_that_is_none_is_unknown(photo, text: str) -> None:
    assert photo(exif={0x9003: text}).time_utc is None


# Camera


def test_dewarp_data_gives_focal_length_centre_and_distortion(photo) -> None:
    data = "2019-09-06;3678.870000,3671.840000,10.100000,27.290000,-0.268652,0.114663,0.000015,-0.000046,-0.035026"
    dewarped = xmp({"DewarpData": data, "DewarpFlag": "0"})
    capture = photo(xmp=dewarped, size=(5472, 3648))
    assert capture.camera is not None
    assert (capture.camera.focal_length_px, capture.camera.focal_length_y_px) == (3678.87, 3671.84)
    assert capture.camera.principal_point_px == pytest.approx((2735.5 + 10.1, 1823.5 + 27.29))
    assert capture.camera.distortion == (-0.268652, 0.114663, 0.000015, -0.000046, -0.035026)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_s_lens_bends_the_same_things(photo, orientation: int) -> None:
    """Where a stored pixel is seen, its ray turned along with the picture is the ray that the seen camera has there."""
    data = "2019-09-06;3678.87,3671.84,10.1,27.29,-0.268652,0.114663,0.0015,-0.0046,-0.035026"
    packet = xmp({"DewarpData": data, "DewarpFlag": "0"})
    stored, seen = (photo(xmp=packet, size=(547, 365), main={0x0112: o}).camera for o in (1, orientation))
    assert stored is not None
    assert seen is not None
    pixels = np.random.default_rng([orientation]).uniform([0, 0], [546, 364], (30, 2))
    turn = {
        1: [[1, 0], [0, 1]], 2: [[-1, 0], [0, 1]], 3: [[-1, 0], [0, -1]], 4: [[1, 0], [0, -1]],
        5: [[0, 1], [1, 0]], 6: [[0, -1], [1, 0]], 7: [[0, -1], [-1, 0]], 8: [[0, 1], [-1, 0]],
    }[orientation]  # fmt: skip
    there = (pixels - [273, 182]) @ np.array(turn).T + [(seen.image_width_px - 1) / 2, (seen.image_height_px - 1) / 2]
    before, after = stored.rays(pixels), seen.rays(there)
    assert np.isfinite(before).all()
    assert after[:, 1:] == pytest.approx(before[:, 1:] @ np.array(turn).T, abs=1e-9)


def test_a_picture_straightened_in_the_camera_has_no_distortion_left(photo) -> None:
    data = "2019-09-06;3678.87,3671.84,10.1,27.29,-0.268652,0.114663,0.000015,-0.000046,-0.035026"
    capture = photo(xmp=xmp({"DewarpData": data, "DewarpFlag": "1"}), size=(5472, 3648))
    assert capture.camera is not None
    assert capture.camera.distortion is None


def test_the_35_mm_equivalent_is_a_last_resort_and_says_so(photo) -> None:
    capture = photo(exif={0xA405: 24}, size=(600, 400))
    assert capture.camera is not None
    assert capture.camera.focal_length_px == pytest.approx(400.0, rel=1e-6)
    assert "about 5 %" in capture.sources["camera"]


def test_a_rational_of_zero_over_zero_is_no_focal_length(photo) -> None:
    capture = photo(exif={0x920A: rational((0, 0)), 0xA20E: rational(3000.0), 0xA210: 2})
    assert capture.camera is None
    assert "no focal length" in capture.unknown["camera"]


# Files


def test_damaged_xml_is_named_and_the_rest_is_read(photo) -> None:
    capture = photo(gps=gps(), xmp=b"<x:xmpmeta><unclosed>")
    assert capture.longitude_deg is not None
    assert any("not well-formed" in finding for finding in capture.findings)


def test_entities_in_xmp_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    flaws: list[str] = []
    assert parse_xmp(bomb, flaws) == {}
    assert len(flaws) == 1


def test_an_xmp_packet_without_end_is_not_read() -> None:
    flaws: list[str] = []
    assert parse_xmp(b"<x>" + b" " * 2_000_000, flaws) == {}
    assert "over the limit" in flaws[0]


@given(st.binary(max_size=400))
def test_no_bytes_in_xmp_do_more_than_leave_it_unread(packet: bytes) -> None:
    flaws: list[str] = []
    assert isinstance(parse_xmp(packet, flaws), dict)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_header_with_flipped_bytes_is_read_or_refused_never_a_crash(seed: int, flips: int) -> None:
    tags = Image.Exif()
    tags.get_ifd(GPS).update(gps())
    tags.get_ifd(EXIF).update({0x9003: "2026:07:01 09:30:15"})
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG", exif=tags, xmp=xmp({"RelativeAltitude": "+80"}))
    data = bytearray(stream.getvalue())
    rng = np.random.default_rng(seed)
    for at in rng.integers(2, 700, flips):
        data[at] = rng.integers(0, 256)
    try:
        metadata = read_metadata(Path("flipped.jpg"), bytes(data))
    except CaptureError:
        return
    assert metadata.width_px >= 0


def test_the_same_bytes_under_two_names_are_one_capture(photo, tmp_path: Path) -> None:
    first = photo(gps=gps())
    copy = tmp_path / "other.jpg"
    copy.write_bytes(first.path.read_bytes())
    assert read_capture(copy).content_hash == first.content_hash


def test_folders_are_searched_in_order_and_each_picture_once(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/10.jpg", "a/x.tif", ".hidden/y.jpg", "b/._2.JPG", "b/notes.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found, skips = find_images([tmp_path, tmp_path / "b" / "2.JPG", tmp_path / "b" / "notes.csv"])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a/x.tif", "b/10.jpg", "b/2.JPG"]
    assert [skip.item for skip in skips] == [str(tmp_path / "b" / "notes.csv")]


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file or folder"):
        find_images([tmp_path / "card"])
