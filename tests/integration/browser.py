"""A headless browser, driven by the DevTools protocol: as much of it as one page needs."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from aiohttp import ClientSession, ClientWebSocketResponse

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
"""The browser's executable, where there is one."""


class Page:
    """One page of a browser."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0

    async def call(self, method: str, **parameters: object) -> Any:
        """Call a method of the protocol and return its result."""
        self._sent += 1
        await self._socket.send_str(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self._socket.receive_str(timeout=20))
            if answer.get("id") == self._sent:
                assert "error" not in answer, answer
                return answer["result"]

    async def open(self, url: str) -> None:
        """Go to a URL."""
        await self.call("Page.enable")
        await self.call("Page.navigate", url=url)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression, once it is true."""
        return await eventually(lambda: self.evaluate(expression), bool)

    async def screenshot(self, path: Path) -> None:
        """Take a picture of what is shown."""
        taken = await self.call("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(taken["data"]))


@asynccontextmanager
async def browsing(session: ClientSession, directory: Path) -> AsyncIterator[Page]:
    """A browser with one page, and a profile in ``directory``."""
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--window-size=1100,900",
        "--remote-debugging-port=0",
        f"--user-data-dir={directory}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port_file = directory / "DevToolsActivePort"
        port = (await eventually(lambda: asyncio.to_thread(_first_line, port_file), bool)).strip()

        async def pages() -> Sequence[dict[str, Any]]:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                return [one for one in await response.json() if one["type"] == "page"]

        (page,) = await eventually(pages, lambda found: 1 == len(found))
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=1 << 25) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        await process.wait()


def _first_line(file: Path) -> str:
    return file.read_text().partition("\n")[0] if file.exists() else ""
