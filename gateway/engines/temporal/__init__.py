"""Temporal as the engine: unmodified Nexus operation handlers of its SDK, and their workflows."""

from gateway.engines.temporal._client import TemporalOptions, connected
from gateway.engines.temporal._engine import TemporalEngine
from gateway.engines.temporal._worker import WorkerPlan, run_workers

__all__ = ("TemporalEngine", "TemporalOptions", "WorkerPlan", "connected", "run_workers")
