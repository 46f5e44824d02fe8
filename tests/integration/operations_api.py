"""A caller of ``/api/v1`` that says what it wants in one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.integration.caller import JSON, Answer, Caller
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.devstack import Stack
    from tests.integration.governed_gateway import GovernedGateway


class OperationsApi:
    """The operations resource, for one caller."""

    def __init__(self, stack: Stack | GovernedGateway, caller: Caller) -> None:
        self._caller = caller.at(f"{stack.gateway.url}/api/v1")

    async def get(self, path: str, token: str | None = None, /, **parameters: str) -> Answer:
        """Ask for something, or for something of one operation."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return await self._caller.request("GET", path + query, headers=_about(token))

    async def post(
        self, path: str, token: str | None = None, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Do something to one operation."""
        sent = {**_about(token), **(headers or {})}
        if body is None:
            return await self._caller.request("POST", path, headers=sent)
        return await self._caller.request(
            "POST", path, headers={"Content-Type": JSON, **sent}, body=json.dumps(body).encode()
        )

    async def listed(self, **parameters: str) -> list[dict[str, Any]]:
        """Every operation of a list, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            answer = await self.get("operations", **parameters)
            assert 200 == answer.status, answer.body
            found += answer.json["operations"]
            following = answer.json["next_page_token"]
            if following is None:
                return found
            parameters["next_page_token"] = following

    async def eventually(self, number: int, **parameters: str) -> list[dict[str, Any]]:
        """The list, once the index knows of so many."""
        return await eventually(lambda: self.listed(**parameters), lambda found: len(found) >= number)

    async def state(self, token: str, state: str) -> dict[str, Any]:
        """The operation's description, once it is in this state."""
        return await eventually(lambda: self.described(token), lambda described: state == described["state"])

    async def awaiting(self, token: str, update: str = "approve") -> dict[str, Any]:
        """The operation's description, once it waits for an update."""
        return await eventually(lambda: self.described(token), lambda described: update in described["awaiting"])

    async def described(self, token: str) -> dict[str, Any]:
        """The operation's description."""
        answer = await self.get("operations/describe", token)
        assert 200 == answer.status, answer.body
        description: dict[str, Any] = answer.json
        return description


def _about(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Nexus-Operation-Token": token}
