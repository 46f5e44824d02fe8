"""The parts a gateway needs around it, as child processes on loopback: for ``demo``, for ``dev`` and for tests.

Each part is an async context manager on ports that are its own, tells a progress callback what it is doing, and ends
with the process that started it, however that ends.
"""

from gateway.devstack._collector import Collector
from gateway.devstack._config import CALLER_NAMESPACE, HANDLER_NAMESPACE
from gateway.devstack._gateway import GatewayServer, GatewayWorker
from gateway.devstack._ports import HOST, Port
from gateway.devstack._process import ChildProcess, Command, DevstackError, PartState, Progress, no_progress
from gateway.devstack._sink import Span, TraceSink
from gateway.devstack._stack import Stack, StackOptions, running_stack
from gateway.devstack._temporal import TemporalServer

__all__ = (
    "CALLER_NAMESPACE",
    "HANDLER_NAMESPACE",
    "HOST",
    "ChildProcess",
    "Collector",
    "Command",
    "DevstackError",
    "GatewayServer",
    "GatewayWorker",
    "PartState",
    "Port",
    "Progress",
    "Span",
    "Stack",
    "StackOptions",
    "TemporalServer",
    "TraceSink",
    "no_progress",
    "running_stack",
)
