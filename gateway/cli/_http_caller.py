"""The demo's other caller: a program that speaks HTTP and has a token, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import ClientResponse, ClientSession

    from gateway.telemetry import Telemetry


class UnexpectedAnswerError(Exception):
    """The gateway answered something else than it should."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the gateway answered; ``body`` is ``None`` where it was empty."""

    status: int
    headers: Mapping[str, str]
    body: Any

    def must_be(self, status: int) -> Answer:
        """This answer, if it has that status.

        Raises:
            UnexpectedAnswerError: It has another.
        """
        if self.status != status:
            raise UnexpectedAnswerError(f"expected status {status}, not {self.status}: {json.dumps(self.body)}")
        return self


class HttpCaller:
    """Calls the operations of one service by their URLs, and takes the trace along."""

    def __init__(self, session: ClientSession, service_url: str, token: str, telemetry: Telemetry) -> None:
        self._session = session
        self._url = service_url
        self._token = token
        self._telemetry = telemetry

    async def start(self, operation: str, value: object) -> Answer:
        """Start an operation: 200 with its result, or 201 with its token."""
        return await self._request("POST", operation, value=value)

    async def result(self, operation: str, token: str) -> Answer:
        """Wait for an operation's result."""
        return await self._request("GET", f"{operation}/result?wait=30s", token=token)

    async def cancel(self, operation: str, token: str) -> Answer:
        """Ask for an operation to be canceled."""
        return await self._request("POST", f"{operation}/cancel", token=token)

    async def _request(self, method: str, path: str, *, value: object = None, token: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token}"}
        if token is not None:
            headers["Nexus-Operation-Token"] = token
        body = None
        if value is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(value).encode()
        with self._telemetry.client_span(f"{method} {path.partition('?')[0]}"):
            self._telemetry.inject(headers)
            async with self._session.request(method, f"{self._url}/{path}", data=body, headers=headers) as response:
                return await _read(response)


async def _read(response: ClientResponse) -> Answer:
    content = await response.read()
    return Answer(status=response.status, headers=response.headers, body=json.loads(content) if content else None)
