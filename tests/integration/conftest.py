"""The real systems that integration tests run against: started once for a session, on ports of their own.

Whoever stops or kills a part of a stack takes ``own_stack``, which is started for that test alone.
"""

from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, ClientTimeout

from gateway.auth import generate_dev_issuer
from gateway.devstack import CALLER_NAMESPACE, Stack, StackOptions, TemporalServer, running_stack

RIVALS = "rivals"
"""Another tenant's namespace; it may call what the first one may."""

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
async def http() -> AsyncIterator[ClientSession]:
    """An HTTP client without any defaults that would reach the gateway."""
    async with ClientSession(timeout=ClientTimeout(total=60)) as session:
        yield session


def options(directory: Path, database: Path | None = None) -> StackOptions:
    """How a stack for tests differs from one for development."""

    def edit(config: dict[str, Any]) -> None:
        _mount_greeting(config)
        _admit_rivals(config)
        _trust_strict_issuer(config, directory)

    return StackOptions(directory=directory, database=database, edit=edit)


def _mount_greeting(config: dict[str, Any]) -> None:
    config["plugins"] = ["tests.integration.sdk_plugin:plugin"]
    config["endpoints"]["greeting"] = {
        **deepcopy(config["endpoints"]["orders"]),
        "task_queue": "greeting",
        "services": ["greeting.v1"],
    }


def _admit_rivals(config: dict[str, Any]) -> None:
    for endpoint in config["endpoints"].values():
        for rule in endpoint["allow"]:
            rule["namespaces"] = [CALLER_NAMESPACE, RIVALS]


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
