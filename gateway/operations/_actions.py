"""What a caller does to one operation. Each rests on the engine's state: the first end of an operation wins."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, assert_never

from nexusrpc import Content, OperationError

from gateway.model import OperationStatus, Verb
from gateway.operations._errors import ApiError
from gateway.operations._rendering import render_details
from gateway.plugins import ExposedKind, calling
from gateway.request_ids import request_id_about
from gateway.tokens import TokenTooLong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.engines import Completed
    from gateway.model import Origin, Principal
    from gateway.operations._access import Access
    from gateway.operations._asking import Asker, Target
    from gateway.plugins import Exposed
    from gateway.starts import Starts

_VERBS: Final = {
    ExposedKind.UPDATE: Verb.SIGNAL,
    ExposedKind.SIGNAL: Verb.SIGNAL,
    ExposedKind.QUERY: Verb.DESCRIBE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks about which operation; ``request_id`` is the caller's own, ``deadline`` in the loop's time."""

    asker: Asker
    principal: Principal
    token: str
    request_id: str | None = None
    deadline: float | None = None


class Actions:
    """Describes, ends, repeats and speaks to operations. Each method raises ApiError, and what engines raise."""

    def __init__(self, access: Access, starts: Starts) -> None:
        self._access = access
        self._starts = starts

    async def describe(self, request: Request) -> Mapping[str, Any]:
        """The operation from near."""
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.DESCRIBE)
        details = await target.engine.operations.describe(target.mounted.endpoint, target.engine_token)
        if not target.mounted.endpoint.links:
            details = replace(details, links=())
        origin = details.record.origin
        first = origin.retry_of if origin is not None and origin.tenant == target.owner else None
        retry_of = None
        if first:
            # Of one that is too long for a token nothing can be said that would be of use.
            with suppress(TokenTooLong):
                retry_of = self._access.seal(request.principal, replace(target.chosen, engine_token=first))
        return render_details(details, target.address, request.token, target.owner, retry_of)

    async def cancel(self, request: Request) -> Mapping[str, Any]:
        """Ask it to end; its state then."""
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.CANCEL)
        status = await target.engine.operations.cancel(target.mounted.endpoint, target.engine_token)
        return {"token": request.token, "state": status.value}

    async def terminate(self, request: Request, reason: str) -> Mapping[str, Any]:
        """End it; its state then."""
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.TERMINATE)
        status = await target.engine.operations.terminate(target.mounted.endpoint, target.engine_token, reason)
        return {"token": request.token, "state": status.value}

    async def retry(self, request: Request) -> Mapping[str, Any]:
        """Start it once more with its input; the new one's token and state."""
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.RETRY)
        return await self._starts.finish(self._repeated(request, target, retry=True), request.deadline)

    async def clone(self, request: Request) -> Mapping[str, Any]:
        """Start another one with its input; the new one's token and state."""
        target = self._access.only_target(request.asker, request.principal, request.token, Verb.START)
        return await self._starts.finish(self._repeated(request, target, retry=False), request.deadline)

    async def speak(self, request: Request, kind: ExposedKind, name: str, body: Content | None) -> Content | None:
        """Send it a declared signal, update or query, and return what it answers; None for a signal."""
        target = self._access.only_target(request.asker, request.principal, request.token, _VERBS[kind])
        exposed = _exposed(target, kind, name)
        argument = await self._argument(target, exposed, body)
        operations, endpoint, token = target.engine.operations, target.mounted.endpoint, target.engine_token
        tenant = request.principal.tenant
        request_id = request_id_about(tenant, target.address, token, f"{kind}/{name}", request.request_id)
        match kind:
            case ExposedKind.SIGNAL:
                await operations.signal(endpoint, token, name, argument, request_id)
                return None
            case ExposedKind.QUERY:
                return await operations.query(endpoint, token, name, argument)
            case ExposedKind.UPDATE:
                return _answer(await operations.update(endpoint, token, name, argument, request_id))
        assert_never(kind)

    async def _argument(self, target: Target, exposed: Exposed, body: Content | None) -> Content | None:
        serializer = target.engine.serializer(target.mounted.endpoint)
        given = body or Content(headers={}, data=b"")
        value = await _awaited(serializer.deserialize(given, exposed.input or type(None)))
        if exposed.argument is not None:
            with calling(target.principal):
                value = exposed.argument(value)
        elif exposed.input is None:
            return None
        argument: Content = await _awaited(serializer.serialize(value))
        return argument

    async def _repeated(self, request: Request, target: Target, *, retry: bool) -> Mapping[str, Any]:
        origin = await self._origin(request, target, retry=retry)
        operations, endpoint = target.engine.operations, target.mounted.endpoint
        repeat = operations.retry if retry else operations.clone
        engine_token = await repeat(endpoint, target.engine_token, origin)
        token = self._access.seal(request.principal, replace(target.chosen, engine_token=engine_token))
        return {"token": token, "state": OperationStatus.RUNNING.value}

    async def _origin(self, request: Request, target: Target, *, retry: bool) -> Origin:
        details = await target.engine.operations.describe(target.mounted.endpoint, target.engine_token)
        if details.record.status is OperationStatus.RUNNING and retry:
            raise ApiError("FAILED_PRECONDITION", "the operation is running; only what has ended can be retried")
        requester = request.asker.requester(request.principal, request.request_id)
        return requester.repetition(details.record.origin, target.chosen, retry=retry)


def _exposed(target: Target, kind: ExposedKind, name: str) -> Exposed:
    for exposed in target.mounted.exposed(target.address):
        if (exposed.kind, exposed.name) == (kind, name):
            return exposed
    raise ApiError("NOT_FOUND", f"the operation exposes no {kind} of this name")


def _answer(completed: Completed) -> Content:
    if isinstance(completed.outcome, OperationError):
        raise ApiError("FAILED_PRECONDITION", f"the operation refused the update: {completed.outcome.message}")
    return completed.outcome


async def _awaited(value: Any) -> Any:  # noqa: ANN401 - a serializer may answer at once or later
    return await value if isawaitable(value) else value
