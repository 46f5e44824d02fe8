"""What the gateway writes on everything that a hosted handler starts: whose operation it is, and how it was asked for.

On a workflow it is a memo. Activities and updates have none; there it is a header, which the server keeps as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.model import OperationAddress, Origin, Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temporalio.api.common.v1 import Header, Memo, Payload
    from temporalio.client import Client

MEMO: Final = "nexus-gateway"
AWAITING_MEMO: Final = "NexusAwaiting"
PROGRESS_MEMO: Final = "NexusProgress"


def dump_origin(origin: Origin) -> Mapping[str, Any]:
    """The memo for an origin."""
    return {
        "v": 1,
        "endpoint": origin.address.endpoint,
        "service": origin.address.service,
        "operation": origin.address.operation,
        "issuer": origin.tenant.issuer,
        "namespace": origin.tenant.namespace,
        "subject": origin.subject,
        "request_id": origin.request_id,
        "scoped_request_id": origin.scoped_request_id,
        "start_id": origin.start_id,
        "digest": origin.digest,
        "trace_id": origin.trace_id,
        "metadata": dict(origin.metadata),
        "retry_of": origin.retry_of,
    }


def origin_payload(origin: Origin, client: Client) -> Payload:
    """An origin as the value of a memo or header."""
    return client.data_converter.payload_converter.to_payload(dump_origin(origin))


def load_origin(memo: object) -> Origin | None:
    """The origin of a memo; None for anything else."""
    if not isinstance(memo, dict) or memo.get("v") != 1:
        return None
    return Origin(
        address=OperationAddress(memo["endpoint"], memo["service"], memo["operation"]),
        tenant=Tenant(memo["issuer"], memo["namespace"]),
        subject=memo["subject"],
        request_id=memo["request_id"],
        scoped_request_id=memo["scoped_request_id"],
        start_id=memo["start_id"],
        digest=memo["digest"],
        trace_id=memo["trace_id"],
        metadata=memo["metadata"],
        retry_of=memo["retry_of"],
    )


def origin_of(memo: Memo | Header, client: Client) -> Origin | None:
    """The origin in a memo or header; None where there is none that this gateway can read."""
    value = memo_value(memo, MEMO, client)
    try:
        return load_origin(value)
    except (KeyError, TypeError):
        return None


def memo_value(memo: Memo | Header, key: str, client: Client) -> Any:  # noqa: ANN401 - JSON
    """A value of a memo or header; None where there is none, or none that can be read."""
    if key not in memo.fields:
        return None
    try:
        return client.data_converter.payload_converter.from_payload(memo.fields[key])
    except Exception:  # noqa: BLE001 - a converter raises what it likes, and somebody else may have written this
        return None
