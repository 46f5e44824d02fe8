"""How much a chunk of a bulk job holds: not more than the engine takes as one value."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from temporalio.testing import ActivityEnvironment

from gateway.devstack import CALLER_NAMESPACE
from gateway.engines import BatchKind, BatchOrder, BatchTooLarge, Chosen, OperationFilter, Requester, ServiceScope
from gateway.engines.temporal import BulkActivities, TemporalEngine, _bulk_activities
from gateway.engines.temporal._bulk_workflow import Job, Reached
from gateway.model import OperationAddress, Tenant
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, small_order

if TYPE_CHECKING:
    from temporalio.client import Client

    from gateway.devstack import Stack
    from tests.integration.caller import Caller

TENANT = Tenant("https://issuer.test", CALLER_NAMESPACE)
ORDER = BatchOrder(
    id=uuid.uuid4().hex,
    kind=BatchKind.CANCEL,
    requester=Requester(tenant=TENANT, subject="dev", start_id="s"),
    asker="",
)


class Nothing:
    """Permits nothing: what is found here is only looked at."""

    def holds(self, order: BatchOrder, chosen: Chosen) -> bool:
        """No."""
        del order, chosen
        return False


async def test_a_chunk_ends_where_it_would_grow_too_large(
    stack: Stack, orders: Caller, handlers: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many operations it may be: the next one goes on behind it, and none is left out."""
    mark = uuid.uuid4().hex
    for _ in range(9):
        assert 201 == (await orders.start(PROCESS, small_order(), headers={"Nexus-Gateway-Metadata-Mark": mark})).status
    await OperationsApi(stack, orders).eventually(9, **{"metadata.mark": mark})
    monkeypatch.setattr(_bulk_activities, "MOST_BYTES", 1500)
    operations = TemporalEngine("main", {handlers.namespace: handlers}).operations
    activities = BulkActivities(operations, Nothing(), handlers.namespace)
    scope = (ServiceScope("orders", "orders.v1"),)
    wanted = OperationFilter(tenant=TENANT, scope=scope, metadata={"mark": mark})
    job = Job(id="j", order=ORDER, wanted=wanted, chunk=500, pause=0.0)
    environment = ActivityEnvironment(client=handlers)
    environment.payload_converter = handlers.data_converter.payload_converter
    sizes: list[int] = []
    tokens: set[str] = set()
    page: str | None = None
    while page is not None or not sizes:
        found = await environment.run(activities.find, job, Reached(total=9, page=page))
        sizes.append(len(found.operations))
        tokens |= {one.engine_token for one in found.operations}
        page = found.next_page
    assert 9 == len(tokens)
    assert 1 < max(sizes) < 9


async def test_operations_that_take_too_much_to_name_are_refused(handlers: Client) -> None:
    """Before anything is begun: the engine would take the job and never get on with it."""
    operations = TemporalEngine("main", {handlers.namespace: handlers}).operations
    address = OperationAddress("orders", "orders.v1", "process")
    chosen = [Chosen(address, f"{number:04}".ljust(2500, "x"), TENANT) for number in range(500)]
    with pytest.raises(BatchTooLarge):
        await operations.start_batch_of(handlers.namespace, ORDER, chosen)
