"""Pairs and the random sample in the browser: answers and marks by keys, and what the census has of them."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import expect

from counts.census import Census
from counts.store import find_survey
from counts.store.identity import latest_identity_run
from counts.store.pairs import PairEntry, add_pairs

pytestmark = pytest.mark.slow


@pytest.fixture
def asked(census_file: Path, rows_of) -> list[tuple[int, int]]:
    """Four pairs that the newest counting could not tell."""
    first = "SELECT min(fid) FROM detections WHERE label = 'elephant' AND run_id = 2 GROUP BY capture_id LIMIT 5"
    keys = [row[0] for row in rows_of(census_file, first)]
    pairs = list(pairwise(keys))
    with Census.open(census_file) as census, census.writing() as session:
        run = latest_identity_run(session, find_survey(session, "2026-wet").survey_id)
        add_pairs(session, run, [PairEntry(a, b, True, 2.5, 0.6, "near the gate") for a, b in pairs])
    return pairs


def test_pairs_are_answered_by_keys_and_the_answers_taken_back_one_by_one(serve, visit, rows, asked) -> None:
    served = serve()
    page = visit(served, "/pairs")
    progress = page.locator("#progress")
    expect(progress).to_have_text("0 of 4 answered")
    for number, key in enumerate("sdu", start=1):
        expect(page.locator("#pair:not([hidden], [aria-busy])")).to_be_visible()
        expect(page.locator("#facts")).to_contain_text("2.5 m")
        for side in ("first", "second"):
            expect(page.locator(f"#{side}-crop")).to_have_js_property("complete", True)
            assert page.locator(f"#{side}-crop").evaluate("e => e.naturalWidth") == 384
        page.keyboard.press(key)
        expect(progress).to_contain_text(f"{number} of 4 answered")
    expect(progress).to_have_text("3 of 4 answered: 1 the same, 1 different, 1 open")
    said = rows(served, "SELECT first_id, second_id, answer FROM pair_decisions ORDER BY fid")
    assert said == [(*pair, answer) for pair, answer in zip(asked, ("same", "different", "unsure"), strict=False)]
    for left in (2, 1, 0):
        page.keyboard.press("z")
        expect(progress).to_contain_text(f"{left} of 4 answered")
    assert rows(served, "SELECT answer, count(*) FROM pair_decisions GROUP BY answer ORDER BY 1") == [
        ("different", 1), ("same", 1), ("undo", 3), ("unsure", 1),
    ]  # fmt: skip


def test_a_sample_is_drawn_taken_and_counted_blind_with_marks(serve, visit, rows, on_disk) -> None:
    served = serve()
    page = visit(served, "/sample")
    page.get_by_label("Frames with detections").fill("3")
    page.get_by_label("Frames without").fill("2")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator("#progress")).to_contain_text("0 of 5 counted")
    page.get_by_label("How many").fill("5")
    page.get_by_role("button", name="Take them").click()
    expect(page.locator("#checking")).to_be_visible()
    expect(page.locator("#progress")).to_contain_text("yours: 0 of 5 done")
    assert page.locator(".boxes rect").count() == 0, "what the detector found is not told"
    expect(page.locator("#pixels")).not_to_have_attribute("aria-busy", "true")
    page.keyboard.press("2")
    page.keyboard.press("m")
    expect(page.locator("#sum")).to_contain_text("1")
    page.keyboard.press("n")
    expect(page.locator("#progress")).to_contain_text("yours: 1 of 5 done")
    on_disk(page)
    counted = rows(served, "SELECT marks_px FROM sample_counts ORDER BY fid")
    marks = [json.loads(m) if m else m for (m,) in counted]
    assert sum(len(m) for m in marks if m) == 1
