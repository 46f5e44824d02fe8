"""The real systems that integration tests run against: started once for a session, on ports of their own.

Whoever stops or kills Temporal takes ``own_stack``, which is started for that test alone; for a gateway to kill there
is ``another_gateway``.
"""

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from gateway.auth import generate_dev_issuer
from gateway.devstack import (
    CALLER_NAMESPACE,
    HANDLER_NAMESPACE,
    Stack,
    StackOptions,
    TemporalServer,
    running_stack,
)
from tests.integration.caller import Caller

RIVALS = "rivals"
"""Another tenant's namespace; it may call what the first one may, but for what is behind the endpoint ``window``."""

STRICT_ISSUER = "https://strict.issuer.test"
"""An issuer whose tokens need permissions, beside a rule."""


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """A directory for the session's stack."""
    with TemporaryDirectory(prefix="nexus-gateway-tests-") as made:
        yield Path(made)


@pytest_asyncio.fixture(scope="session")
async def stack(directory: Path) -> AsyncIterator[Stack]:
    """A Temporal server, a collector, a worker and the gateway, with all plugins of this project and of the tests."""
    async with running_stack(options(directory)) as running:
        yield running


@pytest_asyncio.fixture
async def own_stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack that the test may take apart; Temporal's data outlive its process."""
    async with running_stack(options(tmp_path, database=tmp_path / "temporal.db")) as running:
        yield running


@pytest.fixture(scope="session")
def temporal(stack: Stack) -> TemporalServer:
    """The stack's Temporal server, with a namespace for handlers and one for callers."""
    assert stack.temporal is not None
    return stack.temporal


@pytest_asyncio.fixture(scope="session")
async def handlers(stack: Stack) -> Client:
    """A Temporal client of the namespace that operations run in."""
    return await Client.connect(
        stack.temporal_address, namespace=HANDLER_NAMESPACE, data_converter=pydantic_data_converter
    )


@pytest_asyncio.fixture(scope="session")
async def callers(stack: Stack) -> Client:
    """A Temporal client of the namespace that calling workflows run in."""
    return await Client.connect(
        stack.temporal_address, namespace=CALLER_NAMESPACE, data_converter=pydantic_data_converter
    )


@pytest_asyncio.fixture(scope="session")
async def http() -> AsyncIterator[ClientSession]:
    """An HTTP client."""
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture(scope="session")
def orders(stack: Stack, http: ClientSession) -> Caller:
    """A caller at the endpoint ``orders``."""
    return Caller(http, stack.gateway.endpoint_url("orders"), stack.token())


@pytest.fixture(scope="session")
def echo(stack: Stack, http: ClientSession) -> Caller:
    """A caller at the endpoint ``echo``."""
    return Caller(http, stack.gateway.endpoint_url("echo"), stack.token())


@pytest.fixture(scope="session")
def probe(stack: Stack, http: ClientSession) -> Caller:
    """A caller at the endpoint ``probe``."""
    return Caller(http, stack.gateway.endpoint_url("probe"), stack.token())


def options(directory: Path, database: Path | None = None) -> StackOptions:
    """How a stack for tests differs from one for development."""

    def edit(config: dict[str, Any]) -> None:
        config["plugins"] = [f"tests.integration.{name}_plugin:plugin" for name in ("sdk", "probe", "large")]
        _mount(config, "greeting", "greeting.v1")
        _mount(config, "probe", "probe.v1")
        _mount(config, "large", "large.v1")
        _let_fail(config)
        _mount(config, "unlinked", "orders.v1", links=False)
        _admit_rivals(config)
        _open_a_window(config)
        _trust_strict_issuer(config, directory)

    return StackOptions(directory=directory, database=database, edit=edit)


def _mount(config: dict[str, Any], endpoint: str, service: str, **more: object) -> None:
    like_orders = deepcopy(config["endpoints"]["orders"])
    config["endpoints"][endpoint] = {**like_orders, "task_queue": endpoint, "services": [service], **more}


def _let_fail(config: dict[str, Any]) -> None:
    """Open what a development gateway keeps shut, because it fails on demand."""
    for endpoint in config["endpoints"].values():
        del endpoint["deny"]


def _admit_rivals(config: dict[str, Any]) -> None:
    for endpoint in config["endpoints"].values():
        for rule in endpoint["allow"]:
            rule["namespaces"] = [CALLER_NAMESPACE, RIVALS]


def _open_a_window(config: dict[str, Any]) -> None:
    """A second way to the orders, through which only one tenant reaches, and only a part of them."""
    rule = {"namespaces": [CALLER_NAMESPACE], "operations": ["orders.v1/process"], "verbs": ["start", "result"]}
    config["endpoints"]["window"] = {
        **deepcopy(config["endpoints"]["orders"]),
        "services": ["orders.v1", "echo.v1"],
        "allow": [rule],
    }


def _trust_strict_issuer(config: dict[str, Any], directory: Path) -> None:
    files = generate_dev_issuer(directory / "strict")
    config["issuers"].append(
        {
            "issuer": STRICT_ISSUER,
            "audiences": ["nexus-gateway"],
            "algorithms": ["ES256"],
            "jwks_file": str(files.jwks_file),
            "dev_signing_key_file": str(files.signing_key_file),
            "require_permissions": True,
        }
    )
