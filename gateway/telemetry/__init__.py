"""Traces, metrics and logs: the only room beside the engines that knows OpenTelemetry."""

from gateway.telemetry._logs import JsonLines, configure_logging
from gateway.telemetry._metrics import OTHER
from gateway.telemetry._spans import ClientSpan, RequestSpan, request_id
from gateway.telemetry._telemetry import Telemetry

__all__ = ("OTHER", "ClientSpan", "JsonLines", "RequestSpan", "Telemetry", "configure_logging", "request_id")
