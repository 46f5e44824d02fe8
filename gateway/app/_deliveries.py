"""Completion callbacks, put together from the configuration: who delivers, and where what has to wait is kept."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from gateway.app._connections import Place, clients_at
from gateway.completions import (
    AllowRule,
    Courier,
    DestinationPolicy,
    Envelopes,
    Lanes,
    OwnAddresses,
    Sender,
    Signer,
    SigningKey,
    derived_signing_keys,
)
from gateway.engines.temporal import (
    DeliverCallback,
    DeliveryActivities,
    DeliveryTerms,
    TemporalDeliveries,
    TemporalDeliveryBook,
    WorkerPlan,
    run_workers,
)
from gateway.settings import SettingsError, signing_seeds, token_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from temporalio.client import Client

    from gateway.settings import Settings
    from gateway.telemetry import Telemetry

_logger = logging.getLogger("gateway.completions")

_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """What sends completions out of this process."""

    policy: DestinationPolicy
    courier: Courier
    envelopes: Envelopes
    signer: Signer


@asynccontextmanager
async def outbound(
    settings: Settings,
    environ: Mapping[str, str],
    telemetry: Telemetry,
    *,
    own_urls: Iterable[str] = (),
    own_addresses: Iterable[tuple[str, int]] = (),
) -> AsyncIterator[Outbound]:
    """A courier by the settings' rules, which delivers nothing to the gateway's ``own_urls`` and ``own_addresses``.

    Raises:
        SettingsError: a key's variable is missing or does not hold a key.
    """
    callbacks = settings.callbacks
    keys = token_keys(settings, environ)
    seeds = signing_seeds(settings, environ)
    signer = Signer([SigningKey(id=name, seed=seed) for name, seed in seeds.items()] or derived_signing_keys(keys))
    own, envelopes = OwnAddresses(own_addresses), Envelopes(keys)
    policy = DestinationPolicy(_rules(settings), list(own_urls), own)
    async with Sender(callbacks.attempt_timeout.total_seconds(), own=own) as sender:
        courier = Courier(
            policy=policy,
            lanes=Lanes(room=callbacks.concurrency),
            sender=sender,
            signer=signer,
            envelopes=envelopes,
            telemetry=telemetry,
        )
        yield Outbound(policy=policy, courier=courier, envelopes=envelopes, signer=signer)


def delivery_places(settings: Settings) -> Sequence[Place]:
    """Every engine and namespace in which deliveries may wait."""
    kept_at = _kept_at(settings)
    if kept_at is not None:
        return [kept_at]
    return list(dict.fromkeys((endpoint.engine, endpoint.namespace) for endpoint in settings.endpoints.values()))


def delivery_queue(settings: Settings, clients: Mapping[Place, Client]) -> TemporalDeliveries:
    """The queue, over clients for at least ``delivery_places``."""
    delivery = settings.callbacks.delivery
    terms = DeliveryTerms(
        task_queue=delivery.task_queue,
        max_age=delivery.max_age,
        max_interval=delivery.max_interval,
        attempt_timeout=settings.callbacks.attempt_timeout,
    )
    return TemporalDeliveries(clients, _kept_at(settings), terms)


@asynccontextmanager
async def delivery_books(
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry
) -> AsyncIterator[Sequence[TemporalDeliveryBook]]:
    """The books of all places where deliveries wait.

    Raises:
        SettingsError: an engine cannot be reached or its options do not fit.
    """
    async with clients_at(delivery_places(settings), settings, environ, telemetry, lazy=False) as clients:
        yield [TemporalDeliveryBook(client) for client in clients.values()]


@asynccontextmanager
async def delivering(
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry, courier: Courier, stop: asyncio.Event
) -> AsyncIterator[None]:
    """Work through what waits while the block runs; at its end, finish what is under way if ``stop`` is set."""
    task = asyncio.create_task(deliver(settings, environ, telemetry, courier, stop))
    try:
        yield
    finally:
        if not stop.is_set():
            # Something else went wrong, and nobody will say stop.
            task.cancel()
        await asyncio.wait({task})


async def deliver(
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry, courier: Courier, stop: asyncio.Event
) -> None:
    """Work through what waits, until ``stop``; an engine that is away is waited for."""
    while delivers(settings) and not stop.is_set():
        try:
            async with clients_at(delivery_places(settings), settings, environ, telemetry, lazy=False) as clients:
                await _run_workers(settings, clients, DeliveryActivities(courier), stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, what waits is kept, and it is tried again
            _logger.warning("callbacks that wait are not delivered now: %s", _cause(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _PAUSE_SECONDS)


async def deliver_alone(
    settings: Settings, environ: Mapping[str, str], telemetry: Telemetry, stop: asyncio.Event
) -> None:
    """Work through what waits in a process that is no gateway; without the token keys that is not possible."""
    if not delivers(settings):
        return
    own_urls = [settings.server.public_url] if settings.server.public_url else []
    try:
        async with outbound(settings, environ, telemetry, own_urls=own_urls) as outgoing:
            await deliver(settings, environ, telemetry, outgoing.courier, stop)
    except SettingsError as error:
        _logger.warning("callbacks that wait are left to the gateways: %s", error)


def delivers(settings: Settings) -> bool:
    """Whether this configuration has callbacks at all, and lets this process deliver those that wait."""
    callbacks = settings.callbacks
    return callbacks.delivery.worker and bool(callbacks.allow or callbacks.rules)


async def _run_workers(
    settings: Settings, clients: Mapping[Place, Client], activities: DeliveryActivities, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        for (_, namespace), client in clients.items():
            plan = WorkerPlan(
                namespace=namespace,
                task_queue=settings.callbacks.delivery.task_queue,
                workflows=[DeliverCallback],
                activities=[activities.deliver, activities.bury],
            )
            group.create_task(run_workers({namespace: client}, [plan], stop))


def _cause(error: BaseException) -> BaseException:
    return _cause(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _kept_at(settings: Settings) -> Place | None:
    """The engine and namespace that keep all deliveries, where the configuration names one."""
    delivery = settings.callbacks.delivery
    return None if delivery.namespace is None else (delivery.engine or next(iter(settings.engines)), delivery.namespace)


def _rules(settings: Settings) -> Sequence[AllowRule]:
    return [
        AllowRule(urls=settings.callbacks.allow),
        *(
            AllowRule(
                urls=rule.allow,
                networks=tuple(map(ip_network, rule.networks)),
                issuers=rule.issuers,
                namespaces=rule.namespaces,
                endpoints=rule.endpoints,
            )
            for rule in settings.callbacks.rules
        ),
    ]
