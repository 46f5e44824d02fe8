"""The routes of ``/api/v1`` as they stand in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.discovery._parts import (
    REQUEST_ID,
    TOKEN,
    api_operation,
    header,
    json_response,
    query,
    ref,
)
from gateway.model import OperationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE: Final = "/api/v1/operations"
_TEXT: Final = {"type": "string", "maxLength": 2000, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$"}
_SOME_TEXT: Final = {
    **_TEXT,
    "pattern": r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$",
}
_MOMENT: Final = {"type": "string", "format": "date-time", "pattern": "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T"}
_FILTERS: Final = (
    query("endpoint", "Only at this endpoint.", _SOME_TEXT),
    query("service", "Only of this service.", _SOME_TEXT),
    query("operation", "Only of this operation.", _SOME_TEXT),
    query("status", "Only in this state; several are separated by commas.", {"enum": [*OperationStatus]}),
    query("since", "Only what was started then or later.", _MOMENT),
    query("until", "Only what was started before.", _MOMENT),
    query("caller", "Only what this subject started.", _SOME_TEXT),
    query(
        "query",
        "Temporal's list filter, within what the caller may see. Metadata are filtered by metadata.<key>=<value>.",
        {"type": "string", "enum": ["WorkflowType = 'Order'", "ExecutionStatus = 'Running' AND CloseTime IS NULL"]},
    ),
)
_PAGE: Final = (
    query("page_size", "How many at most.", {"type": "integer", "minimum": 1, "maximum": 200}),
    query("next_page_token", "From the page before.", _TEXT),
)
_STATE: Final = json_response("Its state.", ref("gateway.State"))
_ANSWER: Final = {"description": "What it answers.", "content": {"application/json": {"schema": {}}, "*/*": {}}}
_NAME: Final = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": 100},
}
_NOTHING: Final = {"type": "object", "additionalProperties": False}
_REASON: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"reason": {"type": "string", "maxLength": 1000}},
}
_BULK_SCHEMA_COMMON: Final = {"reason": {"type": "string", "maxLength": 1000}, "dry_run": {"type": "boolean"}}
_FILTER: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(("endpoint", "service", "operation", "caller"), _SOME_TEXT),
        "status": {"enum": [*OperationStatus]},
        "since": _MOMENT,
        "until": _MOMENT,
        "metadata": {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 16,
            "propertyNames": {"pattern": "^[a-z][a-z0-9-]{0,30}$"},
            "additionalProperties": _SOME_TEXT,
        },
    },
}
_TOKENS: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": 1000,
    "items": {"type": "string", "minLength": 1, "maxLength": 4096},
}
_BULK: Final = {
    "oneOf": [
        {
            "type": "object",
            "additionalProperties": False,
            "required": [which],
            "properties": {which: schema, **_BULK_SCHEMA_COMMON},
        }
        for which, schema in (("tokens", _TOKENS), ("filter", _FILTER))
    ]
}
_JOB_ID: Final = {
    "name": "job",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$", "minLength": 3, "maxLength": 4000},
}
_JOB: Final = json_response(
    "The job.",
    {
        "type": "object",
        "required": ["job", "state", "total"],
        "properties": {
            "job": {"type": "string"},
            "state": {"enum": ["running", "completed", "failed", "canceled"]},
            "total": {"type": "integer"},
            "completed": {"type": "integer"},
            "failed": {"type": "integer"},
        },
    },
)
_BULK_ANSWERS: Final = {
    "202": _JOB,
    "200": json_response(
        "How many it would be.", {"type": "object", "required": ["total"], "properties": {"total": {"type": "integer"}}}
    ),
}
_PAGE_OF_OPERATIONS: Final = {
    "type": "object",
    "required": ["operations", "next_page_token"],
    "properties": {
        "operations": {"type": "array", "items": ref("gateway.Operation")},
        "next_page_token": {"type": ["string", "null"]},
    },
}
_COUNT: Final = {
    "type": "object",
    "required": ["total", "by_state"],
    "properties": {
        "total": {"type": "integer"},
        "by_state": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}


def api_paths() -> Mapping[str, Any]:
    """Path items by path."""
    one = (TOKEN,)
    again = (TOKEN, REQUEST_ID)
    spoken = (TOKEN, _NAME)
    events = (
        TOKEN,
        header("Last-Event-ID", "Go on after this event.", {"type": "string", "pattern": "^[0-9]\\.[0-9]$"}),
    )
    stream = {"200": {"description": "Its events.", "content": {"text/event-stream": {}}}, "204": _empty("It is over.")}
    listed = json_response("A page.", _PAGE_OF_OPERATIONS)
    running = {"202": json_response("It has been asked.", ref("gateway.State")), "200": _STATE}
    return {
        _BASE: {"get": api_operation("List operations", "list", {"200": listed}, parameters=(*_FILTERS, *_PAGE))},
        f"{_BASE}/count": {
            "get": api_operation(
                "Count operations", "count", {"200": json_response("Counts.", _COUNT)}, parameters=_FILTERS
            )
        },
        f"{_BASE}/describe": {
            "get": api_operation(
                "Describe one", "describe", {"200": json_response("It.", ref("gateway.Operation"))}, parameters=one
            )
        },
        f"{_BASE}/events": {"get": api_operation("Follow one", "events", stream, parameters=events)},
        f"{_BASE}/cancel": {"post": api_operation("Ask one to end", "cancel", running, parameters=one, body=_NOTHING)},
        f"{_BASE}/terminate": {
            "post": api_operation("End one", "terminate", {"200": _STATE}, parameters=one, body=_REASON)
        },
        f"{_BASE}/retry": {
            "post": api_operation("Start one again", "retry", {"202": _STATE}, parameters=again, body=_NOTHING)
        },
        f"{_BASE}/clone": {
            "post": api_operation("Start another like it", "clone", {"201": _STATE}, parameters=again, body=_NOTHING)
        },
        **{
            f"{_BASE}/bulk-{verb}": {
                "post": api_operation(
                    f"{verb.capitalize()} many",
                    f"bulk {verb}",
                    _BULK_ANSWERS,
                    parameters=(REQUEST_ID,),
                    body=_BULK,
                    body_required=True,
                )
            }
            for verb in ("cancel", "terminate", "retry")
        },
        _BASE + "/bulk/{job}": {
            "get": api_operation("How far a bulk job is", "job", {"200": _JOB}, parameters=[_JOB_ID])
        },
        _BASE + "/bulk/{job}/cancel": {
            "post": api_operation(
                "Go no further with a bulk job", "cancel job", {"200": _JOB}, parameters=[_JOB_ID], body=_NOTHING
            )
        },
        _BASE + "/signal/{name}": {
            "post": api_operation(
                "Send a signal", "signal", {"202": json_response("Sent.", {})}, parameters=spoken, body={}
            )
        },
        _BASE + "/update/{name}": {
            "post": api_operation("Send an update", "update", {"200": _ANSWER}, parameters=spoken, body={})
        },
        _BASE + "/query/{name}": {
            "get": api_operation("Ask it", "query", {"200": _ANSWER}, parameters=spoken),
            "post": api_operation(
                "Ask it with an input", "query with input", {"200": _ANSWER}, parameters=spoken, body={}
            ),
        },
        "/api/v1/services": {"get": _discovery("What there is to call", "services", {"services": {"type": "array"}})},
        "/api/v1/services/{service}": {
            "get": {
                **_discovery("One service", "service", {"service": {"type": "string"}}),
                "parameters": [{"name": "service", "in": "path", "required": True, "schema": _TEXT}],
            }
        },
        "/openapi.json": {
            "get": {
                "summary": "This document; for a caller with a token, what it may use.",
                "operationId": "openapi",
                "tags": ["discovery"],
                "security": [{}, {"bearer": []}],
                "responses": {
                    "200": json_response("The document.", {"type": "object"}),
                    "304": {"description": "It is the one that the request's If-None-Match names."},
                    "401": {"$ref": "#/components/responses/Error"},
                    "400": {"$ref": "#/components/responses/Error"},
                    "405": {"$ref": "#/components/responses/Error"},
                },
            }
        },
    }


def _discovery(summary: str, operation_id: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": [*properties], "properties": properties}
    return api_operation(summary, operation_id, {"200": json_response("It.", schema)}, tag="discovery")


def _empty(description: str) -> Mapping[str, Any]:
    return {"description": description}
