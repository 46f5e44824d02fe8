"""The request id that the engine deduplicates by is the caller's, and nobody else's."""

import itertools
import uuid

import pytest

from gateway.model import OperationAddress, Tenant
from gateway.request_ids import scoped_request_id

_TENANT = Tenant("https://issuer.test", "checkout")
_ADDRESS = OperationAddress("orders", "orders.v1", "process")


def test_the_same_caller_at_the_same_operation_gets_the_same_id() -> None:
    assert scoped_request_id(_TENANT, _ADDRESS, "r-1") == scoped_request_id(_TENANT, _ADDRESS, "r-1")


@pytest.mark.parametrize(
    ("tenant", "address", "request_id"),
    [
        (Tenant("https://other.test", "checkout"), _ADDRESS, "r-1"),
        (Tenant("https://issuer.test", "billing"), _ADDRESS, "r-1"),
        (_TENANT, OperationAddress("other", "orders.v1", "process"), "r-1"),
        (_TENANT, OperationAddress("orders", "orders.v2", "process"), "r-1"),
        (_TENANT, OperationAddress("orders", "orders.v1", "quote"), "r-1"),
        (_TENANT, _ADDRESS, "r-2"),
    ],
)
def test_whatever_differs_makes_another_id(tenant: Tenant, address: OperationAddress, request_id: str) -> None:
    assert scoped_request_id(_TENANT, _ADDRESS, "r-1") != scoped_request_id(tenant, address, request_id)


def test_parts_that_only_read_alike_when_joined_make_different_ids() -> None:
    parts = [("a", "bc"), ("ab", "c"), ("abc", ""), ("", "abc")]
    ids = {scoped_request_id(Tenant(*names), _ADDRESS, "r") for names in parts}
    assert len(parts) == len(ids)
    split = [scoped_request_id(_TENANT, OperationAddress("e", *names), "r") for names in parts]
    assert all(one != other for one, other in itertools.combinations(split, 2))


def test_without_an_id_each_start_is_its_own() -> None:
    assert scoped_request_id(_TENANT, _ADDRESS, None) != scoped_request_id(_TENANT, _ADDRESS, None)


def test_the_id_is_a_uuid_whatever_the_caller_chose() -> None:
    made = scoped_request_id(_TENANT, _ADDRESS, "\udcff any text, " + "x" * 1000)
    assert made == str(uuid.UUID(made))
