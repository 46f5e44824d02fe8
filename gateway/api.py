"""Puts ``/api/v1`` together: the operations resource on the parts that the Nexus interface stands on, too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.discovery import OpenApi, Services
from gateway.operations import Access, Actions, Bulk, Events, Queries
from gateway.web import DiscoveryViews, OperationsViews, api_middleware, with_version

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping, Sequence

    from gateway.auth import Auditor, Authenticator, Authorizer
    from gateway.engines import Engine
    from gateway.model import Endpoint
    from gateway.registry import Registry
    from gateway.settings import LimitSettings
    from gateway.telemetry import Telemetry
    from gateway.tokens import TokenSealer
    from gateway.web import Readiness

API_PREFIX: Final = "/api/v1"
"""Where the API is."""


@dataclass(frozen=True, kw_only=True)
class Api:
    """What the API needs of a running gateway."""

    authenticator: Authenticator
    authorizer: Authorizer
    auditor: Auditor
    registry: Registry
    engines: Mapping[str, Engine]
    sealer: TokenSealer
    telemetry: Telemetry
    limits: LimitSettings
    version: str
    public_url: str
    draining: asyncio.Event

    def add_routes(self, app: web.Application) -> None:
        """Add the API to the public listener's application."""
        access = Access(
            authenticator=self.authenticator,
            authorizer=self.authorizer,
            registry=self.registry,
            engines=self.engines,
            sealer=self.sealer,
            telemetry=self.telemetry,
            auditor=self.auditor,
        )
        queries, actions = Queries(access, self.sealer), Actions(access, self.sealer)
        bulk = Bulk(access=access, queries=queries, actions=actions, sealer=self.sealer)
        views = OperationsViews(
            access=access,
            queries=queries,
            actions=actions,
            bulk=bulk,
            events=Events(access, self.draining, limit=self.limits.long_polls),
            body_bytes=self.limits.body,
        )
        middleware = api_middleware(
            self.telemetry, self.engines, self.limits.header_bytes, self.limits.request_timeout.total_seconds()
        )
        discovery = self._discovery(access)
        api = web.Application(middlewares=[middleware])
        api.on_response_prepare.append(with_version)
        views.add_routes(api)
        discovery.add_api_routes(api)
        discovery.add_public_routes(app, middleware)
        app.add_subapp(API_PREFIX, api)
        app.on_shutdown.append(lambda _: bulk.close())

    def _discovery(self, access: Access) -> DiscoveryViews:
        limits = {
            "body_bytes": self.limits.body,
            "header_bytes": self.limits.header_bytes,
            "request_timeout_seconds": self.limits.request_timeout.total_seconds(),
            "max_request_timeout_seconds": self.limits.max_request_timeout.total_seconds(),
            "result_wait_seconds": self.limits.result_wait.total_seconds(),
        }
        services = Services(self.registry, self.authorizer, limits)
        openapi = OpenApi(services, version=self.version, public_url=self.public_url)
        return DiscoveryViews(access=access, services=services, openapi=openapi)


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
