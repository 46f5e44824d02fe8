"""The echo service, and one whose names are hard to put into a URL."""

import asyncio
import json
from typing import assert_never

from nexusrpc import HandlerError, HandlerErrorType, OperationError
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from temporalio.common import RawValue

from gateway.plugins import NoCallerError, caller
from handlers.echo._model import Ask, Caller, Crash, HandlerFailure, Headers, Nap, OperationFailure


@service_handler(name="echo.v1")
class EchoHandler:
    """``echo.v1``: gives back what it is given, fails as it is told, and shows what reaches a handler."""

    @sync_operation
    async def echo(self, _ctx: StartOperationContext, content: RawValue) -> RawValue:
        """Answer with the input, to the byte and in the content type it came in."""
        return _checked(content)

    @sync_operation
    async def fail(self, _ctx: StartOperationContext, ask: Ask) -> None:
        """Fail in the way the input asks for."""
        match ask.failure:
            case HandlerFailure() as failure:
                raise HandlerError(failure.message, type=failure.type, retryable_override=failure.retryable)
            case OperationFailure() as failure:
                raise OperationError(failure.message, state=failure.state)
            case Crash() as failure:
                raise RuntimeError(failure.message)
            case _ as never:
                assert_never(never)

    @sync_operation
    async def sleep(self, _ctx: StartOperationContext, nap: Nap) -> float:
        """Answer after ``seconds``, with ``seconds``; what a deadline cuts short."""
        await asyncio.sleep(nap.seconds)
        return nap.seconds

    @sync_operation
    async def headers(self, ctx: StartOperationContext, _nothing: None) -> Headers:
        """Answer with the headers that reached the handler, and with the verified caller."""
        return Headers(
            headers=dict(ctx.headers),
            # The gateway's own are a secret between it and the engine.
            callback_headers={
                name: value for name, value in ctx.callback_headers.items() if not name.startswith("nexus-gateway-")
            },
            request_id=ctx.request_id,
            caller=_caller(),
        )


@service_handler(name="Ser/vic e")
class OddlyNamedHandler:
    """``Ser/vic e``: a service whose names hold what a URL path has to escape."""

    @sync_operation(name="op/er ation")
    async def operation(self, _ctx: StartOperationContext, content: RawValue) -> RawValue:
        """Answer with the input."""
        return _checked(content)

    @sync_operation(name="größe?#%2F")
    async def size(self, _ctx: StartOperationContext, content: RawValue) -> RawValue:
        """Answer with the input."""
        return _checked(content)


def _checked(content: RawValue) -> RawValue:
    """The content, unless it says that it is JSON and is not: an answer must be what it says it is."""
    if content.payload.metadata.get("encoding") == b"json/plain":
        try:
            json.loads(content.payload.data)
        except (ValueError, RecursionError):
            raise HandlerError("the input is not JSON", type=HandlerErrorType.BAD_REQUEST) from None
    return content


def _caller() -> Caller | None:
    try:
        principal = caller()
    except NoCallerError:
        return None
    return Caller(
        issuer=principal.issuer,
        subject=principal.subject,
        namespace=principal.namespace,
        permissions=sorted(principal.permissions),
    )
