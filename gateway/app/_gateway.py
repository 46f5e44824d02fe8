"""The gateway as a whole: its parts, its two listeners, and the order in which they come and go."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from gateway.app._api import Api
from gateway.app._background import Background
from gateway.app._bulk import bulk_permit
from gateway.app._certificates import ServerCertificate
from gateway.app._core import Core, Sockets, core
from gateway.app._limits import connection_limits
from gateway.app._live import Live
from gateway.app._nexus import Nexus
from gateway.app._observing import observed
from gateway.app._readiness import SetUpNotices, key_notices, readiness
from gateway.app._stopping import stop_signals
from gateway.app._watching import watching
from gateway.web import admin_app, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from aiohttp import web

    from gateway.app._live import ConfigSource
    from gateway.app._watching import Watch
    from gateway.settings import LimitSettings, Settings

_logger = logging.getLogger("gateway")

# Of the time to drain. Starts take theirs twice: to end, and to end once they are cut off. What is left is for
# callbacks that are being delivered, for closing connections, and for telemetry to be sent.
_REQUESTS_SHARE = 0.7
_STARTS_SHARE = 0.05
_ADMIN_SHARE = 0.05


async def serve(
    settings: Settings, environ: Mapping[str, str], sockets: Sockets, source: ConfigSource | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then drain: within ``limits.drain`` everything under way has ended.

    With a ``source`` the configuration is taken over again when it changes.

    Raises:
        SettingsError: the configuration asks for what cannot be had.
        PluginError: a plugin does not load.
        RegistryError: an endpoint lists a service that no plugin offers.
        LeftBehind: a worker did not end when it was time to stop; everything else has.
    """
    with stop_signals() as stop:
        async with (
            observed(settings, environ) as telemetry,
            core(settings, environ, sockets, telemetry, stop) as parts,
            _listening(parts, environ, sockets, source),
        ):
            host, port = sockets.public.getsockname()[:2]
            _logger.info("listening on %s port %s", host, port)
            await stop.wait()
            _logger.info("stopping: no new requests are taken, those under way are finished")


@asynccontextmanager
async def _listening(
    core: Core, environ: Mapping[str, str], sockets: Sockets, source: ConfigSource | None
) -> AsyncIterator[None]:
    settings, telemetry = core.settings, core.telemetry
    nexus, api = Nexus(core), Api(core)

    def put_in_force(limits: LimitSettings) -> None:
        nexus.put_in_force(limits)
        api.put_in_force(limits)

    live = Live(
        settings,
        source=source,
        authenticator=core.authenticator,
        authorizer=core.authorizer,
        telemetry=telemetry,
        put_limits_in_force=put_in_force,
    )
    live.load()
    certificate = None if settings.server.tls is None else ServerCertificate(settings.server.tls)
    certificates = [] if certificate is None else [certificate.watched()]
    drain = settings.limits.drain.total_seconds()
    serve_on = partial(listening, limits=connection_limits(settings.limits), proxies=core.proxies)
    async with AsyncExitStack() as stack:
        watch = await stack.enter_async_context(watching([*live.watched(), *certificates], telemetry))
        if sockets.admin is not None:
            await stack.enter_async_context(
                serve_on(_admin(core, watch, live), sockets.admin, drain=drain * _ADMIN_SHARE)
            )
        permit = bulk_permit(settings, core.sealer, core.authenticator, core.authorizer)
        background = Background(
            settings, environ, telemetry, core.draining, courier=core.outbound.courier, permit=permit
        )
        await stack.enter_async_context(background.running())
        # Last in, first out: the public listener closes while everything behind it still works.
        stack.push_async_callback(core.starts.drain, drain * _STARTS_SHARE)
        tls = None if certificate is None else certificate.context
        public = nexus.edge.application(api.add_routes)
        await stack.enter_async_context(serve_on(public, sockets.public, drain=drain * _REQUESTS_SHARE, tls=tls))
        yield


def _admin(core: Core, watch: Watch, live: Live) -> web.Application:
    set_up = SetUpNotices(core.engines, core.mounted)
    ready = partial(readiness, core.authenticator, core.registry, core.engines, core.mounted, core.draining)
    return admin_app(
        readiness=set_up.beside(ready),
        metrics=core.telemetry.prometheus,
        notices=lambda: {
            **key_notices(core.authenticator),
            **watch.trouble(),
            **live.notices(),
            **set_up.last(),
        },
    )
