"""Which workflow is whose."""

import hashlib
import json

from gateway.plugins import NoCallerError, caller
from handlers.orders._model import OrderId

_NOBODY = "-"  # never the name of a tenant, which is a hash


def workflow_id(order_id: OrderId) -> str:
    """The id of the workflow that is the calling tenant's order ``order_id``.

    Two tenants may use the same order id: each reaches its own order, and there is no way to name another's. A plain
    Temporal worker knows no caller; there, everybody who may use the Nexus endpoint shares one set of orders.
    """
    return f"order/{_tenant()}/{order_id}"


def approver() -> str:
    """Who calls, for the record."""
    try:
        return caller().subject
    except NoCallerError:
        return _NOBODY


def _tenant() -> str:
    try:
        tenant = caller().tenant
    except NoCallerError:
        return _NOBODY
    # JSON keeps ("a", "bc") and ("ab", "c") apart; the hash keeps the id short and free of odd characters.
    text = json.dumps([tenant.issuer, tenant.namespace])
    return hashlib.sha256(text.encode()).hexdigest()[:40]
