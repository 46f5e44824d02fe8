"""The admin listener, over real sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from gateway.web._admin import admin_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

READY: Mapping[str, str | None] = {"keys": None, "plugins": None, "engine main": None}


@asynccontextmanager
async def listening(
    readiness: Callable[[], Awaitable[Mapping[str, str | None]]],
    *,
    within: float = 5.0,
    notices: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[aiohttp.ClientSession]:
    app = admin_app(
        readiness=readiness,
        metrics=lambda: ("text/plain; version=0.0.4", b"up 1\n"),
        notices=lambda: notices,
        timeout=within,
    )
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as client:
        yield client


async def ready() -> Mapping[str, str | None]:
    return READY


async def not_ready() -> Mapping[str, str | None]:
    return {**READY, "engine main": "cannot reach 127.0.0.1:7233"}


async def hanging() -> Mapping[str, str | None]:
    await asyncio.sleep(60)
    return READY


async def broken() -> Mapping[str, str | None]:
    raise ConnectionError("secret detail")


async def test_livez_answers_ok_whatever_the_checks_say() -> None:
    async with listening(not_ready) as client, client.get("/livez") as response:
        assert (200, "ok") == (response.status, await response.text())


async def test_readyz_is_200_when_every_check_passes() -> None:
    async with listening(ready) as client, client.get("/readyz") as response:
        assert 200 == response.status
        assert {"ready": True, "checks": dict.fromkeys(READY, "ok"), "notices": {}} == await response.json()


async def test_what_is_not_as_it_should_be_is_told_and_keeps_nobody_from_being_served() -> None:
    async with listening(ready, notices={"stops": "a bad file"}) as client, client.get("/readyz") as response:
        assert 200 == response.status
        assert {"stops": "a bad file"} == (await response.json())["notices"]


async def test_readyz_is_503_and_names_what_is_not_ready() -> None:
    async with listening(not_ready) as client, client.get("/readyz") as response:
        assert 503 == response.status
        body = await response.json()
    assert False is body["ready"]
    assert body["checks"] == {"keys": "ok", "plugins": "ok", "engine main": "cannot reach 127.0.0.1:7233"}


async def test_a_check_that_hangs_counts_as_not_ready() -> None:
    async with listening(hanging, within=0.05) as client, client.get("/readyz") as response:
        assert 503 == response.status
        assert (await response.json())["checks"] == {"readiness": "no answer within 0.05 s"}


async def test_a_check_that_raises_counts_as_not_ready_and_its_message_stays_in_the_log() -> None:
    async with listening(broken) as client, client.get("/readyz") as response:
        assert 503 == response.status
        assert "secret detail" not in await response.text()


async def test_metrics_are_passed_on_with_their_content_type() -> None:
    async with listening(ready) as client, client.get("/metrics") as response:
        assert (200, b"up 1\n") == (response.status, await response.read())
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4"


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 503), ("/metrics", 200)])
async def test_head_answers_like_get_without_a_body(path: str, status: int) -> None:
    async with listening(not_ready) as client, client.head(path) as response:
        assert (status, b"") == (response.status, await response.read())


@pytest.mark.parametrize("path", ["/", "/livez/", "/nexus/endpoints/orders/services/orders.v1/quote"])
async def test_any_other_path_is_404(path: str) -> None:
    async with listening(ready) as client, client.get(path) as response:
        assert 404 == response.status
