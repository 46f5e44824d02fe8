"""Engines: what runs the operations behind the gateway."""

from gateway.engines._base import Completed, Engine, EngineUnavailable, OperationNotFound, ResultNotSupported
from gateway.engines._deliveries import (
    Deliverer,
    DeliveryBook,
    DeliveryQueue,
    DeliveryState,
    KeptDelivery,
    Parcel,
    Tried,
)
from gateway.engines._polls import SharedPolls, TooManyPolls

__all__ = (
    "Completed",
    "Deliverer",
    "DeliveryBook",
    "DeliveryQueue",
    "DeliveryState",
    "Engine",
    "EngineUnavailable",
    "KeptDelivery",
    "OperationNotFound",
    "Parcel",
    "ResultNotSupported",
    "SharedPolls",
    "TooManyPolls",
    "Tried",
)
