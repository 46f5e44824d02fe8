"""Many operations at once, and never anybody else's."""

import asyncio
import uuid
from typing import Any

import pytest

from gateway.devstack import CALLER_NAMESPACE, Stack
from gateway.settings import token_minter
from tests.integration.caller import Answer, Caller
from tests.integration.conftest import RIVALS, STRICT_ISSUER
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, large_order
from tests.integration.waiting import eventually

EACH = 12


@pytest.fixture(scope="module")
def callers_of_three(stack: Stack, orders: Caller) -> dict[str, Caller]:
    """Three tenants; the third has the first one's namespace, by another issuer."""
    strict = token_minter(stack.settings, STRICT_ISSUER)
    namesake = strict.mint(subject="dev", namespace=CALLER_NAMESPACE, permissions=["temporal:*"])
    return {
        "mine": orders,
        "rival": orders.showing(stack.token(subject="dev", namespace=RIVALS)),
        "namesake": orders.showing(namesake),
    }


@pytest.fixture
async def mark(stack: Stack, callers_of_three: dict[str, Caller]) -> str:
    """Operations of each tenant, all with the same mark."""
    made = uuid.uuid4().hex
    headers = {"Nexus-Gateway-Metadata-Mark": made}
    starts = [
        caller.start(PROCESS, large_order(), headers=headers)
        for caller in callers_of_three.values()
        for _ in range(EACH)
    ]
    assert {201} == {answer.status for answer in await asyncio.gather(*starts)}
    for caller in callers_of_three.values():
        await OperationsApi(stack, caller).eventually(EACH, **{"metadata.mark": made})
    return made


async def ended(api: OperationsApi, begun: Answer) -> dict[str, Any]:
    """The job, once it is over."""
    assert 202 == begun.status, begun.body
    job = begun.json["job"]

    async def look() -> dict[str, Any]:
        progress: dict[str, Any] = (await api.get(f"operations/bulk/{job}")).json
        return progress

    return await eventually(look, lambda progress: progress["state"] != "running", 30)


async def states(api: OperationsApi, mark: str) -> dict[str, int]:
    """How many operations with this mark are in which state."""
    counted: dict[str, int] = (await api.get("operations/count", **{"metadata.mark": mark})).json["by_state"]
    return {state: number for state, number in counted.items() if number}


async def test_nobody_sees_or_touches_anothers(stack: Stack, callers_of_three: dict[str, Caller], mark: str) -> None:
    """List, count, dry run, bulk by a filter that is always true, and bulk by tokens of others."""
    mine, rival, namesake = (OperationsApi(stack, caller) for caller in callers_of_three.values())
    everybody = {"metadata": {"mark": mark}, "query": "WorkflowType = 'Order' OR WorkflowType != 'Order'"}
    for api in (mine, rival, namesake):
        assert {"running": EACH} == await states(api, mark)
        assert EACH == len(await api.listed(**{"metadata.mark": mark}))
        counted = await api.post("operations/bulk-cancel", body={"filter": everybody, "dry_run": True})
        assert (200, {"total": EACH}) == (counted.status, counted.json)
    theirs = [one["token"] for one in await mine.listed(**{"metadata.mark": mark})]
    for verb in ("cancel", "terminate", "retry"):
        refused = await rival.post(f"operations/bulk-{verb}", body={"tokens": theirs})
        assert 404 == refused.status
    begun = await rival.post("operations/bulk-terminate", body={"filter": everybody, "reason": "enough"})
    assert EACH == begun.json["total"]
    done = await ended(rival, begun)
    assert (EACH, EACH, 0) == (done["total"], done["completed"], done["failed"])
    assert 404 == (await mine.get(f"operations/bulk/{begun.json['job']}")).status
    assert 404 == (await mine.post(f"operations/bulk/{begun.json['job']}/cancel")).status
    await eventually(lambda: states(rival, mark), lambda now: {"terminated": EACH} == now)
    assert {"running": EACH} == await states(mine, mark)
    assert {"running": EACH} == await states(namesake, mark)


async def test_a_bulk_cancel_by_tokens_and_a_bulk_retry_by_filter(
    stack: Stack, callers_of_three: dict[str, Caller], mark: str
) -> None:
    """Canceled by the engine's batch, then started once more; what is retried twice is started once."""
    api = OperationsApi(stack, callers_of_three["mine"])
    tokens = [one["token"] for one in await api.listed(**{"metadata.mark": mark})]
    canceled = await ended(api, await api.post("operations/bulk-cancel", body={"tokens": tokens[:5]}))
    assert ("completed", 5, 5) == (canceled["state"], canceled["total"], canceled["completed"])
    await eventually(lambda: states(api, mark), lambda now: {"running": EACH - 5, "canceled": 5} == now)
    by_mark = {"filter": {"metadata": {"mark": mark}}}
    retried = await ended(api, await api.post("operations/bulk-retry", body=by_mark))
    assert ("completed", 5, 5, 0) == tuple(retried[key] for key in ("state", "total", "completed", "failed"))
    await eventually(lambda: states(api, mark), lambda now: {"running": EACH, "canceled": 5} == now)
    again = await ended(api, await api.post("operations/bulk-retry", body=by_mark))
    assert (5, 0, 5) == tuple(again[key] for key in ("total", "completed", "failed"))


async def test_a_bulk_request_says_what_it_means(stack: Stack, orders: Caller) -> None:
    """Exactly one of tokens and filter, and nothing that is not known."""
    api = OperationsApi(stack, orders)
    bodies: tuple[dict[str, Any], ...] = (
        {},
        {"tokens": [], "filter": {}},
        {"tokens": []},
        {"tokens": "all"},
        {"filter": []},
        {"filter": {"colour": "red"}},
        {"filter": {"query": "WorkflowType = 'x') OR (WorkflowType = 'Order'"}, "dry_run": True},
        {"filter": {"status": ""}, "dry_run": True},
        {"filter": {"status": []}, "dry_run": True},
        {"filter": {"status": ["running", ""]}, "dry_run": True},
        {"filter": {"status": "failed", "endpoint": ""}, "dry_run": True},
        {"filter": {"metadata": {}}, "dry_run": True},
        {"filter": {"metadata": {"team": ""}}, "dry_run": True},
        {"filter": {}, "dry_run": "yes"},
        {"filters": {}},
    )
    for body in bodies:
        answer = await api.post("operations/bulk-terminate", body=body)
        assert (400, "INVALID_ARGUMENT") == (answer.status, answer.json["error"]["code"]), body
