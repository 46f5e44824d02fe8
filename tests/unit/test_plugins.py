"""Discovery of plugins: from what is installed and what is configured to what can be served."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from nexusrpc.handler import (
    CancelOperationContext,
    OperationHandler,
    StartOperationContext,
    StartOperationResultAsync,
    operation_handler,
    service_handler,
    sync_operation,
)

from gateway.model import Principal
from gateway.plugins import (
    HandlerPlugin,
    LoadedPlugin,
    NoCallerError,
    PluginContext,
    PluginError,
    caller,
    calling,
    discover_plugins,
)

_CONTEXT = PluginContext(service_name="test", endpoints=("orders",), environ={"COLOUR": "red"})


@service_handler(name="greeting.v1")
class Greeting:
    @sync_operation
    async def hello(self, _ctx: StartOperationContext, name: str) -> str:
        return f"hello {name}"


@service_handler(name="greeting.v1")
class OtherGreeting:
    @sync_operation
    async def hello(self, _ctx: StartOperationContext, name: str) -> str:
        return f"good day {name}"


@service_handler(name="blocking.v1")
class Blocking:
    @sync_operation
    def nap(self, _ctx: StartOperationContext, seconds: float) -> float:
        return seconds

    @sync_operation
    async def hello(self, _ctx: StartOperationContext, name: str) -> str:
        return name


class BlockingCancel(OperationHandler[str, str]):
    async def start(self, _ctx: StartOperationContext, _input: str) -> StartOperationResultAsync:
        return StartOperationResultAsync("token")

    def cancel(self, _ctx: CancelOperationContext, _token: str) -> None:
        return None


@service_handler(name="blocking-cancel.v1")
class WithBlockingCancel:
    @operation_handler
    def run(self) -> OperationHandler[str, str]:
        return BlockingCancel()


class PartialStart(OperationHandler[str, str]):
    def __init__(self) -> None:
        self.start = functools.partial(self._start, "token")  # type: ignore[method-assign]

    async def _start(self, token: str, _ctx: StartOperationContext, _input: str) -> StartOperationResultAsync:
        return StartOperationResultAsync(token)

    async def start(self, _ctx: StartOperationContext, _input: str) -> StartOperationResultAsync:
        raise NotImplementedError

    async def cancel(self, _ctx: CancelOperationContext, _token: str) -> None:
        return None


@service_handler(name="partial.v1")
class WithPartialStart:
    @operation_handler
    def run(self) -> OperationHandler[str, str]:
        return PartialStart()


@service_handler(name="broken.v1")
class BrokenFactory:
    @operation_handler
    def run(self) -> OperationHandler[str, str]:
        raise RuntimeError("no database\nin sight")


class Undecorated:
    async def hello(self) -> None:
        return None


plugin = HandlerPlugin(services=[Greeting()])
other = HandlerPlugin(services=[OtherGreeting()])
blocking = HandlerPlugin(services=[Blocking()])
blocking_cancel = HandlerPlugin(services=[WithBlockingCancel()])
partial_start = HandlerPlugin(services=[WithPartialStart()])
broken_factory = HandlerPlugin(services=[BrokenFactory()])
undecorated = HandlerPlugin(services=[Undecorated()])
a_class = HandlerPlugin(services=[Greeting])
twice = HandlerPlugin(services=[Greeting(), OtherGreeting()])
workflow_instance = HandlerPlugin(services=[], workflows=[Greeting()])  # type: ignore[list-item]
no_activity = HandlerPlugin(services=[], activities=["charge"])  # type: ignore[list-item]
a_number = 42

contexts: list[PluginContext] = []


def made(context: PluginContext) -> HandlerPlugin:
    contexts.append(context)
    return HandlerPlugin(services=[Greeting()])


def exploding(_context: PluginContext) -> HandlerPlugin:
    raise LookupError("COLOUR is not set")


async def waiting(_context: PluginContext) -> HandlerPlugin:
    return HandlerPlugin(services=[Greeting()])


def wrong(_context: PluginContext) -> str:
    return "plugin"


Install = Callable[[str, str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with one entry point of the given name and value."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(distribution: str, name: str, value: str) -> None:
        info = tmp_path / f"{distribution}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[nexus_gateway.plugins]\n{name} = {value}\n")

    return add


def found(names: list[str]) -> list[LoadedPlugin]:
    """What is discovered beside the plugins that this project ships."""
    return [plugin for plugin in discover_plugins(names, _CONTEXT) if "of nexus-gateway " not in plugin.origin]


def faults(names: list[str]) -> tuple[str, ...]:
    with pytest.raises(PluginError) as caught:
        discover_plugins(names, _CONTEXT)
    return caught.value.faults


def here(attribute: str) -> str:
    return f"{__name__}:{attribute}"


def test_finds_what_is_installed_and_what_is_named(install: Install) -> None:
    """Installed ones come first; each says where it is from and which services it offers."""
    install("acme-greetings", "greetings", here("plugin"))
    first, second = found([here("partial_start")])
    assert "plugin 'greetings' of acme-greetings 1.2" == first.origin
    assert ["greeting.v1"] == list(first.services)
    assert f"plugin {here('partial_start')!r} (plugins.0 of the configuration)" == second.origin
    assert ["partial.v1"] == list(second.services)


def test_finds_the_plugins_that_are_shipped() -> None:
    """The project announces its own plugins like anybody else."""
    shipped = {service for plugin in discover_plugins([], _CONTEXT) for service in plugin.services}
    assert {"echo.v1", "Ser/vic e", "orders.v1"} <= shipped


def test_an_object_that_is_installed_and_named_is_taken_once(install: Install) -> None:
    """Listing a plugin that is installed anyway is harmless."""
    install("acme-greetings", "greetings", here("plugin"))
    assert 1 == len(found([here("plugin"), here("plugin")]))


def test_calls_a_callable_with_the_context(install: Install) -> None:
    """A plugin that needs settings is a callable, and is called once."""
    install("acme-greetings", "greetings", here("made"))
    contexts.clear()
    discover_plugins([here("made")], _CONTEXT)
    assert [_CONTEXT] == contexts


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("no_such_module:x", "cannot be loaded from 'no_such_module:x': ModuleNotFoundError: No module named"),
        (here("missing"), "AttributeError"),
        (here("exploding"), "failed when it was called with its PluginContext: LookupError: COLOUR is not set"),
        (here("wrong"), "made a str instead of a HandlerPlugin"),
        (here("waiting"), "is an 'async def'; write it with 'def'"),
        (here("a_number"), "is a int, neither a HandlerPlugin nor a callable"),
        (here("blocking"), "Blocking.nap: a blocking operation"),
        (here("blocking_cancel"), "WithBlockingCancel.run: a blocking operation"),
        (here("broken_factory"), "BrokenFactory cannot be opened: RuntimeError: no database in sight"),
        (here("undecorated"), "Undecorated is not a service handler"),
        (here("a_class"), "Greeting is a class; services takes instances: Greeting()"),
        (here("twice"), "offers the service 'greeting.v1' twice"),
        (here("workflow_instance"), "is not a class"),
        (here("no_activity"), "its activity 'charge' is not callable"),
    ],
)
def test_names_the_entry_point_and_its_distribution(install: Install, value: str, fault: str) -> None:
    """Whatever is wrong, the one line says whose plugin it is and what it is."""
    install("acme-greetings", "greetings", value)
    (line,) = faults([])
    assert line.startswith("plugin 'greetings' of acme-greetings 1.2: ")
    assert fault in line
    assert "\n" not in line


@pytest.mark.parametrize("name", ["plain", "a module:plugin", "module:", ":plugin", "module:plug in", "module:1"])
def test_refuses_a_name_of_another_form(install: Install, name: str) -> None:
    """The form of a configured plugin is module:attribute."""
    assert (f"plugin {name!r} (plugins.0 of the configuration): {name!r} is not of the form 'module:attribute'",) == (
        faults([name])
    )


def test_names_both_plugins_of_one_service(install: Install) -> None:
    """Two plugins with one service name: the reader has to know which two."""
    install("acme-greetings", "greetings", here("plugin"))
    (line,) = faults([here("other")])
    assert "offers the service 'greeting.v1'" in line
    assert "plugin 'greetings' of acme-greetings 1.2" in line
    assert here("other") in line
    assert "installed_plugins" in line


def test_what_is_installed_can_be_left_out(install: Install) -> None:
    """Another plugin may then have the names of its services."""
    install("acme-greetings", "greetings", here("plugin"))
    install("acme-partial", "partial", here("partial_start"))
    installed = discover_plugins([here("other")], _CONTEXT, installed=["part*", "orders"])
    assert ["orders.v1", "partial.v1", "greeting.v1"] == [
        service for loaded in installed for service in loaded.services
    ]
    assert () == discover_plugins([], _CONTEXT, installed=[])


def test_a_plugin_that_is_to_be_loaded_and_is_not_installed_is_a_fault(install: Install) -> None:
    """A glob may match nothing, a name is a promise."""
    install("acme-greetings", "greetings", here("plugin"))
    with pytest.raises(PluginError) as caught:
        discover_plugins([], _CONTEXT, installed=["greeting", "nothing-*"])
    (line,) = caught.value.faults
    assert line.startswith("installed_plugins.0 of the configuration: no plugin 'greeting' is installed; there are")
    assert "greetings" in line


def test_reports_every_fault_at_once(install: Install) -> None:
    """One start is enough to learn all that has to be repaired."""
    install("acme-greetings", "greetings", here("a_number"))
    assert 3 == len(faults([here("blocking"), here("undecorated")]))


def test_a_plugin_that_exits_while_it_loads_is_a_fault(install: Install, tmp_path: Path) -> None:
    """A module that ends the interpreter must not end ours without a word."""
    (tmp_path / "acme_exits.py").write_text("import sys\nsys.exit(3)\n")
    install("acme-exits", "exits", "acme_exits:plugin")
    (line,) = faults([])
    assert "cannot be loaded from 'acme_exits:plugin': SystemExit: 3" in line


def test_caller_is_the_principal_of_the_running_request() -> None:
    """Within ``calling`` there is a caller; it ends with the block, and blocks nest."""
    outer = Principal(issuer="https://issuer.test", subject="alice", namespace="checkout")
    inner = Principal(issuer="https://issuer.test", subject="bob", namespace="checkout")
    with calling(outer):
        with calling(inner):
            assert inner == caller()
        assert outer == caller()
    with pytest.raises(NoCallerError, match="only inside an operation handler"):
        caller()
