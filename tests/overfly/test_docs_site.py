"""The site builds without a warning, and nothing in it asks a network for anything."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


# Whoever types before the page is ready types on.
_FOUND = """() => {
    document.querySelector("input[name=query]").dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }))
    return document.querySelector(".md-search-result__item") !== null
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it; proxies that lead nowhere stand for a machine without a network."""
    folder = tmp_path_factory.mktemp("site") / "site"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_site_has_a_page_for_every_page(site: Path) -> None:
    written = {p.relative_to(ROOT / "docs").with_suffix(".html") for p in (ROOT / "docs").rglob("*.md")}
    built = {p.relative_to(site) for p in site.rglob("*.html")}
    assert written <= built
    assert {Path("index.html"), Path("architecture.html"), Path("changelog.html")} <= built


@pytest.mark.slow
def test_no_page_of_the_site_fetches_anything(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"?([^\" >]+)", text)
        fetched += re.findall(r"<link\b[^>]*\brel=\"?(?:stylesheet|preload|icon|preconnect)[^>]*", text)
        assert not [address for address in fetched if "//" in address], page.name
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\(\"?https?:", sheet.read_text(encoding="utf-8")), sheet.name


@pytest.mark.slow
def test_every_formula_is_drawn_and_told(site: Path) -> None:
    for page in (ROOT / "docs" / "methods").glob("*.md"):
        shown = page.read_text(encoding="utf-8").count("```typst")
        text = (site / "methods" / page.with_suffix(".html").name).read_text(encoding="utf-8")
        assert text.count('<div class="formula"><svg aria-hidden') == text.count("<math") == shown, page.name


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="the system has no Chromium")
def test_the_site_is_searched_from_a_folder_without_a_server(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "methods" / "estimators.html").as_uri())
        assert page.locator("math").count() > 10
        page.locator("input[name=query]").fill("availability")
        page.wait_for_function(_FOUND, polling=500, timeout=60_000)
        found = page.locator(".md-search-result__item a").evaluate_all("links => links.map(link => link.href)")
        browser.close()
    assert any("methods/availability.html" in url for url in found)
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
