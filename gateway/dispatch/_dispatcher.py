"""The one way a request takes through the gateway.

1. ``_admission`` authenticates: the token becomes a Principal, or 401;
2. resolves: the endpoint and service are mounted, or 404;
3. authorizes: a rule (and a permission) lets this caller do this, or 403, or the very 404 of step 2;
4. and sets the deadline;
5. ``_outcomes`` opens the operation token, or 404: it opens only for the tenant and address that it was sealed for;
6. ``_handlers`` reads the body of a start and calls the handler, or ``_outcomes`` asks the engine;
7. ``_errors`` turns whatever was raised on the way into a response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gateway.dispatch._errors import failed
from gateway.protocol import CancelOperation, FetchInfo, FetchResult, NexusResponse, StartOperation

if TYPE_CHECKING:
    from gateway.dispatch._admission import Admission
    from gateway.dispatch._call import Call, Incoming
    from gateway.dispatch._handlers import Handlers
    from gateway.dispatch._outcomes import Outcomes
    from gateway.engines import Engine


class Dispatcher:
    """Answers requests."""

    def __init__(self, admission: Admission, handlers: Handlers, outcomes: Outcomes) -> None:
        self._admission = admission
        self._handlers = handlers
        self._outcomes = outcomes

    async def dispatch(self, incoming: Incoming) -> NexusResponse:
        """The answer to a request; never raises but for the cancellation of its own task."""
        engine: Engine | None = None
        try:
            call = await self._admission.admit(incoming)
            engine = call.engine
            return await self._perform(call)
        except Exception as error:  # noqa: BLE001 - the one place where every exception becomes an answer
            return failed(error, engine, incoming.correlation)

    async def _perform(self, call: Call) -> NexusResponse:
        match call.incoming.request:
            case StartOperation() as request:
                return await self._handlers.start(call, request)
            case CancelOperation() as request:
                return await self._handlers.cancel(call, request)
            case FetchResult() as request:
                return await self._outcomes.result(call, request)
            case FetchInfo() as request:
                return await self._outcomes.info(call, request)
            case _ as never:
                assert_never(never)
