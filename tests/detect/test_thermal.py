"""Pictures of heat are known as such, and are pictures like any other."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detect.captures import capture_of
from detect.images import open_raster
from detect.thermal import THERMAL, radiometric_segments
from detect.tiles import TilePolicy, read_tile

XMP = (
    b"http://ns.adobe.com/xap/1.0/\0"
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:ImageSource="%s"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2, "big") + content


def picture(*segments: bytes, model: str | None = None, size: tuple[int, int] = (640, 512)) -> bytes:
    exif = Image.Exif()
    if model:
        exif[271], exif[272] = "DJI", model
        exif.get_ifd(0x8769)[37386] = 9.1
    grey = np.random.default_rng(1).integers(0, 255, size[::-1], dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", exif=exif, extra=b"".join(segments))
    return file.getvalue()


def test_a_dji_radiometric_jpeg_is_thermal_and_has_its_own_lens() -> None:
    raw = [segment(0xE3, b"\x01" * 65_000) for _ in range(10)]
    data = picture(segment(0xE1, XMP % b"InfraredCamera"), *raw, model="M3T")
    capture = capture_of(Path("DJI_0001_T.JPG"), data)
    assert capture.spectrum == THERMAL
    assert capture.sources["spectrum"] == "XMP drone-dji:ImageSource; temperatures in DJI's APP3 segments"
    # 9.1 mm over pixels of 12 µm, and not the wide camera's of the same drone.
    assert capture.camera.focal_length_px == pytest.approx(9.1 / 0.012, rel=1e-3)


def test_a_flir_radiometric_jpeg_is_thermal_by_its_segments() -> None:
    data = picture(segment(0xE1, b"FLIR\0\x01\x00\x01" + b"\x07" * 5000))
    capture = capture_of(Path("a.jpg"), data)
    assert (capture.spectrum, capture.sources["spectrum"]) == (THERMAL, "FLIR's APP1 segments")


@pytest.mark.parametrize("source", [b"WideCamera", b"ZoomCamera"])
def test_a_picture_of_light_is_not_said_to_be_thermal(source: bytes) -> None:
    capture = capture_of(Path("a.jpg"), picture(segment(0xE1, XMP % source), segment(0xE3, b"small")))
    assert capture.spectrum is None
    assert "spectrum" not in capture.sources


def test_a_radiometric_jpeg_is_looked_at_as_the_picture_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(segment(0xE1, b"FLIR\0\x01\x00\x01" + b"\x07" * 5000)))
    with open_raster(path) as raster:
        assert (raster.width_px, raster.height_px) == (640, 512)
        (tile, *_) = TilePolicy().cut(raster.width_px, raster.height_px)
        pixels = read_tile(raster, tile)
    assert pixels.shape[-1] == 3
    assert np.array_equal(pixels[..., 0], pixels[..., 2]), "a grey picture has three like bands"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe1\x00\x00", b"\x89PNG", b"\xff\xd8" + b"\xff\xe3\x00\x02" * 5000]
)
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    assert radiometric_segments(data) is None
