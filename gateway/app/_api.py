"""Puts ``/api/v1`` together: the operations resource on the parts that the Nexus interface stands on, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.app._limits import api_limits, shown_limits
from gateway.app._observing import VERSION
from gateway.discovery import OpenApi, Services
from gateway.operations import Access, Actions, Bulk, Events, Queries
from gateway.web import DiscoveryViews, OperationsViews, api_middleware, with_version

if TYPE_CHECKING:
    from gateway.app._core import Core
    from gateway.settings import LimitSettings
    from gateway.web import ApiLimits

API_PREFIX: Final = "/api/v1"
"""Where the API is."""


class Api:
    """The API on the parts of a running gateway."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._limits = core.settings.limits

    def put_in_force(self, limits: LimitSettings) -> None:
        """Hold requests from now on to other limits."""
        self._limits = limits

    def add_routes(self, app: web.Application) -> None:
        """Add the API to the public listener's application."""
        core = self._core
        access = Access(
            callers=core.callers,
            authorizer=core.authorizer,
            registry=core.registry,
            engines=core.engines,
            sealer=core.sealer,
            auditor=core.auditor,
        )
        queries, actions = Queries(access, core.sealer), Actions(access, core.starts)
        bulk = Bulk(access, core.sealer, core.starts)
        views = OperationsViews(
            access=access,
            queries=queries,
            actions=actions,
            bulk=bulk,
            events=Events(access, core.draining, limit=self._limits.long_polls),
            limits=self._in_force,
        )
        middleware = api_middleware(core.telemetry, core.engines, self._in_force, core.proxies)
        discovery = self._discovery(access)
        api = web.Application(middlewares=[middleware])
        api.on_response_prepare.append(with_version)
        views.add_routes(api)
        discovery.add_api_routes(api)
        discovery.add_public_routes(app, middleware)
        app.add_subapp(API_PREFIX, api)

    def _discovery(self, access: Access) -> DiscoveryViews:
        services = Services(self._core.registry, self._core.authorizer, lambda: shown_limits(self._limits))
        openapi = OpenApi(
            services,
            version=VERSION,
            public_url=self._core.public_url,
            anonymous=self._core.settings.server.anonymous_discovery,
        )
        return DiscoveryViews(access=access, services=services, openapi=openapi)

    def _in_force(self) -> ApiLimits:
        return api_limits(self._limits)
