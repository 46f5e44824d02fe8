"""The commands that run something, as a user runs them: as processes, with signals."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from gateway.devstack import HOST, Port, TemporalServer

ROOT = Path(__file__).parents[2]
PATIENCE = 60
NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="pastes curl lines into a shell")


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of ours; ended with the block, however that ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def lines_until(stream: asyncio.StreamReader | None, wanted: str) -> list[str]:
    """What a command writes, up to the first line that starts with ``wanted``."""
    assert stream is not None
    lines: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for line in stream:
            lines.append(line.decode().rstrip("\n"))
            if lines[-1].startswith(wanted):
                return lines
    raise AssertionError(f"no line starts with {wanted!r}: {lines}")


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def all_gone(pids: list[int]) -> bool:
    """Whether processes end within a few seconds."""
    for _ in range(100):
        if not any(map(alive, pids)):
            return True
        await asyncio.sleep(0.05)
    return False


async def test_demo_shows_each_step_and_one_trace() -> None:
    """Both callers, the refund, the typed failure, and a tree that reaches the activities of both orders."""
    async with command("demo") as demo:
        async with asyncio.timeout(PATIENCE):
            out, err = await demo.communicate()
        shown = out.decode()
    assert "" == err.decode()
    assert 0 == demo.returncode
    assert "Traceback" not in shown
    assert "\x1b" not in shown  # nothing moves where there is no terminal
    declined = 'CardDeclined {"code": 51, "reason": "insufficient funds"}'
    steps = [line for line in shown.splitlines() if line.startswith("ok  ")]
    assert [
        "ok  HTTP caller asks for a quote: 200, 900 cents",
        "ok  HTTP caller starts a large order: 201, awaiting_approval",
        "ok  HTTP caller cancels it: 202, its result is 424 canceled, refunded",
        "ok  HTTP caller approves another large order: 200, approved by alice, shipped as *",
        f"ok  HTTP caller pays with a declined card: its result is 424 failed, {declined}",
        "ok  HTTP caller starts an order: 201, running",
        "ok  HTTP caller waits for its result: 200, shipped as *",
        "ok  workflow in namespace 'checkout' orders through a Nexus endpoint: quote of 900 cents, shipped as *",
        "ok  the collector has one trace of both orders: * spans",
    ] == [re.sub(r"trk_\w+|\d+(?= spans)", "*", step.rpartition(" (")[0]) for step in steps]
    tree = shown.partition("\ntrace ")[2]
    assert 2 == tree.count("RunActivity:ship_order")
    assert 2 == tree.count("nexus.start orders.v1/process")
    assert 1 == tree.count("StartNexusOperation:orders.v1/process")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@NEEDS_CURL
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_dev_is_ready_works_as_it_says_and_leaves_nothing_behind(number: signal.Signals) -> None:
    """What it prints can be pasted into a shell; a signal ends all of it, with exit code 0."""
    with Port() as free:
        port = free.number
    async with command("dev", "--port", str(port)) as dev:
        (ready,) = await lines_until(dev.stdout, "ready ")
        assert f"ready http://{HOST}:{port}" == ready
        script = await lines_until(dev.stdout, "# Temporal is at")
        answers = await paste(script)
        assert '{"total_cents":900,"needs_approval":false}' in answers
        assert "HTTP/1.1 201 Created" in answers
        assert '"order_id":"order-2","total_cents":900' in answers
        assert '"phase":"shipped"' in answers
        children = descendants(dev.pid)
        assert 4 == len(children)
        dev.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await dev.communicate()
    assert 0 == dev.returncode
    assert await all_gone(children)


@NEEDS_CURL
async def test_the_readme_starts_its_handler_and_calls_it() -> None:
    """Its lines as they stand, but for the port, on which somebody may listen."""
    start, call, wait = re.findall(r"```sh\n(.*?)\n```", (ROOT / "README.md").read_text(), re.DOTALL)
    arguments = start.removeprefix(".venv/bin/nexus-gateway ").split()
    with Port() as free:
        port = free.number
    async with command(*arguments, "--port", str(port)) as dev:
        await lines_until(dev.stdout, "ready ")
        (_, token) = await lines_until(dev.stdout, "export TOKEN=")
        started = await paste([token, call.replace("8080", str(port))])
        (location,) = re.findall(r"^Location: (\S+)", started, re.MULTILINE)
        assert "HTTP/1.1 201 Created" in started
        assert '"Hello Ada, at last"' == await paste([token, f"LOCATION='{location}'", wait])
        dev.send_signal(signal.SIGTERM)
        await dev.communicate()


async def paste(script: list[str]) -> str:
    """Run lines in a shell, as whoever pastes them does."""
    shell = await asyncio.create_subprocess_exec(
        "sh", "-e", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await shell.communicate("\n".join(script).encode())
    assert 0 == shell.returncode
    return out.decode()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("moment", ["Temporal server ready", "gateway ready"])
async def test_dev_that_is_killed_leaves_nothing_behind(moment: str) -> None:
    """Neither while it starts nor when it runs."""
    async with command("dev", "--port", "0") as dev:
        await lines_until(dev.stderr, moment)
        children = descendants(dev.pid)
        assert children
        dev.send_signal(signal.SIGKILL)
        await dev.communicate()
    assert await all_gone(children)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_dev_that_is_stopped_while_it_starts_leaves_nothing_behind() -> None:
    """Somebody changed their mind."""
    async with command("dev", "--port", "0") as dev:
        await lines_until(dev.stderr, "Temporal server ready")
        children = descendants(dev.pid)
        dev.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await dev.communicate()
    assert 0 == dev.returncode
    assert await all_gone(children)


async def test_dev_says_that_its_port_is_taken() -> None:
    """In one line, before anything is started."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with command("dev", "--port", str(port)) as dev:
        _, err = await dev.communicate()
    server.close()
    await server.wait_closed()
    assert 1 == dev.returncode
    assert f"nexus-gateway: cannot listen on port {port}: Address already in use; choose another with --port\n" == (
        err.decode()
    )


async def test_dev_says_that_a_part_has_ended() -> None:
    """Without its Temporal server it is of no use, and does not pretend."""
    async with command("dev", "--port", "0") as dev:
        await lines_until(dev.stdout, "ready ")
        temporal = next(pid for pid in descendants(dev.pid) if "start-dev" in command_line(pid))
        os.kill(temporal, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            _, err = await dev.communicate()
    assert 1 == dev.returncode
    assert "nexus-gateway: the Temporal server ended with exit code -9: " in err.decode().splitlines()[-1]


def command_line(pid: int) -> str:
    """The words of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


async def test_dev_keeps_operations_and_tokens_in_its_database(tmp_path: Path) -> None:
    """After a restart on the same file, yesterday's token of yesterday's caller still finds its operation."""
    database = str(tmp_path / "dev.db")
    with Port() as free:
        port = free.number
    order = {"lines": [{"sku": "samovar"}], "order_id": "kept", "card": "card-ok"}
    url = f"http://{HOST}:{port}/nexus/endpoints/orders/services/orders.v1"
    async with ClientSession() as session:
        async with command("dev", "--port", str(port), "--db-file", database) as dev:
            headers = await credentials(dev)
            async with session.post(f"{url}/process", json=order, headers=headers) as response:
                assert 201 == response.status
                token = (await response.json())["token"]
            dev.send_signal(signal.SIGTERM)
            await dev.communicate()
        async with command("dev", "--port", str(port), "--db-file", database) as dev:
            await credentials(dev)
            async with session.post(f"{url}/approve", json={"order_id": "kept"}, headers=headers) as response:
                assert 200 == response.status
            headers["Nexus-Operation-Token"] = token
            async with session.get(f"{url}/process/result?wait=30s", headers=headers) as response:
                assert 200 == response.status
                assert "kept" == (await response.json())["order_id"]


async def credentials(dev: asyncio.subprocess.Process) -> dict[str, str]:
    """The headers of a caller with the token that dev prints."""
    lines = await lines_until(dev.stdout, "export TOKEN=")
    return {"Authorization": f"Bearer {lines[-1].removeprefix('export TOKEN=')}"}


async def test_dev_uses_a_server_that_is_there(temporal_default: TemporalServer) -> None:
    """With no Temporal server of its own."""
    async with command("dev", "--port", "0", "--temporal-address", temporal_default.address) as dev:
        await lines_until(dev.stdout, "ready ")
        script = await lines_until(dev.stdout, "# Temporal is at")
        assert '"phase":"shipped"' in await paste(script)
        assert not any("start-dev" in command_line(pid) for pid in descendants(dev.pid))


@pytest.fixture
async def temporal_default() -> AsyncIterator[TemporalServer]:
    """Somebody else's Temporal server."""
    async with TemporalServer() as server:
        yield server
