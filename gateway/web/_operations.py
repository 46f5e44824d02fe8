"""The routes of ``/api/v1/operations``."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web
from nexusrpc import Content

from gateway.engines import BatchKind
from gateway.operations import Request, bulk_request, invalid, parse_filter, parse_list, parse_reason
from gateway.plugins import ExposedKind
from gateway.protocol import check_received
from gateway.web._api import BEGUN, CALL, json_response
from gateway.web._bodies import not_yet, read_json, read_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.operations import Access, Actions, Bulk, Events, Queries
    from gateway.web._api import ApiLimits

_LONGEST_ID = 1000


class OperationsViews:
    """Views on operations; ``limits`` says which are in force."""

    def __init__(
        self,
        *,
        access: Access,
        queries: Queries,
        actions: Actions,
        events: Events,
        bulk: Bulk,
        limits: Callable[[], ApiLimits],
    ) -> None:
        self._access = access
        self._queries = queries
        self._actions = actions
        self._events = events
        self._bulk = bulk
        self._limits = limits

    def add_routes(self, app: web.Application) -> None:
        """Add them below the path of the API."""
        router, base = app.router, "/operations"
        post = partial(router.add_post, expect_handler=not_yet)
        router.add_get(base, self.list, name="list")
        router.add_get(f"{base}/count", self.count, name="count")
        router.add_get(f"{base}/describe", self.describe, name="describe")
        # Without HEAD: a stream would follow its headers.
        router.add_get(f"{base}/events", self.events, name="events", allow_head=False)
        post(f"{base}/cancel", self.cancel, name="cancel")
        post(f"{base}/terminate", self.terminate, name="terminate")
        post(f"{base}/retry", self.retry, name="retry")
        post(f"{base}/clone", self.clone, name="clone")
        post(base + "/signal/{name}", self.signal, name="signal")
        post(base + "/update/{name}", self.update, name="update")
        for kind in BatchKind:
            post(f"{base}/bulk-{kind}", partial(self.bulk, kind), name=f"bulk_{kind}")
        router.add_get(base + "/bulk/{job}", self.job, name="bulk_job")
        post(base + "/bulk/{job}/cancel", self.cancel_job, name="bulk_cancel_job")
        router.add_get(base + "/query/{name}", self.query, name="query")
        post(base + "/query/{name}", self.query, name="query_post")

    async def list(self, request: web.Request) -> web.Response:
        """A page of the caller's operations."""
        asker = request[CALL].asker
        principal = await self._access.caller(asker)
        wanted, page = parse_list(request.query.items())
        return json_response(await self._queries.page(asker, principal, wanted, page))

    async def count(self, request: web.Request) -> web.Response:
        """How many there are."""
        asker = request[CALL].asker
        principal = await self._access.caller(asker)
        return json_response(await self._queries.count(asker, principal, parse_filter(request.query.items())))

    async def describe(self, request: web.Request) -> web.Response:
        """One from near."""
        return json_response(await self._actions.describe(await self._about_one(request)))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask one to end."""
        asked = await self._about_one(request)
        await self._object(request)
        done = await self._actions.cancel(asked)
        return json_response(done, status=202 if done["state"] == "running" else 200)

    async def terminate(self, request: web.Request) -> web.Response:
        """End one."""
        asked = await self._about_one(request)
        reason = parse_reason(await self._object(request, "reason"))
        return json_response(await self._actions.terminate(asked, reason))

    async def retry(self, request: web.Request) -> web.Response:
        """Start one once more."""
        asked = await self._about_one(request)
        await self._object(request)
        return json_response(await self._actions.retry(asked), status=202)

    async def clone(self, request: web.Request) -> web.Response:
        """Start another one like it."""
        asked = await self._about_one(request)
        await self._object(request)
        return json_response(await self._actions.clone(asked), status=201)

    async def signal(self, request: web.Request) -> web.Response:
        """Send one a signal."""
        await self._spoken(request, ExposedKind.SIGNAL)
        return json_response({}, status=202)

    async def update(self, request: web.Request) -> web.Response:
        """Have one take an update."""
        return _content(await self._spoken(request, ExposedKind.UPDATE))

    async def query(self, request: web.Request) -> web.Response:
        """Ask one something."""
        return _content(await self._spoken(request, ExposedKind.QUERY))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Follow one."""
        asked = await self._about_one(request)
        async with aclosing(self._events.follow(asked, request.headers.get("Last-Event-ID"))) as stream:
            first = await anext(stream, None)
            if first is None:
                # What an EventSource takes for the end, where anything else makes it ask again.
                return web.Response(status=204)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            try:
                await response.prepare(request)
                request[BEGUN] = response
                await response.write(first)
                async for chunk in stream:
                    await response.write(chunk)
            except ConnectionError:
                # The reader has gone, and its request is about to be canceled for that.
                raise asyncio.CancelledError from None
            return response

    async def bulk(self, kind: BatchKind, request: web.Request) -> web.Response:
        """Do something to many."""
        principal = await self._access.caller(request[CALL].asker)
        body = await self._object(request, "tokens", "filter", "reason", "dry_run")
        call = request[CALL]
        asked = bulk_request(call.asker, principal, kind, body, request_id=_request_id(request), deadline=call.deadline)
        begun = await self._bulk.start(asked)
        return json_response(begun, status=200 if asked.dry_run else 202)

    async def job(self, request: web.Request) -> web.Response:
        """How far a bulk job is."""
        principal = await self._access.caller(request[CALL].asker)
        return json_response(await self._bulk.progress(request[CALL].asker, principal, request.match_info["job"]))

    async def cancel_job(self, request: web.Request) -> web.Response:
        """Go no further with a bulk job."""
        principal = await self._access.caller(request[CALL].asker)
        await self._object(request)
        return json_response(await self._bulk.cancel(request[CALL].asker, principal, request.match_info["job"]))

    async def _object(self, request: web.Request, *known: str) -> dict[str, Any]:
        return await read_object(request, self._limits().body_bytes, *known)

    async def _spoken(self, request: web.Request, kind: ExposedKind) -> Content | None:
        asked = await self._about_one(request)
        body = await read_json(request, self._limits().body_bytes)
        content = Content(headers={"content-type": "application/json"}, data=body) if body else None
        return await self._actions.speak(asked, kind, request.match_info["name"], content)

    async def _about_one(self, request: web.Request) -> Request:
        call = request[CALL]
        principal = await self._access.caller(call.asker)
        for name in request.query:
            raise invalid(name, "is not a parameter here; the token goes into the header Nexus-Operation-Token")
        tokens = call.headers.get_all("nexus-operation-token")
        if len(tokens) != 1 or not tokens[0]:
            raise invalid("Nexus-Operation-Token", "must be sent, once: the token of the operation")
        return Request(
            asker=call.asker,
            principal=principal,
            token=tokens[0],
            request_id=_request_id(request),
            deadline=call.deadline,
        )


def _request_id(request: web.Request) -> str | None:
    given = {*request.headers.getall("Nexus-Request-Id", []), *request.headers.getall("Idempotency-Key", [])}
    if len(given) > 1:
        raise invalid("Idempotency-Key", "is not the same as Nexus-Request-Id; send one of them")
    request_id = next(iter(given), None)
    if request_id is not None:
        if not 0 < len(request_id) <= _LONGEST_ID:
            raise invalid("Idempotency-Key", f"must be 1 to {_LONGEST_ID} characters")
        check_received("Idempotency-Key", request_id)
    return request_id


def _content(content: Content | None) -> web.Response:
    if content is None or not content.headers:
        return json_response(None)
    return web.Response(body=content.data, headers={"Content-Type": content.headers["content-type"]})
