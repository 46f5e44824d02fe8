"""The page that shows what there is to call, in a browser."""

from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.devstack import Stack
from tests.integration.browser import CHROMIUM, browsing

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")

CARD = "document.querySelector('[data-operation=\"start orders/orders.v1/quote\"]')"


async def test_an_operation_is_started_from_the_page_and_its_result_shown(
    stack: Stack, http: ClientSession, tmp_path: Path
) -> None:
    """With a token typed in; without one the gateway says what is missing."""
    async with browsing(http, tmp_path / "profile") as page:
        await page.open(f"{stack.gateway.url}/docs")
        await page.until(f"{CARD} !== null")
        await page.evaluate(f"{CARD}.open = true; {CARD}.querySelector('form').requestSubmit()")
        assert "401 Unauthorized" == await page.until(_settled(".status"))
        await page.evaluate(
            f"document.querySelector('#token').value = {stack.token()!r};"
            "document.querySelector('#sign-in').requestSubmit();"
        )
        # The list is written anew for the caller, so that the card is another one.
        await page.until(f"{CARD} !== null && !{CARD}.open")
        assert '"sku": "tea"' in await page.evaluate(f"{CARD}.querySelector('textarea').value")
        await page.evaluate(f"{CARD}.open = true; {CARD}.querySelector('form').requestSubmit()")
        assert "200 OK" == await page.until(_settled(".status"))
        assert '"total_cents": 450' in await page.until(_settled(".answer"))
        await page.evaluate(f"{CARD}.scrollIntoView()")
        await page.screenshot(tmp_path / "docs.png")
        hosts = "performance.getEntriesByType('resource').map((one) => new URL(one.name).origin)"
        assert [stack.gateway.url] == await page.evaluate(f"[...new Set({hosts})].filter((one) => one !== 'null')")


def _settled(selector: str) -> str:
    return f"{CARD}.querySelector('{selector}').textContent.replace('…', '')"
