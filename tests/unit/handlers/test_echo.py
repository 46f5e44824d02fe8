"""The echo plugin, called directly."""

import asyncio

import pytest
from nexusrpc import HandlerError, HandlerErrorType, OperationError, OperationErrorState
from nexusrpc.handler import Handler
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from gateway.model import Principal
from gateway.plugins import calling
from handlers.echo import Headers, plugin
from tests.unit.calls import start

HANDLER = Handler(plugin.services)


ECHOES = [("echo.v1", "echo"), ("Ser/vic e", "op/er ation"), ("Ser/vic e", "größe?#%2F")]


def raw(encoding: bytes, data: bytes) -> RawValue:
    """A value in some encoding."""
    return RawValue(Payload(metadata={"encoding": encoding}, data=data))


@pytest.mark.parametrize(
    "value",
    [
        raw(b"binary/null", b""),
        raw(b"binary/plain", b"\x00\xff"),
        raw(b"json/plain", b' {"a": [1, null]}\n'),
        raw(b"binary/protobuf", b"\x08\x03"),
        raw(b"unknown/nexus-content", b"text"),
    ],
)
@pytest.mark.parametrize(("service", "operation"), ECHOES)
async def test_echo_gives_back_what_it_is_given(service: str, operation: str, value: RawValue) -> None:
    """In the encoding that it came in, to the byte."""
    assert value == await start(HANDLER, service, operation, value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
@pytest.mark.parametrize(("service", "operation"), ECHOES)
async def test_echo_gives_nothing_back_that_is_not_what_it_says(service: str, operation: str, data: bytes) -> None:
    """JSON that is none is a bad request, not an answer."""
    with pytest.raises(HandlerError) as caught:
        await start(HANDLER, service, operation, raw(b"json/plain", data))
    assert HandlerErrorType.BAD_REQUEST is caught.value.type


@pytest.mark.parametrize("kind", list(HandlerErrorType))
async def test_fail_raises_the_handler_error_it_is_asked_for(kind: HandlerErrorType) -> None:
    """Every type of handler error can be had."""
    failure = {"kind": "handler", "type": kind.value, "message": "as asked", "retryable": True}
    with pytest.raises(HandlerError, match="as asked") as caught:
        await start(HANDLER, "echo.v1", "fail", {"failure": failure})
    assert (kind, True) == (caught.value.type, caught.value.retryable_override)


@pytest.mark.parametrize("state", list(OperationErrorState))
async def test_fail_raises_the_operation_error_it_is_asked_for(state: OperationErrorState) -> None:
    """Both ends of an operation that is no success."""
    with pytest.raises(OperationError) as caught:
        await start(HANDLER, "echo.v1", "fail", {"failure": {"kind": "operation", "state": state.value}})
    assert state is caught.value.state


async def test_fail_crashes_when_asked_to() -> None:
    """What a careless handler does."""
    with pytest.raises(RuntimeError, match="secret"):
        await start(HANDLER, "echo.v1", "fail", {"failure": {"kind": "crash", "message": "secret"}})


async def test_fail_names_a_field_that_is_wrong() -> None:
    """The input is validated, field by field."""
    with pytest.raises(ValidationError, match=r"failure\.handler\.type"):
        await start(HANDLER, "echo.v1", "fail", {"failure": {"kind": "handler", "type": "NO_SUCH"}})


async def test_sleep_takes_its_time_and_can_be_cut_short() -> None:
    """A deadline reaches the handler as a cancellation."""
    assert 0 == await start(HANDLER, "echo.v1", "sleep", {"seconds": 0})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await start(HANDLER, "echo.v1", "sleep", {"seconds": 60})


async def test_headers_shows_what_reaches_a_handler() -> None:
    """Headers, callback headers, request id and the caller."""
    principal = Principal(
        issuer="https://issuer.test", subject="alice", namespace="checkout", permissions=frozenset({"b", "a"})
    )
    with calling(principal):
        seen = await start(HANDLER, "echo.v1", "headers", headers={"x-colour": "red"})
    assert {
        "headers": {"x-colour": "red"},
        "callback_headers": {"x-callback": "yes"},
        "request_id": "request-1",
        "caller": {
            "issuer": "https://issuer.test",
            "subject": "alice",
            "namespace": "checkout",
            "permissions": ["a", "b"],
        },
    } == Headers.model_dump(seen)


async def test_headers_has_no_caller_outside_the_gateway() -> None:
    """The plugin runs in a plain worker too."""
    assert (await start(HANDLER, "echo.v1", "headers")).caller is None
