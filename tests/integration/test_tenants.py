"""What one tenant learns of another's: nothing (contract, sections 4 and 5)."""

import base64
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from temporalio.client import Client

from gateway.devstack import HANDLER_NAMESPACE, Stack
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS, STRICT_ISSUER
from tests.integration.ordering import PROCESS, large_order, small_order, until_phase

REQUESTS = {
    "result": ("GET", "/result"),
    "waiting result": ("GET", "/result?wait=20s"),
    "info": ("GET", ""),
    "cancel": ("POST", "/cancel"),
}
KINDS = [
    "of another tenant",
    "of another issuer",
    "of another endpoint",
    "of another operation",
    "of another service",
    "with its first character altered",
    "with its last character altered",
    "cut short",
    "made longer",
    "in another spelling",
    "of another key",
    "unknown",
    "not a token at all",
    "Temporal's own",
    "Temporal's own, with its run",
]


@dataclass(frozen=True, kw_only=True)
class Victim:
    """An operation that runs, whose it is, and tokens that look as if they could name it."""

    owner: Caller
    token: str
    spoilt: dict[str, str]


@pytest.fixture(scope="module")
def rivals(stack: Stack, http: ClientSession) -> Caller:
    """Another tenant, who may call the same operations."""
    return Caller(http, stack.gateway.endpoint_url("orders"), stack.token(namespace=RIVALS))


@pytest_asyncio.fixture(scope="module")
async def victim(
    stack: Stack, orders: Caller, rivals: Caller, probe: Caller, handlers: Client
) -> AsyncIterator[Victim]:
    """One tenant's order, which waits for its approval."""
    order = large_order()
    answer = await orders.start(PROCESS, order)
    token = answer.token
    await until_phase(orders, order, "awaiting_approval")
    link = answer.headers["Nexus-Link"].partition("/workflows/")[2].split("/")
    own = {"t": 1, "ns": HANDLER_NAMESPACE, "wid": link[0].replace("%2F", "/")}
    assert link[1] == (await handlers.get_workflow_handle(str(own["wid"])).describe()).run_id
    window = orders.at(stack.gateway.endpoint_url("window"))
    strict = orders.showing(stack.token(issuer=STRICT_ISSUER, permissions=["nexus:*/*/*:*"]))
    prefix, key, sealed = token.split(".")
    spoilt = {
        "of another tenant": (await rivals.start(PROCESS, large_order())).token,
        "of another issuer": (await strict.start(PROCESS, large_order())).token,
        "of another endpoint": (await window.start(PROCESS, large_order())).token,
        "of another operation": (await probe.start("probe.v1/wait", {"id": uuid.uuid4().hex, "seconds": 60})).token,
        "of another service": (await probe.request("POST", "probe.v1/handmade")).token,
        "with its first character altered": f"{prefix}.{key}.{other(sealed[0])}{sealed[1:]}",
        "with its last character altered": f"{prefix}.{key}.{sealed[:-1]}{other(sealed[-1])}",
        "cut short": token[:-1],
        "made longer": f"{token}A",
        "in another spelling": f"{token}=",
        "of another key": f"{prefix}.k0.{sealed}",
        "unknown": f"{prefix}.{key}.{'A' * len(sealed)}",
        "not a token at all": "nobody-has-this",
        "Temporal's own": unsigned(own),
        "Temporal's own, with its run": unsigned({**own, "rid": link[1]}),
    }
    yield Victim(owner=orders, token=token, spoilt=spoilt)
    assert 202 == (await orders.cancel(PROCESS, token)).status


def other(character: str) -> str:
    """Another character of the same alphabet."""
    return "B" if character == "A" else "A"


def unsigned(fields: dict[str, object]) -> str:
    """A token as Temporal's SDK makes them, which anybody can."""
    return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def seen(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """All that a caller can tell two answers apart by."""
    return answer.status, answer.lasting_headers, answer.body


@pytest.mark.parametrize("request_kind", REQUESTS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_token_that_does_not_name_ones_own_operation_here_is_one_and_the_same_404(
    victim: Victim, kind: str, request_kind: str
) -> None:
    """To the byte; the operation it may have been meant for goes on."""
    method, path = REQUESTS[request_kind]
    headers = {"Nexus-Operation-Token": victim.spoilt[kind]}
    answer = await victim.owner.request(method, f"{PROCESS}{path}", headers=headers)
    assert (404, "NOT_FOUND") == (answer.status, answer.error_type)
    unknown = await victim.owner.request(
        method, f"{PROCESS}{path}", headers={"Nexus-Operation-Token": victim.spoilt["unknown"]}
    )
    assert seen(unknown) == seen(answer)
    assert "running" == (await victim.owner.info(PROCESS, victim.token)).json["state"]


@pytest.mark.parametrize("request_kind", REQUESTS)
async def test_a_stolen_token_is_of_no_use(victim: Victim, rivals: Caller, request_kind: str) -> None:
    """Another tenant gets for it what it gets for one that nobody has, in the header and in the query."""
    method, path = REQUESTS[request_kind]
    target = f"{PROCESS}{path}"
    mark = "&" if "?" in target else "?"
    answers = [
        await rivals.request(method, target, headers={"Nexus-Operation-Token": victim.token}),
        await rivals.request(method, f"{target}{mark}token={victim.token}"),
        await rivals.request(method, target, headers={"Nexus-Operation-Token": victim.spoilt["unknown"]}),
        await rivals.request(method, f"{target}{mark}token={victim.spoilt['unknown']}"),
    ]
    assert [404] * 4 == [answer.status for answer in answers]
    assert all(seen(answers[0]) == seen(answer) for answer in answers)
    assert "running" == (await victim.owner.info(PROCESS, victim.token)).json["state"]


async def test_two_users_of_one_tenant_share_its_operations(stack: Stack, http: ClientSession, victim: Victim) -> None:
    """A tenant is an issuer and a namespace, whoever the subject is."""
    colleague = Caller(http, victim.owner.url, stack.token(subject="somebody-else"))
    assert "running" == (await colleague.info(PROCESS, victim.token)).json["state"]


async def test_the_same_order_id_is_another_order_for_another_tenant(orders: Caller, rivals: Caller) -> None:
    """Neither sees the other's."""
    order = small_order()
    first = await orders.result(PROCESS, (await orders.start(PROCESS, order)).token)
    assert 404 == (await rivals.start("orders.v1/status", {"order_id": order["order_id"]})).status
    second = await rivals.result(PROCESS, (await rivals.start(PROCESS, order)).token)
    assert first.json["payment_id"] != second.json["payment_id"]


@pytest.mark.parametrize(("method", "path"), [("POST", ""), *REQUESTS.values()])
async def test_what_is_not_for_the_caller_is_as_if_it_did_not_exist(
    stack: Stack, http: ClientSession, method: str, path: str
) -> None:
    """Endpoint or service, for whoever may do nothing there; also with the name of an operation that is there."""
    mine, window, nosuch = stack.token(), stack.gateway.endpoint_url("window"), stack.gateway.endpoint_url("nosuch")
    rival = stack.token(namespace=RIVALS)
    headers = {"Nexus-Operation-Token": "any", "Content-Type": "application/json"}
    answers = [
        await Caller(http, url, token).request(method, f"{target}{path}", headers=headers)
        for url, token, target in (
            (nosuch, rival, "orders.v1/process"),
            (window, rival, "orders.v1/process"),
            (window, rival, "orders.v1/nosuch"),
            (window, rival, "nosuch.v1/process"),
            (window, mine, "echo.v1/echo"),
            (window, mine, "echo.v1/nosuch"),
            (window, mine, "nosuch.v1/process"),
        )
    ]
    assert (404, "NOT_FOUND") == (answers[0].status, answers[0].error_type)
    assert all(seen(answers[0]) == seen(answer) for answer in answers)


async def test_who_may_do_something_with_a_service_is_told_what_not(stack: Stack, http: ClientSession) -> None:
    """403 for what is there; 404 for what is not."""
    caller = Caller(http, stack.gateway.endpoint_url("window"), stack.token())
    order = small_order()
    token = (await caller.start(PROCESS, order)).token
    assert 200 == (await caller.result(PROCESS, token)).status
    for answer in (
        await caller.start("orders.v1/quote", {"lines": [{"sku": "tea"}]}),
        await caller.cancel(PROCESS, token),
        await caller.info(PROCESS, token),
    ):
        assert (403, "UNAUTHORIZED") == (answer.status, answer.error_type)
    unknown = await caller.start("orders.v1/nosuch", {})
    assert (404, "NOT_FOUND") == (unknown.status, unknown.error_type)


@pytest.mark.parametrize(
    ("permission", "covered"),
    [
        ("nexus:orders/orders.v1/process:start", {"start"}),
        ("nexus:orders/orders.v1/*:*", {"start", "result", "info", "cancel"}),
        ("nexus:*/*/*:result", {"result"}),
        ("nexus:echo/*/*:*", set()),
        ("nexus:orders/orders.v1/quote:start", set()),
        ("temporal:*", {"start", "result", "info", "cancel"}),
        ("temporal:workflow:*", {"start", "result", "info", "cancel"}),
        ("temporal:workflow:start", {"start"}),
        ("temporal:workflow:read", {"result", "info"}),
        ("temporal:workflow:cancel", {"cancel"}),
        (f"{HANDLER_NAMESPACE}:read", {"result", "info"}),
        (f"{HANDLER_NAMESPACE}:write", {"start", "result", "info", "cancel"}),
        (f"{HANDLER_NAMESPACE}:admin", {"start", "result", "info", "cancel"}),
        ("checkout:admin", set()),
    ],
)
async def test_a_permission_covers_what_it_says(
    stack: Stack, http: ClientSession, permission: str, covered: set[str]
) -> None:
    """Beside a rule, where the issuer requires it; what is not covered is 403."""
    url = stack.gateway.endpoint_url("orders")
    everything = Caller(http, url, stack.token(issuer=STRICT_ISSUER, permissions=["nexus:*/*/*:*"]))
    token = (await everything.start(PROCESS, large_order())).token
    caller = Caller(http, url, stack.token(issuer=STRICT_ISSUER, permissions=[permission]))
    answers = {
        "start": await caller.start(PROCESS, large_order()),
        "result": await caller.result(PROCESS, token, wait="0s"),
        "info": await caller.info(PROCESS, token),
        "cancel": await caller.cancel(PROCESS, token),
    }
    refused = {name for name, answer in answers.items() if answer.status == 403}
    assert answers.keys() - covered == refused
    assert 202 == (await everything.cancel(PROCESS, token)).status
