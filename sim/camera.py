"""The simulated camera: what a picture taken from a pose shows of the world, and exactly which animals are in it.

The ground is that of the world's `relief`, else flat at height 0; what the land itself draws of hills only shades it.
The pixel in the top-left corner is centred on (0, 0) for rays (`flightplan.camera`) and covers 0 to 1 for boxes
(`detect.detections`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d

from flightplan.camera import Camera
from flightplan.errors import CameraError
from flightplan.frames import Floats
from sim import heat
from sim.animals import OUTSIDE
from sim.bodies import (
    SHADE,
    Mask,
    Place,
    add_coverage,
    blend,
    darken,
    shadow_of_animal,
    shadow_of_thing,
    shape_of_animal,
    shape_of_thing,
    visible_part,
)
from sim.land import CLUTTER, TILE_PX, TREE, Land, Things
from sim.noise import Reals, grain_tile
from sim.orthophoto import PhotographedLand
from sim.relief import Relief
from sim.view import Pose, View
from sim.world import Positions, World

_GRID_STEP_PX = 4
BODY_HEIGHT_SHARE = 0.55
"""Where the outline of a body is widest, as a share of its height: a picture shows it that high above the ground."""

_LARGEST_THING_M = 8.0


@dataclass(frozen=True)
class AnimalLabel:
    """One animal in one frame: the box around what shows of it, and which animal it is.

    `visible_share` is the part of the body that is in the frame and not under a canopy. `stratum` is None for an
    animal that lives outside the study area. The position is that of the ground under the animal. `middle_px` is that
    of the whole body, in the picture or not; None in truth that was written before it was told.
    """

    animal: int
    species: str
    stratum: str | None
    box_px: tuple[float, float, float, float]
    visible_share: float
    longitude_deg: float
    latitude_deg: float
    middle_px: tuple[float, float] | None = None


@dataclass(frozen=True)
class Look:
    """What differs from one camera and hour to the next: softness in pixels, noise in grey levels, exposure, tint.

    `smear_px` is how far the ground moves up the picture while the shutter is open; `heat` makes it a thermal picture.
    """

    blur_px: float = 0.55
    noise: float = 3.0
    exposure: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    smear_px: float = 0.0
    heat: bool = False


def render_frame(
    world: World, camera: Camera, pose: Pose, time_s: float, look: Look | None = None
) -> tuple[npt.NDArray[np.uint8], tuple[AnimalLabel, ...]]:
    """Render one exposure: sRGB (H, W, 3) and the labels of the animals that show, by rising animal.

    Raises CameraError when the picture reaches the horizon.
    """
    look = look or Look()
    view = View(camera, pose, world.area.frame, world.relief)
    if not np.isfinite(view.footprint_m).all():
        raise CameraError("a simulated picture must not reach the horizon", where=camera.name)
    sun = _sun(world)
    picture = _ground(world.land, view, sun)
    if look.heat:
        heat.of_ground(picture)
    bounds = _bounds(view)
    canopy = np.zeros(picture.shape[:2], dtype=np.float32)
    low = [(things, _places(view, things, sun)) for things in (world.land.things_in(c, bounds) for c in CLUTTER)]
    now = world.positions(time_s, drone=view.drone)
    rows, animal_places = _animals(world, view, now, bounds, sun)
    shade = heat.SHADE if look.heat else float(SHADE)
    for things, places in low:
        for row, place in enumerate(places):
            darken(picture, shadow_of_thing(things, row, place), shade + 0.08)
    for row, place in zip(rows, animal_places, strict=True):
        kind = world.species[world.animals.species[row]]
        darken(picture, shadow_of_animal(kind, float(world.animals.size[row]), place), shade)
    shown: list[tuple[int, Mask]] = []
    for things, places in low:
        if things.clutter is TREE:
            shown = [
                (row, _paint_animal(picture, world, row, p, look.heat))
                for row, p in zip(rows, animal_places, strict=True)
            ]
        for row, place in enumerate(places):
            mask = _paint_thing(picture, things, row, place, look.heat)
            if things.clutter is TREE:
                add_coverage(canopy, mask)
    labels = list(_labels(world, canopy, shown, now))
    return _develop(picture, look, [world.seed, round(time_s * 1000) & 0xFFFFFFFF]), tuple(labels)


def _ground(land: Land, view: View, sun: tuple[float, float, float]) -> Reals:
    """The bare ground: colours on a grid of every few pixels, brought up to all of them; grain at each pixel."""
    width, height = view.camera.image_width_px, view.camera.image_height_px
    columns, rows = _grid(width), _grid(height)
    nodes = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    meets = view.ground(nodes)
    ground = meets.astype(np.float32).reshape(len(rows), len(columns), 2)
    east, north = _every_pixel(ground[..., 0], height, width), _every_pixel(ground[..., 1], height, width)
    hills = None if view.relief is None else _hillshade(view.relief, meets, sun).reshape(len(rows), len(columns))
    level = float(np.hypot(sun[0], sun[1])) or 1.0
    picture = np.empty((height, width, 3), dtype=np.float32)
    if isinstance(land, PhotographedLand):
        picture[:] = land.colours(east, north)
        light = np.ones((height, width), dtype=np.float32)
    else:
        colour, roughness = land.ground(ground[..., 0], ground[..., 1], (sun[0] / level, sun[1] / level))
        grain = land.grain(east, north)
        light = 1 + np.float32(0.075) * grain * _every_pixel(roughness, height, width)
        for channel in range(3):
            np.multiply(_every_pixel(colour[..., channel], height, width), light, out=picture[..., channel])
    if hills is not None:
        picture *= _every_pixel(hills, height, width)[..., None]
    return picture


def _hillshade(relief: Relief, points_m: Floats, sun: tuple[float, float, float]) -> Reals:
    """How much more or less light sloping ground gets than level ground (Lambert)."""
    slope = relief.slope(points_m)
    facing = (sun[2] - slope @ np.array(sun[:2])) / np.sqrt(1 + (slope**2).sum(axis=1)) / max(sun[2], 0.1)
    clipped: Reals = np.clip(facing, 0.35, 1.5).astype(np.float32)
    return clipped


def _grid(side_px: int) -> Floats:
    return np.arange(0, side_px - 1 + _GRID_STEP_PX, _GRID_STEP_PX, dtype=np.float64)


def _every_pixel(nodes: Reals, height_px: int, width_px: int) -> Reals:
    """Linear interpolation of a grid's values (rows, columns) to every pixel (H, W)."""
    later: Reals = (np.arange(_GRID_STEP_PX, dtype=np.float32) / np.float32(_GRID_STEP_PX))[None, :, None]
    between = nodes[:-1, None, :] * (1 - later) + nodes[1:, None, :] * later
    rows = between.reshape(-1, nodes.shape[1])[:height_px]
    later = later.reshape(1, 1, -1)
    every = rows[:, :-1, None] * (1 - later) + rows[:, 1:, None] * later
    return np.asarray(every.reshape(height_px, -1)[:, :width_px])


def _sun(world: World) -> tuple[float, float, float]:
    azimuth, elevation = np.radians([world.sun_azimuth_deg, world.sun_elevation_deg])
    return (
        float(np.cos(elevation) * np.sin(azimuth)),
        float(np.cos(elevation) * np.cos(azimuth)),
        float(np.sin(elevation)),
    )


def _bounds(view: View) -> tuple[float, float, float, float]:
    seen = view.footprint_m
    if view.relief is not None:
        # Over hills the ground seen is no quadrilateral of the corners.
        right, bottom = view.camera.image_width_px - 0.5, view.camera.image_height_px - 0.5
        grid = np.stack(np.meshgrid(np.linspace(-0.5, right, 13), np.linspace(-0.5, bottom, 13)), axis=-1)
        seen = view.ground(grid.reshape(-1, 2))
    west, south = np.nanmin(seen, axis=0) - _LARGEST_THING_M
    east, north = np.nanmax(seen, axis=0) + _LARGEST_THING_M
    return float(west), float(south), float(east), float(north)


def _places(view: View, things: Things, sun: tuple[float, float, float]) -> list[Place]:
    heights = np.zeros(len(things.centre_m))
    return _placed(view, things.centre_m, heights, things.direction_rad, sun)


def _animals(
    world: World,
    view: View,
    now: Positions,
    bounds: tuple[float, float, float, float],
    sun: tuple[float, float, float],
) -> tuple[list[int], list[Place]]:
    west, south, east, north = bounds
    x, y = now.local_m.T
    rows = np.nonzero((x > west) & (x < east) & (y > south) & (y < north) & ~now.under_water)[0]
    if view.relief is not None and len(rows):
        feet = np.column_stack([now.local_m[rows], view.heights_m(now.local_m[rows])])
        rows = rows[~view.hides(now.local_m[rows], view.project(feet))]
    tall = np.array([kind.height_m for kind in world.species])
    heights = BODY_HEIGHT_SHARE * tall[world.animals.species[rows]] * world.animals.size[rows]
    directions = np.pi / 2 - np.radians(now.heading_deg[rows])
    return [int(row) for row in rows], _placed(view, now.local_m[rows], heights, directions, sun)


def _placed(
    view: View, centre_m: Floats, height_m: Floats, direction_rad: Floats, sun: tuple[float, float, float]
) -> list[Place]:
    """Places of things at a height whose own first axis points along `direction_rad`, from east to north."""
    if not len(centre_m):
        return []
    along = np.column_stack([np.cos(direction_rad), np.sin(direction_rad)])
    across = np.column_stack([along[:, 1], -along[:, 0]])
    foot = view.heights_m(centre_m)
    origin = np.column_stack([centre_m, foot + height_m])
    step = np.zeros(len(centre_m))
    ground = view.project(np.column_stack([centre_m, foot]))
    centre = view.project(origin)
    forward = view.project(origin + np.column_stack([along, step])) - centre
    sideways = view.project(origin + np.column_stack([across, step])) - centre
    fall = _fall(view, centre_m, sun)
    shadow = view.project(np.column_stack([centre_m, foot]) + fall) - ground
    metres_per_px = np.linalg.inv(np.stack([forward, sideways], axis=-1))
    suns = np.column_stack([along @ np.array(sun[:2]), across @ np.array(sun[:2]), np.full(len(step), sun[2])])
    return [
        Place(
            (float(centre[i, 0]), float(centre[i, 1])),
            metres_per_px[i],
            (float(suns[i, 0]), float(suns[i, 1]), float(suns[i, 2])),
            (float(shadow[i, 0]), float(shadow[i, 1])),
        )
        for i in range(len(step))
        if np.isfinite(centre[i]).all()
    ]


def _fall(view: View, points_m: Floats, sun: tuple[float, float, float]) -> Floats:
    """Where the shadow of what is one metre above points (N, 2) lies from them: (N, 3), or (3,) on flat ground."""
    if view.relief is None:
        return np.array([sun[0], sun[1], 0.0]) / -max(sun[2], 0.1)
    level = np.array(sun[:2])
    rise = view.relief.slope(points_m) @ level
    reach = 1.0 / np.maximum(sun[2] - rise, 0.1)
    return np.column_stack([-reach[:, None] * level, -reach * rise])


def _paint_thing(picture: Reals, things: Things, row: int, place: Place, hot: bool) -> Mask:
    mask, light = shape_of_thing(things, row, place)
    if hot:
        blend(picture, mask, heat.of_thing(things.clutter.kind, light))
        return mask
    colour = np.array(things.clutter.colour, dtype=np.float32) * np.float32(things.tone[row])
    blend(picture, mask, light[..., None] * colour)
    return mask


def _paint_animal(picture: Reals, world: World, row: int, place: Place, hot: bool) -> Mask:
    kind = world.species[world.animals.species[row]]
    mask, colour = shape_of_animal(kind, float(world.animals.size[row]), place)
    if hot:
        blend(picture, mask, heat.of_animal(mask.coverage))
        return mask
    blend(picture, mask, colour * np.float32(world.animals.tone[row]))
    return mask


def _labels(world: World, canopy: Reals, shown: list[tuple[int, Mask]], now: Positions) -> Iterator[AnimalLabel]:
    local = now.local_m
    for row, mask in shown:
        share, box = visible_part(canopy, mask)
        if box is None:
            continue
        longitude, latitude = world.area.frame.to_lonlat(local[row])[0]
        stratum = int(world.animals.stratum[row])
        yield AnimalLabel(
            animal=row,
            species=world.species[world.animals.species[row]].name,
            stratum=None if stratum == OUTSIDE else world.area.strata[stratum].name,
            box_px=box,
            visible_share=round(share, 4),
            longitude_deg=float(longitude),
            latitude_deg=float(latitude),
            middle_px=mask.middle_px,
        )


def _develop(picture: Reals, look: Look, key: list[int]) -> npt.NDArray[np.uint8]:
    """From light to a file's pixels: movement, softness of the lens, sensor noise, exposure."""
    if look.smear_px > 0:
        picture = _smeared(picture, look.smear_px)
    side = np.float32(np.clip(look.blur_px**2 / 2, 0.0, 0.33))
    middle = 1 - 2 * side
    soft = picture
    for axis in (0, 1):
        blurred = soft * middle
        ahead: list[slice] = [slice(None)] * 3
        behind: list[slice] = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        blurred[tuple(ahead)] += side * soft[tuple(behind)]
        blurred[tuple(behind)] += side * soft[tuple(ahead)]
        for edge in (0, -1):
            border: list[slice | int] = [slice(None)] * 3
            border[axis] = edge
            blurred[tuple(border)] += side * soft[tuple(border)]
        soft = blurred
    rng = np.random.default_rng(key)
    speckle = _speckle(picture.shape[0], picture.shape[1], rng)
    gain = np.float32(look.exposure * rng.normal(1.0, 0.02)) * np.array(look.tint, dtype=np.float32)
    soft *= gain
    for channel, lag in enumerate((0, 37, 91)):
        shifted = np.roll(speckle, lag, axis=1) if lag else speckle
        soft[..., channel] += np.float32(look.noise * 0.75) * speckle + np.float32(look.noise * 0.5) * shifted
    if look.heat:
        soft = np.broadcast_to(soft[..., :1], soft.shape)
    developed: npt.NDArray[np.uint8] = np.clip(soft + np.float32(0.5), 0, 255).astype(np.uint8)
    return developed


def _smeared(picture: Reals, length_px: float) -> Reals:
    """The picture averaged over the way it moves up while the shutter is open, the ends in part."""
    whole = int(length_px)
    shares = np.full(whole + 2, 1.0)
    shares[-1] = length_px - whole
    weights = (shares / shares.sum()).astype(np.float32)
    return np.asarray(correlate1d(picture, weights, axis=0, mode="nearest", origin=0), dtype=np.float32)


def _speckle(height: int, width: int, rng: np.random.Generator) -> Reals:
    """White noise cut from one fixed square at a random place: as good as drawn afresh, and four times faster."""
    top, left = (int(v) for v in rng.integers(0, TILE_PX, 2))
    rows, columns = np.arange(top, top + height) % TILE_PX, np.arange(left, left + width) % TILE_PX
    return _white()[rows[:, None], columns[None, :]]


_WHITE: list[Reals] = []


def _white() -> Reals:
    if not _WHITE:
        _WHITE.append(grain_tile(TILE_PX, 0.0, 1))
    return _WHITE[0]
