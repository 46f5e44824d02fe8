"""``serve`` and ``worker`` as a service manager runs them, and ``token`` and ``check`` beside them: real processes."""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientConnectionError, ClientSession

from gateway.devstack import HOST, Port, Stack
from gateway.devstack._config import child_environ
from tests.integration.caller import Caller
from tests.integration.ordering import PROCESS, small_order
from tests.integration.waiting import eventually

ROOT = Path(__file__).parents[2]
PATIENCE = 30
QUOTE, BASKET = "orders.v1/quote", {"lines": [{"sku": "tea"}]}
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def configured(stack: Stack) -> Callable[[Edit], Path]:
    """Writes a configuration like the session's, changed, and on ports of nobody's."""

    def write(edit: Edit) -> Path:
        config = yaml.safe_load(stack.config.read_text())
        config["server"] = {"host": HOST, "port": 0, "admin_port": 0}
        edit(config)
        file = stack.config.with_name(f"{uuid.uuid4().hex}.yaml")
        file.write_text(yaml.safe_dump(config))
        return file

    return write


@asynccontextmanager
async def command(stack: Stack, *arguments: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command of ours with the secrets of the session; ended with the block, however that ends."""
    secrets = child_environ(stack.config.parent, collector_url=stack.collector.url, service_name="served")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        env={**secrets, **environ},
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


async def output(stack: Stack, *arguments: str, **environ: str) -> tuple[int | None, str, str]:
    """Exit code and both streams of a command that ends by itself."""
    async with asyncio.timeout(PATIENCE), command(stack, *arguments, **environ) as process:
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def stopped(process: asyncio.subprocess.Process, number: signal.Signals = signal.SIGTERM) -> int | None:
    """The exit code after a signal."""
    process.send_signal(number)
    async with asyncio.timeout(PATIENCE):
        await process.communicate()
    return process.returncode


async def status_of(http: ClientSession, url: str) -> int:
    """The status of a GET, 0 where nobody listens."""
    try:
        async with http.get(url) as response:
            return response.status
    except ClientConnectionError:
        return 0


async def test_a_token_of_the_command_line_calls_a_gateway_of_the_command_line(
    stack: Stack, http: ClientSession, configured: Callable[[Edit], Path]
) -> None:
    """On the port that the option names; SIGTERM and SIGINT both end it, with exit code 0."""
    file = configured(lambda _config: None)
    code, token, err = await output(
        stack, "token", "--config", str(file), "--subject", "alice", "--namespace", "checkout", "--ttl", "5m"
    )
    assert (0, "") == (code, err)
    for number in (signal.SIGTERM, signal.SIGINT):
        with Port() as port:
            async with command(stack, "serve", "--config", str(file), "--port", str(port.number)) as serve:
                caller = Caller(http, f"http://{port.address}/nexus/endpoints/orders/services", token.strip())
                await eventually(lambda: status_of(http, f"http://{port.address}/"), bool)
                assert 450 == (await caller.start(QUOTE, BASKET)).json["total_cents"]
                answer = await caller.start(PROCESS, small_order())
                assert answer.headers["Location"].startswith(f"http://{port.address}/nexus/endpoints/orders/")
                assert 200 == (await caller.result(PROCESS, answer.token)).status
                assert 0 == await stopped(serve, number)


async def test_several_processes_share_one_port_and_end_together(
    stack: Stack, http: ClientSession, orders: Caller, configured: Callable[[Edit], Path]
) -> None:
    """A token of one is good at the other; all are ready, each with an admin listener of its own."""
    with Port() as port:
        file = configured(lambda config: config["server"].update(port=port.number, admin_port=None))
        async with command(stack, "serve", "--config", str(file), "--processes", "2") as serve:
            await eventually(lambda: status_of(http, f"http://{port.address}/"), bool)
            caller = orders.at(f"http://{port.address}/nexus/endpoints/orders/services")
            tokens = [(await caller.start(PROCESS, small_order())).token for _ in range(6)]
            async with ClientSession() as other:
                again = Caller(other, caller.url, orders.token)
                assert {200} == {(await again.result(PROCESS, token)).status for token in tokens}
            napping = asyncio.ensure_future(
                orders.at(f"http://{port.address}/nexus/endpoints/echo/services").start("echo.v1/sleep", {"seconds": 3})
            )
            await asyncio.sleep(1)
            serve.send_signal(signal.SIGTERM)
            # Nobody is taken any more, whatever is under way; also not by the kernel for who holds the socket.
            await eventually(lambda: status_of(http, f"http://{port.address}/"), lambda status: not status, 2)
            assert not napping.done()
            assert 200 == (await napping).status
            assert 0 == await stopped(serve)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_process_that_dies_ends_the_others(
    stack: Stack, http: ClientSession, configured: Callable[[Edit], Path]
) -> None:
    """A service manager starts all of them afresh."""
    with Port() as port:
        file = configured(lambda config: config["server"].update(port=port.number, admin_port=None))
        async with command(stack, "serve", "--config", str(file), "--processes", "2") as serve:
            await eventually(lambda: status_of(http, f"http://{port.address}/"), bool)
            first, _second = children(serve.pid)
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):
                _, errors = await serve.communicate()
    assert 1 == serve.returncode
    assert f"nexus-gateway: process {first} was ended by signal 9" in errors.decode().splitlines()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_gateway_starts_without_its_engine_and_says_what_is_missing(
    stack: Stack, http: ClientSession, configured: Callable[[Edit], Path]
) -> None:
    """Alive and not ready, by name; what needs no engine is served."""
    with Port() as nobody, Port() as port, Port() as admin:

        def away(config: dict[str, Any]) -> None:
            config["server"].update(port=port.number, admin_port=admin.number)
            config["engines"]["main"]["address"] = nobody.address

        async with command(stack, "serve", "--config", str(configured(away))) as serve:
            await eventually(lambda: status_of(http, f"http://{admin.address}/livez"), lambda status: status == 200)
            async with http.get(f"http://{admin.address}/readyz") as response:
                ready = await response.json()
            assert (503, False) == (response.status, ready["ready"])
            assert "ok" == ready["checks"]["plugins"]
            assert "ok" == ready["checks"]["keys https://issuer.test"]
            assert "ok" != ready["checks"]["engine main namespace orders"]
            caller = Caller(http, f"http://{port.address}/nexus/endpoints/orders/services", stack.token())
            assert 200 == (await caller.start(QUOTE, BASKET)).status
            refused = await caller.start(PROCESS, small_order())
            assert (503, "UNAVAILABLE") == (refused.status, refused.error_type)
            assert 0 == await stopped(serve)


async def test_the_environment_wins_over_the_file(
    stack: Stack, http: ClientSession, configured: Callable[[Edit], Path]
) -> None:
    """Every value has a variable of its own."""
    with Port() as port:
        variable = {"NEXUS_GATEWAY__SERVER__PORT": str(port.number)}
        async with command(stack, "serve", "--config", str(configured(lambda _config: None)), **variable) as serve:
            await eventually(lambda: status_of(http, f"http://{port.address}/"), bool)
            assert 0 == await stopped(serve)


@pytest.mark.parametrize(
    ("key", "edit"),
    [
        ("server.porte", lambda config: config["server"].update(porte=1)),
        ("endpoints.orders.services", lambda config: config["endpoints"]["orders"].update(services=["nosuch.v1"])),
        ("issuers.0: needs its keys", lambda config: config["issuers"][0].pop("jwks_file")),
        ("nosuch.plugin", lambda config: config.update(plugins=["nosuch.plugin:plugin"])),
    ],
)
async def test_a_fault_of_the_configuration_is_one_line_and_nothing_is_served(
    stack: Stack, configured: Callable[[Edit], Path], key: str, edit: Edit
) -> None:
    """The same line from each command that reads it, naming the key; exit code 1, and never a traceback."""
    file = str(configured(edit))
    commands = ("serve", "check")
    for code, out, err in await asyncio.gather(*(output(stack, name, "--config", file) for name in commands)):
        assert (1, "") == (code, out)
        assert key in err
        assert "Traceback" not in err
        assert [line for line in err.splitlines() if not line.startswith("{")]


async def test_a_secret_that_is_missing_is_named(stack: Stack, configured: Callable[[Edit], Path]) -> None:
    """By its variable, and without any value."""
    file = str(configured(lambda _config: None))
    commands = (output(stack, "serve", "--config", file, NEXUS_GATEWAY_TOKEN_KEY=value) for value in ("", "c2hvcnQ"))
    for code, _, err in await asyncio.gather(*commands):
        assert 1 == code
        assert "NEXUS_GATEWAY_TOKEN_KEY" in err
        assert "Traceback" not in err
        assert "c2hvcnQ" not in err


async def test_a_port_that_is_taken_is_one_line(stack: Stack, configured: Callable[[Edit], Path]) -> None:
    """Not a traceback of the event loop."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), HOST, 0)
    taken = server.sockets[0].getsockname()[1]
    code, _, err = await output(stack, "serve", "--config", str(configured(lambda _config: None)), "--port", str(taken))
    server.close()
    await server.wait_closed()
    assert 1 == code
    (line,) = err.splitlines()
    assert f"server.port: cannot listen on {HOST} port {taken}" in line


@pytest.mark.parametrize("after", [0.0, 0.7])
async def test_a_worker_ends_when_it_is_told_to(stack: Stack, configured: Callable[[Edit], Path], after: float) -> None:
    """Exit code 0, also while it is still starting."""
    async with command(stack, "worker", "--config", str(configured(lambda _config: None))) as worker:
        assert worker.stderr is not None
        async with asyncio.timeout(PATIENCE):
            line = json.loads(await worker.stderr.readline())
        assert "worker polls namespace orders" in line["message"]
        await asyncio.sleep(after)
        assert 0 == await stopped(worker)


@pytest.mark.parametrize("name", ["serve", "worker"])
async def test_a_server_that_says_nothing_holds_up_nobodys_end(
    stack: Stack, configured: Callable[[Edit], Path], name: str
) -> None:
    """It takes the connection, and that is all; who waits for its word stops waiting when it is told to."""
    connected = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(listen, HOST, 0)
    address = "{}:{}".format(*silent.sockets[0].getsockname()[:2])
    file = configured(lambda config: config["engines"]["main"].update(address=address))
    async with silent, command(stack, name, "--config", str(file)) as process:
        async with asyncio.timeout(PATIENCE):
            await connected.wait()
        await asyncio.sleep(0.5)
        began = time.monotonic()
        assert 0 == await stopped(process)
        assert time.monotonic() - began < 10


async def test_a_worker_without_its_server_says_so(stack: Stack, configured: Callable[[Edit], Path]) -> None:
    """Unlike the gateway it is of no use alone: one line, exit code 1."""
    with Port() as nobody:
        file = configured(lambda config: config["engines"]["main"].update(address=nobody.address))
        code, _, err = await output(stack, "worker", "--config", str(file))
    assert 1 == code
    assert "Traceback" not in err
    assert f"engines.main: cannot connect to {nobody.address}" in err


async def test_a_worker_in_a_namespace_that_does_not_exist_says_so(
    stack: Stack, configured: Callable[[Edit], Path]
) -> None:
    """And ends, instead of polling for nothing."""

    def elsewhere(config: dict[str, Any]) -> None:
        for endpoint in config["endpoints"].values():
            endpoint["namespace"] = "nosuch-namespace"

    code, _, err = await output(stack, "worker", "--config", str(configured(elsewhere)))
    assert 1 == code
    assert "Traceback" not in err
    assert "nosuch-namespace" in err
