"""An OpenTelemetry collector as a child process: what stands between the gateway's exporter and the trace sink."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from gateway.devstack._part import Part
from gateway.devstack._ports import HOST, Port
from gateway.devstack._process import (
    ChildProcess,
    Command,
    DevstackError,
    Progress,
    accepts_connections,
    no_progress,
)


class Collector(Part):
    """Takes OTLP by HTTP and passes it on, as OTLP by HTTP, to ``exporter_url``. An async context manager."""

    def __init__(self, *, exporter_url: str, progress: Progress = no_progress) -> None:
        """Find the executable and reserve the ports; nothing runs yet.

        Raises:
            DevstackError: There is no collector executable.
        """
        self._http, self._grpc = Port(), Port()
        process = ChildProcess(
            Command(
                name="OpenTelemetry collector",
                argv=(
                    str(_executable()),
                    "start",
                    *("--otlp-http-endpoint", self._http.address),
                    *("--otlp-grpc-endpoint", self._grpc.address),
                    *("--exporter", "otlp"),
                    *("--otlp-exporter-endpoint", exporter_url),
                    *("--otlp-exporter-protocol", "http"),
                    "--disable-batching",  # somebody waits for the trace
                ),
                environ={name: value for name, value in os.environ.items() if not name.startswith("ROTEL_")},
            ),
            progress,
        )
        super().__init__(process, own=(self._http, self._grpc))

    @property
    def url(self) -> str:
        """The value for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://{self._http.address}"

    async def _is_ready(self) -> bool:
        return await accepts_connections(HOST, self._http.number)


def _executable() -> Path:
    package = find_spec("rotel")
    if package is None or package.origin is None:
        raise DevstackError(
            "there is no OpenTelemetry collector: install the development parts with pip install 'nexus-gateway[dev]'"
        )
    return Path(package.origin).with_name("rotel-agent")
