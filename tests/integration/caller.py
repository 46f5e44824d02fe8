"""An HTTP caller that sends exactly what a test says, and shows exactly what came back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping

    from aiohttp import ClientSession
    from multidict import CIMultiDictProxy

JSON = "application/json"
AUTOMATIC_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp's client would add by itself."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the gateway answered, to the byte."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def error_type(self) -> str:
        """The type of a ``nexus.HandlerError``."""
        failure = self.json
        assert "nexus.HandlerError" == failure["metadata"]["type"]
        named: str = failure["details"]["type"]
        return named

    @property
    def message(self) -> str:
        """The message of a failure."""
        text: str = self.json["message"]
        return text

    @property
    def token(self) -> str:
        """The token of an operation that was started and goes on."""
        assert (201, "running") == (self.status, self.json["state"])
        sealed: str = self.json["token"]
        return sealed

    @property
    def lasting_headers(self) -> dict[str, str]:
        """All headers that do not tell the time."""
        return {name.lower(): value for name, value in self.headers.items() if name.lower() != "date"}

    @property
    def content_headers(self) -> dict[str, str]:
        """The headers that say what the body is."""
        return {name: value for name, value in self.lasting_headers.items() if name.startswith("content-")}


class Caller:
    """Calls the services below ``url`` with ``token``, or without one."""

    def __init__(self, session: ClientSession, url: str, token: str | None) -> None:
        self._session = session
        self.url = url
        self.token = token

    def at(self, url: str) -> Caller:
        """The same caller, somewhere else."""
        return Caller(self._session, url, self.token)

    def showing(self, token: str | None) -> Caller:
        """Somebody else, at the same place."""
        return Caller(self._session, self.url, token)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | IO[bytes] | AsyncIterable[bytes] | None = None,
    ) -> Answer:
        """Send one request; ``target`` is raw, and relative to the endpoint's services unless it is a whole URL."""
        sent = CIMultiDict(headers)
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        url = URL(target if target.startswith("http://") else f"{self.url}/{target}", encoded=True)
        async with self._session.request(
            method,
            url,
            headers=sent,
            data=body,
            skip_auto_headers=AUTOMATIC_HEADERS,
            allow_redirects=False,
        ) as response:
            return Answer(status=response.status, headers=response.headers, body=await response.read())

    async def start(
        self, operation: str, value: object, *, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Answer:
        """Start ``operation``, a raw ``service/operation``, with a JSON value."""
        sent = {"Content-Type": JSON, **(headers or {})}
        return await self.request("POST", f"{operation}{query}", headers=sent, body=json.dumps(value).encode())

    async def cancel(self, operation: str, token: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for an operation to be canceled."""
        return await self.request("POST", f"{operation}/cancel", headers=_naming(token, headers))

    async def result(
        self, operation: str, token: str, *, wait: str | None = "30s", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for an operation's result, and wait for it as long as ``wait`` says."""
        query = "" if wait is None else f"?wait={wait}"
        return await self.request("GET", f"{operation}/result{query}", headers=_naming(token, headers))

    async def info(self, operation: str, token: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask in which state an operation is."""
        return await self.request("GET", operation, headers=_naming(token, headers))


def _naming(token: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"Nexus-Operation-Token": token, **(headers or {})}
