"""The answers of Nexus over HTTP as values: a closed union, encoded by a server and decoded by a client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nexusrpc import Content, HandlerError, Link, OperationError

    from gateway.model import OperationState


@dataclass(frozen=True, slots=True)
class OperationSucceeded:
    """200 with a result, of a start or of fetching a result; ``content`` has no headers and no data for null."""

    content: Content
    links: tuple[Link, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class OperationStarted:
    """201: the operation goes on and is known by ``token``; ``location`` is where its result can be waited for.

    Here as in the other answers to a start, ``replayed`` says that the same request has started it before.
    """

    token: str = field(repr=False)
    links: tuple[Link, ...] = ()
    location: str | None = field(default=None, repr=False)
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class OperationFailed:
    """424: the operation ended as failed or canceled."""

    error: OperationError
    links: tuple[Link, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class OperationRunning:
    """412: the wait for a result ended before the operation did."""


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """200 with the state of an operation (specification: OperationInfo)."""

    token: str = field(repr=False)
    state: OperationState


@dataclass(frozen=True, slots=True)
class CancelAccepted:
    """202: the wish to cancel was taken note of."""


@dataclass(frozen=True, slots=True)
class HandlerFailed:
    """The request failed; ``details`` (a request id, a trace id) are told beside the error's type."""

    error: HandlerError
    details: Mapping[str, str] = field(default_factory=dict)


NexusResponse = (
    OperationSucceeded
    | OperationStarted
    | OperationFailed
    | OperationRunning
    | OperationInfo
    | CancelAccepted
    | HandlerFailed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedResponse:
    """A response as it goes out of any HTTP server; it lacks the length of the body and nothing else."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
