"""Who may have a bulk job, look at it and end it: at its start, and for as long as it goes on."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gateway.devstack import CALLER_NAMESPACE
from tests.integration.conftest import RIVALS
from tests.integration.governed_gateway import GovernedGateway, governed_gateway
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import DECLINED, PROCESS, small_order
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack

OPERATORS = "operators"
ORDERS = 9


def rules(config: dict[str, Any]) -> None:
    """An operator retries everybody's orders, a few at a time; a stranger of the tenant has no rule."""
    config["bulk"].update(chunk=2, pause="2s")
    config["endpoints"]["orders"]["allow"].append(
        {"namespaces": [OPERATORS], "subjects": ["olga"], "operations": [PROCESS], "tenants": "all"}
    )
    for endpoint in config["endpoints"].values():
        endpoint.setdefault("deny", []).append({"namespaces": [CALLER_NAMESPACE], "subjects": ["stranger"]})


@pytest_asyncio.fixture(scope="module")
async def gateway(stack: Stack, http: ClientSession, tmp_path_factory: Any) -> AsyncIterator[GovernedGateway]:
    """A gateway that works slowly."""
    directory: Path = tmp_path_factory.mktemp("bulk")
    async with governed_gateway(stack, http, directory, rules) as running:
        yield running


@pytest.fixture
def olga(gateway: GovernedGateway) -> OperationsApi:
    """The operator."""
    return api_of(gateway, namespace=OPERATORS, subject="olga")


@pytest_asyncio.fixture
async def mark(gateway: GovernedGateway, olga: OperationsApi) -> str:
    """Failed orders of a tenant."""
    made = uuid.uuid4().hex
    caller = gateway.caller("orders", namespace=RIVALS)
    headers = {"Nexus-Gateway-Metadata-Mark": made}
    await asyncio.gather(*(caller.start(PROCESS, small_order(DECLINED), headers=headers) for _ in range(ORDERS)))
    await olga.eventually(ORDERS, **{"metadata.mark": made, "status": "failed"})
    return made


def api_of(gateway: GovernedGateway, **token: Any) -> OperationsApi:
    """The operations, for a caller with such a token."""
    return OperationsApi(gateway, gateway.caller("orders", **token))


async def begun(api: OperationsApi, mark: str) -> str:
    """A job that retries, in the middle of its work."""
    body = {"filter": {"metadata": {"mark": mark}}}

    async def dry() -> Any:
        # What another test has changed is changed back by then.
        return (await api.post("operations/bulk-retry", body={**body, "dry_run": True})).json

    await eventually(dry, lambda counted: {"total": ORDERS} == counted)
    answer = await api.post("operations/bulk-retry", body=body)
    assert (202, ORDERS) == (answer.status, answer.json["total"])
    job: str = answer.json["job"]
    await eventually(lambda: progress(api, job), lambda now: 2 <= now["completed"] < ORDERS)
    return job


async def progress(api: OperationsApi, job: str) -> dict[str, Any]:
    """How far it is."""
    answer = await api.get(f"operations/bulk/{job}")
    assert 200 == answer.status, answer.body
    now: dict[str, Any] = answer.json
    return now


def stop(gateway: GovernedGateway) -> Callable[[], None]:
    """Nobody retries orders for now."""
    gateway.write("stops.yaml", {"stops": [{"endpoints": ["orders"], "verbs": ["retry"]}]})
    return lambda: gateway.write("stops.yaml", {"stops": []})


def revoke(gateway: GovernedGateway) -> Callable[[], None]:
    """The operator's tokens count no longer."""
    gateway.write("revocations.yaml", {"revocations": [{"subject": "olga"}]})
    return lambda: gateway.write("revocations.yaml", {"revocations": []})


def take_the_rule_back(gateway: GovernedGateway) -> Callable[[], None]:
    """The operator has its own orders only."""

    def without(config: dict[str, Any]) -> None:
        config["endpoints"]["orders"]["allow"][-1].pop("tenants")

    def again(config: dict[str, Any]) -> None:
        config["endpoints"]["orders"]["allow"][-1]["tenants"] = "all"

    gateway.reconfigure(without)
    return lambda: gateway.reconfigure(again)


async def test_a_retry_by_an_operator_shows_the_owner_nothing_of_its_request(
    gateway: GovernedGateway, olga: OperationsApi, mark: str
) -> None:
    """Neither the ids of the request nor those of the job."""
    theirs = api_of(gateway, namespace=RIVALS)
    first, second, *_ = [one["token"] for one in await olga.listed(**{"metadata.mark": mark})]
    headers = {"Nexus-Request-Id": "of olga"}
    in_bulk = await olga.post("operations/bulk-retry", body={"tokens": [first]}, headers=headers)
    alone = await olga.post("operations/retry", second, headers=headers)
    assert (202, 202) == (in_bulk.status, alone.status)
    found = await theirs.eventually(ORDERS + 2, **{"metadata.mark": mark})
    described = await asyncio.gather(*(theirs.described(one["token"]) for one in found))
    retried = [one for one in described if one["retry_of"] is not None]
    assert [(None, None)] * 2 == [(one["request_id"], one["trace_id"]) for one in retried]


@pytest.mark.parametrize("change", [stop, revoke, take_the_rule_back])
async def test_a_job_ends_once_who_asked_for_it_may_not_do_that_any_more(
    gateway: GovernedGateway,
    olga: OperationsApi,
    mark: str,
    change: Callable[[GovernedGateway], Callable[[], None]],
) -> None:
    """It is canceled, and the log says so; what has been done stays done."""
    job = await begun(olga, mark)
    logged = len(gateway.log)
    undo = change(gateway)
    try:
        said = "bulk retry is canceled: who asked for it may not do that any more"
        await eventually(
            lambda: asyncio.sleep(0, [line["message"] for line in gateway.log[logged:]]), lambda lines: said in lines
        )
    finally:
        undo()

    async def looked_at() -> dict[str, Any]:
        # A refused token is refused here, too, until the file is taken over again.
        answer = await olga.get(f"operations/bulk/{job}")
        return {"state": "running"} if answer.status == 401 else answer.json

    ended = await eventually(looked_at, lambda now: now["state"] != "running")
    assert "canceled" == ended["state"]
    assert (ORDERS, 0) == (ended["total"], ended["failed"])
    assert 2 <= ended["completed"] < ORDERS


async def test_a_job_is_looked_after_by_who_asked_and_by_who_may_do_the_same(
    gateway: GovernedGateway, request: pytest.FixtureRequest
) -> None:
    """To a stranger of the same tenant it does not exist; each of these requests is on record."""
    mine = api_of(gateway, subject=request.node.name)
    stranger, colleague = api_of(gateway, subject="stranger"), api_of(gateway, subject="colleague")
    everything = {"filter": {"endpoint": "orders", "metadata": {"mark": uuid.uuid4().hex}}}
    answer = await mine.post("operations/bulk-cancel", body=everything, headers={"Nexus-Request-Id": "1"})
    job = answer.json["job"]
    assert 202 == answer.status
    for method, path in ((mine.get, f"operations/bulk/{job}"), (mine.post, f"operations/bulk/{job}/cancel")):
        assert 200 == (await method(path)).status
    assert 200 == (await colleague.get(f"operations/bulk/{job}")).status
    missing = await mine.get("operations/bulk/ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    for refused in (
        await stranger.get(f"operations/bulk/{job}"),
        await stranger.post(f"operations/bulk/{job}/cancel"),
        await api_of(gateway, namespace=RIVALS).get(f"operations/bulk/{job}"),
    ):
        assert (404, missing.json) == (refused.status, refused.json)

    async def lines() -> list[tuple[Any, ...]]:
        audit = await asyncio.to_thread(lambda: gateway.audit)
        return [
            (line["subject"] == request.node.name, line["verb"], line["allowed"], line["reason"])
            for line in audit
            if line["verb"].startswith("bulk_") and line.get("subject") not in (None, "olga")
        ]

    assert [
        (True, "bulk_job", True, "the caller began the job"),
        (True, "bulk_cancel_job", True, "the caller began the job"),
        (False, "bulk_job", True, "an allow rule matches"),
        (True, "bulk_job", False, "the token opens no job"),
        (False, "bulk_job", False, "no allow rule matches"),
        (False, "bulk_cancel_job", False, "no allow rule matches"),
        (False, "bulk_job", False, "the token opens no job"),
    ] == await eventually(lines, lambda found: len(found) >= 7)
