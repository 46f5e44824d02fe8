"""What the gateway asks of an engine, and nothing about how one does it.

Two kinds of token meet here. A *handler token* is what an operation handler returns from ``start`` and gets back in
``cancel``; it belongs to the handler. An *engine token* is what the gateway seals into the token that callers see: the
handler token made exact, so that it names one run of one operation and never a later one under the same id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from nexusrpc import HandlerError, HandlerErrorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nexusrpc import Content, Link, OperationError, Serializer
    from nexusrpc.handler import CancelOperationContext, StartOperationContext

    from gateway.engines._operations import OperationsEngine, StartNotes
    from gateway.model import Endpoint, Origin


MAX_ENGINE_TOKEN_BYTES: Final = 3000
"""Longest engine token, in UTF-8, of what an engine lets be started: so long a one fits in any token of the gateway."""


class OperationNotFound(Exception):
    """The engine has no such operation, or has it no longer."""


class ResultNotSupported(Exception):
    """The handler that started this operation made a token that the engine cannot look up."""


class EngineUnavailable(Exception):
    """The engine cannot be reached; the request may be repeated."""


class InvalidInput(HandlerError):
    """A body that does not fit its type: a BAD_REQUEST.

    ``faults`` are the paths in it, empty for all of it, each with what is wrong there; neither holds a value of it.
    """

    def __init__(self, message: str, faults: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, type=HandlerErrorType.BAD_REQUEST)
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Completed:
    """How an operation ended: its result as it was recorded, byte for byte, or its error."""

    outcome: Content | OperationError


class Engine(Protocol):
    """Holds handler calls in the engine's context, and answers for the operations that they started."""

    @property
    def operations(self) -> OperationsEngine:
        """What can be known of operations and done to them, beside starting them."""
        ...

    def serializer(self, endpoint: Endpoint) -> Serializer:
        """The converter between bodies and the values that handlers of this endpoint take and return."""
        ...

    def host(
        self,
        endpoint: Endpoint,
        context: StartOperationContext | CancelOperationContext,
        engine_token: str | None = None,
        origin: Origin | None = None,
    ) -> StartNotes:
        """Make the rest of the current task what a handler call has to run in.

        To be called in a task of its own, whose context variables it sets for good. ``engine_token`` is that of the
        operation to cancel; ``origin`` is kept with whatever the handler starts.
        """
        ...

    def engine_token(self, endpoint: Endpoint, handler_token: str) -> str:
        """The exact token of the operation that was just started in the current task."""
        ...

    def handler_token(self, engine_token: str) -> str:
        """The token to hand to a handler's ``cancel``."""
        ...

    def finds(self, engine_token: str) -> bool:
        """Whether ``result`` and ``peek`` can look the operation up, or only its handler knows what its token means."""
        ...

    def usable_links(self, links: Sequence[Link]) -> list[Link]:
        """Those of a caller's links that a hosted handler can do something with; the others would fail its start."""
        ...

    async def completed_token(
        self, endpoint: Endpoint, handler_token: str, links: Sequence[Link], registered: Mapping[str, str]
    ) -> str | None:
        """The engine token that belongs to a completion which names its handler token and links.

        Equal, character for character, to what ``engine_token`` gave when the operation was started. A completion says
        whatever its sender likes, so the token is only given when the operation it names has ended and holds a callback
        with the headers ``registered``, which is what the start had asked for; None when the engine keeps no record
        of the operation's callbacks, so that nobody can tell.

        Raises:
            EngineUnavailable: the engine cannot be reached.
            OperationNotFound: there is no such operation, it still runs, or it was not started with these headers.
        """
        ...

    async def result(self, endpoint: Endpoint, engine_token: str) -> Completed:
        """Wait, however long it takes, until the operation has ended.

        Raises:
            OperationNotFound: there is no such operation.
            ResultNotSupported: the engine cannot look this token up.
            EngineUnavailable: the engine cannot be reached.
        """
        ...

    async def peek(self, endpoint: Endpoint, engine_token: str) -> Completed | None:
        """How the operation ended, or None while it runs. Raises as ``result`` does."""
        ...

    def translate(self, error: BaseException) -> HandlerError | OperationError | None:
        """The Nexus error for an exception of the engine's client or of a hosted handler; None when it is not known.

        Messages are safe to show to a caller.
        """
        ...

    async def check(self, endpoints: Sequence[Endpoint]) -> Mapping[str, str | None]:
        """For the readiness probe: what was looked at, with None where it is well and the reason where it is not."""
        ...
