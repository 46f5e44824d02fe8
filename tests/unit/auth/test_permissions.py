"""The three spellings of a permission cover what the contract says, and nothing else covers anything."""

from __future__ import annotations

import pytest

from gateway.auth._permissions import read_permissions
from gateway.model import OperationAddress, Verb

ADDRESS = OperationAddress("orders", "orders.v1", "process")
ALL = set(Verb)
READ = {Verb.RESULT, Verb.DESCRIBE}
NAMESPACE_READ = READ | {Verb.LIST}
NAMESPACE_WRITE = NAMESPACE_READ | {Verb.START, Verb.CANCEL, Verb.SIGNAL, Verb.RETRY}


def covered(*permissions: str, address: OperationAddress = ADDRESS, namespace: str = "orders-target") -> set[Verb]:
    read = read_permissions(permissions)
    return {verb for verb in Verb if read.cover(address, namespace, verb)}


@pytest.mark.parametrize(
    ("permission", "verbs"),
    [
        ("nexus:orders/orders.v1/process:start", {Verb.START}),
        ("nexus:orders/orders.v1/process:*", ALL),
        ("nexus:orders/orders.v1/*:start", {Verb.START}),
        ("nexus:orders/*/process:cancel", {Verb.CANCEL}),
        ("nexus:*/orders.v1/process:result", {Verb.RESULT}),
        ("nexus:*/*/*:terminate", {Verb.TERMINATE}),
        ("nexus:*/*/*:*", ALL),
        ("temporal:*", ALL),
        ("temporal:workflow:*", ALL),
        ("temporal:workflow:start", {Verb.START}),
        ("temporal:workflow:signal", {Verb.SIGNAL}),
        ("temporal:workflow:query", set()),
        ("temporal:workflow:read", READ),
        ("temporal:workflow:list", {Verb.LIST}),
        ("temporal:workflow:terminate", {Verb.TERMINATE}),
        ("temporal:workflow:cancel", {Verb.CANCEL}),
        ("orders-target:read", NAMESPACE_READ),
        ("orders-target:write", NAMESPACE_WRITE),
        ("orders-target:admin", ALL),
    ],
)
def test_a_permission_covers_what_it_says(permission: str, verbs: set[Verb]) -> None:
    assert verbs == covered(permission)


@pytest.mark.parametrize(
    "permission",
    [
        "nexus:orders/orders.v1/approve:start",
        "nexus:orders/orders.v2/process:start",
        "nexus:billing/orders.v1/process:start",
        "nexus:orders/orders.v1/process:begin",
        "nexus:orders/orders.v1/process:START",
        "nexus:orders/orders.v1/process:",
        "nexus:orders/orders.v1/process",
        "nexus:orders/orders.v1:start",
        "nexus:orders/orders.v1/process/x:start",
        "nexus:orders/orders.v1/:start",
        "nexus:orders/orders.*/process:start",
        "nexus:orders/orders.v1/proc*:start",
        "nexus://:start",
        "nexus:*:start",
        "nexus:*",
        "Nexus:*/*/*:*",
        "*",
        "*:*",
        "",
        ":",
        ":read",
        "temporal",
        "temporal:",
        "temporal:workflow",
        "temporal:workflow:",
        "temporal:workflow:retry",
        "temporal:workflow:describe",
        "temporal:workflow:Start",
        "temporal:namespace:*",
        "temporal:cluster:*",
        "TEMPORAL:*",
        "orders-target",
        "orders-target:",
        "orders-target:start",
        "orders-target:*",
        "orders-target:Read",
        "orders-target:read ",
        "*:read",
        "orders:write",
        "checkout:admin",
        "x:orders-target:admin",
        "orders-target:workflow:read",
    ],
)
def test_anything_else_covers_nothing(permission: str) -> None:
    """Also not by accident: the endpoint's or the caller's name is no target namespace, a glob is no star."""
    assert covered(permission) == set()


def test_permissions_add_up() -> None:
    assert covered("temporal:workflow:start", "orders-target:read", "nexus:orders/*/*:retry", "junk") == (
        NAMESPACE_READ | {Verb.START, Verb.RETRY}
    )


def test_a_namespace_that_is_called_temporal_is_just_a_namespace() -> None:
    assert covered("temporal:read", namespace="temporal") == NAMESPACE_READ
    assert covered("temporal:read") == set()


@pytest.mark.parametrize(
    ("permission", "address", "covers"),
    [
        ("nexus:e/a%2Fb/c:start", OperationAddress("e", "a/b", "c"), True),
        ("nexus:e/a%2Fb/c:start", OperationAddress("e", "a", "b/c"), False),
        ("nexus:e/a/b%2Fc:start", OperationAddress("e", "a", "b/c"), True),
        ("nexus:e/a/b/c:start", OperationAddress("e", "a", "b/c"), False),
        ("nexus:e/a/b/c:start", OperationAddress("e", "a/b", "c"), False),
        ("nexus:e/Ser%2Fvic%20e/op:start", OperationAddress("e", "Ser/vic e", "op"), True),
        ("nexus:e/s/op:x:start", OperationAddress("e", "s", "op:x"), True),
        ("nexus:e/%2A/op:start", OperationAddress("e", "*", "op"), True),
        ("nexus:e/%2A/op:start", OperationAddress("e", "s", "op"), False),
        ("nexus:e/s/100%:start", OperationAddress("e", "s", "100%"), True),
    ],
)
def test_a_slash_inside_a_name_is_written_as_an_escape(
    permission: str, address: OperationAddress, covers: bool
) -> None:
    """Service ``a`` with operation ``b/c`` is never taken for service ``a/b`` with operation ``c``."""
    assert covers is (Verb.START in covered(permission, address=address))
