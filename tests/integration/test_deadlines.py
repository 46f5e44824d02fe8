"""A request's time limit holds for everything that is done for it, also before it is known who asks."""

import time
from typing import Any

from aiohttp import ClientSession

from gateway.devstack import CALLER_NAMESPACE, Stack
from tests.integration.another_gateway import another_gateway
from tests.integration.caller import Caller
from tests.unit.auth.provider import running
from tests.unit.auth.signing import AUDIENCE, Signer

ECHO = "echo.v1/echo"


async def test_a_key_provider_that_hangs_takes_no_longer_than_the_request_may(
    stack: Stack, http: ClientSession
) -> None:
    """Its five seconds are for those who have them."""
    known, unknown = (Signer.create(kid=kid, issuer="https://slow.test") for kid in ("k1", "k2"))
    async with running(known) as provider:

        def edit(config: dict[str, Any]) -> None:
            config["issuers"] = [
                {
                    "issuer": known.issuer,
                    "audiences": [AUDIENCE],
                    "algorithms": [known.algorithm],
                    "jwks_uri": provider.keys_url,
                }
            ]

        async with another_gateway(stack, edit) as server:
            url = server.endpoint_url("echo")
            assert 200 == (await Caller(http, url, known.token(namespace=CALLER_NAMESPACE)).start(ECHO, 1)).status
            provider.mode = "hang"
            began = time.monotonic()
            headers = {"Request-Timeout": "200ms"}
            caller = Caller(http, url, unknown.token(namespace=CALLER_NAMESPACE))
            late = await caller.start(ECHO, 1, headers=headers)
            assert (408, "REQUEST_TIMEOUT") == (late.status, late.error_type)
            assert 0.2 <= time.monotonic() - began < 2
            other = Caller(http, url, known.token(namespace=CALLER_NAMESPACE, sub="another"))
            assert 200 == (await other.start(ECHO, 1, headers=headers)).status
