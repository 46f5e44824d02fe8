"""What there is to call, as a caller finds it out."""

from typing import Any

import pytest
from aiohttp import ClientSession

from gateway.devstack import Stack
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS
from tests.integration.operations_api import OperationsApi


@pytest.fixture(scope="module")
def api(stack: Stack, orders: Caller) -> OperationsApi:
    """The API, for a caller that may do everything."""
    return OperationsApi(stack, orders)


async def test_services_are_listed_as_far_as_the_caller_may_use_them(
    stack: Stack, orders: Caller, api: OperationsApi
) -> None:
    """Another tenant does not learn of the endpoint that is not for it."""
    mine = (await api.get("services")).json["services"]
    assert {
        "endpoint": "orders",
        "service": "orders.v1",
        "operations": ["approve", "process", "quote", "status"],
    } in mine
    assert {"endpoint": "window", "service": "orders.v1", "operations": ["process"]} in mine
    rival = OperationsApi(stack, orders.showing(stack.token(namespace=RIVALS)))
    theirs = (await rival.get("services")).json["services"]
    assert "window" not in {service["endpoint"] for service in theirs}
    stranger = OperationsApi(stack, orders.showing(stack.token(namespace="nowhere")))
    assert {"services": []} == (await stranger.get("services")).json
    assert 404 == (await stranger.get("services/orders.v1")).status


async def test_a_service_is_described_with_schemas_and_what_it_exposes(api: OperationsApi) -> None:
    """From the handler's annotations and docstrings, and from its plugin."""
    described = (await api.get("services/orders.v1")).json
    process = next(
        one for one in described["operations"] if (one["endpoint"], one["operation"]) == ("orders", "process")
    )
    assert "Charge and ship an order; completes when the order's workflow does." == process["summary"]
    assert ["lines", "order_id", "card"] == process["input"]["required"]
    assert "tracking_id" in process["output"]["properties"]
    assert [("update", "approve"), ("query", "status")] == [(one["kind"], one["name"]) for one in process["exposes"]]
    assert {"type": "null"} == process["exposes"][0]["input"]
    assert 2 << 20 == process["limits"]["body_bytes"]
    window = next(one for one in described["operations"] if one["endpoint"] == "window")
    assert ["start", "result"] == window["verbs"]
    oddly_named = await api.get("services/Ser%2Fvic%20e")
    assert {"op/er ation", "größe?#%2F"} == {one["operation"] for one in oddly_named.json["operations"]}


async def test_an_input_is_validated_before_anything_starts(orders: Caller) -> None:
    """And the answer names the place in the document."""
    basket = {"order_id": "o-1", "card": "c", "lines": [{"sku": "tea"}, {"sku": "tea", "quantity": 0}]}
    refused = await orders.start("orders.v1/process", basket)
    assert (400, "BAD_REQUEST") == (refused.status, refused.error_type)
    assert "lines.1.quantity" in refused.message


async def test_the_document_has_what_its_reader_may_use(stack: Stack, orders: Caller, http: ClientSession) -> None:
    """Every mounted operation for anybody, a caller's own for a caller."""

    async def paths(caller: Caller) -> dict[str, Any]:
        answer: Answer = await caller.request("GET", f"{stack.gateway.url}/openapi.json")
        assert (200, "3.1.0") == (answer.status, answer.json["openapi"])
        found: dict[str, Any] = answer.json["paths"]
        return found

    base = "/nexus/endpoints/window/services/orders.v1"
    everything = await paths(Caller(http, stack.gateway.url, None))
    assert {"post", "get"} == set(everything[f"{base}/quote"])
    mine = await paths(orders)
    assert {"post"} == set(mine[f"{base}/process"])
    assert f"{base}/quote" not in mine
    assert f"{base}/process/cancel" not in mine
    example = mine["/nexus/endpoints/orders/services/orders.v1/process"]["post"]["requestBody"]
    assert {"lines": [{"sku": "tea"}], "order_id": "order-1", "card": "card-ok"} == (
        example["content"]["application/json"]["example"]
    )
    theirs = await paths(orders.showing(stack.token(namespace=RIVALS)))
    assert not any("/window/" in path for path in theirs)
    refused = await orders.showing("x.y.z").request("GET", f"{stack.gateway.url}/openapi.json")
    assert (401, "UNAUTHENTICATED") == (refused.status, refused.json["error"]["code"])


async def test_who_has_the_document_for_anybody_already_is_told_so(stack: Stack, http: ClientSession) -> None:
    """By its tag; who shows a token is given its own document."""
    anybody = Caller(http, stack.gateway.url, None)
    first = await anybody.request("GET", f"{stack.gateway.url}/openapi.json")
    assert "Authorization" == first.headers["Vary"]
    for known, status in ((first.headers["ETag"], 304), (f'"other", W/{first.headers["ETag"]}', 304), ('"other"', 200)):
        again = await anybody.request("GET", f"{stack.gateway.url}/openapi.json", headers={"If-None-Match": known})
        assert (status, first.headers["ETag"]) == (again.status, again.headers["ETag"])
    own = {"If-None-Match": first.headers["ETag"], "Authorization": f"Bearer {stack.token()}"}
    answer = await anybody.request("GET", f"{stack.gateway.url}/openapi.json", headers=own)
    assert (200, "no-store") == (answer.status, answer.headers["Cache-Control"])


async def test_the_page_is_made_of_files_of_the_package_alone(stack: Stack, orders: Caller) -> None:
    """Its policy forbids everything else, and a path leads nowhere but to them."""
    page = await orders.request("GET", f"{stack.gateway.url}/docs")
    assert (200, "text/html; charset=utf-8") == (page.status, page.headers["Content-Type"])
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"http://" not in page.body
    assert b"https://" not in page.body
    for name in ("docs.js", "docs.css"):
        assert 200 == (await orders.request("GET", f"{stack.gateway.url}/docs/{name}")).status
    for name in ("..%2F_edge.py", "docs.html%00", "nothing"):
        assert 404 == (await orders.request("GET", f"{stack.gateway.url}/docs/{name}")).status
    assert 405 == (await orders.request("POST", f"{stack.gateway.url}/docs")).status
