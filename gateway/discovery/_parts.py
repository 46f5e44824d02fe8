"""The pieces that the OpenAPI document is made of."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from gateway.model import OperationState, OperationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JSON: Final = "application/json"
_TEXT: Final = {"type": "string"}
_NULL_TEXT: Final = {"type": ["string", "null"]}
_MOMENT: Final = {"type": "string", "format": "date-time"}

SCHEMAS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "gateway.Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "details"],
                    "properties": {
                        "code": _TEXT,
                        "message": _TEXT,
                        "details": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {"type": _TEXT, "field": _TEXT, "description": _TEXT},
                            },
                        },
                    },
                }
            },
        },
        "nexus.Failure": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": _TEXT,
                "metadata": {"type": "object", "additionalProperties": _TEXT},
                "details": {},
            },
        },
        "gateway.Operation": {
            "type": "object",
            "required": ["token", "endpoint", "service", "operation", "state", "start_time", "close_time"],
            "properties": {
                "token": _TEXT,
                "endpoint": _TEXT,
                "service": _TEXT,
                "operation": _TEXT,
                "state": {"enum": [*OperationStatus]},
                "start_time": _MOMENT,
                "close_time": {"type": ["string", "null"], "format": "date-time"},
                "caller": {"type": ["object", "null"], "properties": {"namespace": _TEXT, "subject": _TEXT}},
                "metadata": {"type": "object", "additionalProperties": _TEXT},
                "request_id": _NULL_TEXT,
            },
        },
        "gateway.State": {
            "type": "object",
            "required": ["token", "state"],
            "properties": {"token": _TEXT, "state": {"enum": [*OperationStatus]}},
        },
        "nexus.OperationInfo": {
            "type": "object",
            "required": ["token", "state"],
            "properties": {"token": _TEXT, "state": {"enum": [*OperationState]}},
        },
    }
)


def ref(name: str) -> Mapping[str, Any]:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def ref_response(name: str) -> Mapping[str, Any]:
    """A reference to a response."""
    return {"$ref": f"#/components/responses/{name}"}


def json_response(description: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A response with a JSON body."""
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def result_response(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result of an operation: JSON where its type says what it is, else in whatever form it has."""
    if schema == {"type": "null"}:
        return {"description": "The result, which is empty."}
    if not schema:
        return {"description": "The result, in whatever form it has."}
    return json_response("The result.", dict(schema))


RESPONSES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "Failure": json_response("The request failed.", ref("nexus.Failure")),
        "OperationFailed": json_response("The operation failed or was canceled.", ref("nexus.Failure")),
        "Error": json_response("The request failed.", ref("gateway.Error")),
    }
)
INFO: Final = json_response("Its state.", ref("nexus.OperationInfo"))
STARTED: Final = json_response("It was started and goes on.", ref("nexus.OperationInfo"))


def header(name: str, description: str, schema: Mapping[str, Any] | None = None, *, required: bool = False) -> Any:  # noqa: ANN401 - JSON
    """A header of a request."""
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": schema or {"type": "string", "minLength": 1, "maxLength": 1000},
    }


def query(name: str, description: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """A parameter of a query string."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


_DURATION: Final = {"type": "string", "pattern": "^[1-9][0-9]{0,3}(ms|s|m)$", "examples": ["10s"]}
TOKEN: Final = header(
    "Nexus-Operation-Token",
    "The token of the operation.",
    {"type": "string", "minLength": 1, "maxLength": 4096, "pattern": "^[!-~]+$"},
    required=True,
)
WAIT: Final = query("wait", "How long to wait for the end.", _DURATION)
REQUEST_ID: Final = header("Nexus-Request-Id", "Makes a repeated request the same request. Idempotency-Key does too.")
START_HEADERS: Final = (REQUEST_ID,)

_NEXUS_ERRORS: Final = ("400", "401", "403", "404", "405", "408", "409", "429", "500", "501", "503", "520")
_API_ERRORS: Final = ("400", "401", "403", "404", "405", "408", "409", "429", "500", "501", "503")


def nexus_operation(
    summary: str,
    tags: Sequence[str],
    operation_id: str,
    parameters: Sequence[Mapping[str, Any]],
    answers: Mapping[str, Any],
) -> dict[str, Any]:
    """An operation of the Nexus interface."""
    return {
        "summary": summary,
        "operationId": operation_id,
        "tags": [*tags],
        "parameters": [*parameters],
        "responses": {**answers, **dict.fromkeys(_NEXUS_ERRORS, ref_response("Failure"))},
    }


def api_operation(
    summary: str,
    operation_id: str,
    answers: Mapping[str, Any],
    *,
    tag: str = "operations",
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
    body_required: bool = False,
) -> dict[str, Any]:
    """An operation of ``/api/v1``."""
    described: dict[str, Any] = {
        "summary": summary,
        "operationId": operation_id,
        "tags": [tag],
        "parameters": [*parameters],
        "responses": {**answers, **dict.fromkeys(_API_ERRORS, ref_response("Error"))},
    }
    if body is not None:
        described["requestBody"] = {"required": body_required, "content": {_JSON: {"schema": body}}}
    return described
