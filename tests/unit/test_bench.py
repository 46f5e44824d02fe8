"""The benchmark's own parts: a measurement that measures the wrong thing is worse than none."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.bench._figures import Figures
from tests.bench._load import COUNTER, Load, UnexpectedAnswerError, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def echoing(bodies: list[str], status: int = 200) -> AsyncIterator[int]:
    async def echo(request: web.Request) -> web.Response:
        assert "Bearer t" == request.headers["Authorization"]
        bodies.append(await request.text())
        return web.Response(status=status, text=bodies[-1])

    app = web.Application()
    app.router.add_post("/echo", echo)
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port


def load(port: int) -> Load:
    return Load(
        host="127.0.0.1",
        port=port,
        path="/echo",
        headers={"Authorization": "Bearer t"},
        body=f"order-{COUNTER}",
        status=200,
        connections=4,
        seconds=1.0,
        warm_up=0.05,
    )


async def test_each_request_has_a_number_of_its_own_and_the_figures_fit_what_was_served() -> None:
    bodies: list[str] = []
    async with echoing(bodies) as port:
        figures = await asyncio.to_thread(run, load(port))
    assert len(bodies) == len(set(bodies)) > 4
    assert {f"order-{number:08d}" for number in range(1, len(bodies) + 1)} == set(bodies)
    assert 0 < figures.rate * load(port).seconds <= len(bodies)
    assert 0 < figures.p50 <= figures.p99


async def test_an_answer_that_is_not_the_expected_one_ends_the_measurement() -> None:
    bodies: list[str] = []
    async with echoing(bodies, status=503) as port:
        with pytest.raises(UnexpectedAnswerError, match=r"^HTTP/1\.1 503"):
            await asyncio.to_thread(run, load(port))
        # A server that is closed while it takes connections leaves them open, for a later test to be blamed.
        while len(bodies) < load(port).connections:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


def test_figures_are_the_rate_and_the_percentiles_in_milliseconds() -> None:
    figures = Figures.of([each / 1000 for each in range(1, 101)], 2.0)
    assert (50.0, 51.0, 100.0) == (figures.rate, figures.p50, figures.p99)
    assert figures == Figures.from_json(figures.to_json())


def test_without_an_answer_there_are_no_figures() -> None:
    with pytest.raises(ValueError, match="no request was answered"):
        Figures.of([], 1.0)
