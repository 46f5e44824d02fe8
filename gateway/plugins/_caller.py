"""The verified caller, inside an operation handler."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.model import Principal

_CALLER: ContextVar[Principal] = ContextVar("nexus-gateway-caller")


class NoCallerError(RuntimeError):
    """:func:`caller` was asked outside a request of the gateway."""


def caller() -> Principal:
    """The verified principal that called the running operation handler.

    Raises:
        NoCallerError: Outside an operation handler that the gateway runs: in a workflow or an activity (pass on what
            they need in their input), at import time, or where a plain Temporal worker serves the same handler class.
    """
    try:
        return _CALLER.get()
    except LookupError:
        raise NoCallerError(
            "there is no caller here: gateway.plugins.caller() answers only inside an operation handler that the"
            " gateway runs, not in a workflow, an activity or a handler served by a plain Temporal worker"
        ) from None


@contextmanager
def calling(principal: Principal) -> Iterator[None]:
    """Make ``principal`` the :func:`caller` of the block; for whatever runs a handler: dispatch, a plugin's tests."""
    reset = _CALLER.set(principal)
    try:
        yield
    finally:
        _CALLER.reset(reset)
