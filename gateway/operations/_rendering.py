"""Operations as JSON, for one caller: with a token of its own, and nothing about anybody else."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from gateway.protocol import FailureForm, encode_failure, encode_timestamp, operation_error_to_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.engines import OperationDetails, OperationRecord
    from gateway.model import OperationAddress, Tenant


def render_record(record: OperationRecord, address: OperationAddress, token: str, tenant: Tenant) -> dict[str, Any]:
    """An operation as it stands in a list.

    Where another tenant started it, which a handler may allow by letting several starts share one workflow, who that
    was and what it wrote on it is not told.
    """
    origin = record.origin if record.origin is not None and record.origin.tenant == tenant else None
    caller = {"namespace": origin.tenant.namespace, "subject": origin.subject} if origin is not None else None
    return {
        "token": token,
        "endpoint": address.endpoint,
        "service": address.service,
        "operation": address.operation,
        "state": record.status.value,
        "start_time": encode_timestamp(record.start_time),
        "close_time": _moment(record.close_time),
        "caller": caller,
        "metadata": dict(origin.metadata) if origin is not None else {},
        "request_id": origin.request_id if origin is not None else None,
    }


def render_details(
    details: OperationDetails, address: OperationAddress, token: str, tenant: Tenant, retry_of: str | None
) -> Mapping[str, Any]:
    """An operation from near."""
    origin = details.record.origin
    mine = origin is not None and origin.tenant == tenant
    rendered = render_record(details.record, address, token, tenant)
    rendered["pending_activities"] = [
        {"type": activity.type, "attempt": activity.attempt, "last_failure": activity.last_failure}
        for activity in details.pending_activities
    ]
    rendered["awaiting"] = list(details.awaiting)
    rendered["progress"] = details.progress
    rendered["callbacks"] = [{"state": callback.state, "attempt": callback.attempt} for callback in details.callbacks]
    rendered["links"] = [{"url": link.url, "type": link.type} for link in details.links] if mine else []
    rendered["trace_id"] = (origin.trace_id or None) if origin is not None and mine else None
    rendered["retry_of"] = retry_of
    if details.failure is not None:
        rendered["failure"] = encode_failure(operation_error_to_failure(details.failure, FailureForm.CURRENT))
    return rendered


def json_text(value: object) -> str:
    """``value`` as JSON in one line; NaN and Infinity, which workflows may publish and JSON does not have, are null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case _:
            return value


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else encode_timestamp(moment)
