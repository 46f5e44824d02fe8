"""What runs beside the requests: callbacks that wait are delivered, and bulk jobs are worked through.

Both are workflows, so whoever is there goes on with them: every gateway, and every worker. An engine that is away is
waited for, and a namespace that cannot be worked in keeps no other from it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.app._bulk import bulk_permit, bulk_places, bulk_plan
from gateway.app._connections import clients_at
from gateway.app._deliveries import delivering_places, delivery_plan, outbound
from gateway.app._live import Live
from gateway.app._stopping import Stopping, cut_off_by, ended
from gateway.app._watching import watching
from gateway.auth import Authenticator, Authorizer
from gateway.engines.temporal import run_workers
from gateway.settings import SettingsError, endpoints, issuer_policies, permission_issuers, token_keys
from gateway.tokens import TokenSealer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from temporalio.client import Client

    from gateway.app._connections import Place
    from gateway.app._live import ConfigSource
    from gateway.completions import Courier
    from gateway.engines import Permit
    from gateway.engines.temporal import WorkerPlan
    from gateway.settings import Settings
    from gateway.telemetry import Telemetry

_logger = logging.getLogger("gateway.background")

_PAUSE_SECONDS: Final = 5.0
_DRAIN_SHARE: Final = 0.85


def grace(settings: Settings) -> float:
    """Seconds that workers have to end once the process is to stop; the rest is for what closes after them."""
    return settings.limits.drain.total_seconds() * _DRAIN_SHARE


class Background:
    """The work of one process, until ``stop``.

    Without a ``courier`` it delivers nothing, and without a ``permit`` it works through no bulk job.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        telemetry: Telemetry,
        stop: asyncio.Event,
        *,
        courier: Courier | None,
        permit: Permit | None,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._telemetry = telemetry
        self._courier = courier
        self._permit = permit
        self._stop = stop
        self._delivering = frozenset(delivering_places(settings) if courier is not None else ())
        self._bulk = frozenset(bulk_places(settings) if permit is not None else ())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs; at its end, finish what is under way if ``stop`` is set.

        For that there is the ``grace`` since ``stop``: an engine that has fallen silent holds up nobody's end.

        Raises:
            LeftBehind: that was not enough.
        """
        task = asyncio.create_task(self.run())
        ending = asyncio.create_task(ended(task, self._stop, grace(self._settings)))
        try:
            yield
        finally:
            if not self._stop.is_set():
                # Something else went wrong, and nobody will say stop.
                task.cancel()
            await asyncio.wait({ending})
        ending.result()

    async def run(self) -> None:
        """Work until ``stop``."""
        places = self._delivering | self._bulk
        async with asyncio.TaskGroup() as group:
            for name in sorted({engine for engine, _ in places}):
                at_engine = [place for place in sorted(places) if place[0] == name]
                group.create_task(self._again_and_again(f"engine {name}", partial(self._at_engine, at_engine)))

    async def _at_engine(self, places: Sequence[Place]) -> None:
        async with AsyncExitStack() as stack:
            async with cut_off_by(self._stop):
                # The SDK waits half a minute for a server that accepts a connection and says nothing.
                connecting = clients_at(places, self._settings, self._environ, self._telemetry, lazy=False)
                clients = await stack.enter_async_context(connecting)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            for place, client in clients.items():
                engine, namespace = place
                work = partial(run_workers, {namespace: client}, self._plans(place, client), self._stop)
                group.create_task(self._again_and_again(f"engine {engine} namespace {namespace}", work))

    def _plans(self, place: Place, client: Client) -> Sequence[WorkerPlan]:
        plans: list[WorkerPlan] = []
        if self._courier is not None and place in self._delivering:
            plans.append(delivery_plan(self._settings, self._courier, place))
        if self._permit is not None and place in self._bulk:
            plans.append(bulk_plan(self._settings, self._permit, client, place))
        return plans

    async def _again_and_again(self, where: str, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            try:
                await work()
            except Stopping:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, what waits is kept, and it is tried again
                _logger.warning("%s: what waits there is not worked on now: %s", where, error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), _PAUSE_SECONDS)


async def background_alone(
    settings: Settings,
    environ: Mapping[str, str],
    telemetry: Telemetry,
    source: ConfigSource | None,
    stop: asyncio.Event,
) -> None:
    """Work in a process that is no gateway; without the token keys there is nothing that it can do.

    It takes over stops, revocations and, with a ``source``, changed rules as a gateway does.
    """
    async with AsyncExitStack() as stack:
        courier, permit = None, None
        try:
            if delivering_places(settings):
                own_urls = [settings.server.public_url] if settings.server.public_url else []
                outgoing = outbound(settings, environ, telemetry, own_urls=own_urls)
                courier = (await stack.enter_async_context(outgoing)).courier
            if bulk_places(settings):
                permit = await stack.enter_async_context(_permit(settings, environ, telemetry, source))
        except SettingsError as error:
            _logger.warning("not all that waits is worked on here, the gateways do: %s", error)
        await Background(settings, environ, telemetry, stop, courier=courier, permit=permit).run()


@asynccontextmanager
async def _permit(
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry, source: ConfigSource | None
) -> AsyncIterator[Permit]:
    """What bulk jobs are asked by, kept as the files say.

    Raises:
        SettingsError: a key's variable is missing or does not hold a key, or a file is missing or no good.
    """
    sealer = TokenSealer(token_keys(settings, environ))
    async with Authenticator(issuer_policies(settings)) as authenticator:
        authorizer = Authorizer(endpoints(settings), permission_issuers(settings))
        live = Live(
            settings,
            source=source,
            authenticator=authenticator,
            authorizer=authorizer,
            telemetry=telemetry,
            put_limits_in_force=lambda _: None,
        )
        live.load()
        async with watching([*live.watched()], telemetry):
            yield bulk_permit(settings, sealer, authenticator, authorizer)
