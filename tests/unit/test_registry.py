"""Mounting: which operations an endpoint has, and which it has not."""

import pytest
from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import (
    MiddlewareSafeOperationHandler,
    OperationContext,
    OperationHandlerMiddleware,
    StartOperationContext,
    service_handler,
    sync_operation,
)

from gateway.model import Endpoint, OperationAddress
from gateway.plugins import HandlerPlugin, LoadedPlugin
from gateway.plugins._soundness import open_service
from gateway.registry import Registry, RegistryError
from tests.unit.calls import start


@service_handler(name="greeting.v1")
class Greeting:
    @sync_operation
    async def hello(self, _ctx: StartOperationContext, name: str) -> str:
        return f"hello {name}"

    @sync_operation(name="good bye")
    async def bye(self, _ctx: StartOperationContext, name: str) -> str:
        return f"bye {name}"


@service_handler(name="secret.v1")
class Secret:
    @sync_operation
    async def tell(self, _ctx: StartOperationContext, _nothing: None) -> str:
        return "sesame"


def loaded(*services: object) -> LoadedPlugin:
    opened = {service.service.name: service for service in map(open_service, services)}
    return LoadedPlugin(origin="plugin 'test'", plugin=HandlerPlugin(services=services), services=opened)


def endpoint(name: str, *services: str) -> Endpoint:
    return Endpoint(name=name, engine="main", namespace="orders", task_queue="orders", services=services)


PLUGINS = (loaded(Greeting()), loaded(Secret()))


async def test_mounts_only_what_is_listed() -> None:
    """A service that is installed but not listed is unknown at the endpoint."""
    mounted = Registry.build(PLUGINS, [endpoint("public", "greeting.v1")]).resolve("public")
    assert mounted is not None
    assert ["greeting.v1"] == list(mounted.services)
    assert mounted.operation("greeting.v1", "hello") is not None
    assert mounted.operation("secret.v1", "tell") is None
    with pytest.raises(HandlerError) as caught:
        await start(mounted.handler, "secret.v1", "tell")
    assert HandlerErrorType.NOT_FOUND is caught.value.type


def test_knows_operations_by_their_public_name() -> None:
    """The name on the wire counts, not the method's."""
    mounted = Registry.build(PLUGINS, [endpoint("public", "greeting.v1")]).resolve("public")
    assert mounted is not None
    definition = mounted.operation("greeting.v1", "good bye")
    assert definition is not None
    assert (str, str) == (definition.input_type, definition.output_type)
    assert mounted.operation("greeting.v1", "bye") is None


def test_an_unknown_endpoint_resolves_to_nothing() -> None:
    """The caller decides what to answer; the registry only says that it is not there."""
    assert Registry.build(PLUGINS, []).resolve("public") is None


def test_names_the_key_of_a_service_that_is_not_installed() -> None:
    """Every such fault at once, with its key and with what there is."""
    endpoints = [endpoint("a", "greeting.v1", "orders.v1"), endpoint("b", "orders.v2")]
    with pytest.raises(RegistryError) as caught:
        Registry.build(PLUGINS, endpoints)
    installed = "(installed services: 'greeting.v1', 'secret.v1')"
    assert (
        f"endpoints.a.services: 'orders.v1' is not installed {installed}",
        f"endpoints.b.services: 'orders.v2' is not installed {installed}",
    ) == caught.value.faults


def test_lists_endpoints_and_operations_in_a_stable_order() -> None:
    """What ``check`` prints does not change from run to run."""
    registry = Registry.build(PLUGINS, [endpoint("b", "secret.v1", "greeting.v1"), endpoint("a", "secret.v1")])
    assert [
        OperationAddress("b", "secret.v1", "tell"),
        OperationAddress("b", "greeting.v1", "good bye"),
        OperationAddress("b", "greeting.v1", "hello"),
        OperationAddress("a", "secret.v1", "tell"),
    ] == [address for mounted in registry.endpoints() for address in mounted.addresses()]


class Noting(OperationHandlerMiddleware):
    """Notes which operations pass through it."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    def intercept(
        self,
        ctx: OperationContext,
        next: MiddlewareSafeOperationHandler,  # noqa: A002 - the name in nexusrpc
    ) -> MiddlewareSafeOperationHandler:
        self.passed.append(ctx.operation)
        return next


async def test_puts_middleware_in_front_of_its_endpoint_alone() -> None:
    """Middleware given for one endpoint does not see another's operations."""
    noting = Noting()
    endpoints = [endpoint("a", "secret.v1"), endpoint("b", "greeting.v1")]
    registry = Registry.build(PLUGINS, endpoints, middleware={"a": [noting]})
    a, b = registry.endpoints()
    assert "sesame" == await start(a.handler, "secret.v1", "tell")
    assert "bye bob" == await start(b.handler, "greeting.v1", "good bye", "bob")
    assert ["tell"] == noting.passed
