"""A step of the demo that does not come out as it should is named, with what happened instead."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web

from gateway.cli import _demo_steps as steps
from gateway.cli._display import Display, StepError
from gateway.cli._http_caller import HttpCaller
from gateway.devstack import HOST
from gateway.telemetry import Telemetry


@pytest_asyncio.fixture
async def broken() -> AsyncIterator[HttpCaller]:
    """A caller of a service that fails at everything."""

    async def fail(request: web.Request) -> web.Response:
        assert "Bearer token" == request.headers["Authorization"]
        assert "traceparent" in request.headers
        return web.json_response({"message": "out of order"}, status=500)

    app = web.Application()
    app.router.add_route("*", "/{anything:.*}", fail)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    url = f"http://{HOST}:{runner.addresses[0][1]}"
    async with Telemetry.from_environment("test", {}) as telemetry, ClientSession() as session:
        yield HttpCaller(session, url, "token", telemetry)
    await runner.cleanup()


@pytest.mark.parametrize(
    ("step", "title"),
    [
        (steps.quote, "HTTP caller asks for a quote"),
        (steps.cancel_with_refund, "HTTP caller starts a large order"),
        (steps.approve, "HTTP caller approves another large order"),
        (steps.declined_card, "HTTP caller pays with a declined card"),
        (steps.order_by_http, "HTTP caller starts an order"),
    ],
)
async def test_a_step_that_fails_is_named(
    step: steps.Step, title: str, broken: HttpCaller, capsys: pytest.CaptureFixture[str]
) -> None:
    """On its own line as it happens, and in the error that ends the demo."""
    with Display() as display, pytest.raises(StepError) as caught:
        await step(broken, display)
    assert f"the step '{title}' failed: " in str(caught.value)
    assert '500: {"message": "out of order"}' in str(caught.value)
    assert f"FAILED  {title}\n" == capsys.readouterr().out
