"""A reviewer at the page: from opening it to a changed estimate nothing pressed is lost, and nobody else is asked."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow
PAGES = ("/", "/pairs", "/sample", "/map", "/dashboard", "/people", "/login", "/frames/5")
AT_ONCE = 50


@pytest.fixture
def verdicts(rows):
    """How many verdicts of each kind a served census has."""
    return lambda served: dict(rows(served, "SELECT action, count(*) FROM verdicts GROUP BY action"))


def chosen(page: Page) -> int:
    """The detection that the next key is about."""
    return int(page.locator("#grid").get_attribute("aria-activedescendant").removeprefix("item-"))


def shown(page: Page) -> None:
    expect(page.locator("#grid li.here")).to_have_count(1)


def press_fast(page: Page, keys: str) -> None:
    """Press keys as fast as the browser takes them, in runs that end where the next pictures are still to come."""
    for start in range(0, len(keys), AT_ONCE):
        page.keyboard.type(keys[start : start + AT_ONCE])
        expect(page.locator("#grid")).not_to_have_attribute("aria-busy", "true")


def test_every_page_opens_without_an_error_at_any_width_and_asks_nobody_else(serve, visit) -> None:
    served = serve()
    page = visit(served)
    for path in PAGES:
        page.set_viewport_size({"width": 1440, "height": 800})
        page.goto(served.address + path)
        page.wait_for_load_state("networkidle")
        assert page.locator("h1").count() == 1
        for width in (1440, 1024, 390):
            page.set_viewport_size({"width": width, "height": 800})
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider == 0, f"{path} is {wider} px too wide at {width} px"


@pytest.mark.timeout(900)
def test_a_thousand_verdicts_by_keys_are_on_disk_once_each_and_undo_takes_all_back(
    serve, visit, rows, verdicts, on_disk
) -> None:
    served = serve()
    page = visit(served)
    shown(page)
    expect(page.locator("#progress")).to_have_text("impala: 0 of 1150 judged")
    # Every third one is rejected, so that a verdict on the wrong picture would show.
    keys = "".join("r" if i % 3 == 0 else "a" for i in range(1000))
    order = [
        r[0] for r in rows(served, "SELECT fid FROM detections WHERE label = 'impala' ORDER BY score DESC, fid DESC")
    ]
    press_fast(page, keys)
    expect(page.locator("#progress")).to_have_text("impala: 1000 of 1150 judged")
    on_disk(page)
    said = rows(served, "SELECT detection_id, action FROM verdicts ORDER BY fid")
    assert said == [(order[i], "reject" if key == "r" else "accept") for i, key in enumerate(keys)]
    page.keyboard.type("z" * 1000)
    on_disk(page)
    expect(page.locator("#progress")).to_have_text("impala: 0 of 1150 judged")
    assert verdicts(served) == {"accept": 666, "reject": 334, "undo": 1000}
    assert rows(served, "SELECT count(*) FROM review_states") == [(0,)]
    assert rows(served, "SELECT count(DISTINCT undoes_id) FROM verdicts") == [(1000,)]


def test_from_opening_the_page_to_a_changed_estimate(serve, visit, rows, verdicts, on_disk) -> None:
    served = serve()
    page = visit(served)
    page.get_by_role("button", name=re.compile("^zebra")).click()
    expect(page.locator("#progress")).to_have_text("zebra: 0 of 60 judged")
    expect(page.locator("#grid li")).to_have_count(60)
    page.keyboard.press("s")
    page.keyboard.press("r")
    expect(page.locator("#progress")).to_have_text("zebra: 60 of 60 judged")
    on_disk(page)
    assert verdicts(served) == {"reject": 60}
    page.get_by_role("link", name="Same animal?").click()
    row = page.locator("#estimates tr.total", has_text="zebra")
    assert int(row.locator("td").nth(2).inner_text().split()[0]) > 200
    page.get_by_role("button", name="Count again").click()
    expect(page.locator("#counting")).to_have_text("Counted again.", timeout=120_000)
    expect(row.locator("td").nth(2)).to_have_text(re.compile(r"^0 "))
    before, now = (row.locator("td").nth(i).inner_text() for i in (1, 2))
    assert before != now
    page.get_by_role("link", name="Dashboard").click()
    expect(page.locator("#estimates tr.total", has_text="zebra").locator("td").nth(1)).to_have_text("0")


def test_all_above_a_score_after_a_confirmation_that_says_how_many(serve, visit, rows, verdicts, on_disk) -> None:
    served = serve()
    page = visit(served)
    page.locator("#score").fill("0.8")
    high = rows(served, "SELECT count(*) FROM detections WHERE label = 'impala' AND score >= 0.8")[0][0]
    expect(page.locator("#above")).to_contain_text(f"{high} from this score up")
    page.keyboard.press("b")
    dialog = page.locator("#bulk")
    expect(dialog.locator("h2")).to_have_text(f"{high} not judged: impala from 0.80 up")
    dialog.get_by_label("reject").check()
    expect(dialog.get_by_role("button", name=f"Reject {high}")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    assert verdicts(served) == {}
    page.keyboard.press("b")
    dialog.get_by_role("button", name=f"Accept {high}").click()
    expect(page.locator("#progress")).to_contain_text(f"{high} of {high} judged")
    assert verdicts(served) == {"accept": high}
    page.keyboard.press("z")
    on_disk(page)
    assert rows(served, "SELECT count(*) FROM review_states") == [(0,)]


def test_split_and_merge_change_what_counts_and_undo_changes_it_back(serve, visit, rows, verdicts, on_disk) -> None:
    served = serve()
    capture, first, second = rows(
        served, "SELECT capture_id, min(fid), max(fid) FROM detections WHERE run_id = 2 AND label = 'elephant'"
        " GROUP BY capture_id HAVING count(*) > 4 ORDER BY capture_id LIMIT 1"
    )[0]  # fmt: skip
    page = visit(served, f"/frames/{capture}?detection={first}")
    found = page.locator("#found button")
    expect(found.first).to_have_attribute("aria-current", "true")
    many = found.count()
    page.keyboard.press("p")
    page.get_by_label("How many animals").fill("3")
    page.keyboard.press("Enter")
    expect(found).to_have_count(many + 3)
    on_disk(page)
    assert verdicts(served) == {"split": 1, "add": 3}
    page.keyboard.press("z")
    expect(found).to_have_count(many)
    page.keyboard.press("x")
    found.nth(many - 1).click()
    page.keyboard.press("m")
    on_disk(page)
    merged = rows(served, "SELECT detection_id, after FROM verdicts WHERE action = 'merge'")
    assert [(d, json.loads(after)) for d, after in merged] == [(first, {"into": second})]
    page.keyboard.press("z")
    on_disk(page)
    assert rows(served, "SELECT count(*) FROM review_states WHERE action <> 'withdrawn'") == [(0,)]


def test_a_missed_animal_is_drawn_and_its_box_drawn_anew(serve, visit, rows, until, on_disk) -> None:
    served = serve()
    page = visit(served, "/frames/3")
    expect(page.locator("#pixels")).not_to_have_attribute("aria-busy", "true")
    area = page.locator("#pixels").bounding_box()
    middle = (area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)

    def draw(size: float) -> None:
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + size, middle[1] + size, steps=4)
        page.mouse.up()

    page.keyboard.press("d")
    draw(60)
    page.locator("#relabel input").fill("zebra")
    page.keyboard.press("Enter")
    until(lambda: rows(served, "SELECT action FROM review_states") == [("add",)], "the drawn box is on disk")
    on_disk(page)
    ((label, wide),) = rows(served, "SELECT label, x_max_px - x_min_px FROM review_states WHERE action = 'add'")
    assert (label, 20 < wide < 90) == ("zebra", True)
    page.locator("#found button").first.click()
    expect(page.locator("#found button").first).to_have_attribute("aria-current", "true")
    page.keyboard.press("v")
    expect(page.locator("[data-act=redraw]")).to_have_attribute("aria-pressed", "true")
    draw(120)
    until(lambda: rows(served, "SELECT label, action FROM review_states") == [("zebra", "move")], "the box has moved")


def test_keys_are_shown_and_one_s_own_hold(serve, visit, rows, verdicts, on_disk) -> None:
    served = serve()
    page = visit(served)
    expect(page.locator("#keys div", has_text="accept").locator("dt")).to_have_text("a")
    page.locator("#remap").click()
    page.locator("#mapping label", has_text="accept").locator("input").press("y")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#keys div", has_text="accept").locator("dt")).to_have_text("y")
    page.reload()
    shown(page)
    first = chosen(page)
    page.keyboard.press("a")
    page.keyboard.press("y")
    on_disk(page)
    assert rows(served, "SELECT detection_id, action FROM verdicts") == [(first, "accept")]


def test_the_dashboard_lays_seasons_side_by_side_and_follows_by_itself(serve, visit, on_disk) -> None:
    served = serve()
    page = visit(served, "/login")
    page.clock.install()
    page.goto(f"{served.address}/dashboard")
    assert page.locator("#surveys th[scope=col]").all_inner_texts() == ["Species", "2026-wet", "2025-wet"]
    zebra = page.locator("#surveys tr", has_text="zebra").locator("td")
    for i in range(2):
        expect(zebra.nth(i).locator("strong")).to_have_text(re.compile(r"^\d+$"))
    expect(page.locator("#progress li", has_text="zebra")).to_contain_text("0 of 60")
    other = visit(served, "/?label=zebra")
    shown(other)
    other.keyboard.press("a")
    on_disk(other)
    page.clock.fast_forward(31_000)
    expect(page.locator("#progress li", has_text="zebra")).to_contain_text("1 of 60")
    expect(page.locator("#detector tr.total", has_text="zebra").locator("td").nth(1)).to_have_text("1 of 1")
