"""The page of a plan shows what the plan says, draws every line where it is flown, and needs nothing else."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import shapely

from flightplan.areas import LaunchSite, Stratum, StudyArea
from flightplan.cameras import camera_named
from flightplan.frames import LocalFrame
from flightplan.plan import SurveyPlan
from flightplan.plan_files import load_plan, save_plan
from flightplan.plan_map import effort_lines, map_of_plan, map_of_sortie
from flightplan.plan_page import MOST_SORTIE_MAPS, plan_page
from flightplan.planning import plan_survey
from flightplan.request import PlanRequest

FRAME = LocalFrame(34.83, -2.33)
LAND, LAKE = shapely.box(-2500, -900, 2500, 900), shapely.box(-300, -200, 250, 300)


def study_area(name: str = "Olare") -> StudyArea:
    ((longitude, latitude),) = FRAME.to_lonlat([(-900.0, -850.0)])
    land = shapely.difference(LAND, LAKE)
    halves = (shapely.intersection(land, shapely.box(-3000, y, 3000, y + 1000)) for y in (0, -1000))
    return StudyArea(
        name,
        tuple(Stratum(n, FRAME.delocalise(p)) for n, p in zip(("north", "south"), halves, strict=True)),
        (FRAME.delocalise(LAKE),),
        (LaunchSite("camp", float(longitude), float(latitude)),),
    )


def plan(name: str = "Olare", **asked: object) -> SurveyPlan:
    settings = {"altitude_agl_m": 80.0, "spacing_m": 300.0, "heading_deg": 0.0, "seed": 2, **asked}
    return plan_survey(study_area(name), PlanRequest(camera=camera_named("overfly-demo"), **settings))  # type: ignore[arg-type]


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def lengths(path: str) -> list[float]:
    """The length of each part of a path's data, in the drawing's units."""
    parts = [np.array([p.split() for p in part.split("L")], dtype=float) for part in path.split("M")[1:]]
    return [float(np.hypot(*np.diff(xy, axis=0).T).sum()) for xy in parts]


def test_every_line_is_drawn_once_as_long_as_it_is_flown() -> None:
    result = plan()
    drawn = map_of_plan(result)
    px_per_m = drawn.strip_px / result.design.strip_width_m
    flown_m = [t.length_m for s in result.strata for t in s.transects]
    drawn_m = [length / px_per_m for s in drawn.sorties for length in lengths(s.lines)]
    assert len(result.sorties) == len(drawn.sorties) >= 2
    assert sum(drawn_m) == pytest.approx(sum(flown_m), rel=2e-3)
    ways_m = sum(length for s in drawn.sorties for length in lengths(s.ways)) / px_per_m
    assert sum(drawn_m) + ways_m == pytest.approx(result.length_m, rel=2e-3)


def test_lines_point_the_way_they_are_flown() -> None:
    result = plan()
    for index, sortie in enumerate(result.sorties):
        lines = [result.area.frame.to_local(line) for line in effort_lines(sortie.mission)]
        drawn = map_of_sortie(result, index)
        arrows = drawn.sorties[0].arrows.split("M")[1:]
        assert len(arrows) == len(lines)
        for line, arrow in zip(lines, arrows, strict=True):
            xy = np.array([p.split() for p in arrow.rstrip("z").split("L")], dtype=float)
            north_up = -(xy[0] - xy[2])[1]
            assert np.sign(north_up) == np.sign(line[-1, 1] - line[0, 1])


def test_north_is_up_and_east_is_right() -> None:
    result = plan()
    drawn = map_of_plan(result)
    (camp,) = drawn.sites
    assert camp.text == "camp"
    assert camp.y > 0.75 * drawn.height
    assert camp.x < drawn.width / 2
    north, south = drawn.stratum_labels
    assert (north.text, south.text) == ("north", "south")
    assert north.y < south.y


def test_the_page_says_what_the_plan_says() -> None:
    result = plan()
    words = Tags(plan_page(result)).words
    for sortie in result.sorties:
        assert sortie.identifier in words
        assert f"{sortie.length_m / 1000:.1f} km, {sortie.duration_s / 60:.0f} min" in words
        assert f"{100 * sortie.energy_share:.0f} % of the battery" in words
    for warning in (*result.warnings, *result.notes):
        assert warning in words
    for fact in ("80 m", "overfly-demo", "seed 2", "DJI Mavic 3 Enterprise", "0° from true north", "Remarks"):
        assert fact in words


def test_the_page_needs_nothing_from_elsewhere() -> None:
    page = Tags(plan_page(plan()))
    assert not {"script", "link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "action"):
            assert name not in attributes, (tag, name)
    assert not re.findall(r"url\((?!#)|@import|https?:", plan_page(plan()))


def test_each_id_is_there_once_and_found() -> None:
    text = plan_page(plan())
    ids = [a["id"] for _, a in Tags(text).tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(ids)


def test_a_name_from_a_file_cannot_write_into_the_page() -> None:
    text = plan_page(plan("<script>alert(1)</script>"))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_page_is_the_same_every_time_and_after_reading_back(tmp_path: Path) -> None:
    result = plan()
    save_plan(result, tmp_path)
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")
    assert page == plan_page(result) == plan_page(load_plan(tmp_path))


def test_a_plan_of_very_many_sorties_says_which_have_no_map() -> None:
    result = plan()
    many = replace(result, sorties=result.sorties[:1] * (MOST_SORTIE_MAPS + 5))
    page = Tags(plan_page(many))
    assert "5 more sorties have no map of their own" in page.words
    assert sum(a.get("role") == "img" for _, a in page.tags) == MOST_SORTIE_MAPS + 1


def test_full_coverage_without_launch_sites_or_exclusions_has_a_page() -> None:
    area = StudyArea("field", (Stratum("all", FRAME.delocalise(shapely.box(-300, -200, 300, 250))),))
    result = plan_survey(area, PlanRequest(camera=camera_named("overfly-demo"), altitude_agl_m=60.0, side_overlap=0.6))
    words = Tags(plan_page(result)).words
    assert "full coverage, lines 28.8 m apart" in words
    assert "never flown over" not in words
