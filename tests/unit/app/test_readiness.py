"""What readiness says of the gateway itself."""

import asyncio

from gateway.app._readiness import readiness
from gateway.auth import Authenticator
from gateway.registry import Registry


async def test_a_gateway_that_stops_is_not_ready_and_says_so() -> None:
    """It takes no connections any more: whoever asks has to send requests elsewhere."""
    stopping = asyncio.Event()
    authenticator = Authenticator([])
    assert "gateway" not in await readiness(authenticator, Registry([]), {}, [], stopping)
    stopping.set()
    assert {"gateway": "is stopping"} == await readiness(authenticator, Registry([]), {}, [], stopping)
