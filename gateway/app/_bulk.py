"""Bulk jobs, put together from the configuration: on which terms, where, and who works through them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gateway.engines.temporal import BulkActivities, BulkTerms, RunBulkJob, TemporalEngine, WorkerPlan
from gateway.operations import Permits
from gateway.settings import endpoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio.client import Client

    from gateway.app._connections import Place
    from gateway.auth import Authenticator, Authorizer
    from gateway.engines import Permit
    from gateway.settings import Settings
    from gateway.tokens import TokenSealer

# Somebody looks at how far a job is, and expects it to end when it is canceled.
_HEARTBEATS: Final = timedelta(seconds=1)


def bulk_terms(settings: Settings) -> BulkTerms:
    """How jobs are worked through that this configuration starts."""
    bulk = settings.bulk
    return BulkTerms(task_queue=bulk.task_queue, chunk=bulk.chunk, pause=bulk.pause.total_seconds())


def bulk_places(settings: Settings) -> Sequence[Place]:
    """Every engine and namespace whose jobs this process works through: those that operations run in."""
    places = ((endpoint.engine, endpoint.namespace) for endpoint in settings.endpoints.values())
    return list(dict.fromkeys(places)) if settings.bulk.worker else []


def bulk_permit(
    settings: Settings, sealer: TokenSealer, authenticator: Authenticator, authorizer: Authorizer
) -> Permit:
    """What jobs are asked by whether they may go on."""
    return Permits(sealer, authenticator, authorizer, endpoints(settings))


def bulk_plan(settings: Settings, permit: Permit, client: Client, place: Place) -> WorkerPlan:
    """What works through the jobs of one place, over a client of its namespace."""
    engine, namespace = place
    operations = TemporalEngine(engine, {namespace: client}).operations
    activities = BulkActivities(operations, permit, namespace)
    return WorkerPlan(
        namespace=namespace,
        task_queue=settings.bulk.task_queue,
        workflows=[RunBulkJob],
        activities=[activities.find, activities.act],
        activities_at_a_time=settings.bulk.jobs,
        heartbeats=_HEARTBEATS,
    )
