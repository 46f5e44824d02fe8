"""Many operations at once: by their tokens, or by a filter within what the caller may do it to.

Here it is decided what a caller may have done; doing it is the engine's part. A job is as many batches as there are
places to work in, and its token names them all: any process can tell how far it is.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.engines import BatchKind, BatchOrder, BatchTooLarge, Chosen, OperationNotFound, TooManyBatches
from gateway.model import OperationStatus
from gateway.operations._asking import Source
from gateway.operations._bulk_tokens import JobTokens, no_such_job
from gateway.operations._errors import ApiError, invalid
from gateway.operations._permits import VERBS, sealed_asker
from gateway.operations._queries import operation_filters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.engines import OperationFilter
    from gateway.model import Principal
    from gateway.operations._access import Access
    from gateway.operations._asking import Asker
    from gateway.operations._bulk_tokens import Job
    from gateway.operations._parameters import Wanted
    from gateway.starts import Starts
    from gateway.tokens import TokenSealer

_logger = logging.getLogger("gateway.bulk")

# A KeyError: there is no such place in the configuration any more.
_GONE: Final = (OperationNotFound, KeyError)
_MAX_TOKENS: Final = 1000
_TOKENS_AT_ONCE: Final = 20
# The least advanced part tells for the whole.
_STATES: Final = ("running", "failed", "canceled", "completed")
_DEFAULTS: Final = {
    BatchKind.CANCEL: frozenset({OperationStatus.RUNNING}),
    BatchKind.TERMINATE: frozenset({OperationStatus.RUNNING}),
    BatchKind.RETRY: frozenset({OperationStatus.FAILED, OperationStatus.CANCELED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """Who asks for what, of which: ``tokens`` or ``wanted``, exactly one of them.

    ``said`` is the body, in one spelling. ``request_id`` is the caller's own: the same request under the same id is
    about the same job. ``deadline`` is in the loop's time.
    """

    asker: Asker
    principal: Principal
    kind: BatchKind
    tokens: tuple[str, ...] | None
    wanted: Wanted | None
    said: str
    reason: str = ""
    dry_run: bool = False
    request_id: str | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What a job is about at one place: what a filter finds, or those chosen."""

    source: Source
    total: int
    wanted: OperationFilter | None = None
    chosen: tuple[Chosen, ...] = ()


class Bulk:
    """Starts bulk jobs, tells how far they are, and stops them."""

    def __init__(self, access: Access, sealer: TokenSealer, starts: Starts) -> None:
        self._access = access
        self._sealer = sealer
        self._tokens = JobTokens(sealer)
        self._starts = starts

    async def start(self, request: BulkRequest) -> Mapping[str, Any]:
        """Begin; the job's token and how many it is about. A dry run only counts.

        Raises:
            ApiError: 400, 403, 404 for a token, 429 where the tenant has too much under way.
        """
        if request.tokens is not None:
            parts = await self._by_tokens(request, request.tokens)
        else:
            parts = await self._by_filter(request)
        total = sum(part.total for part in parts)
        if request.dry_run:
            return {"total": total}
        principal, places = request.principal, [part.source for part in parts]
        job = self._tokens.new(principal, request.kind, places, request.request_id, request.said)
        token = self._tokens.seal(principal, job)
        try:
            begun = await self._starts.finish(self._begin(request, job, parts), request.deadline)
        except BatchTooLarge:
            raise invalid("body.tokens", "names too much at once; send fewer of them at a time") from None
        except TooManyBatches:
            message = "too many bulk jobs of this namespace are under way; wait for one to end, or cancel one"
            raise ApiError("RESOURCE_EXHAUSTED", message) from None
        if parts and not begun:
            return await self._progress(principal, token, job)
        return {"job": token, "state": "running" if parts else "completed", "total": total}

    async def progress(self, asker: Asker, principal: Principal, token: str) -> Mapping[str, Any]:
        """How far a job is, in all its parts together. Raises ApiError 404."""
        return await self._progress(principal, token, self._opened(asker, principal, token))

    async def cancel(self, asker: Asker, principal: Principal, token: str) -> Mapping[str, Any]:
        """Go no further with a job; how far it got. What has been done stays done. Raises ApiError 404."""
        job = self._opened(asker, principal, token)
        for source in job.places:
            try:
                await self._stop(principal, job, source)
            except _GONE:
                raise no_such_job() from None
        return await self._progress(principal, token, job)

    async def _progress(self, principal: Principal, token: str, job: Job) -> Mapping[str, Any]:
        states: list[str] = []
        total = completed = failed = 0
        for source in job.places:
            operations = self._access.engine(source.engine).operations
            try:
                part = await operations.batch(source.namespace, principal.tenant, job.batch_id(source))
            except _GONE:
                raise no_such_job() from None
            states.append(part.state)
            total, completed, failed = total + part.total, completed + part.completed, failed + part.failed
        state = min(states, key=_STATES.index, default="completed")
        return {"job": token, "state": state, "total": total, "completed": completed, "failed": failed}

    async def _stop(self, principal: Principal, job: Job, source: Source) -> None:
        operations = self._access.engine(source.engine).operations
        await operations.stop_batch(source.namespace, principal.tenant, job.batch_id(source))

    async def _by_tokens(self, request: BulkRequest, tokens: Sequence[str]) -> Sequence[_Part]:
        if not 0 < len(tokens) <= _MAX_TOKENS:
            raise invalid("body.tokens", f"must be 1 to {_MAX_TOKENS}; several requests, or a filter, take more")
        places: dict[Source, list[Chosen]] = {}
        # All or nothing: each has to be the caller's before anything is done to one.
        for number, token in enumerate(dict.fromkeys(tokens)):
            if number % _TOKENS_AT_ONCE == 0:
                # Others' requests have their turn in between.
                await asyncio.sleep(0)
            target = self._access.target(request.asker, request.principal, token, VERBS[request.kind])
            endpoint = target.mounted.endpoint
            places.setdefault(Source(endpoint.engine, endpoint.namespace), []).append(target.chosen)
        return [_Part(source=source, total=len(chosen), chosen=tuple(chosen)) for source, chosen in places.items()]

    async def _by_filter(self, request: BulkRequest) -> Sequence[_Part]:
        wanted = request.wanted
        if wanted is None:
            raise invalid("body", "must hold either tokens or filter")
        if not wanted.statuses:
            wanted = wanted.with_statuses(_DEFAULTS[request.kind])
        scopes = self._access.scopes(request.asker, request.principal, VERBS[request.kind], wanted.names)
        parts: list[_Part] = []
        for source, asked in operation_filters(request.principal, wanted, scopes).items():
            counted = await self._access.engine(source.engine).operations.count(source.namespace, asked)
            number = sum(counted.values())
            # The first time there may have been some; what has been begun then is found at the same places.
            if number or request.request_id is not None:
                parts.append(_Part(source=source, total=number, wanted=asked))
        return parts

    async def _begin(self, request: BulkRequest, job: Job, parts: Sequence[_Part]) -> bool:
        """Begin every part, or none; False where all of them had begun before."""
        ours: list[Source] = []
        for part in parts:
            try:
                if await self._begin_part(request, job, part):
                    ours.append(part.source)
            except BaseException:
                # It may have begun all the same. A caller with a request id asks again, and finds what has.
                doubtful = [part.source] if request.request_id is None else []
                await self._undo(request.principal, job, [*ours, *doubtful])
                raise
        return bool(ours)

    async def _begin_part(self, request: BulkRequest, job: Job, part: _Part) -> bool:
        operations, namespace = self._access.engine(part.source.engine).operations, part.source.namespace
        order = self._order(request, job.batch_id(part.source))
        if part.wanted is not None:
            return await operations.start_batch(namespace, order, part.wanted, part.total)
        return await operations.start_batch_of(namespace, order, part.chosen)

    def _order(self, request: BulkRequest, batch_id: str) -> BatchOrder:
        return BatchOrder(
            id=batch_id,
            kind=request.kind,
            requester=request.asker.requester(request.principal),
            asker=sealed_asker(self._sealer, request.principal, batch_id),
            reason=request.reason,
        )

    async def _undo(self, principal: Principal, job: Job, sources: Sequence[Source]) -> None:
        """Stop what has begun of a job that nobody gets the token of."""
        for source in sources:
            try:
                await self._stop(principal, job, source)
            except OperationNotFound:
                continue
            except Exception as error:  # noqa: BLE001 - the others are to be stopped all the same
                _logger.warning("a part of a bulk job that failed goes on: %s", type(error).__name__)

    def _opened(self, asker: Asker, principal: Principal, token: str) -> Job:
        job = self._tokens.open(principal, token, self._access.sources())
        if job is None:
            self._access.no_job(asker, principal)
            raise no_such_job()
        if not self._access.looks_after(asker, principal, VERBS[job.kind], own=job.is_of(principal)):
            raise no_such_job()
        return job
