"""Many operations at once: by their tokens, or by a filter within what the caller may do it to.

Here it is decided what a caller may have done; doing it is the engine's part. A job is as many batches as there are
places to work in, and its id holds them all, sealed for the caller's tenant: any process can tell how far it is.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.engines import BatchKind, BatchOrder, Chosen, OperationNotFound, TooManyBatches
from gateway.model import OperationStatus, Verb
from gateway.operations._access import Source
from gateway.operations._errors import ApiError, invalid
from gateway.operations._queries import operation_filters
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.model import Principal
    from gateway.operations._access import Access, Asker
    from gateway.operations._parameters import Wanted
    from gateway.tokens import TokenSealer

_PURPOSE: Final = "bulk"
# A KeyError: there is no such place in the configuration any more.
_GONE: Final = (OperationNotFound, KeyError)
_MAX_TOKENS: Final = 1000
_TOKENS_AT_ONCE: Final = 20
# The least advanced part tells for the whole.
_STATES: Final = ("running", "failed", "canceled", "completed")
_VERBS: Final = {BatchKind.CANCEL: Verb.CANCEL, BatchKind.TERMINATE: Verb.TERMINATE, BatchKind.RETRY: Verb.RETRY}
_DEFAULTS: Final = {
    BatchKind.CANCEL: frozenset({OperationStatus.RUNNING}),
    BatchKind.TERMINATE: frozenset({OperationStatus.RUNNING}),
    BatchKind.RETRY: frozenset({OperationStatus.FAILED, OperationStatus.CANCELED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """Who asks for what, of which: ``tokens`` or ``wanted``, exactly one of them."""

    asker: Asker
    principal: Principal
    kind: BatchKind
    tokens: tuple[str, ...] | None
    wanted: Wanted | None
    reason: str = ""
    dry_run: bool = False

    def order(self) -> BatchOrder:
        """What an engine is asked for."""
        return BatchOrder(kind=self.kind, requester=self.asker.requester(self.principal), reason=self.reason)


class Bulk:
    """Starts bulk jobs, tells how far they are, and stops them."""

    def __init__(self, access: Access, sealer: TokenSealer) -> None:
        self._access = access
        self._sealer = sealer

    async def start(self, request: BulkRequest) -> Mapping[str, Any]:
        """Begin; the job's id and how many it is about. A dry run only counts.

        Raises:
            ApiError: 400, 403, 404 for a token, 429 where the tenant has too much under way.
        """
        try:
            if request.tokens is not None:
                return await self._by_tokens(request, request.tokens)
            return await self._by_filter(request)
        except TooManyBatches:
            message = "too many bulk jobs of this namespace are under way; wait for one to end, or cancel one"
            raise ApiError("RESOURCE_EXHAUSTED", message) from None

    async def progress(self, principal: Principal, job: str) -> Mapping[str, Any]:
        """How far a job is, in all its parts together. Raises ApiError 404."""
        states: list[str] = []
        total = completed = failed = 0
        for source, batch in self._opened(principal, job):
            try:
                part = await self._access.engine(source.engine).operations.batch(source.namespace, batch)
            except _GONE:
                raise _no_such_job() from None
            states.append(part.state)
            total, completed, failed = total + part.total, completed + part.completed, failed + part.failed
        state = min(states, key=_STATES.index, default="completed")
        return {"job": job, "state": state, "total": total, "completed": completed, "failed": failed}

    async def cancel(self, principal: Principal, job: str) -> Mapping[str, Any]:
        """Go no further with a job; how far it got. What has been done stays done. Raises ApiError 404."""
        for source, batch in self._opened(principal, job):
            try:
                await self._access.engine(source.engine).operations.stop_batch(source.namespace, batch)
            except _GONE:
                raise _no_such_job() from None
        return await self.progress(principal, job)

    async def _by_tokens(self, request: BulkRequest, tokens: Sequence[str]) -> Mapping[str, Any]:
        if not 0 < len(tokens) <= _MAX_TOKENS:
            raise invalid("body.tokens", f"must be 1 to {_MAX_TOKENS}; several requests, or a filter, take more")
        places: dict[Source, list[Chosen]] = {}
        # All or nothing: each has to be the caller's before anything is done to one.
        for number, token in enumerate(dict.fromkeys(tokens)):
            if number % _TOKENS_AT_ONCE == 0:
                # Others' requests have their turn in between.
                await asyncio.sleep(0)
            target = self._access.target(request.asker, request.principal, token, _VERBS[request.kind])
            endpoint = target.mounted.endpoint
            places.setdefault(Source(endpoint.engine, endpoint.namespace), []).append(target.chosen)
        total = sum(map(len, places.values()))
        if request.dry_run:
            return {"total": total}
        parts = [
            (
                source,
                await self._access.engine(source.engine).operations.start_batch_of(
                    source.namespace, request.order(), chosen
                ),
            )
            for source, chosen in places.items()
        ]
        return self._begun(request, parts, total)

    async def _by_filter(self, request: BulkRequest) -> Mapping[str, Any]:
        wanted = request.wanted
        if wanted is None:
            raise invalid("body", "must hold either tokens or filter")
        if not wanted.statuses:
            wanted = wanted.with_statuses(_DEFAULTS[request.kind])
        parts: list[tuple[Source, str]] = []
        total = 0
        scopes = self._access.scopes(request.asker, request.principal, _VERBS[request.kind], wanted.names)
        for source, asked in operation_filters(request.principal, wanted, scopes).items():
            operations = self._access.engine(source.engine).operations
            number = sum((await operations.count(source.namespace, asked)).values())
            total += number
            if number and not request.dry_run:
                batch = await operations.start_batch(source.namespace, request.order(), asked, number)
                parts.append((source, batch))
        return {"total": total} if request.dry_run else self._begun(request, parts, total)

    def _begun(self, request: BulkRequest, parts: Sequence[tuple[Source, str]], total: int) -> Mapping[str, Any]:
        fields = [text for source, batch in parts for text in (source.engine, source.namespace, batch)]
        job = self._sealer.seal(_PURPOSE, fields, context=_context(request.principal))
        return {"job": job, "state": "running" if parts else "completed", "total": total}

    def _opened(self, principal: Principal, job: str) -> Sequence[tuple[Source, str]]:
        try:
            fields = self._sealer.open(_PURPOSE, job, _context(principal))
        except InvalidToken:
            raise _no_such_job() from None
        return [(Source(fields[at], fields[at + 1]), fields[at + 2]) for at in range(0, len(fields), 3)]


def _no_such_job() -> ApiError:
    return ApiError("NOT_FOUND", "there is no such job")


def _context(principal: Principal) -> Sequence[bytes]:
    return [part.encode("utf-8", "surrogatepass") for part in (principal.issuer, principal.namespace)]
