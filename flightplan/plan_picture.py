"""A plan's map as a PNG: what the page draws, with its legend, for reports and messages."""

from __future__ import annotations

from collections.abc import Callable

from flightplan.picture import Colour, Picture
from flightplan.plan import SurveyPlan
from flightplan.plan_map import TONES, PlanMap, map_of_plan

TONE_COLOURS: tuple[Colour, ...] = (
    (11, 95, 165),
    (194, 65, 12),
    (20, 116, 107),
    (123, 45, 142),
    (138, 97, 0),
    (179, 18, 91),
    (61, 107, 18),
    (68, 76, 87),
)
"""The sorties' colours, as in the page's style."""

_STRATA: tuple[Colour, ...] = ((227, 235, 214), (243, 235, 208), (223, 233, 234), (239, 227, 220))
_INK: Colour = (28, 33, 30)
_SOFT: Colour = (89, 98, 90)
_WARN: Colour = (162, 64, 42)
_ZONE: Colour = (90, 60, 150)
_PAPER: Colour = (247, 247, 242)
_EDGE: Colour = (119, 130, 106)
_STRIP: Colour = (85, 112, 127)

_MARGIN, _HEAD, _LEGEND_ROW, _LEGEND_ROOM = 24.0, 62.0, 24.0, 26.0
_SCALE = 1.4


def plan_png(plan: SurveyPlan) -> bytes:
    """Return the map of a plan as PNG; the same plan gives the same bytes on one machine."""
    drawn = map_of_plan(plan)
    entries = _legend(plan, drawn)
    rows = -(-len(entries) // 3)
    picture = Picture(drawn.width + 2 * _MARGIN, drawn.height + _HEAD + _MARGIN + rows * _LEGEND_ROW + 12, scale=_SCALE)
    picture.text(_MARGIN, 32, plan.area.name, size=22, bold=True, colour=_INK, halo=False)
    lines = sum(len(s.transects) for s in plan.strata)
    flown = f"{len(plan.sorties)} sorties, {plan.length_m / 1000:.1f} km"
    facts = (
        f"{lines} lines{' as flown' if plan.as_flown else f', {flown}'}; {plan.altitude_agl_m:.0f} m above"
        f" ground, {plan.gsd_cm:.3g} cm a pixel, strips {plan.design.strip_width_m:.0f} m wide; {plan.design.kind}"
        f"{'' if plan.as_flown else f', seed {plan.design.seed}'}"
    )
    picture.text(_MARGIN, 52, facts, size=13, colour=_SOFT, halo=False)
    picture.box(_MARGIN, _HEAD, drawn.width, drawn.height, _PAPER)
    picture.move_to(_MARGIN, _HEAD)
    draw_map(picture, drawn)
    picture.move_to(0, 0)
    # What reaches beyond the map is covered again.
    for x, y, width, height in (
        (0, _HEAD, _MARGIN, drawn.height),
        (_MARGIN + drawn.width, _HEAD, _MARGIN, drawn.height),
        (0, _HEAD + drawn.height, drawn.width + 2 * _MARGIN, rows * _LEGEND_ROW + 60),
    ):
        picture.box(x, y, width, height, (255, 255, 255))
    picture.box(_MARGIN, _HEAD, drawn.width, drawn.height, None, (191, 194, 180))
    for i, (sample, text) in enumerate(entries):
        x = _MARGIN + (i % 3) * drawn.width / 3
        y = _HEAD + drawn.height + 20 + (i // 3) * _LEGEND_ROW
        picture.move_to(x, y - 10)
        sample(picture)
        picture.move_to(0, 0)
        picture.text(x + _LEGEND_ROOM + 8, y + 1, text, size=12.5, colour=_SOFT, halo=False)
    return picture.png()


def draw_map(picture: Picture, drawn: PlanMap) -> None:
    """Draw a map at the picture's origin, in the order of the page's."""
    for number, _, path in drawn.strata:
        if path:
            picture.fill(path, _STRATA[number % len(_STRATA)])
            picture.stroke(path, _EDGE, 1.3)
    for tick in drawn.meridians:
        picture.stroke(f"M{tick.x} 0L{tick.x} {drawn.height}", _EDGE, 0.8, alpha=0.3)
    for tick in drawn.parallels:
        picture.stroke(f"M0 {tick.y}L{drawn.width} {tick.y}", _EDGE, 0.8, alpha=0.3)
    picture.fill(drawn.hazards.warned, _ZONE, 0.06)
    picture.stroke(drawn.hazards.warned, _ZONE, 1.2, dash=(2, 4))
    picture.fill(drawn.hazards.avoided, _ZONE, 0.14)
    picture.stroke(drawn.hazards.avoided, _ZONE, 1.6, dash=(7, 4))
    picture.stroke(drawn.strips, _STRIP, drawn.strip_px, alpha=0.18)
    picture.stroke(drawn.footprints, _STRIP, 0.7, alpha=0.45)
    picture.hatch(drawn.not_covered, _INK, gap=4, width=0.9, rising=False)
    picture.stroke(drawn.not_covered, _INK, 0.9)
    picture.fill(drawn.kept_clear, _WARN, 0.12)
    picture.stroke(drawn.kept_clear, _WARN, 1.0, dash=(4, 3))
    picture.fill(drawn.exclusions, (246, 223, 211))
    picture.hatch(drawn.exclusions, _WARN, gap=5)
    picture.stroke(drawn.exclusions, _WARN, 1.6)
    for sortie in drawn.sorties:
        tone = TONE_COLOURS[sortie.tone % TONES]
        picture.stroke(sortie.ways, tone, 1.0, dash=(4, 3))
        picture.stroke(sortie.lines, tone, 1.8)
        for arrow in sortie.arrows.split("M")[1:]:
            picture.fill("M" + arrow, tone)
    picture.stroke(drawn.hazards.obstacles, _WARN, 2.0)
    for site in drawn.sites:
        picture.fill(f"M{site.x} {site.y - 9}L{site.x + 8} {site.y + 5}L{site.x - 8} {site.y + 5}z", _INK)
    for label in drawn.hazards.obstacle_labels:
        picture.text(label.x, label.y, label.text, size=11.5, colour=_WARN)
    for label in drawn.hazards.zone_labels:
        picture.text(label.x, label.y, label.text, size=11.5, colour=_ZONE, anchor="ms")
    for label in drawn.stratum_labels:
        picture.text(label.x, label.y, label.text, bold=True, anchor="ms")
    for site in drawn.sites:
        picture.text(site.x + 12, site.y + 5, site.text, bold=True)
    if len(drawn.sorties) > 1:
        for sortie in (s for s in drawn.sorties if s.badge.text):
            tone = TONE_COLOURS[sortie.tone % TONES]
            picture.disc(sortie.badge.x, sortie.badge.y, 11, (255, 255, 255), tone, 2)
            picture.text(
                sortie.badge.x, sortie.badge.y, sortie.badge.text, colour=tone, bold=True, anchor="mm", halo=False
            )
    for tick in drawn.meridians:
        if 60 < tick.x < drawn.width - 90:
            picture.text(tick.x, 14, tick.text, size=12, colour=_SOFT, anchor="ms")
    for tick in drawn.parallels:
        if 30 < tick.y < drawn.height - 10:
            picture.text(6, tick.y - 5, tick.text, size=12, colour=_SOFT)
    x, y = drawn.width - 26, 14.0
    picture.fill(f"M{x} {y}L{x + 9} {y + 24}L{x} {y + 18}L{x - 9} {y + 24}z", _INK)
    picture.text(x, y + 41, "N", anchor="ms")
    x, y = drawn.width - 20 - drawn.scale_px, drawn.height - 16
    picture.stroke(f"M{x} {y - 6}L{x} {y}L{x + drawn.scale_px} {y}L{x + drawn.scale_px} {y - 6}", _INK, 2)
    picture.text(x + drawn.scale_px / 2, y - 9, drawn.scale_text, anchor="ms")


def _legend(plan: SurveyPlan, drawn: PlanMap) -> list[tuple[Callable[[Picture], None], str]]:
    tone, box = TONE_COLOURS[0], "M0 0L26 0L26 14L0 14z"

    def line(picture: Picture) -> None:
        picture.stroke("M0 7L26 7", tone, 1.8)
        picture.fill("M17 7L10 3L12 7L10 11z", tone)

    def excluded(picture: Picture) -> None:
        picture.fill(box, (246, 223, 211))
        picture.hatch(box, _WARN, gap=5)
        picture.stroke(box, _WARN, 1.2)

    def missed(picture: Picture) -> None:
        picture.hatch(box, _INK, gap=4, width=0.9, rising=False)
        picture.stroke(box, _INK, 0.9)

    def zone(picture: Picture) -> None:
        picture.fill(box, _ZONE, 0.14)
        picture.stroke(box, _ZONE, 1.6, dash=(7, 4))

    entries: list[tuple[Callable[[Picture], None], str]] = [
        (line, "line on effort, direction of flight"),
        (lambda p: p.stroke("M0 7L26 7", tone, 1.0, dash=(4, 3)), "turn or transit"),
        (lambda p: p.fill(box, _STRIP, 0.25), f"strip seen ({drawn.frames} frames in all)"),
        (lambda p: p.fill("M13 0L21 14L5 14z", _INK), "take-off and landing"),
    ]
    if drawn.footprints:
        entries.append((lambda p: p.stroke(box, _STRIP, 0.9, alpha=0.7), "a frame, on level ground"))
    if drawn.exclusions:
        around = f", with {plan.buffer_m:g} m around it" if plan.buffer_m else ""
        entries.append((excluded, f"never flown over{around}"))
    if drawn.not_covered:
        entries.append((missed, "cannot be seen"))
    if drawn.kept_clear:
        entries.append((lambda p: p.fill(box, _WARN, 0.2), "kept clear of"))
    if drawn.hazards.obstacles:
        entries.append((lambda p: p.stroke("M8 13L13 1L18 13z", _WARN, 2), "obstacle, with its top"))
    if drawn.hazards.avoided or drawn.hazards.warned:
        entries.append((zone, "airspace"))
    return entries
