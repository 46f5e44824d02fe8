"""Signals over plain HTTP, to a workflow that counts what it got."""

import uuid

import pytest

from gateway.devstack import Stack
from tests.integration.caller import Caller
from tests.integration.operations_api import OperationsApi
from tests.integration.waiting import eventually

COUNT = "probe.v1/count"


@pytest.fixture
def api(stack: Stack, probe: Caller) -> OperationsApi:
    """The operations resource, for a caller that may do everything."""
    return OperationsApi(stack, probe)


async def counted(api: OperationsApi, token: str) -> int:
    """How many the workflow has counted."""
    answer = await api.get("operations/query/so_far", token)
    assert 200 == answer.status, answer.body
    number: int = answer.json
    return number


async def test_a_signal_reaches_the_workflow_with_its_argument(api: OperationsApi, probe: Caller) -> None:
    """The caller gets no answer but that it was sent; what the workflow makes of it can be asked for."""
    token = (await probe.start(COUNT, {"id": uuid.uuid4().hex})).token
    for number in (3, 4):
        sent = await api.post("operations/signal/add", token, number)
        assert (202, {}) == (sent.status, sent.json)
    assert 7 == await eventually(lambda: counted(api, token), lambda number: number == 7)
    assert 202 == (await api.post("operations/signal/end", token)).status
    assert (200, 7) == ((ended := await probe.result(COUNT, token)).status, ended.json)


async def test_a_signal_that_does_not_fit_is_refused_and_says_where(api: OperationsApi, probe: Caller) -> None:
    """Nothing is made to fit, and nothing of it reaches the workflow."""
    token = (await probe.start(COUNT, {"id": uuid.uuid4().hex})).token
    for body in ("7", True, 1.5):
        refused = await api.post("operations/signal/add", token, body)
        assert (400, "INVALID_ARGUMENT") == (refused.status, refused.json["error"]["code"])
        (detail,) = refused.json["error"]["details"]
        assert ("field_violation", "body") == (detail["type"], detail["field"])
    assert 202 == (await api.post("operations/signal/end", token)).status
    assert (200, 0) == ((ended := await probe.result(COUNT, token)).status, ended.json)


async def test_a_signal_that_is_repeated_with_its_request_id_is_one_signal(api: OperationsApi, probe: Caller) -> None:
    """By either of the two headers; another id is another signal, and the same one is another for another operation."""
    first, second = [(await probe.start(COUNT, {"id": uuid.uuid4().hex})).token for _ in range(2)]
    same = uuid.uuid4().hex
    for token, header, request_id in [
        (first, "Nexus-Request-Id", same),
        (first, "Nexus-Request-Id", same),
        (first, "Idempotency-Key", same),
        (first, "Nexus-Request-Id", uuid.uuid4().hex),
        (second, "Nexus-Request-Id", same),
    ]:
        assert 202 == (await api.post("operations/signal/add", token, 1, headers={header: request_id})).status
    for token, number in ((first, 2), (second, 1)):
        assert 202 == (await api.post("operations/signal/end", token)).status
        assert (200, number) == ((ended := await probe.result(COUNT, token)).status, ended.json)


async def test_a_signal_finds_the_run_that_the_operation_is_in_now(api: OperationsApi, probe: Caller) -> None:
    """Also when the one that its token names has continued as new."""
    token = (await probe.start(COUNT, {"id": uuid.uuid4().hex})).token
    for name, body in (("add", 1), ("turn", None), ("add", 1), ("end", None)):
        assert 202 == (await api.post(f"operations/signal/{name}", token, body)).status
    assert (200, 2) == ((ended := await probe.result(COUNT, token)).status, ended.json)


async def test_what_has_ended_takes_no_signal(api: OperationsApi, probe: Caller) -> None:
    """Nobody is left to get it; that is said, and not that it was sent."""
    token = (await probe.start(COUNT, {"id": uuid.uuid4().hex})).token
    await api.post("operations/signal/end", token)
    assert 200 == (await probe.result(COUNT, token)).status
    late = await api.post("operations/signal/add", token, 1)
    assert (409, "WORKFLOW_EXECUTION_COMPLETED") == (late.status, late.json["error"]["code"])


@pytest.mark.parametrize("body", [None, "one", {"number": 1}])
async def test_a_signal_with_another_argument_than_it_takes_is_not_sent(
    api: OperationsApi, probe: Caller, body: object
) -> None:
    """It would fail the workflow's task again and again."""
    token = (await probe.start(COUNT, {"id": uuid.uuid4().hex})).token
    refused = await api.post("operations/signal/add", token, body)
    assert (400, "INVALID_ARGUMENT") == (refused.status, refused.json["error"]["code"])
    assert 0 == await counted(api, token)
    await api.post("operations/terminate", token)
