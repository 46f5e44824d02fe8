"""What can be asked of an operation, whatever it is on Temporal: a workflow, an update of one, or an activity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from temporalio.service import RPCError, RPCStatusCode

from gateway.engines._operations import ActionNotSupported

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from nexusrpc import Content
    from temporalio.client import Client

    from gateway.engines._base import Completed
    from gateway.engines._operations import OperationDetails, OperationEvent
    from gateway.engines.temporal._hosting import OperationToken
    from gateway.model import OperationStatus, Origin


GONE: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION})
"""What the server says of a run that has ended when it is asked to do something."""


async def was_taken(rpc: Awaitable[object]) -> bool:
    """Whether the server took a request to a run; False where that has ended. Raises RPCError for all else."""
    try:
        await rpc
    except RPCError as error:
        if error.status not in GONE:
            raise
        return False
    return True


class Kind(ABC):
    """The operations of one kind in one namespace; ``noun`` names the kind to callers.

    What a kind does not define it cannot do, because the server has no such thing. Each method raises
    OperationNotFound, EngineUnavailable and ActionNotSupported.
    """

    noun: ClassVar[str]

    def __init__(self, client: Client) -> None:
        self._client = client

    @abstractmethod
    async def details(self, token: OperationToken) -> OperationDetails:
        """All that can be told of it."""

    @abstractmethod
    def events(self, token: OperationToken, after: str | None) -> AsyncIterator[OperationEvent]:
        """What happened, from the start or from after an event id, and then what happens, up to the end."""

    async def cancel(self, _token: OperationToken, /) -> OperationStatus:
        """Ask it to end; its status at that moment. The first end wins: what has ended stays as it is."""
        raise self._refusal("cannot be canceled")

    async def terminate(self, _token: OperationToken, _reason: str, /) -> OperationStatus:
        """End it now, without its knowledge; its status after that."""
        raise self._refusal("cannot be terminated")

    async def signal(self, _token: OperationToken, _name: str, _content: Content | None, _request_id: str, /) -> None:
        """Send it a signal. Raises OperationEnded."""
        raise self._refusal("takes no signals")

    async def update(
        self, _token: OperationToken, _name: str, _content: Content | None, _update_id: str, /
    ) -> Completed:
        """Have it take an update, and wait for what it says to that. Raises OperationEnded."""
        raise self._refusal("takes no updates")

    async def query(self, _token: OperationToken, _name: str, _content: Content | None, /) -> Content:
        """Ask it something, also after its end. Raises HandlerError BAD_REQUEST where it has no answer to that."""
        raise self._refusal("answers no queries")

    async def retry(self, _token: OperationToken, _origin: Origin, _known: frozenset[str], /) -> str:
        """Start it once more with the input it had; the engine token of the new one. Raises OperationRunningStill.

        ``known`` are the search attributes that the namespace knows.
        """
        raise self._refusal("cannot be started once more")

    async def clone(self, _token: OperationToken, _origin: Origin, _known: frozenset[str], /) -> str:
        """Start another one with its input, beside it; the engine token of the new one."""
        raise self._refusal("cannot be started once more")

    def _refusal(self, what: str) -> ActionNotSupported:
        return ActionNotSupported(f"this operation is {self.noun}, which {what}")
