"""How an operation ended, for those who ask: at once, or by waiting."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from nexusrpc import Content

from gateway.engines import Completed, OperationNotFound, SharedPolls
from gateway.model import OperationState
from gateway.protocol import (
    FetchInfo,
    FetchResult,
    NexusResponse,
    OperationFailed,
    OperationInfo,
    OperationRunning,
    OperationSucceeded,
)
from gateway.tokens import InvalidToken, TokenSealer

if TYPE_CHECKING:
    from gateway.dispatch._call import Call
    from gateway.telemetry import Telemetry


class Outcomes:
    """Looks up what became of operations.

    ``draining`` is set when the process is to stop: from then on nobody waits.
    """

    def __init__(
        self,
        *,
        sealer: TokenSealer,
        polls: SharedPolls[Completed],
        telemetry: Telemetry,
        draining: asyncio.Event,
    ) -> None:
        self._sealer = sealer
        self._polls = polls
        self._telemetry = telemetry
        self._draining = draining

    async def result(self, call: Call, request: FetchResult) -> NexusResponse:
        """The result of an operation, waiting for it as long as the request says and its time limit lets it."""
        engine_token = self.open(call, request.token)
        wait = (request.wait or timedelta()).total_seconds()
        completed = await (
            self.wait(call, engine_token, min(wait, call.remaining)) if wait else self.peek(call, engine_token)
        )
        if completed is not None:
            return ended(completed)
        # Not what remains of the limit, which is always a little less: who waits as long as allowed has waited enough.
        if wait > call.time_limit and not self._draining.is_set():
            raise TimeoutError
        return OperationRunning()

    async def info(self, call: Call, request: FetchInfo) -> NexusResponse:
        """The state of an operation."""
        completed = await self.peek(call, self.open(call, request.token))
        return OperationInfo(request.token, _state(completed))

    def open(self, call: Call, token: str) -> str:
        """The engine's token behind the caller's.

        Raises:
            InvalidToken: it is not this caller's, or not for this operation, or no token at all.
        """
        return self._sealer.open_operation(token, call.principal.tenant, call.address)

    async def wait(self, call: Call, engine_token: str, seconds: float) -> Completed | None:
        """How the operation ended; None when ``seconds`` pass before it does.

        Raises:
            InvalidToken: there is no such operation any more.
            TooManyPolls: the process has as many waiters as it may.
        """
        endpoint = call.mounted.endpoint
        key = (endpoint.engine, endpoint.namespace, engine_token)
        try:
            with self._telemetry.long_poll():
                return await self._polls.wait(
                    key, lambda: call.engine.result(endpoint, engine_token), seconds, self._draining
                )
        except OperationNotFound:
            raise InvalidToken from None

    async def peek(self, call: Call, engine_token: str) -> Completed | None:
        """How the operation ended; None when it runs.

        Raises:
            InvalidToken: there is no such operation any more.
            TimeoutError: the engine did not answer before the deadline.
        """
        try:
            async with asyncio.timeout_at(call.deadline):
                return await call.engine.peek(call.mounted.endpoint, engine_token)
        except OperationNotFound:
            raise InvalidToken from None


def ended(completed: Completed, *, replayed: bool = False) -> NexusResponse:
    """The answer to whoever waited for it; ``replayed`` where that was a start which had been made before."""
    if isinstance(completed.outcome, Content):
        return OperationSucceeded(completed.outcome, replayed=replayed)
    return OperationFailed(completed.outcome, replayed=replayed)


def _state(completed: Completed | None) -> OperationState:
    if completed is None:
        return OperationState.RUNNING
    if isinstance(completed.outcome, Content):
        return OperationState.SUCCEEDED
    return OperationState(completed.outcome.state.value)
