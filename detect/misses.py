"""Pictures of what a detector gets most wrong: crops with the truth and the detections drawn, on a page and a sheet.

Memory holds one picture at a time and the crops, of which there are no more than asked for.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from detect.confusion import Confusion
from detect.evaluate_detections import Marks, Matching
from detect.images import Raster, open_raster
from flightplan.errors import CaptureError, Skip
from flightplan.frames import Floats

Kind = Literal["missed", "false", "confused"]

CROP_PX = 192
"""Side of a crop as it is shown; small animals are magnified."""
_TITLES: dict[Kind, str] = {
    "missed": "Missed: true, and nothing found. Most sure of nothing first",
    "false": "False: found, and nothing there. Highest score first",
    "confused": "Confused: found, and taken for another. Highest score first",
}
_AROUND = 3.0
_LEAST_PX = 64.0
_MOST_PX = 512.0
_TRUE, _FOUND, _FAINT = (255, 214, 10), (0, 200, 255), (150, 150, 150)
_COLUMNS = 6
_CAPTION_PX = 34


@dataclass(frozen=True)
class Miss:
    """One error: what kind, in which picture, around which box (x_min, y_min, x_max, y_max) in pixels, and its words.

    `picture` numbers the pictures of `Marks`. `score` is that of the detection; for a missed one the highest score
    below the threshold that lay there, 0 where none did.
    """

    kind: Kind
    picture: int
    box_px: tuple[float, float, float, float]
    score: float
    text: str


def worst_misses(
    marks: Marks, taken: Confusion, rule: Matching, least: Floats | float, *, count: int = 24
) -> tuple[Miss, ...]:
    """The `count` worst of each kind, at the thresholds `least` that `taken` was counted at.

    They are those of pictures that are there to be shown, or of all where none is. A missed mark is worse the lower the
    highest score that any detection had there: a lower threshold would not find it. A wrong detection is worse the
    higher its score.
    """
    kept = marks.score >= least
    seen = np.zeros(len(marks.truth_label), bool)
    seen[taken.taken_for[taken.taken_for >= 0]] = True
    hint = _hints(marks, rule)
    shown = np.array([_where(marks, picture)[1] is not None for picture in range(len(marks.pictures))])
    shown |= not shown.any()
    kept &= shown[marks.frame]
    missed = np.flatnonzero(~seen & shown[marks.truth_frame])
    missed = missed[np.lexsort((missed, hint[missed]))][:count]
    falling = np.argsort(-marks.score, kind="stable")
    false = falling[(kept & (taken.taken_for < 0))[falling]][:count]
    confused = falling[(kept & (taken.taken_for >= 0) & (marks.taken < 0))[falling]][:count]
    found = [
        Miss("missed", int(marks.truth_frame[i]), _box(marks.truth_boxes[i]), float(hint[i]), _name(marks, int(i)))
        for i in missed
    ]
    found += [
        Miss("false", int(marks.frame[i]), _box(marks.boxes[i]), float(marks.score[i]), _label(marks, int(i)))
        for i in false
    ]
    found += [
        Miss(
            "confused",
            int(marks.frame[i]),
            _box(marks.boxes[i]),
            float(marks.score[i]),
            f"{_label(marks, int(i))}, truly {_name(marks, int(taken.taken_for[i]))}",
        )
        for i in confused
    ]
    return tuple(found)


def draw_misses(
    marks: Marks, misses: Sequence[Miss], folder: Path, least: Floats | float, *, radius_px: float | None = None
) -> tuple[list[Path], list[Skip]]:
    """Write `misses.html` and `misses.png` into a folder; returns their paths and the pictures that could not be shown.

    Yellow is true, blue is found (grey below its threshold), the one meant broad; a point is a circle of `radius_px`.
    Each picture is opened once. Where no picture is to be had the page names places only, and there is no sheet.
    """
    least = np.broadcast_to(np.asarray(least, dtype=np.float64), marks.score.shape)
    crops: dict[int, Image.Image] = {}
    skips: list[Skip] = []
    for picture in sorted({miss.picture for miss in misses}):
        wanted = [n for n, miss in enumerate(misses) if miss.picture == picture]
        name, path = _where(marks, picture)
        if path is None:
            continue
        try:
            with open_raster(path) as raster:
                for n in wanted:
                    crops[n] = _crop(raster, marks, misses[n], least, radius_px)
        except (CaptureError, OSError) as error:
            skips.append(Skip(name, str(error)))
    page = folder / "misses.html"
    page.write_text(_page(marks, misses, crops), encoding="utf-8")
    if not crops:
        return [page], skips
    sheet = folder / "misses.png"
    _sheet(marks, misses, crops).save(sheet)
    return [page, sheet], skips


def _hints(marks: Marks, rule: Matching) -> Floats:
    """The highest score of any detection whose centre lies in each true box, or within the radius of its centre."""
    best = np.zeros(len(marks.truth_label))
    first = np.searchsorted(marks.frame, np.arange(len(marks.pictures) + 1))
    first_true = np.searchsorted(marks.truth_frame, np.arange(len(marks.pictures) + 1))
    for n in np.flatnonzero((np.diff(first) > 0) & (np.diff(first_true) > 0)):
        here, there = slice(first[n], first[n + 1]), slice(first_true[n], first_true[n + 1])
        centres = (marks.boxes[here, :2] + marks.boxes[here, 2:])[:, None] / 2.0
        truth = marks.truth_boxes[there][None]
        if rule.radius_px is None:
            near = ((centres >= truth[..., :2]) & (centres <= truth[..., 2:])).all(axis=2)
        else:
            near = np.hypot(*np.moveaxis(centres - (truth[..., :2] + truth[..., 2:]) / 2.0, 2, 0)) <= rule.radius_px
        best[there] = np.where(near, marks.score[here, None], 0.0).max(axis=0)
    return best


def _crop(
    raster: Raster, marks: Marks, miss: Miss, least: npt.NDArray[np.float64], radius_px: float | None
) -> Image.Image:
    x0, y0, x1, y1 = miss.box_px
    side = max(_AROUND * max(x1 - x0, y1 - y0), _LEAST_PX, 3.0 * (radius_px or 0.0))
    side = round(min(side, _MOST_PX, raster.width_px, raster.height_px))
    left = round(np.clip((x0 + x1 - side) / 2, 0, raster.width_px - side))
    top = round(np.clip((y0 + y1 - side) / 2, 0, raster.height_px - side))
    pixels = raster.read(left, top, side, side)
    shown = Image.fromarray(pixels if pixels is not None else np.zeros((side, side, 3), np.uint8))
    shown = shown.resize((CROP_PX, CROP_PX), Image.Resampling.BICUBIC)
    draw, scale = ImageDraw.Draw(shown), CROP_PX / side
    moved = np.array([left, top, left, top])
    of = marks.truth_frame == miss.picture
    for box in marks.truth_boxes[of]:
        subject = miss.kind == "missed" and _box(box) == miss.box_px
        _mark(draw, (box - moved) * scale, _TRUE, (radius_px or 0.0) * scale, subject)
    of = marks.frame == miss.picture
    for box, score, low in sorted(
        zip(marks.boxes[of], marks.score[of], least[of], strict=True), key=lambda row: row[1]
    ):
        subject = miss.kind != "missed" and _box(box) == miss.box_px
        _mark(draw, (box - moved) * scale, _FOUND if score >= low else _FAINT, 0.0, subject)
    return shown


def _mark(draw: ImageDraw.ImageDraw, box: Floats, colour: tuple[int, int, int], radius: float, subject: bool) -> None:
    if box.max() < -CROP_PX or box.min() > 2 * CROP_PX:
        return
    if box[2] > box[0] and box[3] > box[1]:
        draw.rectangle(tuple(box.tolist()), outline=colour, width=4 if subject else 1)
        return
    x, y = box[0], box[1]
    if radius:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=1)
    draw.line((x - 5, y, x + 5, y), fill=colour, width=4 if subject else 1)
    draw.line((x, y - 5, x, y + 5), fill=colour, width=4 if subject else 1)


def _page(marks: Marks, misses: Sequence[Miss], crops: dict[int, Image.Image]) -> str:
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Worst misses</title><style>',
        "body{font:14px sans-serif;margin:1.5rem;background:#fff;color:#222}figure{display:inline-block;margin:.4rem;"
        f"width:{CROP_PX}px;vertical-align:top}}figcaption{{font-size:12px;overflow-wrap:anywhere}}"
        "</style><h1>Worst misses</h1><p>Yellow is true, blue is found, "
        "grey is found below the threshold; the one meant has the broad line.</p>",
    ]
    for kind, title in _TITLES.items():
        of = [n for n, miss in enumerate(misses) if miss.kind == kind]
        parts.append(f"<h2>{escape(title)} ({len(of)} shown)</h2>" if of else "")
        for n in of:
            name = _where(marks, misses[n].picture)[0]
            image = f'<img width="{CROP_PX}" height="{CROP_PX}" alt="" src="{_data(crops[n])}">' if n in crops else ""
            x, y = ((a + b) / 2 for a, b in zip(misses[n].box_px[:2], misses[n].box_px[2:], strict=True))
            parts.append(
                f"<figure>{image}<figcaption><b>{escape(misses[n].text)}</b> {misses[n].score:.2f}<br>"
                f"{escape(name)} at {x:.0f}, {y:.0f}</figcaption></figure>"
            )
    return "\n".join(parts) + "</html>\n"


def _sheet(marks: Marks, misses: Sequence[Miss], crops: dict[int, Image.Image]) -> Image.Image:
    rows: list[list[int] | Kind] = []
    for kind in _TITLES:
        of = [n for n, miss in enumerate(misses) if miss.kind == kind and n in crops]
        if of:
            rows += [kind, *(of[i : i + _COLUMNS] for i in range(0, len(of), _COLUMNS))]
    heights = [24 if isinstance(row, str) else CROP_PX + _CAPTION_PX for row in rows]
    sheet = Image.new("RGB", (_COLUMNS * (CROP_PX + 8) + 8, sum(heights) + 8), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    y = 4
    for row, height in zip(rows, heights, strict=True):
        if isinstance(row, str):
            draw.text((8, y + 6), _TITLES[row], fill=(0, 0, 0))
        else:
            for column, n in enumerate(row):
                x = 8 + column * (CROP_PX + 8)
                sheet.paste(crops[n], (x, y))
                draw.text((x, y + CROP_PX + 2), f"{misses[n].text} {misses[n].score:.2f}"[:32], fill=(0, 0, 0))
                name = _where(marks, misses[n].picture)[0]
                draw.text((x, y + CROP_PX + 14), name[-32:], fill=(90, 90, 90))
        y += height
    return sheet


def _data(image: Image.Image) -> str:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _where(marks: Marks, picture: int) -> tuple[str, Path | None]:
    found, true = marks.pictures[picture]
    return true.image or found.image, true.path or found.path


def _name(marks: Marks, row: int) -> str:
    return str(marks.names[int(marks.truth_label[row])])


def _label(marks: Marks, row: int) -> str:
    return str(marks.names[int(marks.label[row])])


def _box(values: Iterable[float]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in values)
    return x0, y0, x1, y1
