"""The admin listener: liveness, readiness and metrics, on a port that callers do not reach (section 7)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

Readiness = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Answers each check's name with ``None`` when it passes, else with the reason."""

Notices = Callable[[], Mapping[str, str]]
"""Answers with what is not as it should be, by name, although it keeps nobody from being served."""

Exposition = Callable[[], tuple[str, bytes]]
"""Answers content type and body of the metrics; called on a thread."""

_LOG: Final = logging.getLogger(__name__)
_NO_STORE: Final = {"Cache-Control": "no-store"}


def admin_app(
    *, readiness: Readiness, metrics: Exposition, notices: Notices = dict, timeout: float = 5.0
) -> web.Application:
    """Build ``GET /livez``, ``/readyz`` and ``/metrics``.

    ``/livez`` says only that the loop turns. ``/readyz`` is 200 when every check passes and else 503, naming each
    check; checks that take longer than ``timeout`` seconds together count as failed. ``notices`` stand beside them.
    """

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok", headers=_NO_STORE)

    async def readyz(_: web.Request) -> web.Response:
        checks = await _ask(readiness, timeout)
        ready = all(reason is None for reason in checks.values())
        body = {
            "ready": ready,
            "checks": {name: reason or "ok" for name, reason in checks.items()},
            "notices": dict(notices()),
        }
        return web.Response(
            status=200 if ready else 503,
            text=json.dumps(body),
            content_type="application/json",
            headers=_NO_STORE,
        )

    async def expose(_: web.Request) -> web.Response:
        # Rendering thousands of series takes milliseconds that requests should not wait for.
        content_type, body = await asyncio.to_thread(metrics)
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application(client_max_size=0)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", expose)
    return app


async def _ask(readiness: Readiness, timeout: float) -> Mapping[str, str | None]:  # noqa: ASYNC109 - the bound is ours
    try:
        async with asyncio.timeout(timeout):
            return await readiness()
    except TimeoutError:
        return {"readiness": f"no answer within {timeout:g} s"}
    except Exception:  # noqa: BLE001 - whatever a check raises, the answer is that we are not ready
        _LOG.exception("a readiness check failed to run")
        return {"readiness": "a check failed to run, see the log"}
