"""Listening sockets: opened for a block, and closed so that what is under way can end."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from socket import socket


@asynccontextmanager
async def listening(
    app: web.Application, sock: socket, *, header_bytes: int, drain: float
) -> AsyncIterator[web.BaseSite]:
    """Serve ``app`` on ``sock``; on leaving, requests under way get up to ``drain`` seconds to end.

    A view is canceled when its client goes away. Bodies are not decompressed: a small one would become a large one.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        auto_decompress=False,
        max_line_size=header_bytes,
        max_field_size=header_bytes,
        shutdown_timeout=drain,
    )
    await runner.setup()
    site = web.SockSite(runner, sock)
    await site.start()
    try:
        yield site
    finally:
        await runner.cleanup()
