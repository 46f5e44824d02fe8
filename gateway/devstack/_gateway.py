"""The gateway and its worker as child processes, started by the commands that a user would type."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

import gateway
from gateway.devstack._part import Part
from gateway.devstack._process import ChildProcess, Command, Echo, Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.devstack._ports import Port

# A module is looked for here first, whatever lies in the directory that the user happens to be in.
_ROOT: Final = Path(gateway.__file__).parents[1]
_DRAIN_SECONDS: Final = 35.0


class GatewayServer(Part):
    """``nexus-gateway serve`` on the ports that its configuration names. An async context manager."""

    def __init__(
        self,
        *,
        config: Path,
        environ: Mapping[str, str],
        port: Port,
        admin_port: Port,
        processes: int = 1,
        progress: Progress = no_progress,
        echo: Echo | None = None,
    ) -> None:
        # A process that has children of its own takes them along when it is asked to end, not when it is killed.
        death_signal = signal.SIGKILL if processes == 1 else signal.SIGTERM
        arguments = ("serve", "--config", str(config), "--processes", str(processes))
        process = ChildProcess(_command("gateway", arguments, environ, death_signal, echo), progress)
        super().__init__(process, lent=(port, admin_port))
        self.url = f"http://{port.address}"
        self.admin_url = f"http://{admin_port.address}"

    def endpoint_url(self, endpoint: str) -> str:
        """The base URL of an endpoint: what a Nexus client, or a Temporal Nexus endpoint, is given."""
        return f"{self.url}/nexus/endpoints/{endpoint}/services"

    async def _is_ready(self) -> bool:
        async with ClientSession(timeout=ClientTimeout(total=5)) as session:
            with suppress(ClientError, OSError, TimeoutError):
                async with session.get(f"{self.admin_url}/readyz") as response:
                    return response.ok
        return False


class GatewayWorker(Part):
    """``nexus-gateway worker``. An async context manager; ready when it polls each of ``task_queues``.

    A task queue is a namespace and a name in it.
    """

    def __init__(
        self,
        *,
        config: Path,
        environ: Mapping[str, str],
        temporal_address: str,
        task_queues: Sequence[tuple[str, str]],
        progress: Progress = no_progress,
        echo: Echo | None = None,
    ) -> None:
        self._temporal_address = temporal_address
        self._task_queues = tuple(task_queues)
        arguments = ("worker", "--config", str(config))
        super().__init__(ChildProcess(_command("worker", arguments, environ, signal.SIGKILL, echo), progress))

    async def _is_ready(self) -> bool:
        try:
            client = await Client.connect(self._temporal_address)
            polled = await asyncio.gather(*(self._polls(client, *queue) for queue in self._task_queues))
        except (RPCError, RuntimeError):  # a connection that fails is a RuntimeError of the SDK
            return False
        return all(polled)

    async def _polls(self, client: Client, namespace: str, task_queue: str) -> bool:
        request = DescribeTaskQueueRequest(
            namespace=namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        described = await client.workflow_service.describe_task_queue(request, timeout=timedelta(seconds=2))
        # A worker's identity is its process id and its host; those of workers before it linger in the list.
        return any(poller.identity.startswith(f"{self.process.pid}@") for poller in described.pollers)


def _command(
    name: str, arguments: Sequence[str], environ: Mapping[str, str], death_signal: signal.Signals, echo: Echo | None
) -> Command:
    return Command(
        name=name,
        argv=(sys.executable, "-m", "gateway", *arguments),
        environ=environ,
        directory=_ROOT,
        death_signal=death_signal,
        echo=echo,
        stop_timeout=_DRAIN_SECONDS,
    )
