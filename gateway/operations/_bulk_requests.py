"""The body of a bulk request, read strictly: what is done to thousands is not guessed at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gateway.operations._bulk import BulkRequest
from gateway.operations._errors import invalid
from gateway.operations._parameters import parse_filter, parse_reason
from gateway.protocol import MAX_METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.engines import BatchKind
    from gateway.model import Principal
    from gateway.operations._asking import Asker


def bulk_request(
    asker: Asker,
    principal: Principal,
    kind: BatchKind,
    body: Mapping[str, Any],
    *,
    request_id: str | None = None,
    deadline: float | None = None,
) -> BulkRequest:
    """What the body asks for; ``request_id`` is the caller's own, ``deadline`` in the loop's time.

    Raises:
        ApiError: 400, naming the member.
    """
    if ("tokens" in body) == ("filter" in body):
        raise invalid("body", "must hold either tokens or filter, and not both")
    reason, dry_run = parse_reason(body), body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise invalid("body.dry_run", "must be true or false")
    return BulkRequest(
        asker=asker,
        principal=principal,
        kind=kind,
        tokens=_tokens(body["tokens"]) if "tokens" in body else None,
        wanted=parse_filter(_parameters(body["filter"])) if "filter" in body else None,
        reason=reason,
        dry_run=dry_run,
        request_id=request_id,
        deadline=deadline,
        said=json.dumps(body, sort_keys=True),
    )


def _tokens(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(token, str) for token in value):
        raise invalid("body.tokens", "must be a list of operation tokens")
    return tuple(value)


def _parameters(value: object) -> Iterator[tuple[str, str]]:
    """A filter's members as the parameters of a list: a list of states, and metadata as an object, are spelled out."""
    if not isinstance(value, dict):
        raise invalid("body.filter", "must be an object with the parameters of a list")
    for name, given in value.items():
        if given in ([], {}):
            raise invalid(f"body.filter.{name}"[:200], "must not be empty; leave it out for no filter")
        if name == "status" and isinstance(given, list):
            yield from ((name, _text(name, one)) for one in given)
        elif name == "metadata" and isinstance(given, dict):
            if len(given) > MAX_METADATA:
                raise invalid("body.filter.metadata", f"has more than {MAX_METADATA} members")
            yield from ((f"metadata.{key}", _text(f"metadata.{key}", one)) for key, one in given.items())
        else:
            yield name, _text(name, given)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(f"body.filter.{name}"[:200], "must be text")
    return value
