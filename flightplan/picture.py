"""Drawing as PNG what the pages draw as SVG: the same path data, antialiased, with nothing but Pillow.

Everything is drawn at `_FINER` times the size and brought down. Words take the first of a few fonts that nearly every
system has; where it has none, the one inside Pillow, which knows little more than ASCII, and words are folded to that.
"""

from __future__ import annotations

import io
import unicodedata
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from flightplan.frames import Floats

_FINER = 2
_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "LiberationSans-Regular.ttf")
_BOLD = ("DejaVuSans-Bold.ttf", "NotoSans-Bold.ttf", "Arial Bold.ttf", "arialbd.ttf", "LiberationSans-Bold.ttf")
_FOLDED = str.maketrans({"²": "2", "–": "-", "—": "-", "×": "x", "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ß": "ss"})

Colour = tuple[int, int, int]
WHITE: Colour = (255, 255, 255)


class Picture:
    """A picture to draw on, in pixels of its own, x to the right and y down, with an origin that can be moved."""

    def __init__(self, width: float, height: float, background: Colour = WHITE, *, scale: float = 1.0) -> None:
        self._scale = scale * _FINER
        self.size = (round(width * scale), round(height * scale))
        self._image = Image.new("RGB", (self.size[0] * _FINER, self.size[1] * _FINER), background)
        # "RGBA" on an RGB picture blends what is drawn into it.
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._origin = np.zeros(2)

    def move_to(self, x: float, y: float) -> None:
        """Put the origin of everything drawn from now on at a place of the picture."""
        self._origin = np.array([x, y], dtype=np.float64)

    def png(self) -> bytes:
        """Return the picture as PNG; the same drawing gives the same bytes."""
        small = self._image.resize(self.size, Image.Resampling.BOX)
        buffer = io.BytesIO()
        small.save(buffer, "PNG", compress_level=6)
        return buffer.getvalue()

    def image(self, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], x: float, y: float, side: float) -> None:
        """Lay an array of RGBA cells (rows, columns, 4) with its upper left corner at x, y; a cell has that side."""
        rows, columns = pixels.shape[:2]
        left, top, right, bottom = (
            np.round(self._pixels(np.array([[x, y], [x + columns * side, y + rows * side]]))).astype(int).ravel()
        )
        cells = Image.fromarray(pixels, "RGBA").resize((right - left, bottom - top), Image.Resampling.NEAREST)
        self._image.paste(cells, (int(left), int(top)), cells)

    def fill(self, path: str, colour: Colour, alpha: float = 1.0) -> None:
        """Fill the rings of a path, holes left open (even-odd)."""
        mask, box = self._mask(path)
        if mask is not None:
            self._image.paste(colour, box, mask if alpha >= 1 else mask.point(lambda v: int(v * alpha)))

    def hatch(self, path: str, colour: Colour, *, gap: float = 7.0, width: float = 1.6, rising: bool = True) -> None:
        """Hatch the rings of a path with lines at 45°, rising to the right or falling."""
        mask, box = self._mask(path)
        if mask is None:
            return
        lines = Image.new("L", mask.size, 0)
        draw = ImageDraw.Draw(lines)
        wide, high = mask.size
        step = max(4, round(gap * self._scale * 1.4))
        # Lines of one pattern, wherever the rings lie in it: x + y, or x - y, is a multiple of the step.
        first = -(box[0] + box[1]) % step if rising else (box[1] - box[0]) % step - (high // step + 1) * step
        for x in range(first, wide + (high if rising else 0), step):
            draw.line((x, 0, x - high if rising else x + high, high), 255, max(1, round(width * self._scale)))
        self._image.paste(colour, box, ImageChops.multiply(lines, mask))

    def stroke(
        self,
        path: str,
        colour: Colour,
        width: float,
        *,
        alpha: float = 1.0,
        dash: tuple[float, float] | None = None,
    ) -> None:
        """Draw the lines of a path."""
        across = max(1, round(width * self._scale))
        for xy, closed in _parts(path):
            points = self._pixels(np.vstack([xy, xy[:1]]) if closed else xy)
            pieces = [points] if dash is None else _dashed(points, dash[0] * self._scale, dash[1] * self._scale)
            for piece in pieces:
                self._draw.line(
                    [tuple(p) for p in piece.tolist()],
                    fill=(*colour, round(255 * alpha)),
                    width=across,
                    joint="curve" if across > 3 else None,
                )

    def disc(self, x: float, y: float, radius: float, fill: Colour, edge: Colour, width: float) -> None:
        """Draw a circle."""
        (cx, cy), r = self._pixels(np.array([[x, y]]))[0], radius * self._scale
        self._draw.ellipse(
            (cx - r, cy - r, cx + r, cy + r), fill=fill, outline=edge, width=max(1, round(width * self._scale))
        )

    def box(
        self, x: float, y: float, width: float, height: float, fill: Colour | None, edge: Colour | None = None
    ) -> None:
        """Draw a rectangle."""
        corners = self._pixels(np.array([[x, y], [x + width, y + height]])).ravel().tolist()
        self._draw.rectangle(corners, fill=fill, outline=edge, width=_FINER)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13.0,
        colour: Colour = (51, 59, 52),
        anchor: str = "ls",
        bold: bool = False,
        halo: bool = True,
    ) -> None:
        """Write a word with its baseline at y; the anchor is Pillow's ("ls" left, "ms" middle, "rs" right)."""
        at = self._pixels(np.array([[x, y]]))[0]
        font, shown = _font(round(size * self._scale), bold=bold), _readable(text, bold=bold)
        self._draw.text(
            (float(at[0]), float(at[1])),
            shown,
            font=font,
            fill=colour,
            anchor=anchor,
            stroke_width=round(1.5 * self._scale) if halo else 0,
            stroke_fill=WHITE,
        )

    def text_width(self, text: str, *, size: float = 13.0, bold: bool = False) -> float:
        """Return how wide a word will be."""
        font = _font(round(size * self._scale), bold=bold)
        return float(font.getlength(_readable(text, bold=bold))) / self._scale

    def _pixels(self, xy: Floats) -> Floats:
        return np.asarray((xy + self._origin) * self._scale)

    def _mask(self, path: str) -> tuple[Image.Image | None, tuple[int, int, int, int]]:
        """The rings of a path as a mask of their surroundings within the picture, and where that is."""
        rings = [self._pixels(xy) for xy, _ in _parts(path) if len(xy) > 2]
        if not rings:
            return None, (0, 0, 0, 0)
        corners = np.concatenate(rings)
        low = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(axis=0)) + 1, self._image.size).astype(int)
        if (high <= low).any():
            return None, (0, 0, 0, 0)
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        odd = Image.new("1", size, 0)
        for ring in rings:
            one = Image.new("1", size, 0) if len(rings) > 1 else odd
            ImageDraw.Draw(one).polygon([tuple(p) for p in (ring - low).tolist()], fill=1)
            odd = ImageChops.logical_xor(odd, one) if len(rings) > 1 else odd
        return odd.convert("L"), (int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _parts(path: str) -> list[tuple[Floats, bool]]:
    """The parts of path data made of absolute moves and lines ("M1 2L3 4z"): points (N, 2), and whether closed."""
    found = []
    for part in path.split("M")[1:]:
        closed = part.endswith("z")
        points = np.array([p.split() for p in part.rstrip("z").split("L")], dtype=np.float64)
        if len(points) > 1:
            found.append((points, closed))
    return found


def _dashed(points: Floats, dash: float, gap: float) -> list[Floats]:
    """Cut a line into dashes."""
    reach = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    found = []
    for start in np.arange(0.0, reach[-1], dash + gap):
        end = min(start + dash, reach[-1])
        between = points[(reach > start) & (reach < end)]
        ends = np.column_stack([np.interp([start, end], reach, points[:, k]) for k in (0, 1)])
        found.append(np.vstack([ends[:1], between, ends[1:]]))
    return found


@cache
def _font(size: int, *, bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    name = _font_name(bold=bold)
    return ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)


@cache
def _font_name(*, bold: bool) -> str | None:
    for name in _BOLD if bold else _FONTS:
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return None


def _readable(text: str, *, bold: bool) -> str:
    if _font_name(bold=bold) is not None:
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_FOLDED))
    return "".join(c for c in plain if not unicodedata.combining(c)).encode("ascii", "replace").decode()
