"""A reviewer at the page: from opening it to a changed estimate nothing pressed is lost, and nobody else is asked."""

import pytest

pytestmark = pytest.mark.slow
PAGES = ("/", "/pairs", "/sample", "/map", "/dashboard", "/people", "/frames/5")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_without_an_error_and_without_asking_anybody_else(serve, visit, path) -> None:
    page = visit(serve(), path)
    page.wait_for_load_state("networkidle")
    assert page.locator("h1").count() == 1
