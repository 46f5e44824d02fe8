"""Calling a nexusrpc handler as an engine does, without any engine."""

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Any

from nexusrpc.handler import (
    Handler,
    OperationTaskCancellation,
    StartOperationContext,
    StartOperationResultAsync,
    StartOperationResultSync,
)
from pydantic import TypeAdapter
from temporalio.common import RawValue

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class NeverCancelled(OperationTaskCancellation):
    """A request that nobody gives up."""

    def is_cancelled(self) -> bool:
        return False

    def cancellation_reason(self) -> str | None:
        return None

    def wait_until_cancelled_sync(self, timeout: float | None = None) -> bool:
        raise NotImplementedError

    async def wait_until_cancelled(self) -> None:
        raise NotImplementedError


class Given:
    """An input that has arrived whole: validated against the operation's type, as a body would be."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def consume(self, as_type: type[Any] | None = None) -> Awaitable[Any]:
        return self._validated(as_type)

    async def _validated(self, as_type: type[Any] | None) -> Any:
        if as_type is RawValue:
            return self._value
        return TypeAdapter[Any](as_type or object).validate_python(self._value)


async def start(
    handler: Handler, service: str, operation: str, value: Any = None, headers: Mapping[str, str] = _NO_HEADERS
) -> Any:
    """The result of a sync operation, or the token of an async one."""
    ctx = StartOperationContext(
        service=service,
        operation=operation,
        headers=headers,
        request_id="request-1",
        task_cancellation=NeverCancelled(),
        callback_headers={"x-callback": "yes"},
    )
    match await handler.start_operation(ctx, Given(value)):
        case StartOperationResultSync(value=result):
            return result
        case StartOperationResultAsync(token=token):
            return token
