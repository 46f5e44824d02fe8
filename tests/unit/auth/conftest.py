"""One issuer with its key file, and an authenticator that has loaded it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.auth import Authenticator
from tests.unit.auth.signing import Signer, key_set, policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer.create()


@pytest.fixture
def keys_file(tmp_path: Path, signer: Signer) -> Path:
    file = tmp_path / "jwks.json"
    file.write_text(key_set(signer.jwk()))
    return file


@pytest.fixture
async def authenticator(keys_file: Path) -> AsyncIterator[Authenticator]:
    async with Authenticator([policy(keys_file)]) as entered:
        yield entered
