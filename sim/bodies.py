"""Painting things seen from above: domes, shadows and animals as anti-aliased shapes on a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flightplan.frames import Floats
from sim.land import Things
from sim.noise import Reals
from sim.species import Species

SHADE = np.float32(0.42)


@dataclass(frozen=True)
class Place:
    """Where a thing is in a picture: its centre in pixels, and metres on its own axes per pixel (2, 2).

    `sun` is the unit vector to the sun on the thing's own axes (along, across, up); `shadow_px` is how far, in pixels,
    the shadow of a point one metre up falls from it.
    """

    centre_px: tuple[float, float]
    metres_per_px: Floats
    sun: tuple[float, float, float]
    shadow_px: tuple[float, float]


@dataclass(frozen=True)
class Mask:
    """Coverage from 0 to 1 of a patch of pixels whose top-left one is `left`, `top`; it may reach past the picture."""

    left: int
    top: int
    coverage: Reals

    @property
    def middle_px(self) -> tuple[float, float]:
        """The middle of the patch, to a pixel that of the body."""
        height, width = self.coverage.shape
        return self.left + width / 2, self.top + height / 2


def shape_of_thing(things: Things, row: int, place: Place) -> tuple[Mask, Reals]:
    """Coverage and light of one dome of clutter: a lumpy ellipse, lit from the sun's side."""
    a, b = things.half_axes_m[row]
    lumps = things.clutter.lumpiness
    left, top, u, v = _patch(place, a * (1 + lumps), b * (1 + lumps))
    radius = np.hypot(u / np.float32(a), v / np.float32(b))
    if lumps:
        angle = np.arctan2(v, u)
        phase = np.float32(things.phase[row])
        radius /= 1 + np.float32(lumps) * (0.6 * np.sin(3 * angle + phase) + 0.4 * np.sin(7 * angle - 2 * phase))
    blur = _pixel_m(place) / np.float32(min(a, b))
    coverage = np.clip(0.5 + (1 - radius) / blur, 0.0, 1.0)
    return Mask(left, top, coverage), _dome_light(u / np.float32(a), v / np.float32(b), place.sun)


def shadow_of_thing(things: Things, row: int, place: Place) -> Mask:
    """Coverage of the shadow of one dome on flat ground."""
    a, b = things.half_axes_m[row]
    return _shadow(place, ((0.0, 0.0, float(a), float(b)),), float(things.height_m[row]))


def shape_of_animal(species: Species, size: float, place: Place) -> tuple[Mask, Reals]:
    """Coverage and colour (…, 3) of an animal seen from above, heading along its first axis."""
    length, width = species.length_m * size, species.width_m * size
    mask, light = _SHAPES[species.shape](length, width, place, species.stripe_m)
    return mask, light[..., None] * np.array(species.coat, dtype=np.float32)


def shadow_of_animal(species: Species, size: float, place: Place) -> Mask:
    """Coverage of the shadow of an animal on flat ground: its trunk at three heights."""
    length, width, height = species.length_m * size, species.width_m * size, species.height_m * size
    body = ((-0.08 * length, 0.0, 0.36 * length, 0.5 * width), (0.33 * length, 0.0, 0.12 * length, 0.3 * width))
    return _shadow(place, body, height)


def blend(picture: Reals, mask: Mask, colour: Reals) -> None:
    """Paint `colour`, (3,) or (…, 3), over the picture where the mask covers it."""
    window, inner = _windows(picture, mask)
    if window is None:
        return
    share = mask.coverage[inner][..., None]
    target = colour[inner] if colour.ndim == 3 else colour
    picture[window] += share * (target - picture[window])


def darken(picture: Reals, mask: Mask, strength: float) -> None:
    """Multiply the picture down to `strength` where the mask covers it."""
    window, inner = _windows(picture, mask)
    if window is not None:
        picture[window] *= 1 - np.float32(1 - strength) * mask.coverage[inner][..., None]


def add_coverage(plane: Reals, mask: Mask) -> None:
    """Remember in a plane (H, W) what the mask hides."""
    window, inner = _windows(plane, mask)
    if window is not None:
        np.maximum(plane[window], mask.coverage[inner], out=plane[window])


def visible_part(plane: Reals, mask: Mask) -> tuple[float, tuple[float, float, float, float] | None]:
    """Share of a mask that is in the picture and not hidden by `plane`, and the box around that part.

    The box is (x_min, y_min, x_max, y_max), the picture's top-left pixel covering 0 to 1; None when nothing shows.
    """
    window, inner = _windows(plane, mask)
    if window is None:
        return 0.0, None
    shown = mask.coverage[inner] * (1 - plane[window])
    share = float(shown.sum() / max(float(mask.coverage.sum()), 1e-9))
    rows, columns = np.nonzero(shown > 0.4)
    if not len(rows):
        return share, None
    y, x = window[0].start, window[1].start
    return share, (
        float(x + columns.min()),
        float(y + rows.min()),
        float(x + columns.max() + 1),
        float(y + rows.max() + 1),
    )


def _elephant(length: float, width: float, place: Place, stripe_m: float) -> tuple[Mask, Reals]:
    left, top, u, v = _patch(place, 0.55 * length, 0.6 * width)
    px = _pixel_m(place)
    trunk_of_body = _ellipse(u, v, -0.10 * length, 0.0, 0.37 * length, 0.42 * width, px)
    head = _ellipse(u, v, 0.27 * length, 0.0, 0.13 * length, 0.25 * width, px)
    ears = np.maximum(
        _ellipse(u, v, 0.21 * length, 0.31 * width, 0.075 * length, 0.19 * width, px),
        _ellipse(u, v, 0.21 * length, -0.31 * width, 0.075 * length, 0.19 * width, px),
    )
    nose = _ellipse(u, v, 0.42 * length, 0.0, 0.09 * length, 0.07 * width, px)
    coverage = np.maximum(np.maximum(trunk_of_body, head), np.maximum(ears, nose))
    light = _dome_light(
        (u + np.float32(0.1 * length)) / np.float32(0.45 * length), v / np.float32(0.5 * width), place.sun
    )
    light = light * (1 - 0.16 * ears * (1 - head)) * (1 - 0.10 * nose)
    spine = np.exp(-((v / np.float32(0.10 * width)) ** 2)) * (u < 0.25 * length)
    light = light + np.float32(0.07) * spine
    return Mask(left, top, coverage), light


def _equid(length: float, width: float, place: Place, stripe_m: float) -> tuple[Mask, Reals]:
    left, top, u, v = _patch(place, 0.56 * length, 0.62 * width)
    px = _pixel_m(place)
    body = _ellipse(u, v, -0.13 * length, 0.0, 0.36 * length, 0.47 * width, px)
    neck = _ellipse(u, v, 0.24 * length, 0.0, 0.16 * length, 0.21 * width, px)
    head = _ellipse(u, v, 0.40 * length, 0.0, 0.11 * length, 0.17 * width, px)
    coverage = np.maximum(np.maximum(body, neck), head)
    light = _dome_light(
        (u + np.float32(0.1 * length)) / np.float32(0.5 * length), v / np.float32(0.5 * width), place.sun
    )
    if stripe_m:
        stripes = np.sin(np.float32(2 * np.pi / stripe_m) * u + np.float32(1.5) * np.abs(v))
        # Stripes finer than two pixels average out, as they do on a sensor.
        contrast = np.float32(0.34 * np.clip((stripe_m / px - 1.0) / 2.0, 0.12, 1.0))
        light = light * (1 + contrast * stripes)
    mane = np.exp(-((v / np.float32(0.09 * width)) ** 2)) * np.maximum(neck, 0.5 * body)
    light = light * (1 - 0.30 * mane) * (1 - 0.35 * head * (1 - neck))
    return Mask(left, top, coverage), light


def _bovid(length: float, width: float, place: Place, stripe_m: float) -> tuple[Mask, Reals]:
    left, top, u, v = _patch(place, 0.56 * length, 0.62 * width)
    px = _pixel_m(place)
    body = _ellipse(u, v, -0.08 * length, 0.0, 0.40 * length, 0.46 * width, px)
    shoulder = _ellipse(u, v, 0.14 * length, 0.0, 0.17 * length, 0.50 * width, px)
    head = _ellipse(u, v, 0.40 * length, 0.0, 0.11 * length, 0.20 * width, px)
    horns = np.maximum(
        _ellipse(u, v, 0.37 * length, 0.25 * width, 0.03 * length, 0.18 * width, px),
        _ellipse(u, v, 0.37 * length, -0.25 * width, 0.03 * length, 0.18 * width, px),
    )
    coverage = np.maximum(np.maximum(body, shoulder), np.maximum(head, horns))
    light = _dome_light(
        (u + np.float32(0.05 * length)) / np.float32(0.5 * length), v / np.float32(0.5 * width), place.sun
    )
    light = light * (1 - np.float32(0.25) * head * (1 - shoulder)) * (1 + np.float32(0.35) * horns * (1 - head))
    return Mask(left, top, coverage), light


def _bird(length: float, width: float, place: Place, stripe_m: float) -> tuple[Mask, Reals]:
    left, top, u, v = _patch(place, 0.56 * length, 0.62 * width)
    px = _pixel_m(place)
    body = _ellipse(u, v, -0.12 * length, 0.0, 0.32 * length, 0.48 * width, px)
    tail = _ellipse(u, v, -0.42 * length, 0.0, 0.09 * length, 0.16 * width, px)
    bill = _ellipse(u, v, 0.33 * length, 0.0, 0.19 * length, 0.11 * width, px)
    coverage = np.maximum(np.maximum(body, tail), bill)
    light = _dome_light(
        (u + np.float32(0.1 * length)) / np.float32(0.5 * length), v / np.float32(0.5 * width), place.sun
    )
    light = light * (1 - np.float32(0.30) * tail * (1 - body)) * (1 - np.float32(0.15) * bill * (1 - body))
    return Mask(left, top, coverage), light


_SHAPES: dict[str, Callable[[float, float, Place, float], tuple[Mask, Reals]]] = {
    "elephant": _elephant,
    "equid": _equid,
    "bovid": _bovid,
    "bird": _bird,
}


def _shadow(place: Place, ellipses: tuple[tuple[float, float, float, float], ...], height_m: float) -> Mask:
    """Silhouettes at three heights, each moved by its height along the sun: what a rounded body throws."""
    fall = np.asarray(place.metres_per_px) @ np.asarray(place.shadow_px)
    reach_u = max(abs(c) + a for c, _, a, _ in ellipses)
    reach_v = max(abs(c) + b for _, c, _, b in ellipses)
    middle = fall * height_m / 2
    x, y = place.centre_px
    centre = (x + place.shadow_px[0] * height_m / 2, y + place.shadow_px[1] * height_m / 2)
    moved = Place(centre, place.metres_per_px, place.sun, place.shadow_px)
    left, top, u, v = _patch(moved, reach_u + abs(middle[0]), reach_v + abs(middle[1]))
    px = _pixel_m(place) * 2
    coverage = np.zeros(u.shape, dtype=np.float32)
    for part in (-0.7, -0.1, 0.55):
        for cu, cv, a, b in ellipses:
            np.maximum(coverage, _ellipse(u, v, cu + part * middle[0], cv + part * middle[1], a, b, px), out=coverage)
    return Mask(left, top, coverage)


def _ellipse(u: Reals, v: Reals, cu: float, cv: float, a: float, b: float, px: float) -> Reals:
    """Coverage of an ellipse; the edge is as soft as one pixel, by the distance to first order."""
    x, y = (u - np.float32(cu)) / np.float32(a), (v - np.float32(cv)) / np.float32(b)
    level = np.sqrt(x * x + y * y) + np.float32(1e-6)
    slope = np.sqrt((x / np.float32(a)) ** 2 + (y / np.float32(b)) ** 2) / level + np.float32(1e-6)
    result: Reals = np.clip(np.float32(0.5) + (1 - level) / (slope * np.float32(px)), 0.0, 1.0)
    return result


def _dome_light(x: Reals, y: Reals, sun: tuple[float, float, float]) -> Reals:
    """Lambert on half an ellipsoid, over a floor of skylight."""
    up = np.sqrt(np.clip(1 - 0.8 * (x * x + y * y), 0.05, 1.0))
    facing = np.float32(0.75 * sun[0]) * x + np.float32(0.75 * sun[1]) * y + np.float32(sun[2]) * up
    result: Reals = np.float32(0.5) + np.float32(0.62) * np.clip(facing, 0.0, None)
    return result


def _patch(place: Place, reach_u_m: float, reach_v_m: float) -> tuple[int, int, Reals, Reals]:
    """The pixels that a shape can touch: left, top, and each pixel's place on the shape's own axes in metres."""
    to_m = place.metres_per_px
    to_px = np.linalg.inv(to_m)
    reach_x = abs(to_px[0, 0]) * reach_u_m + abs(to_px[0, 1]) * reach_v_m + 2
    reach_y = abs(to_px[1, 0]) * reach_u_m + abs(to_px[1, 1]) * reach_v_m + 2
    x, y = place.centre_px
    left, top = int(np.floor(x - reach_x)), int(np.floor(y - reach_y))
    dx = np.arange(left, int(np.ceil(x + reach_x)) + 1, dtype=np.float32) - np.float32(x)
    dy = np.arange(top, int(np.ceil(y + reach_y)) + 1, dtype=np.float32) - np.float32(y)
    m = to_m.astype(np.float32)
    u = m[0, 0] * dx[None, :] + m[0, 1] * dy[:, None]
    v = m[1, 0] * dx[None, :] + m[1, 1] * dy[:, None]
    return left, top, u, v


def _pixel_m(place: Place) -> float:
    m = place.metres_per_px
    return float(np.sqrt(abs(m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])))


def _windows(plane: Reals, mask: Mask) -> tuple[tuple[slice, slice] | None, tuple[slice, slice]]:
    height, width = mask.coverage.shape
    top, left = max(mask.top, 0), max(mask.left, 0)
    bottom, right = min(mask.top + height, plane.shape[0]), min(mask.left + width, plane.shape[1])
    if bottom <= top or right <= left:
        return None, (slice(0, 0), slice(0, 0))
    inner = (slice(top - mask.top, bottom - mask.top), slice(left - mask.left, right - mask.left))
    return (slice(top, bottom), slice(left, right)), inner
