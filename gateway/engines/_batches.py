"""Many operations at once, and one operation once more: what is asked, on whose behalf, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.engines._base import OperationNotFound
from gateway.engines._operations import ActionNotSupported

# All at run time: an engine may write batches down, and looks annotations up to read them again.
from gateway.model import OperationAddress, Origin, Tenant
from gateway.request_ids import request_id_about


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who has something done to operations; ``request_id`` is the caller's own, the other ids are the request's."""

    tenant: Tenant
    subject: str
    start_id: str
    trace_id: str = ""
    request_id: str | None = None

    def repetition(self, before: Origin | None, chosen: Chosen, *, retry: bool, batch_id: str | None = None) -> Origin:
        """The origin of what is started once more: a retry, or else a clone, of the chosen operation.

        The same for the same request, or batch, so that the engine does it once. ``before`` is the origin of that
        operation. What is another tenant's stays so, whoever asks: it is its owner's as it was before, and the owner
        is not shown the ids of somebody else's request.

        Raises:
            OperationNotFound: it is no operation of its owner's.
            ActionNotSupported: another tenant began it.
        """
        address, engine_token = chosen.address, chosen.engine_token
        mine = chosen.owner == self.tenant
        known = before if before is not None and before.tenant == chosen.owner else None
        if known is None and not mine:
            raise OperationNotFound
        if known is None and before is not None:
            # The chosen operation only joined it: its input is another tenant's.
            raise ActionNotSupported("an operation that joined another tenant's workflow cannot be started once more")
        first = known.retry_of if known is not None and retry else None
        return Origin(
            address=address,
            tenant=chosen.owner,
            subject=known.subject if known is not None and not mine else self.subject,
            request_id=self.request_id if mine else None,
            scoped_request_id=request_id_about(
                self.tenant, address, engine_token, "retry" if retry else "clone", batch_id or self.request_id
            ),
            start_id=self.start_id,
            digest=known.digest if known is not None else "",
            trace_id=self.trace_id if mine else "",
            metadata=known.metadata if known is not None else {},
            retry_of=first or engine_token,
        )


class BatchKind(StrEnum):
    """What is done to all operations of a batch."""

    CANCEL = "cancel"
    TERMINATE = "terminate"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """What is to be done to many operations, on whose behalf, and why.

    ``id`` is the batch's, by which it is known in its namespace, for its tenant: nobody else can guess it. Whoever
    orders under the same id again means the same batch. ``asker`` is who asked, as a ``Permit`` reads it.
    """

    id: str
    kind: BatchKind
    requester: Requester
    asker: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One operation, and whose it is."""

    address: OperationAddress
    engine_token: str
    owner: Tenant


class Permit(Protocol):
    """Whether what was ordered may still be done."""

    def holds(self, order: BatchOrder, chosen: Chosen) -> bool:
        """Whether whoever gave the order may have it done to this operation, as things are now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProgress:
    """How far a batch is; ``state`` is running, completed, failed or canceled."""

    state: str
    total: int
    completed: int
    failed: int


class TooManyBatches(Exception):
    """The tenant has as many batches under way as one may have at a time."""


class BatchTooLarge(Exception):
    """What names the operations of a batch is more than the engine takes at a time; fewer of them are not."""
