"""The ``Failure`` object and its JSON (specification: Failure), bounded in depth and free of stack traces.

Traces are read from nobody and sent to nobody: they hold file paths and values of the one whose code failed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

from nexusrpc import Failure

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError

TEMPORAL_FAILURE: Final = "temporal.api.failure.v1.Failure"
"""``metadata.type`` of a failure whose details are Temporal's own, in protobuf's JSON, with causes inside."""

DEPTH: Final = 100
"""How deep objects and lists may lie in each other in a failure, and how many causes of one are sent."""

_TRACES: Final = ("stackTrace", "stack_trace")


class FailureForm(Enum):
    """Which form of failure a peer understands: the specification's, or the one from before it had OperationError."""

    CURRENT = "current"
    OLDER = "older"


def encode_failure(failure: Failure) -> dict[str, Any]:
    """The failure and its causes (at most DEPTH of them) as a JSON object, without any stack trace."""
    root = innermost = _encode_one(failure)
    for _ in range(DEPTH):
        if failure.cause is None:
            break
        failure = failure.cause
        innermost["cause"] = _encode_one(failure)
        innermost = innermost["cause"]
    _drop_traces(root)
    return root


def decode_failure(body: bytes) -> Failure:
    """The failure that a body holds, its causes nested, without any stack trace.

    ``details`` may be any JSON value on the wire; what is not an object is handed over as it is.

    Raises:
        RemoteProtocolError: not JSON in UTF-8, not a Failure object, or nested too deeply.
    """
    root = _load(body)
    _drop_traces(root)
    cause: Failure | None = None
    for node in reversed(list(_chain(root))):
        cause = _decode_one(node, cause)
    assert cause is not None  # noqa: S101 - a chain has its root
    return cause


def without_stack_traces(failure_body: bytes) -> bytes:
    """The JSON failure without the stack traces of it and its causes, Temporal's nested ones among them.

    The bytes come back as they are when there is nothing to remove. ``encodedAttributes`` are left alone: they are
    sealed by whoever wrote them.

    Raises:
        RemoteProtocolError: not a JSON object, or nested too deeply.
    """
    root = _load(failure_body)
    return dump_json(root) if _drop_traces(root) else failure_body


def dump_json(value: object) -> bytes:
    """Compact JSON in UTF-8.

    Raises:
        LocalProtocolError: a value that JSON does not have.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise LocalProtocolError("a failure's details hold a value that JSON does not have") from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair, which JSON can carry in its escapes and UTF-8 cannot.
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def load_json(body: bytes) -> object:
    """The value that a body holds.

    Raises:
        RemoteProtocolError: not JSON in UTF-8, a number beyond a float, or nested deeper than DEPTH.
    """
    try:
        value: object = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise RemoteProtocolError("the body is not JSON in UTF-8, or nested too deeply") from None
    level: list[object] = [value]
    for _ in range(DEPTH):
        level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in _members(outer)]
        if not level:
            return value
    raise RemoteProtocolError(f"the body is nested too deeply; {DEPTH} levels are the most")


def _load(body: bytes) -> dict[str, Any]:
    value = load_json(body)
    if not isinstance(value, dict):
        raise RemoteProtocolError("the body is not a Failure, a JSON object with a message")
    return value


def _members(value: dict[str, Any] | list[Any]) -> Iterator[Any]:
    for member in value.values() if isinstance(value, dict) else value:
        if isinstance(member, float) and not math.isfinite(member):
            raise RemoteProtocolError("the body holds a number that JSON does not have")
        yield member


def _chain(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object and the causes in it, outermost first."""
    node: object = root
    while isinstance(node, dict):
        yield node
        node = node.get("cause")


def _drop_traces(root: dict[str, Any]) -> bool:
    dropped = False
    for node in _chain(root):
        for holder in (node, *_temporal_chain(node)):
            for name in _TRACES:
                dropped = holder.pop(name, None) is not None or dropped
    return dropped


def _temporal_chain(node: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    metadata, details = node.get("metadata"), node.get("details")
    if isinstance(metadata, dict) and metadata.get("type") == TEMPORAL_FAILURE and isinstance(details, dict):
        yield from _chain(details)


def _encode_one(failure: Failure) -> dict[str, Any]:
    encoded: dict[str, Any] = {"message": failure.message}
    if failure.metadata:
        encoded["metadata"] = dict(failure.metadata)
    if failure.details is not None:
        encoded["details"] = _copy(failure.details)
    return encoded


def _copy(details: object) -> object:
    """The details with what traces are dropped from copied, so that the one who made them keeps them whole."""
    if not isinstance(details, Mapping):
        return details
    root = node = dict(details)
    for _ in range(DEPTH):
        if not isinstance(node.get("cause"), dict):
            break
        node["cause"] = dict(node["cause"])
        node = node["cause"]
    return root


def _decode_one(node: dict[str, Any], cause: Failure | None) -> Failure:
    # A member that is null is one that is not there: some peers write all of them.
    message, metadata = node.get("message"), node.get("metadata")
    if not isinstance(message, str | None):
        raise RemoteProtocolError("the failure's message is not a string")
    if not isinstance(metadata, dict | None) or any(not isinstance(value, str) for value in (metadata or {}).values()):
        raise RemoteProtocolError("the failure's metadata is not an object of strings")
    if not isinstance(node.get("cause"), dict | None):
        raise RemoteProtocolError("the failure's cause is not an object")
    return Failure(message=message or "", metadata=metadata, details=node.get("details"), cause=cause)
