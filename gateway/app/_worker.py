"""The worker: a process that runs what the operations start."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from gateway.app._background import background_alone, grace
from gateway.app._connections import clients_at
from gateway.app._observing import observed
from gateway.app._plugins import load_plugins
from gateway.app._stopping import Stopping, cut_off_by, ended, stop_signals
from gateway.engines.temporal import WorkerPlan, run_workers
from gateway.settings import endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.app._live import ConfigSource
    from gateway.model import Endpoint
    from gateway.plugins import LoadedPlugin
    from gateway.settings import Settings


async def work(settings: Settings, environ: Mapping[str, str], source: ConfigSource | None = None) -> None:
    """Run the workflows and activities of the plugins, on the task queues of the endpoints that mount their services.

    With a ``source`` changed rules reach the bulk jobs that are worked through here.

    Raises:
        SettingsError: an engine cannot be reached or its options do not fit.
        PluginError: a plugin does not load.
        LeftBehind: a worker did not end when it was time to stop.
    """
    with stop_signals() as stop, suppress(Stopping):
        async with observed(settings, environ) as telemetry, AsyncExitStack() as stack:
            plugins = load_plugins(settings, environ)
            mounted = endpoints(settings)
            runs = [partial(background_alone, settings, environ, telemetry, source, stop)]
            for name in settings.engines:
                plans = worker_plans([endpoint for endpoint in mounted if endpoint.engine == name], plugins)
                places = [(name, plan.namespace) for plan in plans]
                connecting = clients_at(places, settings, environ, telemetry, lazy=False)
                async with cut_off_by(stop):
                    found = await stack.enter_async_context(connecting)
                clients = {namespace: client for (_, namespace), client in found.items()}
                runs.append(partial(run_workers, clients, plans, stop))
            working = asyncio.gather(*(run() for run in runs))
            await ended(working, stop, grace(settings))
            working.result()


def worker_plans(mounted: Sequence[Endpoint], plugins: Sequence[LoadedPlugin]) -> tuple[WorkerPlan, ...]:
    """One worker for each task queue, with everything that the plugins mounted there bring along."""
    plans: list[WorkerPlan] = []
    for namespace, task_queue in dict.fromkeys((endpoint.namespace, endpoint.task_queue) for endpoint in mounted):
        services = {
            service
            for endpoint in mounted
            if (endpoint.namespace, endpoint.task_queue) == (namespace, task_queue)
            for service in endpoint.services
        }
        here = [loaded.plugin for loaded in plugins if services & loaded.services.keys()]
        workflows = [workflow for plugin in here for workflow in plugin.workflows]
        activities = [activity for plugin in here for activity in plugin.activities]
        if workflows or activities:
            plans.append(
                WorkerPlan(namespace=namespace, task_queue=task_queue, workflows=workflows, activities=activities)
            )
    return tuple(plans)
