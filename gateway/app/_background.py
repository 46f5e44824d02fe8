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

from gateway.app._bulk import bulk_places, bulk_plan
from gateway.app._connections import clients_at
from gateway.app._deliveries import delivering_places, delivery_plan, outbound
from gateway.app._stopping import Stopping, cut_off_by, ended
from gateway.engines.temporal import run_workers
from gateway.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from temporalio.client import Client

    from gateway.app._connections import Place
    from gateway.completions import Courier
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
    """The work of one process, until ``stop``; without a ``courier`` it delivers nothing."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        telemetry: Telemetry,
        courier: Courier | None,
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._telemetry = telemetry
        self._courier = courier
        self._stop = stop
        self._delivering = frozenset(delivering_places(settings) if courier is not None else ())
        self._bulk = frozenset(bulk_places(settings))

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
        if place in self._bulk:
            plans.append(bulk_plan(self._settings, client, place))
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
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry, stop: asyncio.Event
) -> None:
    """Work in a process that is no gateway; without the token keys it delivers nothing."""
    if delivering_places(settings):
        own_urls = [settings.server.public_url] if settings.server.public_url else []
        try:
            async with outbound(settings, environ, telemetry, own_urls=own_urls) as outgoing:
                return await Background(settings, environ, telemetry, outgoing.courier, stop).run()
        except SettingsError as error:
            _logger.warning("callbacks that wait are left to the gateways: %s", error)
    return await Background(settings, environ, telemetry, None, stop).run()
