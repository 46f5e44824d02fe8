"""The four requests of Nexus over HTTP as values: a closed union for the edge to match on and a client to build.

Start and cancel are the specification's; fetching results and info follow its last revision that had them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.protocol._failures import FailureForm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from nexusrpc import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOperation:
    """``POST /{service}/{operation}`` (specification: Start Operation); the body is not part of it.

    ``headers`` are for the handler, names in lower case, without what ``WITHHELD_HEADERS`` lists; the timeouts and the
    request id are among them as they came. ``callback_headers`` are without their prefix. ``prefer_wait`` is how long
    the caller would rather wait than be given a token (RFC 7240, section 4.3). ``metadata`` is what the caller wants to
    find the operation by, keys in lower case; the request id may also come as ``Idempotency-Key``.
    """

    service: str
    operation: str
    request_id: str | None = None
    callback_url: str | None = field(default=None, repr=False)
    callback_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    links: tuple[Link, ...] = ()
    request_timeout: timedelta | None = None
    operation_timeout: timedelta | None = None
    prefer_wait: timedelta | None = None
    failure_form: FailureForm = FailureForm.CURRENT
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_headers: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOperation:
    """``POST /{service}/{operation}/cancel`` (specification: Cancel Operation)."""

    service: str
    operation: str
    token: str = field(repr=False)
    request_timeout: timedelta | None = None
    failure_form: FailureForm = FailureForm.CURRENT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """``GET /{service}/{operation}/result``; ``wait`` is how long to wait for the operation to end, None for not."""

    service: str
    operation: str
    token: str = field(repr=False)
    wait: timedelta | None = None
    request_timeout: timedelta | None = None
    failure_form: FailureForm = FailureForm.CURRENT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchInfo:
    """``GET /{service}/{operation}``: in which state the operation is."""

    service: str
    operation: str
    token: str = field(repr=False)
    request_timeout: timedelta | None = None
    failure_form: FailureForm = FailureForm.CURRENT
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


NexusRequest = StartOperation | CancelOperation | FetchResult | FetchInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRequest:
    """A request as it goes to any HTTP client; ``target`` is relative to the endpoint's services."""

    method: str
    target: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
