"""Deliveries that have to wait: what the gateway asks of an engine so that none is lost, and none is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from gateway.engines._base import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gateway.model import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A delivery to be made later. ``envelope`` is unreadable to the engine.

    ``about`` is what its operators may read: endpoint, service, operation, namespace, destination. ``traceparent`` is
    that of the start. ``refused`` says why the destination refused it for good, where it did: then the parcel is only
    kept to be seen, and to be delivered again when somebody asks for it. ``tries`` is how often it was tried before,
    and ``delay`` how long to leave it alone now.
    """

    id: str
    envelope: bytes = field(repr=False)
    about: Mapping[str, str]
    traceparent: str = ""
    refused: str | None = None
    tries: int = 0
    delay: timedelta = timedelta()


class ParcelTooLarge(EngineUnavailable):
    """The engine keeps nothing of this size."""


class DeliveryQueue(Protocol):
    """Keeps parcels and tries to deliver them until they are, or are too old."""

    async def take(self, endpoint: Endpoint, parcel: Parcel) -> None:
        """Keep a parcel of an operation at ``endpoint``; one whose id is kept already is the same one.

        Raises:
            ParcelTooLarge: nor is there any use in trying again.
            EngineUnavailable: nothing is known to be kept, or something else is there under its id.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of trying: ``delivered``, or ``refused`` for good, or neither: to be tried again.

    ``made`` is false when nothing was sent, because the destination has enough to do or is known to be away.
    ``retry_after`` is in seconds.
    """

    reason: str
    delivered: bool = False
    refused: bool = False
    made: bool = True
    retry_after: float | None = None


class Deliverer(Protocol):
    """Who does the delivering, for a queue."""

    async def deliver(self, parcel_id: str, envelope: bytes, tries: int) -> Tried:
        """Try once more, after ``tries`` times. Raises ValueError for an envelope that cannot be opened here."""
        ...

    def bury(self, parcel_id: str, about: Mapping[str, str], reason: str, tries: int) -> None:
        """Say that a parcel will not be delivered any more."""
        ...


class DeliveryState(StrEnum):
    """What became of a parcel."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A parcel as its keeper shows it. ``tries`` and ``reason`` are only known where a single one was asked for."""

    id: str
    state: DeliveryState
    about: Mapping[str, str]
    since: datetime
    ended: datetime | None = None
    tries: int | None = None
    reason: str | None = None
    next_try: datetime | None = None


class DeliveryBook(Protocol):
    """What operators ask about parcels."""

    async def list(
        self, states: Sequence[DeliveryState], since: timedelta | None, limit: int
    ) -> Sequence[KeptDelivery]:
        """The newest parcels in one of these states, taken in within ``since``."""
        ...

    async def show(self, parcel_id: str) -> KeptDelivery | None:
        """One parcel, or None."""
        ...

    async def redeliver(self, parcel_id: str) -> bool:
        """Begin anew with a dead parcel; whether there was one."""
        ...
