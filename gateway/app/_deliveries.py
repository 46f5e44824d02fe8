"""Completion callbacks, put together from the configuration: who delivers, and where what has to wait is kept."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING

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
)
from gateway.settings import signing_seeds, token_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from temporalio.client import Client

    from gateway.settings import Settings
    from gateway.telemetry import Telemetry


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


def delivering_places(settings: Settings) -> Sequence[Place]:
    """Where this process delivers what waits; nowhere, where there are no callbacks or others are to deliver them."""
    callbacks = settings.callbacks
    wanted = callbacks.delivery.worker and (callbacks.allow or callbacks.rules)
    return delivery_places(settings) if wanted else []


def delivery_plan(settings: Settings, courier: Courier, place: Place) -> WorkerPlan:
    """What delivers that which waits at one place."""
    activities = DeliveryActivities(courier)
    return WorkerPlan(
        namespace=place[1],
        task_queue=settings.callbacks.delivery.task_queue,
        workflows=[DeliverCallback],
        activities=[activities.deliver, activities.bury],
    )


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
