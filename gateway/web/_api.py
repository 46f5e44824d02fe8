"""What every request to ``/api/v1`` goes through: the version, a span, and one form for all that goes wrong."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from nexusrpc import HandlerError

from gateway.operations import ApiError, Asker, api_error, invalid, json_text
from gateway.protocol import Headers
from gateway.web._edge import UnsafeHead, challenge, check_head, thumbprint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.typedefs import Middleware

    from gateway.engines import Engine
    from gateway.telemetry import Telemetry
    from gateway.web._proxies import TrustedProxies

VERSION_HEADER: Final = "Temporal-API-Version"
_STREAMS: Final = frozenset({"events"})
_FIRST_ERROR: Final = 400
_SUPPORTED: Final = ("v1",)
_OUTCOMES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "UNAUTHORIZED",
    404: "NOT_FOUND",
    405: "NOT_IMPLEMENTED",
    409: "CONFLICT",
    429: "RESOURCE_EXHAUSTED",
    501: "NOT_IMPLEMENTED",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiLimits:
    """How large requests may be, and how many seconds they may take."""

    header_bytes: int
    body_bytes: int
    request_timeout: float


@dataclass(frozen=True, slots=True)
class ApiCall:
    """What the middleware found out about a request before its view; ``deadline`` is in the loop's time."""

    headers: Headers
    asker: Asker
    deadline: float | None


CALL: Final = web.RequestKey("nexus-gateway-call", ApiCall)
BEGUN: Final = web.RequestKey("nexus-gateway-begun", web.StreamResponse)
"""The answer that a view has begun to send: whatever happens from then on, there is no other one."""


def api_middleware(
    telemetry: Telemetry, engines: Mapping[str, Engine], limits: Callable[[], ApiLimits], proxies: TrustedProxies
) -> Middleware:
    """The middleware of the API's application; ``limits`` says which are in force."""

    @web.middleware
    async def answer(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = Headers(request.headers.items())
        verb = request.match_info.route.name or "api"
        with telemetry.request_span(verb, headers, method=request.method) as span:
            asker = Asker(
                asks=verb,
                authorization=headers.get_all("authorization"),
                certificate=thumbprint(request),
                peer=proxies.client(request.remote or "", headers.get_all("x-forwarded-for")),
                request_id=str(uuid.uuid4()),
                span=span,
            )
            # A stream has no time limit, and a request without one would outlive its caller's patience.
            limit = None if verb in _STREAMS else limits().request_timeout
            deadline = None if limit is None else asyncio.get_running_loop().time() + limit
            request[CALL] = ApiCall(headers, asker, deadline)
            span.request_id(asker.request_id)
            try:
                check_head(request, limits().header_bytes)
                _check(headers)
                async with asyncio.timeout_at(deadline):
                    response = await handler(request)
            except web.HTTPException as error:
                response = _routing(error)
            except Exception as error:  # noqa: BLE001 - the one place where every exception becomes an answer
                response = _failed(error, engines, asker)
                if isinstance(error, UnsafeHead):
                    # Whoever stands in front may see other requests in these bytes than we do.
                    response.force_close()
            span.status(response.status)
            span.outcome(_OUTCOMES.get(response.status, "succeeded" if response.status < _FIRST_ERROR else "INTERNAL"))
            sent: web.StreamResponse = request.get(BEGUN, response)
            return sent

    return answer


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON as the gateway writes it: no charset parameter, nothing for a cache."""
    return web.Response(
        status=status,
        body=json_text(value).encode("utf-8", "replace"),
        headers={"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )


async def with_version(_: web.Request, response: web.StreamResponse) -> None:
    """Say which version of the API this is."""
    response.headers[VERSION_HEADER] = _SUPPORTED[-1]


def _check(headers: Headers) -> None:
    asked = headers.get(VERSION_HEADER)
    if asked is not None and asked.strip() not in _SUPPORTED:
        raise invalid(VERSION_HEADER, f"is not supported; there is {', '.join(_SUPPORTED)}")


def _routing(error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        refused = ApiError("UNIMPLEMENTED", f"the method must be one of {allowed}", status=405)
        return json_response(refused.body(), status=405, headers={"Allow": allowed})
    status = error.status if error.status in _OUTCOMES else 404
    code = "INVALID_ARGUMENT" if status == 400 else "NOT_FOUND"  # noqa: PLR2004 - what aiohttp cannot parse
    return json_response(ApiError(code, "there is nothing at this path").body(), status=status)


def _failed(error: Exception, engines: Mapping[str, Engine], asker: Asker) -> web.Response:
    engine: Any = next(iter(engines.values()), None)
    answer = api_error(error, engine, {"requestId": asker.request_id, "traceId": asker.trace_id})
    headers = {}
    if isinstance(error, HandlerError) and answer.code == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = challenge(answer.message)
    return json_response(answer.body(), status=answer.status, headers=headers)
