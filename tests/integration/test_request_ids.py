"""Request ids as Temporal's index knows them: asked for where it matters, and left alone when it has had enough."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from gateway.devstack import TemporalServer
from gateway.engines.temporal import ATTRIBUTES, _request_ids
from gateway.engines.temporal._attributes import KnownAttributes, with_typed_attributes
from gateway.engines.temporal._memos import MEMO, dump_origin
from gateway.engines.temporal._request_ids import RequestIds
from gateway.model import OperationAddress, Origin, Tenant
from tests.integration.waiting import eventually

TYPES = {
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD: "Keyword",
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST: "KeywordList",
}
A_SECOND = 10
"""What the index answers by default."""


@pytest_asyncio.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """A client of a server of its own, whose index answers few questions."""
    attributes = {name: TYPES[kind] for name, kind in ATTRIBUTES.items()}
    limit = {"frontend.namespaceRPS.visibility": A_SECOND}
    async with TemporalServer(search_attributes=attributes, dynamic_config=limit) as server:
        yield await Client.connect(server.address, data_converter=pydantic_data_converter)


def origin(operation: str) -> Origin:
    """A start of this operation."""
    return Origin(
        address=OperationAddress("probe", "probe.v1", operation),
        tenant=Tenant("https://issuer.test", "checkout"),
        subject="dev",
        request_id="mine",
        scoped_request_id=uuid.uuid4().hex,
        start_id=uuid.uuid4().hex,
        digest="digest",
        trace_id="",
        metadata={},
    )


async def started(client: Client, first: Origin, workflow_id: str) -> None:
    """Start a workflow of this origin, and wait until the index knows it."""
    await client.start_workflow(
        "Any",
        id=workflow_id,
        task_queue="nobody",
        memo={MEMO: dump_origin(first)},
        search_attributes=with_typed_attributes(None, first, frozenset(ATTRIBUTES)),
    )
    query = f"NexusRequestId = '{first.scoped_request_id}'"
    # Slowly: the index answers so many questions, and the test has some, too.
    await eventually(lambda: client.count_workflows(query), lambda counted: counted.count, pause=0.3)


async def test_the_index_is_asked_where_a_request_id_may_have_led_to_another_workflow(client: Client) -> None:
    """Which it cannot where ids are made of it alone; from the first id on that is not, it may always."""
    ids = RequestIds(client, KnownAttributes(client))
    first = origin("mixed")
    name = first.scoped_request_id
    await started(client, first, f"a-{name}")
    assert [first] == await ids.workflows(first, f"a-{name}")
    assert () == await ids.workflows(first, f"a-{name}")
    for other in (f"b-{name}", f"a-{name}", f"b-{name}"):
        assert [first] == await ids.workflows(first, other)
    by_order = origin("by order")
    await started(client, by_order, "order-1")
    for _ in range(2):
        assert [by_order] == await ids.workflows(by_order, "order-1")


async def test_an_index_that_has_had_enough_is_left_alone_for_a_while(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts go on without it, and what it knows of attributes is not doubted for that."""
    monkeypatch.setattr(_request_ids, "_REST_SECONDS", 5.0)
    attributes = KnownAttributes(client)
    ids = RequestIds(client, attributes)
    first = origin("by order")
    await started(client, first, "order-2")
    while await ids.workflows(first, "order-2"):
        pass
    assert () == await ids.workflows(first, "order-2")
    assert frozenset(ATTRIBUTES) == await attributes.known()
    assert [first] == await eventually(lambda: ids.workflows(first, "order-2"), lambda found: found)
