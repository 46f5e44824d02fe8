"""The embedded Temporal server can be taken away and brought back, with its data and on its ports."""

import uuid
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from gateway.devstack import DevstackError, TemporalServer


async def test_temporal_keeps_data_and_ports_over_a_restart(tmp_path: Path) -> None:
    """Stopped or killed, a client that was connected before goes on where it was."""
    async with TemporalServer(namespaces=("orders",), database=tmp_path / "temporal.db") as server:
        client = await Client.connect(server.address, namespace="orders")
        workflow = await client.start_workflow("Any", id=uuid.uuid4().hex, task_queue="nobody")
        address, http_url = server.address, server.http_url
        for take_away in (server.stop, server.kill):
            await take_away()
            with pytest.raises(RPCError) as caught:
                await client.workflow_service.get_system_info(GetSystemInfoRequest(), retry=False)
            assert RPCStatusCode.UNAVAILABLE is caught.value.status
            await server.start()
            assert WorkflowExecutionStatus.RUNNING is (await workflow.describe()).status
        assert (address, http_url) == (server.address, server.http_url)


async def test_temporal_says_what_it_cannot_start_with(tmp_path: Path) -> None:
    """In its own words, and without waiting for the time to run out."""
    (tmp_path / "temporal.db").write_text("this is no database, and long enough to be seen as none by whoever opens it")
    server = TemporalServer(database=tmp_path / "temporal.db")
    with pytest.raises(DevstackError, match="the Temporal server ended with exit code 1 while it started: "):
        await server.start()
    server.close()


async def test_a_nexus_endpoint_leads_to_a_worker_or_to_a_url(temporal: TemporalServer) -> None:
    """Either has an id of its own."""
    by_url = await temporal.create_nexus_endpoint("by-url", target_url="http://127.0.0.1:1/nexus")
    by_queue = await temporal.create_nexus_endpoint("by-queue", namespace="orders", task_queue="orders")
    assert uuid.UUID(by_url) != uuid.UUID(by_queue)
