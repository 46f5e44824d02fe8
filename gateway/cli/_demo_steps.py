"""The demo's steps: what each does, and what has to come of it."""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from gateway.cli._checkout import Checkout, CheckoutWorkflow
from gateway.cli._http_caller import HttpCaller, UnexpectedAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temporalio.client import Client

    from gateway.cli._display import Display

Step = Callable[[HttpCaller, "Display"], Awaitable[None]]
"""A step of the HTTP caller."""

_SMALL: Final = {"lines": [{"sku": "tea", "quantity": 2}]}
_LARGE: Final = {"lines": [{"sku": "samovar", "quantity": 1}]}
_OK, _CREATED, _ACCEPTED, _OPERATION_FAILED = 200, 201, 202, 424
_POLLS, _PAUSE = 200, 0.05


async def quote(caller: HttpCaller, display: Display) -> None:
    """A sync operation: the answer is the result."""
    with display.step("HTTP caller asks for a quote") as says:
        answer = (await caller.start("quote", _SMALL)).must_be(_OK)
        says(f"200, {answer.body['total_cents']} cents")


async def cancel_with_refund(caller: HttpCaller, display: Display) -> None:
    """A large order waits for approval; canceled instead, it gives back what it has charged."""
    order = _order(_LARGE)
    with display.step("HTTP caller starts a large order") as says:
        token = (await caller.start("process", order)).must_be(_CREATED).body["token"]
        phase = await _until_phase(caller, order, "awaiting_approval")
        says(f"201, {phase}")
    with display.step("HTTP caller cancels it") as says:
        (await caller.cancel("process", token)).must_be(_ACCEPTED)
        result = (await caller.result("process", token)).must_be(_OPERATION_FAILED)
        _must_equal("canceled", result.headers.get("Nexus-Operation-State"), "the operation's state")
        phase = await _until_phase(caller, order, "refunded")
        says(f"202, its result is 424 canceled, {phase}")


async def approve(caller: HttpCaller, display: Display) -> None:
    """A large order ships once an operation on it has approved it."""
    order = _order(_LARGE)
    with display.step("HTTP caller approves another large order") as says:
        token = (await caller.start("process", order)).must_be(_CREATED).body["token"]
        await _until_phase(caller, order, "awaiting_approval")
        (await caller.start("approve", {"order_id": order["order_id"]})).must_be(_OK)
        receipt = (await caller.result("process", token)).must_be(_OK).body
        says(f"200, approved by {receipt['approved_by']}, shipped as {receipt['tracking_id']}")


async def declined_card(caller: HttpCaller, display: Display) -> None:
    """A workflow's typed failure reaches the caller with its details."""
    with display.step("HTTP caller pays with a declined card") as says:
        order = _order(_SMALL, card="card-declined")
        token = (await caller.start("process", order)).must_be(_CREATED).body["token"]
        result = (await caller.result("process", token)).must_be(_OPERATION_FAILED)
        _must_equal("failed", result.headers.get("Nexus-Operation-State"), "the operation's state")
        says(f"its result is 424 failed, {_failure_in_words(result.body['cause'])}")


async def order_by_http(caller: HttpCaller, display: Display) -> None:
    """An operation that is a workflow: a token at once, the result when it is there."""
    with display.step("HTTP caller starts an order") as says:
        token = (await caller.start("process", _order(_SMALL))).must_be(_CREATED).body["token"]
        says("201, running")
    with display.step("HTTP caller waits for its result") as says:
        receipt = (await caller.result("process", token)).must_be(_OK).body
        says(f"200, shipped as {receipt['tracking_id']}")


async def order_by_workflow(client: Client, endpoint: str, token: str, display: Display) -> None:
    """A workflow in the callers' namespace orders through a Nexus endpoint whose target is the gateway."""
    with display.step(f"workflow in namespace {client.namespace!r} orders through a Nexus endpoint") as says:
        outcome = await client.execute_workflow(
            CheckoutWorkflow.run,
            Checkout(endpoint=endpoint, token=token, order=_order(_SMALL)),
            id=f"checkout-{uuid.uuid4().hex}",
            task_queue=client.namespace,
        )
        says(f"quote of {outcome['quote']['total_cents']} cents, shipped as {outcome['receipt']['tracking_id']}")


def _order(basket: Mapping[str, Any], card: str = "card-ok") -> dict[str, Any]:
    return {**basket, "order_id": f"demo-{uuid.uuid4().hex[:8]}", "card": card}


async def _until_phase(caller: HttpCaller, order: Mapping[str, Any], phase: str) -> str:
    seen = ""
    for _ in range(_POLLS):
        answer = await caller.start("status", {"order_id": order["order_id"]})
        seen = answer.must_be(_OK).body["phase"]
        if seen == phase:
            return phase
        await asyncio.sleep(_PAUSE)
    raise UnexpectedAnswerError(f"the order should be {phase}, but is {seen}")


def _failure_in_words(failure: Mapping[str, Any]) -> str:
    """Type and details of a Temporal application failure, which its server passes on in the form of its own API."""
    info = failure["details"]["applicationFailureInfo"]
    details = [json.loads(base64.b64decode(payload["data"])) for payload in info["details"]["payloads"]]
    return f"{info['type']} {', '.join(map(json.dumps, details))}"


def _must_equal(expected: str, actual: str | None, what: str) -> None:
    if actual != expected:
        raise UnexpectedAnswerError(f"{what} should be {expected}, but is {actual}")
