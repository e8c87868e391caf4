"""Several at once, and a server that dies: nothing acknowledged is missing, and what waits is sent again once."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, Request, Response, expect

from counts.census import Census
from counts.review.sessions import hash_word
from counts.store.people import add_person

pytestmark = pytest.mark.slow
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IMPALA = "SELECT fid FROM detections WHERE label = 'impala' ORDER BY score DESC, fid DESC"
WORD = "a long enough word"


@pytest.fixture
def people(census_file: Path) -> None:
    with Census.open(census_file) as census, census.writing() as session:
        for name, role in (("amina", "reviewer"), ("juma", "reviewer"), ("guest", "viewer")):
            add_person(session, name, role, who="boss", time_utc=NOON, secret=hash_word(WORD))


@pytest.fixture
def review(census_file: Path, tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen]]:
    """Start `overfly review` as people do, and wait until it answers."""
    started: list[subprocess.Popen] = []

    def start(port: int) -> subprocess.Popen:
        program = [sys.executable, "-m", "overfly", "review", str(census_file), "--survey", "2026-wet", "--no-browser"]
        options = ["--port", str(port), "--cache", str(tmp_path / "cache")]
        process = subprocess.Popen([*program, *options], stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/login", timeout=2):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def log_in(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(WORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".who")).to_contain_text(name)


def shown(page: Page) -> None:
    expect(page.locator("#grid li.here")).to_have_count(1)


@pytest.mark.usefixtures("people")
def test_two_reviewers_at_once_each_undo_their_own_and_a_viewer_changes_nothing(serve, visit, rows, on_disk) -> None:
    served = serve(host="0.0.0.0", names=frozenset({"127.0.0.1"}))
    amina, juma, guest = (visit(served, "/login", trouble_expected=True) for _ in range(3))
    for page, name in ((amina, "amina"), (juma, "juma"), (guest, "guest")):
        log_in(page, name)
    juma.get_by_role("button", name=re.compile("^zebra")).click()
    expect(juma.locator("#progress")).to_contain_text("zebra")
    for page in (amina, juma, guest):
        shown(page)
    for _ in range(12):
        amina.keyboard.press("a")
        juma.keyboard.press("r")
        guest.keyboard.press("a")
    for page in (amina, juma):
        on_disk(page)
    for _ in range(5):
        amina.keyboard.press("z")
    on_disk(amina)
    said = Counter(rows(served, "SELECT who, action FROM verdicts"))
    assert said == {("amina", "accept"): 12, ("amina", "undo"): 5, ("juma", "reject"): 12}
    standing = Counter(rows(served, "SELECT label, action FROM review_states"))
    assert standing == {("impala", "accept"): 7, ("zebra", "reject"): 12}
    expect(guest.get_by_role("button", name="Accept")).to_be_disabled()
    guest.goto(f"{served.address}/people")
    expect(guest.locator("body")).to_contain_text("manager")
    guest.goto(served.address)
    guest.get_by_role("button", name="Log out").click()
    guest.wait_for_url("**/login")
    guest.goto(served.address)
    expect(guest.get_by_label("Password")).to_be_visible()
    # Each sees what the others did.
    juma.reload()
    expect(juma.get_by_role("button", name=re.compile("^impala"))).to_contain_text("7 of 1150")


def test_a_server_killed_in_the_middle_loses_nothing_and_doubles_nothing(
    census_file: Path, review, visit, rows, until, served_at, on_disk, free_port
) -> None:
    port = free_port()
    served = served_at(f"http://127.0.0.1:{port}", census_file)
    process = review(port)
    until(lambda: answers(served.address), "the server answers", 120)
    page = visit(served, trouble_expected=True)
    shown(page)
    order = [
        r[0] for r in rows(served, "SELECT fid FROM detections WHERE label = 'impala' ORDER BY score DESC, fid DESC")
    ]
    acknowledged: list[int] = []

    good: set[Request] = set()

    def begun(answer: Response) -> None:
        if answer.ok and answer.request.method == "POST":
            good.add(answer.request)

    def whole(request: Request) -> None:
        # An answer that was cut off in the middle has told the page nothing.
        if request in good:
            sent = request.post_data_json
            acknowledged.extend(v["detection_id"] for act in sent.get("acts", [sent]) for v in act["verdicts"])

    page.on("response", begun)
    page.on("requestfinished", whole)
    for _ in range(30):
        page.keyboard.press("a")
    until(lambda: page.wait_for_timeout(20) or len(acknowledged) > 5, "some verdicts are on disk")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    known = list(acknowledged)
    kept = {r[0] for r in rows(served, "SELECT detection_id FROM verdicts")}
    assert set(known) <= kept, "what the server said to be on disk is on disk"
    for _ in range(10):
        page.keyboard.press("r")
    expect(page.locator("#unsent")).to_contain_text("the server does not answer")
    waiting = int(page.locator("#unsent").inner_text().split()[0])
    assert 10 <= waiting <= 40 - len(known)
    review(port)
    until(lambda: answers(served.address), "the server answers again", 120)
    on_disk(page)
    said = rows(served, "SELECT detection_id, action FROM verdicts ORDER BY fid")
    assert said == [(key, "accept" if i < 30 else "reject") for i, key in enumerate(order[:40])]
    assert page.evaluate("Object.keys(localStorage).filter((k) => k.startsWith('overfly.waiting'))") == []


def test_what_waits_is_sent_when_the_page_is_opened_again_and_by_nobody_else(serve, visit, rows, on_disk) -> None:
    served = serve()
    page = visit(served, trouble_expected=True)
    shown(page)
    page.context.set_offline(True)
    for _ in range(5):
        page.keyboard.press("a")
    expect(page.locator("#unsent")).to_contain_text("5 not on disk yet")
    # One that somebody else left in this browser, or that was about another census.
    page.evaluate("""() => {
      const key = Object.keys(localStorage).find((k) => k.startsWith("overfly.waiting"));
      const act = JSON.parse(localStorage.getItem(key));
      const stray = { ...act, place: "another", body: { ...act.body, request: "stray-0001" } };
      localStorage.setItem("overfly.waiting.0.stray", JSON.stringify(stray));
    }""")
    page.context.set_offline(False)
    page.goto(served.address)
    shown(page)
    on_disk(page)
    assert len(rows(served, "SELECT 1 FROM verdicts")) == 5
    assert rows(served, "SELECT 1 FROM verdicts WHERE request = 'stray-0001'") == []
