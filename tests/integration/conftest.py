"""The real systems that integration tests run against: started once for a session, on ports of their own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.devstack import TemporalServer

HANDLERS = "orders"
"""The namespace that operations run in."""

CALLERS = "checkout"
"""The namespace that calling workflows run in."""


@pytest_asyncio.fixture(scope="session")
async def temporal() -> AsyncIterator[TemporalServer]:
    """A Temporal server with a namespace for handlers and one for callers."""
    async with TemporalServer(namespaces=(HANDLERS, CALLERS)) as server:
        yield server
