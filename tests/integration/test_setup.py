"""A namespace that is not set up for lists, and ``nexus-gateway setup``, which sets it up."""

import asyncio
import socket
import sys
import uuid

from aiohttp import ClientSession
from temporalio.api.operatorservice.v1 import RemoveSearchAttributesRequest
from temporalio.client import Client

from gateway.devstack import HANDLER_NAMESPACE, Stack
from gateway.engines.temporal import ATTRIBUTES
from gateway.engines.temporal._attributes import KnownAttributes
from tests.integration.caller import Caller
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, large_order, small_order


async def test_starts_work_without_attributes_and_lists_once_they_are_there(
    own_stack: Stack, http: ClientSession
) -> None:
    """The gateway says what is missing, the command says what it did, and done again it does nothing."""
    orders = Caller(http, own_stack.gateway.endpoint_url("orders"), own_stack.token())
    api = OperationsApi(own_stack, orders)
    # The gateway knows that all are there, so that it finds out by a start that is refused for them.
    assert 201 == (await orders.start(PROCESS, small_order())).status
    client = await Client.connect(own_stack.temporal_address, namespace=HANDLER_NAMESPACE)
    await client.operator_service.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace=HANDLER_NAMESPACE, search_attributes=[*ATTRIBUTES])
    )
    request_id = uuid.uuid4().hex
    order = large_order()
    started = await orders.start(PROCESS, order, headers={"Nexus-Request-Id": request_id})
    assert "running" == (await api.described(started.token))["state"]
    repeated = await orders.start(PROCESS, order, headers={"Nexus-Request-Id": request_id})
    assert (started.token, "true") == (repeated.token, repeated.headers["Nexus-Gateway-Replayed"])
    await asyncio.sleep(1.1)
    listed = await api.get("operations")
    assert (503, "UNAVAILABLE") == (listed.status, listed.json["error"]["code"])
    assert "nexus-gateway setup" in listed.json["error"]["message"]
    async with http.get(f"{own_stack.gateway.admin_url}/readyz") as response:
        assert 200 == response.status
        notices = (await response.json())["notices"]
    assert "NexusCallerTenant" in notices["engine main namespace orders"]
    assert f"namespace orders: registered {', '.join(ATTRIBUTES)}" in await set_up(own_stack)
    assert "namespace orders: has all search attributes already" in await set_up(own_stack)
    await asyncio.sleep(1.1)
    later = await orders.start(PROCESS, large_order())
    found = await api.eventually(1, status="running")
    assert later.token in {one["token"] for one in found}


async def test_nothing_is_said_to_be_missing_where_the_server_could_not_be_asked() -> None:
    """Set up or not: what an operator is told to do would be of no help."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        attributes = KnownAttributes(await Client.connect(f"127.0.0.1:{port}", lazy=True))
        assert () == await attributes.missing()
        assert frozenset() == await attributes.known()


async def set_up(stack: Stack) -> str:
    """What the command prints."""
    command = (sys.executable, "-m", "gateway", "setup", "--config", str(stack.config))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert 0 == process.returncode, err
    return out.decode()
