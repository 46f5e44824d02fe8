"""The OpenAPI 3.1 document: every route, and every mounted operation as a path of its own.

What stands in it of an operation is worked out once, when the gateway starts: no reader has to wait for that, and none
can make others wait. A document for one caller is put together of what that caller may use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.discovery import _parts as parts
from gateway.discovery._routes import api_paths
from gateway.discovery._schemas import Schemas
from gateway.model import Verb
from gateway.protocol import encode_name, join_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.discovery._schemas import Mode
    from gateway.discovery._services import Services
    from gateway.model import OperationAddress, Principal
    from gateway.registry import MountedEndpoint

_TEMPLATE: Final = "#/components/schemas/{model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Documented:
    """An operation in the document: for each verb path, method and what stands there, and the definitions needed."""

    items: Mapping[Verb, tuple[str, str, Mapping[str, Any]]]
    definitions: frozenset[str]


class OpenApi:
    """Writes the document; ``version`` is the gateway's, ``anonymous`` whether anybody may see the operations in it."""

    def __init__(self, services: Services, *, version: str, public_url: str, anonymous: bool) -> None:
        self._services = services
        self._version = version
        self._public_url = public_url
        self._anonymous = anonymous
        mounted_at = {address: mounted for mounted, address, _ in services.usable(None)}
        self._schemas = _schemas(mounted_at)
        self._operations = {
            address: _documented(mounted, address, self._schemas) for address, mounted in mounted_at.items()
        }

    def document(self, principal: Principal | None) -> Mapping[str, Any]:
        """The document for a caller: what it may use; without a caller, all there is, or the general routes alone."""
        usable = self._services.usable(principal) if principal is not None or self._anonymous else ()
        paths: dict[str, Any] = dict(api_paths())
        needed: set[str] = set()
        for _, address, verbs in usable:
            operation = self._operations[address]
            needed |= operation.definitions
            for verb, (path, method, item) in operation.items.items():
                if verb in verbs:
                    paths.setdefault(path, {})[method] = item
        definitions = {name: schema for name, schema in self._schemas.definitions.items() if name in needed}
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
                "schemas": {**parts.SCHEMAS, **definitions},
                "responses": dict(parts.RESPONSES),
            },
        }


def _schemas(mounted_at: Mapping[OperationAddress, MountedEndpoint]) -> Schemas:
    definitions = [mounted.services[address.service][address.operation] for address, mounted in mounted_at.items()]
    wanted: list[tuple[Any, Mode]] = [(one.input_type, "validation") for one in definitions]
    return Schemas([*wanted, *((one.output_type, "serialization") for one in definitions)], _TEMPLATE)


def _documented(mounted: MountedEndpoint, address: OperationAddress, schemas: Schemas) -> _Documented:
    definition = mounted.services[address.service][address.operation]
    taken, given = schemas.of(definition.input_type, "validation"), schemas.of(definition.output_type, "serialization")
    return _Documented(
        items={verb: (path, method, item) for verb, path, method, item in _items(mounted, address, schemas)},
        definitions=schemas.needed_by(taken) | schemas.needed_by(given),
    )


def _items(
    mounted: MountedEndpoint, address: OperationAddress, schemas: Schemas
) -> Iterator[tuple[Verb, str, str, Mapping[str, Any]]]:
    target = f"/{encode_name(address.service, 'service')}/{encode_name(address.operation, 'operation')}"
    path = join_target(address.endpoint, target)
    tags = [f"{address.endpoint}: {address.service}"]
    named = f"{address.endpoint}/{address.service}/{address.operation}"
    output = schemas.of(mounted.services[address.service][address.operation].output_type, "serialization")
    result = parts.result_response(output)
    yield Verb.START, path, "post", _start(mounted, address, schemas=schemas, result=result, tags=tags)
    describe = parts.nexus_operation(
        "The state of an operation", tags, f"info {named}", [parts.TOKEN], {"200": parts.INFO}
    )
    yield Verb.DESCRIBE, path, "get", describe
    accepted = {"202": {"description": "Taken note of."}}
    cancel = parts.nexus_operation("Cancel an operation", tags, f"cancel {named}", [parts.TOKEN], accepted)
    yield Verb.CANCEL, f"{path}/cancel", "post", cancel
    answers: dict[str, Any] = {
        "200": result,
        "412": {"description": "It still runs."},
        "424": parts.ref_response("OperationFailed"),
    }
    fetch = parts.nexus_operation(
        "The result of an operation", tags, f"result {named}", [parts.TOKEN, parts.WAIT], answers
    )
    yield Verb.RESULT, f"{path}/result", "get", fetch


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
    example = schemas.example(definition.input_type)
    if example is not None:
        media["example"] = example
    return {**described, "requestBody": {"required": bool(schema), "content": {"application/json": media}}}
