"""Temporal as the engine: unmodified Nexus operation handlers of its SDK, and their workflows."""

from gateway.engines.temporal._attributes import ATTRIBUTES
from gateway.engines.temporal._bulk_activities import BulkActivities
from gateway.engines.temporal._bulk_jobs import BulkTerms
from gateway.engines.temporal._bulk_workflow import RunBulkJob
from gateway.engines.temporal._client import TemporalOptions, connected
from gateway.engines.temporal._deliveries import DeliveryTerms, TemporalDeliveries, TemporalDeliveryBook
from gateway.engines.temporal._delivery_workflow import DeliverCallback, DeliveryActivities
from gateway.engines.temporal._engine import TemporalEngine
from gateway.engines.temporal._setup import SetUpFailed, register_attributes
from gateway.engines.temporal._worker import WorkerPlan, run_workers, unfit_for_workers

__all__ = (
    "ATTRIBUTES",
    "BulkActivities",
    "BulkTerms",
    "DeliverCallback",
    "DeliveryActivities",
    "DeliveryTerms",
    "RunBulkJob",
    "SetUpFailed",
    "TemporalDeliveries",
    "TemporalDeliveryBook",
    "TemporalEngine",
    "TemporalOptions",
    "WorkerPlan",
    "connected",
    "register_attributes",
    "run_workers",
    "unfit_for_workers",
)
