"""Engine tokens: the SDK's operation token, made exact.

The SDK's token for a workflow names the workflow's id alone, so it opens whatever runs under that id later, another
tenant's run included. The engine token also holds the first run of the chain. It is JSON, because it is sealed anyway.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from nexusrpc import HandlerError, HandlerErrorType

from gateway.engines._base import MAX_ENGINE_TOKEN_BYTES, OperationNotFound, ResultNotSupported
from gateway.engines.temporal._hosting import OperationToken, OperationTokenType

if TYPE_CHECKING:
    from collections.abc import Mapping

SOME_RUN: Final = "00000000-0000-0000-0000-000000000000"
"""In place of a run that is not there yet: as long as any."""

_OPAQUE = ":"


def encode_engine_token(handler_token: str, namespace: str, first_runs: Mapping[str, str]) -> str:
    """The engine token for a handler's token; ``first_runs`` maps workflow ids to the first run of their chain."""
    token = decode_handler_token(handler_token)
    if token is None or token.namespace != namespace:
        return _OPAQUE + handler_token
    if token.type is OperationTokenType.WORKFLOW and token.run_id is None:
        token = dataclasses.replace(token, run_id=first_runs.get(token.workflow_id or ""))
    return _dump(token)


def workflow_token(namespace: str, workflow_id: str, first_run: str) -> str:
    """The engine token of an operation that is a workflow: what ``encode_engine_token`` gave when it was started."""
    return _dump(
        OperationToken(type=OperationTokenType.WORKFLOW, namespace=namespace, workflow_id=workflow_id, run_id=first_run)
    )


def activity_token(namespace: str, activity_id: str, run_id: str) -> str:
    """The engine token of an operation that is an activity, as above."""
    return _dump(
        OperationToken(type=OperationTokenType.ACTIVITY, namespace=namespace, activity_id=activity_id, run_id=run_id)
    )


def update_token(namespace: str, workflow_id: str, update_id: str, run_id: str) -> str:
    """The engine token of an operation that is an update of a workflow, as above."""
    return _dump(
        OperationToken(
            type=OperationTokenType.UPDATE_WORKFLOW,
            namespace=namespace,
            workflow_id=workflow_id,
            update_id=update_id,
            run_id=run_id,
        )
    )


def check_length(engine_token: str) -> None:
    """To be called before anything is started, for what it would be known by, with ``SOME_RUN`` as its run.

    What a caller cannot be given a token for would run on, seen and ended by nobody. The server counts the bytes of an
    id; here each control character in it is six.

    Raises:
        HandlerError: BAD_REQUEST, the operation would have an id that makes the token too long.
    """
    if len(engine_token.encode()) > MAX_ENGINE_TOKEN_BYTES:
        raise HandlerError(
            "the operation would have an id too long for its token; shorten what the id is made of",
            type=HandlerErrorType.BAD_REQUEST,
        )


def with_run(token: OperationToken, run_id: str | None) -> str:
    """The engine token for this token of the SDK and this run, unless it names a run itself."""
    return _dump(token if token.run_id else dataclasses.replace(token, run_id=run_id))


def decode_handler_token(handler_token: str) -> OperationToken | None:
    """The SDK's token, or None for one that a handler made up itself."""
    try:
        return OperationToken.decode(handler_token)
    except TypeError:
        return None


def decode_engine_token(engine_token: str, namespace: str) -> OperationToken:
    """The SDK's token, with the run in it.

    Raises:
        ResultNotSupported: the handler made the token itself.
        OperationNotFound: the token belongs to another namespace; its endpoint has moved since.
    """
    token = decode_handler_token(handler_token(engine_token))
    if token is None:
        raise ResultNotSupported
    if token.namespace != namespace:
        raise OperationNotFound
    return token


def is_handmade(engine_token: str) -> bool:
    """Whether the handler made the token up itself, so that it says nothing here."""
    return engine_token.startswith(_OPAQUE)


def handler_token(engine_token: str) -> str:
    """The token to give to the handler: its own, or the SDK's with the run in it, which the SDK's handlers accept."""
    if is_handmade(engine_token):
        return engine_token[len(_OPAQUE) :]
    fields = json.loads(engine_token)
    return OperationToken(
        type=OperationTokenType(fields["t"]),
        namespace=fields["ns"],
        workflow_id=fields.get("wid"),
        activity_id=fields.get("aid"),
        run_id=fields.get("rid"),
        update_id=fields.get("uid"),
    ).encode()


def _dump(token: OperationToken) -> str:
    fields = {
        "t": int(token.type),
        "ns": token.namespace,
        "wid": token.workflow_id,
        "aid": token.activity_id,
        "uid": token.update_id,
        "rid": token.run_id,
    }
    return json.dumps(
        {name: value for name, value in fields.items() if value is not None}, separators=(",", ":"), ensure_ascii=False
    )
