"""What ``/readyz`` says: whether the gateway can do its work, and what an operator should know although it can."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.auth import Authenticator
    from gateway.engines import Engine
    from gateway.model import Endpoint
    from gateway.registry import Registry
    from gateway.web import Readiness


async def readiness(
    authenticator: Authenticator,
    registry: Registry,
    engines: Mapping[str, Engine],
    mounted: Sequence[Endpoint],
    draining: asyncio.Event,
) -> Mapping[str, str | None]:
    """Each thing that has to be well, and what is wrong with it; None where nothing is."""
    if draining.is_set():
        # A load balancer is to send its requests elsewhere; what else is well or not is of no interest any more.
        return {"gateway": "is stopping"}
    keys = {f"keys {name}": reason for name, reason in authenticator.status().items()}
    checks = {name: reason for name, reason in keys.items() if name not in key_notices(authenticator)}
    checks["plugins"] = None if registry.endpoints() else "no endpoint is mounted"
    reports = await asyncio.gather(
        *(
            engine.check([endpoint for endpoint in mounted if endpoint.engine == name])
            for name, engine in engines.items()
        )
    )
    for report in reports:
        checks.update(report)
    return checks


def key_notices(authenticator: Authenticator) -> Mapping[str, str]:
    """The checks of issuers whose tokens cannot be verified, while those of another one can.

    One provider that is away must not take the callers of the others along; without keys at all nobody can be served.
    """
    status = authenticator.status()
    if None not in status.values():
        return {}
    return {f"keys {name}": f"its callers are refused: {reason}" for name, reason in status.items() if reason}


class SetUpNotices:
    """What an operator should know although everything but lists works; as of the last look."""

    def __init__(self, engines: Mapping[str, Engine], mounted: Sequence[Endpoint]) -> None:
        self._engines = engines
        self._mounted = mounted
        self._found: Mapping[str, str] = {}

    def last(self) -> Mapping[str, str]:
        """By engine and namespace."""
        return self._found

    def beside(self, readiness: Readiness) -> Readiness:
        """The readiness check, with a look at this after it."""

        async def both() -> Mapping[str, str | None]:
            checks = await readiness()
            await self._look()
            return checks

        return both

    async def _look(self) -> None:
        found: dict[str, str] = {}
        for name, engine in self._engines.items():
            namespaces = sorted({endpoint.namespace for endpoint in self._mounted if endpoint.engine == name})
            for namespace, missing in (await engine.operations.missing(namespaces)).items():
                if missing:
                    found[f"engine {name} namespace {namespace}"] = (
                        f"operations cannot be listed: the search attributes {', '.join(missing)} are not registered;"
                        " run nexus-gateway setup"
                    )
        self._found = found
