"""The report in a browser: it fits a phone, a screen reader finds its way, and the page for the wall prints on one."""

import re

import pytest
from axe_core_python.sync_playwright import Axe

from counts.census import Census
from counts.report import ReportRequest, write_reports

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pages(filled_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with Census.open(filled_file) as census:
        for language in ("en", "ru", "sw"):
            for one_page in (False, True):
                asked = ReportRequest(language=language, one_page=one_page)
                write_reports(census, "2026-wet", [folder / f"{language}-{one_page}.html"], asked)
    return folder


@pytest.fixture
def opened(browser, pages):
    context = browser.new_context(bypass_csp=True, offline=True)

    def call(name, width):
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((pages / f"{name}.html").as_uri())
        return page

    yield call
    context.close()


@pytest.mark.parametrize("language", ["en", "ru", "sw"])
@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_no_wider_than_the_screen(opened, language, width):
    page = opened(f"{language}-False", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["en-False", "ru-True"])
def test_axe_finds_no_fault(opened, name):
    found = Axe().run(opened(name, 1200))
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []


@pytest.mark.parametrize("language", ["en", "ru", "sw"])
def test_the_page_for_the_wall_prints_on_one_side_of_a4(opened, language):
    pdf = opened(f"{language}-True", 1000).pdf(prefer_css_page_size=True, print_background=True)
    assert max(int(n) for n in re.findall(rb"/Count (\d+)", pdf)) == 1
