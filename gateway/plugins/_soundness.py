"""What a plugin must be for the gateway to serve it: checked when it is loaded, never in the middle of a request."""

from __future__ import annotations

import inspect
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any

from nexusrpc import get_service_definition
from nexusrpc.handler import Handler, OperationHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nexusrpc.handler._core import ServiceHandler

    from gateway.plugins._plugin import HandlerPlugin


class UnsoundError(Exception):
    """A plugin cannot be used; the message says why, and is completed by the plugin's origin."""


def check_parts(plugin: HandlerPlugin) -> None:
    """Check the shape of what a worker would register.

    Raises:
        UnsoundError: A workflow is not a class, or an activity not a callable.
    """
    for workflow in plugin.workflows:
        if not isinstance(workflow, type):
            raise UnsoundError(f"its workflow {workflow!r} is not a class")
    for activity in plugin.activities:
        if not callable(activity):
            raise UnsoundError(f"its activity {activity!r} is not callable")


def open_service(instance: object) -> ServiceHandler:
    """Make the operation handlers of a service handler instance, once, and check each.

    Raises:
        UnsoundError: A class instead of an instance, a class without ``@service_handler``, a factory that fails, or a
            blocking operation.
    """
    if isinstance(instance, type):
        raise UnsoundError(f"{instance.__qualname__} is a class; services takes instances: {instance.__qualname__}()")
    name = type(instance).__qualname__
    if get_service_definition(type(instance)) is None:
        raise UnsoundError(
            f"{name} is not a service handler; decorate the class with @nexusrpc.handler.service_handler"
        )
    try:
        # Nobody uses this executor. With one, nexusrpc opens blocking handlers too, and they can be named below.
        (service,) = Handler([instance], executor=Executor()).service_handlers.values()
    except Exception as error:
        raise UnsoundError(
            f"{name} cannot be opened: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    blocking = tuple(_blocking(service))
    if blocking:
        methods = ", ".join(f"{name}.{method}" for method in blocking)
        raise UnsoundError(f"{methods}: a blocking operation; write it with 'async def', one thread serves all callers")
    return service


def check_exposed(plugin: HandlerPlugin, services: Mapping[str, ServiceHandler]) -> None:
    """Check that what is exposed is of operations that there are, and named once.

    Raises:
        UnsoundError: It is not.
    """
    for (service, operation), exposed in plugin.exposes.items():
        handler = services.get(service)
        if handler is None or operation not in handler.service.operation_definitions:
            raise UnsoundError(f"exposes something of {service!r}/{operation!r}, which it does not offer")
        names = [(one.kind, one.name) for one in exposed]
        if len(set(names)) < len(names):
            raise UnsoundError(f"exposes something of {service!r}/{operation!r} twice")


def _blocking(service: ServiceHandler) -> Iterator[str]:
    for operation, definition in service.service.operation_definitions.items():
        handler: OperationHandler[Any, Any] = service.operation_handlers[operation]
        if not (_is_async(handler.start) and _is_async(handler.cancel)):
            yield definition.method_name


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
