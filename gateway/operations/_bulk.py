"""Many operations at once: by their tokens, or by a filter within what the caller may do it to.

Canceling and terminating are batch operations of the engine: they outlive this process, and any process can tell how
far they are. Retrying is no such thing to the engine; it runs here, in chunks with a pause between them. Should this
process end before it is done, the same request does the rest: what has been retried is not retried again.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from gateway.engines import BatchKind, OperationNotFound
from gateway.model import OperationStatus, Verb
from gateway.operations._actions import Request
from gateway.operations._errors import ApiError, invalid
from gateway.operations._parameters import MAX_PAGE_SIZE, Page
from gateway.operations._queries import operation_filter
from gateway.tokens import InvalidToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.model import Principal
    from gateway.operations._access import Access, Asker
    from gateway.operations._actions import Actions
    from gateway.operations._parameters import Wanted
    from gateway.operations._queries import Queries
    from gateway.tokens import TokenSealer

_PURPOSE: Final = "bulk"
_HERE: Final = "here"
_MAX_TOKENS: Final = 1000
_MAX_RETRIES: Final = 10_000
_MAX_JOBS: Final = 100
_CONCURRENCY: Final = 8


class BulkVerb(StrEnum):
    """What is done to all of them."""

    CANCEL = "cancel"
    TERMINATE = "terminate"
    RETRY = "retry"


_VERBS: Final = {BulkVerb.CANCEL: Verb.CANCEL, BulkVerb.TERMINATE: Verb.TERMINATE, BulkVerb.RETRY: Verb.RETRY}
_BATCHES: Final = {BulkVerb.CANCEL: BatchKind.CANCEL, BulkVerb.TERMINATE: BatchKind.TERMINATE}
_DEFAULTS: Final = {
    BulkVerb.CANCEL: frozenset({OperationStatus.RUNNING}),
    BulkVerb.TERMINATE: frozenset({OperationStatus.RUNNING}),
    BulkVerb.RETRY: frozenset({OperationStatus.FAILED, OperationStatus.CANCELED}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRequest:
    """Who asks for what, of which: ``tokens`` or ``wanted``, exactly one of them."""

    asker: Asker
    principal: Principal
    verb: BulkVerb
    tokens: tuple[str, ...] | None
    wanted: Wanted | None
    reason: str = ""
    dry_run: bool = False


@dataclass(slots=True)
class _Job:
    """A retry that runs in this process."""

    total: int
    completed: int = 0
    failed: int = 0
    state: str = "running"
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Bulk:
    """Starts bulk jobs, tells how far they are, and stops them. ``pause`` is in seconds, after each ``chunk``."""

    def __init__(
        self,
        *,
        access: Access,
        queries: Queries,
        actions: Actions,
        sealer: TokenSealer,
        chunk: int = 500,
        pause: float = 3.0,
    ) -> None:
        self._access = access
        self._queries = queries
        self._actions = actions
        self._sealer = sealer
        self._chunk = chunk
        self._pause = pause
        self._jobs: dict[str, _Job] = {}

    async def start(self, request: BulkRequest) -> Mapping[str, Any]:
        """Begin; the job's id and how many it is about. A dry run only counts.

        Raises:
            ApiError: 400, 403, 404 for a token, 429 where too much is under way.
        """
        if request.tokens is not None:
            return await self._by_tokens(request, request.tokens)
        return await self._by_filter(request)

    async def progress(self, principal: Principal, job: str) -> Mapping[str, Any]:
        """How far a job is, in all its parts together. Raises ApiError 404."""
        states: list[str] = []
        totals = {"total": 0, "completed": 0, "failed": 0}
        for engine, namespace, batch in self._opened(principal, job):
            state, counts = await self._part(engine, namespace, batch)
            states.append(state)
            totals = {name: totals[name] + counts[name] for name in totals}
        order = ("running", "failed", "canceled", "completed")
        return {"job": job, "state": min(states, key=order.index, default="completed"), **totals}

    async def cancel(self, principal: Principal, job: str) -> Mapping[str, Any]:
        """Go no further with a job; how far it got. What has been done stays done. Raises ApiError 404."""
        for engine, namespace, batch in self._opened(principal, job):
            if engine == _HERE:
                here = self._jobs.get(batch)
                if here is not None and here.task is not None and here.state == "running":
                    here.state = "canceled"
                    here.task.cancel()
            else:
                await self._access.engine(engine).operations.stop_batch(namespace, batch)
        return await self.progress(principal, job)

    async def close(self) -> None:
        """Stop what runs in this process."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None and not job.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _by_tokens(self, request: BulkRequest, tokens: Sequence[str]) -> Mapping[str, Any]:
        if not 0 < len(tokens) <= _MAX_TOKENS:
            raise invalid("body.tokens", f"must be 1 to {_MAX_TOKENS}; several requests, or a filter, take more")
        verb = _VERBS[request.verb]
        # All or nothing: each has to be the caller's before anything is done to one.
        targets = [
            self._access.target(request.asker, request.principal, token, verb) for token in dict.fromkeys(tokens)
        ]
        if request.dry_run:
            return {"total": len(targets)}
        if request.verb is BulkVerb.RETRY:
            return self._retry(request, [target.token for target in targets])
        parts: list[tuple[str, str, str]] = []
        places = dict.fromkeys(
            (target.mounted.endpoint.engine, target.mounted.endpoint.namespace) for target in targets
        )
        for engine, namespace in places:
            mine = [
                target.engine_token
                for target in targets
                if (target.mounted.endpoint.engine, target.mounted.endpoint.namespace) == (engine, namespace)
            ]
            operations = self._access.engine(engine).operations
            batch = await operations.start_batch_of(namespace, _BATCHES[request.verb], mine, request.reason)
            parts.append((engine, namespace, batch))
        return self._begun(request, parts, len(targets))

    async def _by_filter(self, request: BulkRequest) -> Mapping[str, Any]:
        wanted = request.wanted
        if wanted is None:
            raise invalid("body", "must hold either tokens or filter")
        if not wanted.statuses:
            wanted = wanted.with_statuses(_DEFAULTS[request.verb])
        verb = _VERBS[request.verb]
        if request.verb is BulkVerb.RETRY and not request.dry_run:
            return self._retry(request, await self._tokens(request.principal, wanted))
        scopes = self._access.scopes(request.principal, verb, wanted.names)
        parts: list[tuple[str, str, str]] = []
        total = 0
        for source, scope in scopes.items():
            operations = self._access.engine(source.engine).operations
            asked = operation_filter(request.principal, wanted, scope)
            number = sum((await operations.count(source.namespace, asked)).values())
            total += number
            if number and not request.dry_run:
                batch = await operations.start_batch(source.namespace, _BATCHES[request.verb], asked, request.reason)
                parts.append((source.engine, source.namespace, batch))
        return {"total": total} if request.dry_run else self._begun(request, parts, total)

    async def _tokens(self, principal: Principal, wanted: Wanted) -> Sequence[str]:
        """The tokens of everything that the filter finds and that the caller may retry."""
        tokens: list[str] = []
        page: str | None = None
        while len(tokens) < _MAX_RETRIES:
            found = await self._queries.page(principal, wanted, Page(size=MAX_PAGE_SIZE, token=page), Verb.RETRY)
            tokens.extend(one["token"] for one in found["operations"])
            page = found["next_page_token"]
            if page is None:
                break
        return tokens[:_MAX_RETRIES]

    def _retry(self, request: BulkRequest, tokens: Sequence[str]) -> Mapping[str, Any]:
        running = [one for one in self._jobs.values() if one.state == "running"]
        if len(running) >= _MAX_JOBS:
            raise ApiError("RESOURCE_EXHAUSTED", "too many bulk jobs are under way; try again later")
        job_id, job = str(uuid.uuid4()), _Job(len(tokens))
        self._forget_one()
        self._jobs[job_id] = job
        job.task = asyncio.create_task(self._run(job, request, job_id, tokens))
        return self._begun(request, [(_HERE, "", job_id)], len(tokens))

    async def _run(self, job: _Job, request: BulkRequest, job_id: str, tokens: Sequence[str]) -> None:
        slots = asyncio.Semaphore(_CONCURRENCY)

        async def one(token: str) -> None:
            async with slots:
                asked = Request(asker=request.asker, principal=request.principal, token=token, request_id=job_id)
                try:
                    await self._actions.retry(asked)
                    job.completed += 1
                except Exception:  # noqa: BLE001 - one that cannot be retried keeps no other from it
                    job.failed += 1

        for start in range(0, len(tokens), self._chunk):
            if start:
                await asyncio.sleep(self._pause)
            await asyncio.gather(*map(one, tokens[start : start + self._chunk]))
        job.state = "completed"

    def _forget_one(self) -> None:
        ended = [job_id for job_id, job in self._jobs.items() if job.state != "running"]
        if len(ended) >= _MAX_JOBS:
            del self._jobs[ended[0]]

    def _begun(self, request: BulkRequest, parts: Sequence[tuple[str, str, str]], total: int) -> Mapping[str, Any]:
        fields = [text for part in parts for text in part]
        job = self._sealer.seal(_PURPOSE, fields, context=_context(request.principal))
        return {"job": job, "state": "running" if parts else "completed", "total": total}

    def _opened(self, principal: Principal, job: str) -> Sequence[tuple[str, str, str]]:
        try:
            fields = self._sealer.open(_PURPOSE, job, _context(principal))
        except InvalidToken:
            raise _no_such_job() from None
        return [(fields[at], fields[at + 1], fields[at + 2]) for at in range(0, len(fields), 3)]

    async def _part(self, engine: str, namespace: str, batch: str) -> tuple[str, Mapping[str, int]]:
        if engine == _HERE:
            job = self._jobs.get(batch)
            if job is None:
                raise _no_such_job()
            return job.state, {"total": job.total, "completed": job.completed, "failed": job.failed}
        try:
            progress = await self._access.engine(engine).operations.batch(namespace, batch)
        except OperationNotFound:
            raise _no_such_job() from None
        return progress.state, {
            "total": progress.total,
            "completed": progress.completed,
            "failed": progress.failed,
        }


def _no_such_job() -> ApiError:
    return ApiError("NOT_FOUND", "there is no such job; a retry is known to the process that runs it, up to its end")


def _context(principal: Principal) -> Sequence[bytes]:
    return [part.encode("utf-8", "surrogatepass") for part in (principal.issuer, principal.namespace)]
