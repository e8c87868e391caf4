"""Blurred, badly exposed and incomplete pictures are told from a reduced decode, and good ones are left in peace."""

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

from detect.captures import Capture, find_images
from detect.findings import PoseFinding
from detect.picture_checks import (
    PICTURE_BLURRED,
    PICTURE_CUT_SHORT,
    PICTURE_EXPOSURE,
    PICTURE_GREY,
    check_pictures,
    look_at,
)
from flightplan.frames import Floats


def scene(seed: int, width: int = 640, height: int = 480) -> Floats:
    """Detail at every scale, as ground has it."""
    rng = np.random.default_rng([seed, 8])
    rough = [scipy.ndimage.gaussian_filter(rng.normal(size=(height, width)), s) * s for s in (0.7, 2.0, 6.0, 20.0)]
    return np.asarray(120.0 + 35.0 * sum(rough) / np.std(sum(rough)))


def jpeg(levels: Floats, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    grey = np.clip(levels, 0, 255).astype(np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def check(pictures: list[bytes]) -> list[PoseFinding]:
    captures = [Capture(Path(f"card/IMG_{n:04d}.JPG"), str(n), 640, 480) for n in range(len(pictures))]
    looks = {str(n): look_at(c.path, data) for n, (c, data) in enumerate(zip(captures, pictures, strict=True))}
    return check_pictures(captures, {h: look for h, look in looks.items() if look is not None})


GOOD = [jpeg(scene(n)) for n in range(8)]


def test_good_pictures_are_left_in_peace() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_a_picture_smeared_over_eight_pixels_in_any_direction_is_named(angle: int) -> None:
    turned = scipy.ndimage.rotate(scene(99, 1000, 1000), angle, reshape=False, order=1, mode="reflect")
    smeared = scipy.ndimage.uniform_filter1d(turned, 8, axis=1)
    back = scipy.ndimage.rotate(smeared, -angle, reshape=False, order=1, mode="reflect")[260:740, 180:820]
    findings = check([*GOOD, jpeg(back)])
    assert [(f.kind, f.captures) for f in findings] == [(PICTURE_BLURRED, ("8",))]


def test_a_picture_that_is_all_alone_is_blurred_by_what_any_sharp_picture_has() -> None:
    assert [f.kind for f in check([jpeg(scipy.ndimage.uniform_filter1d(scene(1), 12, axis=0))])] == [PICTURE_BLURRED]
    assert check([jpeg(scene(1))]) == []


def test_still_water_is_not_called_blurred() -> None:
    water = 90.0 + np.random.default_rng([3, 1]).normal(0, 0.3, (480, 640))
    assert check([*GOOD, jpeg(water)]) == []


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (lambda s: s * 3.0, "a third of the picture is white"),
        (lambda s: s * 0.03, "most of the picture is black"),
        (lambda s: 20.0 + s * 0.25, "far darker than the others"),
    ],
)
def test_exposures_that_hide_animals_are_named(spoiled, words: str) -> None:
    findings = check([*GOOD, jpeg(spoiled(scene(50)))])
    assert [(f.kind, f.captures) for f in findings] == [(PICTURE_EXPOSURE, ("8",))]
    assert words in findings[0].text


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_picture_cut_short_is_named_also_where_the_card_keeps_its_size(share: float, padding: bytes) -> None:
    whole = GOOD[0]
    kept = int(share * len(whole))
    findings = check([*GOOD[1:], whole[:kept] + padding * (len(whole) - kept)])
    assert [(f.kind, f.captures) for f in findings] == [(PICTURE_CUT_SHORT, ("7",))]


def test_a_picture_that_ends_in_grey_is_cut_short_even_if_it_says_that_it_ends() -> None:
    whole = GOOD[0]
    findings = check([*GOOD[1:], whole[: len(whole) // 2] + b"\xff\xd9"])
    assert [(f.kind, f.captures) for f in findings] == [(PICTURE_CUT_SHORT, ("7",))]


def test_rows_that_were_painted_grey_by_another_program_are_named() -> None:
    painted = scene(0)
    painted[400:] = 128.0
    findings = check([*GOOD[1:], jpeg(painted)])
    assert [(f.kind, f.captures) for f in findings] == [(PICTURE_GREY, ("7",))]
    assert "17% of the picture" in findings[0].text


def test_a_large_picture_is_looked_at_in_little_memory() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (9000, 6000), (90, 120, 60)).save(stream, "JPEG")
    look = look_at(Path("large.jpg"), stream.getvalue())
    assert look is not None
    assert look.scale == 4
    assert look.sharpness is None  # one colour has nothing to be sharp


def test_what_is_no_picture_is_not_looked_at() -> None:
    assert look_at(Path("x.jpg"), b"no picture at all") is None
    assert look_at(Path("x.jpg"), b"") is None


def test_real_pictures_are_sharp_and_the_same_ones_smeared_are_not(shared_data: Path) -> None:
    for path in find_images([shared_data / "imagery" / name for name in ("brighton_dji", "seneca_sensefly")])[0][::4]:
        look = look_at(path, path.read_bytes())
        assert look is not None
        assert look.sharpness is not None
        with Image.open(path) as image:
            smeared = scipy.ndimage.uniform_filter1d(np.asarray(image.convert("L")), 10, axis=1)
        stream = io.BytesIO()
        Image.fromarray(smeared).save(stream, "JPEG", quality=93)
        blurred = look_at(path, stream.getvalue())
        assert blurred is not None
        assert blurred.sharpness is not None
        assert look.sharpness > 0.45 > 0.36 > blurred.sharpness
