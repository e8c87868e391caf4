"""The review page for everybody: axe finds no serious fault, and keys alone do the whole job."""

import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from counts.census import Census
from counts.review.sessions import hash_word
from counts.schema import Detection
from counts.store import find_survey
from counts.store.identity import latest_identity_run
from counts.store.pairs import PairEntry, add_pairs
from counts.store.people import add_person

pytestmark = pytest.mark.slow
PAGES = ("/", "/frames/5", "/pairs", "/sample", "/map", "/dashboard", "/people", "/login", "/api")
GRAVE = ("serious", "critical")
WAITS = "() => !document.querySelector('[aria-busy=true]')"
PLACE = """() => {
  const b = document.querySelector("svg.boxes").getBoundingClientRect();
  return { height: b.height, middle: b.top + b.height / 2 };
}"""
"""Where on the screen the picture is, and how large."""


def faults(page: Page) -> list[str]:
    """What axe finds that keeps somebody out, with where it is."""
    found = Axe().run(page, options={"resultTypes": ["violations", "passes"]})
    assert len(found["passes"]) > 10, "axe looked at nothing"
    return [
        f"{v['impact']} {v['id']}: {n['target']} {n.get('failureSummary', '')}"
        for v in found["violations"]
        if v["impact"] in GRAVE
        for n in v["nodes"]
    ]


def ready(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_function(WAITS)


@pytest.fixture
def with_pairs(census_file: Path) -> list[tuple[int, int]]:
    """Pairs to answer in the census that is served."""
    with Census.open(census_file) as census, census.writing() as session:
        run = latest_identity_run(session, find_survey(session, "2026-wet").survey_id)
        rows = session.execute(
            select(func.min(Detection.fid)).where(Detection.run_id == 2).group_by(Detection.capture_id).limit(4)
        )
        pairs = list(pairwise(row[0] for row in rows))
        add_pairs(session, run, [PairEntry(a, b, True, 2.5, 0.6, "near the gate") for a, b in pairs])
    return pairs


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_no_serious_fault_on_any_page(serve, visit, with_pairs, width) -> None:
    served = serve()
    for path in PAGES:
        page = visit(served, path, width=width)
        ready(page)
        assert faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"
        page.context.close()


def test_axe_finds_no_serious_fault_in_what_opens_on_the_way(serve, visit, with_pairs) -> None:
    served = serve()
    page = visit(served, "/")
    ready(page)
    for key in ("l", "p", "b"):
        page.keyboard.press(key)
        page.locator("dialog[open]").wait_for()
        assert faults(page) == [], f"the dialog of {key}"
        page.keyboard.press("Escape")
    page.locator("#remap").click()
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.type("arx")
    ready(page)
    page.get_by_label("all", exact=True).check()
    ready(page)
    assert faults(page) == [], "judged ones"
    page.goto(f"{served.address}/frames/5")
    ready(page)
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    assert faults(page) == [], "drawing"
    page.keyboard.press("Enter")
    page.locator("dialog[open]").wait_for()
    assert faults(page) == [], "labelling what was drawn"
    page.goto(f"{served.address}/sample")
    ready(page)
    page.locator("#draw button").click()
    page.locator("#take button").click()
    page.locator("#checking").wait_for()
    page.keyboard.press("m")
    ready(page)
    assert faults(page) == [], "a frame that is counted"
    stranger = visit(serve(local_name="nobody yet"), "/login")
    stranger.get_by_label("Name").fill("mona")
    stranger.get_by_label("Password").fill("wrong password")
    stranger.keyboard.press("Tab")
    assert faults(stranger) == []


STOP = """() => {
  const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
  const inner = e.getAttribute("aria-activedescendant");
  const shown = inner ? getComputedStyle(document.getElementById(inner)) : s;
  const seen = shown.outlineStyle !== "none" && parseFloat(shown.outlineWidth) >= 2;
  const name = e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent || e.title || e.name;
  return [`${e.tagName}#${e.id}.${e.className}`, seen, b.width > 0 && b.right > 0, (name || "").trim().slice(0, 40)];
}"""


def test_tab_goes_through_every_page_and_shows_where_it_is(serve, visit, with_pairs) -> None:
    served = serve()
    for path in PAGES:
        page = visit(served, path)
        ready(page)
        page.locator(".skip").focus()
        met: list[str] = []
        for _ in range(70):
            page.keyboard.press("Tab")
            what, seen, inside, name = page.evaluate(STOP)
            if what.startswith("BODY") or name == "Skip to content":
                break
            assert seen, f"{path}: {what} {name} has the focus and does not show it"
            assert inside, f"{path}: {what} {name} has the focus out of sight"
            assert name, f"{path}: {what} has no name"
            met.append(name)
        assert len(met) > 2, path
        page.context.close()


def test_detections_are_judged_with_keys_alone(serve, visit, rows, until) -> None:
    served = serve()
    page = visit(served, "/")
    ready(page)
    said, progress = page.locator("#said"), page.locator("#progress")
    keys = page.keyboard
    expect(page.locator("#grid")).to_be_focused()
    keys.press("a")
    expect(said).to_have_text("accepted")
    expect(progress).to_have_text(re.compile("^impala: 1 of "))
    keys.press("r")
    expect(said).to_have_text("rejected")
    keys.press("l")
    keys.type("topi")
    keys.press("Enter")
    expect(said).to_have_text("now topi")
    expect(page.locator("#grid")).to_be_focused()
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowRight")
    keys.press("a")
    expect(said).to_have_text("3 accepted")
    keys.press("z")
    expect(said).to_have_text("The last act is taken back")
    expect(page.locator("#unsent")).to_be_hidden()
    wanted = {"accept": 4, "reject": 1, "relabel": 1, "undo": 3}
    said_so_far = "SELECT action, count(*) FROM verdicts GROUP BY action"
    until(lambda: dict(rows(served, said_so_far)) == wanted, "the verdicts are on disk")
    # Another label, by Tab and Enter, and the focus stays on it.
    page.evaluate("document.activeElement.blur()")
    for _ in range(30):
        keys.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("zebra"):
            break
    keys.press("Enter")
    expect(progress).to_have_text(re.compile("^zebra: 0 of "))
    assert page.evaluate("document.activeElement.textContent").startswith("zebra")
    ready(page)
    expect(page.locator("#grid li.here")).to_have_count(1)
    keys.press("f")
    page.wait_for_url("**/frames/**")


def test_a_missed_animal_is_drawn_with_keys_alone(serve, visit, rows, until) -> None:
    served = serve()
    page = visit(served, "/frames/5")
    ready(page)
    keys = page.keyboard
    keys.press("d")
    expect(page.locator("#said")).to_contain_text("press Enter")
    expect(page.locator("#pixels")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#said")).to_contain_text("arrows move it")
    box = page.locator("svg.boxes rect.rubber")
    first = [float(box.get_attribute(name)) for name in ("x", "y", "width", "height")]
    for _ in range(5):
        keys.press("ArrowRight")
    keys.press("ArrowUp")
    for _ in range(3):
        keys.press("Shift+ArrowRight")
    moved = [float(box.get_attribute(name)) for name in ("x", "y", "width", "height")]
    assert moved[0] > first[0]
    assert moved[1] < first[1]
    assert moved[2] > first[2]
    assert moved[3] == pytest.approx(first[3])
    keys.press("Enter")
    keys.type("impala")
    keys.press("Enter")
    until(lambda: rows(served, "SELECT 1 FROM verdicts"), "the drawn box is on disk")
    ((capture, after),) = rows(served, "SELECT capture_id, after FROM verdicts WHERE action = 'add'")
    x, y, width, height = moved
    assert capture == 5
    assert json.loads(after)["box_px"] == pytest.approx([x, y, x + width, y + height])
    # Escape leaves drawing without a box.
    keys.press("d")
    keys.press("Enter")
    keys.press("Escape")
    expect(box).to_have_count(0)
    assert len(rows(served, "SELECT 1 FROM verdicts")) == 1


def test_what_is_found_in_a_frame_is_chosen_and_judged_with_keys_alone(serve, visit, rows) -> None:
    served = serve()
    ((capture,),) = rows(served, "SELECT capture_id FROM detections WHERE run_id = 2 AND label = 'impala' LIMIT 1")
    page = visit(served, f"/frames/{capture}")
    ready(page)
    keys = page.keyboard
    page.locator("#found button").first.focus()
    keys.press("Tab")
    keys.press("Enter")
    second = page.locator("#found button").nth(1)
    expect(second).to_have_attribute("aria-current", "true")
    expect(second).to_be_focused()
    keys.press("r")
    expect(page.locator("#said")).to_have_text("rejected")
    expect(second).to_contain_text("rejected")


def test_one_logs_in_and_out_with_keys_alone(serve, visit, census_file) -> None:
    with Census.open(census_file) as census, census.writing() as session:
        noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
        add_person(session, "vera", "viewer", who="boss", time_utc=noon, secret=hash_word("correct horse"))
    page = visit(serve(), "/login", trouble_expected=True)
    keys = page.keyboard
    page.get_by_label("Name").focus()
    for word, said in (("wrong word", "name and password do not fit"), ("correct horse", "")):
        page.get_by_label("Name").fill("vera")
        keys.press("Tab")
        keys.type(word)
        keys.press("Enter")
        if said:
            expect(page.locator("#said")).to_have_text(said)
            page.get_by_label("Password").fill("")
    expect(page.locator(".who")).to_contain_text("vera")
    ready(page)
    assert faults(page) == []
    page.locator("#log-out").focus()
    keys.press("Enter")
    page.wait_for_url("**/login")
    page.goto(page.url.replace("/login", "/dashboard"))
    # This laptop's own manager again, who has nothing to log out of.
    expect(page.locator(".who")).to_contain_text("manager local")
    expect(page.locator("#log-out")).to_have_count(0)


def test_pairs_are_answered_with_keys_alone(serve, visit, with_pairs, rows, until) -> None:
    served = serve()
    page = visit(served, "/pairs")
    ready(page)
    facts = page.locator("#facts")
    assert facts.get_attribute("aria-live") == "polite", "the next pair is read out"
    expect(facts).to_contain_text("2.5 m")
    for number, (key, said) in enumerate((("s", "One animal"), ("d", "Two animals"), ("u", "Left open")), 1):
        expect(page.locator("#pair")).to_be_visible()
        page.keyboard.press(key)
        expect(page.locator("#said")).to_have_text(said)
        expect(page.locator("#progress")).to_contain_text(f"{number} of 3 answered")
        ready(page)
    expect(page.locator("#empty")).to_contain_text("Every pair is answered")
    page.keyboard.press("z")
    expect(page.locator("#progress")).to_contain_text("2 of 3 answered")
    answers = "SELECT answer FROM pair_decisions ORDER BY fid LIMIT 3"
    until(lambda: rows(served, answers) == [("same",), ("different",), ("unsure",)], "the answers are on disk")


def test_a_sample_is_drawn_taken_and_counted_with_keys_alone(serve, visit, rows, until) -> None:
    served = serve()
    page = visit(served, "/sample")
    ready(page)
    keys = page.keyboard
    page.locator("#draw input").first.focus()
    keys.press("Enter")
    expect(page.locator("#said")).to_have_text("The sample is drawn", timeout=60_000)
    page.locator("#take input").focus()
    keys.type("2")
    keys.press("Enter")
    expect(page.locator("#checking")).to_be_visible()
    ready(page)
    page.evaluate("document.activeElement.blur()")
    keys.press("2")
    second = page.locator("#species [role=radio]").nth(1)
    expect(second).to_have_attribute("aria-checked", "true")
    assert page.locator("#said").inner_text() in second.inner_text()
    page.locator("#pixels").focus()
    keys.press("m")
    expect(page.locator("#sum")).to_contain_text("1 ")
    before = page.evaluate(PLACE)
    for _ in range(2):
        keys.press("+")
    # From nearer there is room to move; half of the way there is enough of it.
    page.wait_for_function(f"before => ({PLACE})().height > 1.3 * before.height", arg=before)
    before = page.evaluate(PLACE)
    keys.press("ArrowUp")
    page.wait_for_function(f"before => ({PLACE})().middle > before.middle + 20", arg=before)
    keys.press("m")
    expect(page.locator("#sum")).to_contain_text("2 ")
    first, then = page.locator("svg.boxes circle").evaluate_all("all => all.map(c => Number(c.getAttribute('cy')))")
    assert then < first, "the arrow moved the picture"
    keys.press("n")
    expect(page.locator("#said")).to_have_text("2 counted")
    counted = "SELECT count(*) FROM sample_counts WHERE true_count = 2"
    until(lambda: rows(served, counted) == [(1,)], "the count is on disk")
