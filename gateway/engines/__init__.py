"""Engines: what runs the operations behind the gateway."""

from gateway.engines._base import Completed, Engine, EngineUnavailable, OperationNotFound, ResultNotSupported
from gateway.engines._polls import SharedPolls, TooManyPolls

__all__ = (
    "Completed",
    "Engine",
    "EngineUnavailable",
    "OperationNotFound",
    "ResultNotSupported",
    "SharedPolls",
    "TooManyPolls",
)
