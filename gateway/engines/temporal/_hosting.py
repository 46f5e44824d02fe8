"""Runs Temporal's Nexus operation handlers outside a Temporal worker.

The handlers find their client, task queue and callback in context variables that only a worker sets, by names that the
SDK keeps private. Every private name of the SDK that the gateway uses is in this file, and
``tests/unit/engines/test_sdk_drift.py`` fails when a release of the SDK changes one of them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING

import temporalio.client
import temporalio.common
import temporalio.nexus
from nexusrpc.handler import StartOperationContext
from temporalio.api.common.v1 import Link as TemporalLink
from temporalio.nexus import _operation_context as _sdk_context
from temporalio.nexus._link_conversion import nexus_link_to_temporal_link, temporal_link_to_nexus_link
from temporalio.nexus._token import OperationToken, OperationTokenType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nexusrpc import Link
    from nexusrpc.handler import CancelOperationContext
    from temporalio.api.history.v1 import HistoryEvent

    from gateway.model import Endpoint

__all__ = (
    "Host",
    "OperationToken",
    "OperationTokenType",
    "is_backing_start",
    "is_link_of_temporal",
    "link_to_activity",
    "link_to_event",
    "nexus_links_of",
    "run_id_of_link",
)


class Host:
    """Sets up the tasks that handlers run in; one for a process."""

    def __init__(self) -> None:
        # Handlers can wait for the shutdown of their worker. A gateway lets them end by their deadline instead.
        self._shutdown = temporalio.common._CompositeEvent(  # noqa: SLF001
            thread_event=threading.Event(), async_event=asyncio.Event()
        )
        self._meter = temporalio.common.MetricMeter.noop
        # The SDK warns of each link that it cannot use, with the URL: a caller's text, as often as a caller likes.
        logging.getLogger(nexus_link_to_temporal_link.__module__).setLevel(logging.ERROR)

    def enter(
        self,
        endpoint: Endpoint,
        context: StartOperationContext | CancelOperationContext,
        client: temporalio.client.Client,
    ) -> None:
        """Make ``temporalio.nexus.client()``, ``info()`` and the context's own methods work in the current task.

        The SDK's contexts can be set but not reset, so each call needs an asyncio task, and with it a context, of its
        own.
        """
        kind = (
            _sdk_context._TemporalStartOperationContext  # noqa: SLF001
            if isinstance(context, StartOperationContext)
            else _sdk_context._TemporalCancelOperationContext  # noqa: SLF001
        )
        kind(
            nexus_context=context,  # type: ignore[arg-type] # the kind that goes with it
            client=client,
            info=partial(self._info, endpoint),
            _runtime_metric_meter=self._meter,
            _worker_shutdown_event=self._shutdown,
        ).set()

    def _info(self, endpoint: Endpoint) -> temporalio.nexus.Info:
        return temporalio.nexus.Info(
            endpoint=endpoint.name, namespace=endpoint.namespace, task_queue=endpoint.task_queue
        )


def is_backing_start() -> bool:
    """Whether what is being started is the operation itself, and not something beside it."""
    return _sdk_context._in_nexus_backing_start_context()  # noqa: SLF001


def is_link_of_temporal(link: Link) -> bool:
    """Whether the SDK can attach this link to a workflow; it raises on links that only look like Temporal's."""
    try:
        return nexus_link_to_temporal_link(link) is not None
    except Exception:  # noqa: BLE001 - the converter raises whatever its parsing meets; the link is a caller's text
        return False


def run_id_of_link(link: Link) -> str | None:
    """The run that a link of Temporal's points at, or None for any other link."""
    try:
        converted = nexus_link_to_temporal_link(link)
    except Exception:  # noqa: BLE001 - as above
        return None
    match converted.WhichOneof("variant") if converted is not None else None:
        case "workflow_event":
            return converted.workflow_event.run_id or None  # type: ignore[union-attr]
        case "workflow":
            return converted.workflow.run_id or None  # type: ignore[union-attr]
        case "activity":
            return converted.activity.run_id or None  # type: ignore[union-attr]
        case _:
            return None


def link_to_event(namespace: str, workflow_id: str, run_id: str, event: HistoryEvent) -> TemporalLink:
    """A link to an event of a run."""
    return TemporalLink(
        workflow_event=TemporalLink.WorkflowEvent(
            namespace=namespace,
            workflow_id=workflow_id,
            run_id=run_id,
            event_ref=TemporalLink.WorkflowEvent.EventReference(event_id=event.event_id, event_type=event.event_type),
        )
    )


def link_to_activity(namespace: str, activity_id: str, run_id: str) -> TemporalLink:
    """A link to a run of an activity that stands alone."""
    return TemporalLink(activity=TemporalLink.Activity(namespace=namespace, activity_id=activity_id, run_id=run_id))


def nexus_links_of(links: Iterable[TemporalLink]) -> tuple[Link, ...]:
    """Temporal's links as Nexus has them, each once; those that Nexus has no form for are left out."""
    converted = map(temporal_link_to_nexus_link, links)
    return tuple(dict.fromkeys(link for link in converted if link is not None))
