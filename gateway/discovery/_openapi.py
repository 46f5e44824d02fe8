"""The OpenAPI 3.1 document: every route, and every mounted operation as a path of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.discovery import _parts as parts
from gateway.discovery._routes import api_paths
from gateway.discovery._schemas import Schemas, example_of
from gateway.model import Verb
from gateway.protocol import encode_name, join_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.discovery._schemas import Mode
    from gateway.discovery._services import Services
    from gateway.model import OperationAddress, Principal
    from gateway.registry import MountedEndpoint

_TEMPLATE: Final = "#/components/schemas/{model}"
_Usable = "tuple[MountedEndpoint, OperationAddress, tuple[Verb, ...]]"


class OpenApi:
    """Writes the document; ``version`` is the gateway's, ``anonymous`` whether anybody may see the operations in it."""

    def __init__(self, services: Services, *, version: str, public_url: str, anonymous: bool) -> None:
        self._services = services
        self._version = version
        self._public_url = public_url
        self._anonymous = anonymous

    def document(self, principal: Principal | None) -> Mapping[str, Any]:
        """The document for a caller: what it may use; without a caller, all there is, or the general routes alone."""
        usable = [*self._services.usable(principal)] if principal is not None or self._anonymous else []
        definitions = [mounted.services[address.service][address.operation] for mounted, address, _ in usable]
        wanted: list[tuple[Any, Mode]] = [(one.input_type, "validation") for one in definitions]
        schemas = Schemas([*wanted, *((one.output_type, "serialization") for one in definitions)], _TEMPLATE)
        paths: dict[str, Any] = dict(api_paths())
        for mounted, address, verbs in usable:
            paths.update(_operation_paths(mounted, address, verbs, schemas))
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Nexus gateway",
                "version": self._version,
                "description": (
                    "Nexus operations over HTTP, and the operations resource to see and steer them. A start also takes"
                    " the headers Prefer: wait=<seconds>, Request-Timeout and Operation-Timeout (such as 10s),"
                    " Nexus-Gateway-Metadata-<key>, Nexus-Link, Nexus-Callback-<name>, traceparent and baggage."
                ),
            },
            "servers": [{"url": self._public_url}],
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "schemas": {**parts.SCHEMAS, **schemas.definitions},
                "responses": dict(parts.RESPONSES),
            },
        }


def _operation_paths(
    mounted: MountedEndpoint, address: OperationAddress, verbs: Sequence[Verb], schemas: Schemas
) -> Mapping[str, Any]:
    target = f"/{encode_name(address.service, 'service')}/{encode_name(address.operation, 'operation')}"
    path = join_target(address.endpoint, target)
    tags = [f"{address.endpoint}: {address.service}"]
    named = f"{address.endpoint}/{address.service}/{address.operation}"
    output = schemas.of(mounted.services[address.service][address.operation].output_type, "serialization")
    result = parts.result_response(output)
    paths: dict[str, Any] = {}
    if Verb.START in verbs:
        paths[path] = {"post": _start(mounted, address, schemas=schemas, result=result, tags=tags)}
    if Verb.DESCRIBE in verbs:
        paths.setdefault(path, {})["get"] = parts.nexus_operation(
            "The state of an operation", tags, f"info {named}", [parts.TOKEN], {"200": parts.INFO}
        )
    if Verb.CANCEL in verbs:
        accepted = {"202": {"description": "Taken note of."}}
        paths[f"{path}/cancel"] = {
            "post": parts.nexus_operation("Cancel an operation", tags, f"cancel {named}", [parts.TOKEN], accepted)
        }
    if Verb.RESULT in verbs:
        answers: dict[str, Any] = {
            "200": result,
            "412": {"description": "It still runs."},
            "424": parts.ref_response("OperationFailed"),
        }
        paths[f"{path}/result"] = {
            "get": parts.nexus_operation(
                "The result of an operation", tags, f"result {named}", [parts.TOKEN, parts.WAIT], answers
            )
        }
    return paths


def _start(
    mounted: MountedEndpoint,
    address: OperationAddress,
    *,
    schemas: Schemas,
    result: Mapping[str, Any],
    tags: Sequence[str],
) -> Mapping[str, Any]:
    definition = mounted.services[address.service][address.operation]
    schema = schemas.of(definition.input_type, "validation")
    answers = {"200": result, "201": parts.STARTED, "424": parts.ref_response("OperationFailed")}
    described = parts.nexus_operation(
        mounted.summary(address) or f"Start {address.operation}",
        tags,
        f"start {address.endpoint}/{address.service}/{address.operation}",
        parts.START_HEADERS,
        answers,
    )
    if definition.input_type is type(None):
        return described
    media: dict[str, Any] = {"schema": dict(schema)}
    example = example_of(definition.input_type, schema, schemas.definitions)
    if example is not None:
        media["example"] = example
    return {**described, "requestBody": {"required": bool(schema), "content": {"application/json": media}}}
