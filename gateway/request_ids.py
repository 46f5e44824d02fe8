"""The request id that the engine sees.

``Nexus-Request-Id`` is the caller's choice, and the engine deduplicates by it: two tenants, or one tenant's two
operations, that choose the same id must not meet.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.model import OperationAddress, Tenant


def scoped_request_id(tenant: Tenant, address: OperationAddress, request_id: str | None) -> str:
    """A UUID that stands for this id of this tenant at this operation; a new one when the caller gave none."""
    if request_id is None:
        return str(uuid.uuid4())
    digest = hashlib.sha256()
    for part in (tenant.issuer, tenant.namespace, address.endpoint, address.service, address.operation, request_id):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return str(uuid.UUID(bytes=digest.digest()[:16]))


def request_id_about(
    tenant: Tenant, address: OperationAddress, engine_token: str, what: str, request_id: str | None
) -> str:
    """The same for ``what`` is asked of an operation that is there.

    The same id for another operation, or for something else to do with it, is another request.
    """
    if request_id is None:
        return str(uuid.uuid4())
    about = hashlib.sha256(engine_token.encode()).hexdigest()
    return scoped_request_id(tenant, address, f"{what} {about} {request_id}")
