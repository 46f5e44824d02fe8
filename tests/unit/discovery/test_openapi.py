"""The OpenAPI document: what of it a caller gets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from nexusrpc.handler import StartOperationContext, service_handler, sync_operation
from pydantic import BaseModel

from gateway.auth import Authorizer
from gateway.discovery import OpenApi, Services
from gateway.discovery._routes import api_paths
from gateway.model import Endpoint, Principal, Rule, Verb
from gateway.registry import Registry
from tests.unit.test_registry import loaded


class Line(BaseModel):
    sku: str


class Order(BaseModel):
    lines: list[Line]
    gift_to: Order | None = None


class Payslip(BaseModel):
    amount: int


@service_handler(name="shop.v1")
class Shop:
    @sync_operation
    async def order(self, _: StartOperationContext, order: Order) -> None:
        """Order something."""

    @sync_operation
    async def lines(self, _: StartOperationContext, order: Order) -> list[Line]:
        """What was ordered."""
        return order.lines

    @sync_operation
    async def pay(self, _: StartOperationContext, payslip: Payslip) -> None:
        """For the few."""


ENDPOINT = Endpoint(
    name="shop",
    engine="main",
    namespace="shop",
    task_queue="shop",
    services=("shop.v1",),
    allow=(
        Rule(subjects=("customer",), operations=("shop.v1/order",), verbs=frozenset({Verb.START, Verb.RESULT})),
        Rule(subjects=("reader",), operations=("shop.v1/lines",)),
        Rule(subjects=("clerk",), operations=("shop.v1/pay",)),
    ),
)
PATH = "/nexus/endpoints/shop/services/shop.v1"
ENDS = ("", "/cancel", "/result")


def document(subject: str | None, *, anonymous: bool = True) -> dict[str, Any]:
    """The document that this caller gets; for None, what anybody does."""
    registry = Registry.build([loaded(Shop())], [ENDPOINT])
    services = Services(registry, Authorizer([ENDPOINT]), dict)
    openapi = OpenApi(services, version="1", public_url="https://g.test", anonymous=anonymous)
    caller = None if subject is None else Principal(issuer="i", namespace="n", subject=subject)
    return {**openapi.document(caller)}


def definitions(found: dict[str, Any]) -> set[str]:
    """The names of the types in a document, without the gateway's own."""
    return {name for name in found["components"]["schemas"] if not name.startswith(("gateway.", "nexus."))}


@pytest.mark.parametrize(
    ("subject", "types", "paths"),
    [
        (None, {"Order", "Line", "Payslip"}, {f"/{name}{end}" for name in ("order", "lines", "pay") for end in ENDS}),
        ("customer", {"Order", "Line"}, {"/order", "/order/result"}),
        ("reader", {"Order", "Line"}, {f"/lines{end}" for end in ENDS}),
        ("clerk", {"Payslip"}, {f"/pay{end}" for end in ENDS}),
        ("stranger", set(), set()),
    ],
)
def test_a_caller_learns_of_the_operations_that_it_may_use_and_of_no_others_types(
    subject: str | None, types: set[str], paths: set[str]
) -> None:
    """Also of those that a type holds only by way of another one."""
    found = document(subject)
    assert types == definitions(found)
    assert paths == {path.removeprefix(PATH) for path in found["paths"] if path.startswith(PATH)}


def test_a_verb_that_the_caller_has_not_is_not_in_the_document() -> None:
    assert {"post"} == set(document("customer")["paths"][f"{PATH}/order"])
    assert {"post", "get"} == set(document("reader")["paths"][f"{PATH}/lines"])


def test_without_a_token_the_operations_can_be_kept_back() -> None:
    found = document(None, anonymous=False)
    assert set() == definitions(found)
    assert not any(path.startswith(PATH) for path in found["paths"])
    assert "/api/v1/operations" in found["paths"]


@pytest.mark.parametrize("text", ["", " ", "\x96", " \x96 ", "\n"])
def test_a_filter_that_would_be_refused_is_none_by_its_schema(text: str) -> None:
    """Blank ones, and ones of control characters, which are no white space to everybody."""
    parameters = {each["name"]: each for each in api_paths()["/api/v1/operations"]["get"]["parameters"]}
    pattern = parameters["operation"]["schema"]["pattern"]
    assert re.search(pattern, "a b")
    assert not re.search(pattern, text)
