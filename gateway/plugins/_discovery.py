"""From entry points and configured names to plugins that are known to be sound.

A plugin that cannot be used stops start-up. Every fault found is reported, each on a line of its own that names the
plugin by its entry point and distribution (or by its place in the configuration), since the reader is whoever
installed it and seldom whoever wrote it.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from gateway.plugins._plugin import HandlerPlugin, PluginContext
from gateway.plugins._soundness import UnsoundError, check_exposed, check_parts, open_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nexusrpc.handler._core import ServiceHandler

PLUGIN_GROUP: Final = "nexus_gateway.plugins"
"""The entry point group in which installed plugins are looked up."""

_ADVICE: Final = "leave one of them out (installed_plugins and plugins of the configuration say what is loaded)"

_log = logging.getLogger("gateway.plugins")


class PluginError(Exception):
    """At least one plugin cannot be used; ``faults`` has one line for each, and says which plugin it is."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True, kw_only=True)
class LoadedPlugin:
    """A plugin that was found, loaded and checked.

    ``origin`` says where it came from, in words for a message. ``services`` are its service handlers by service name,
    opened once, so that every endpoint mounts the same operation handlers.
    """

    origin: str
    plugin: HandlerPlugin
    services: Mapping[str, ServiceHandler]


def discover_plugins(
    names: Sequence[str], context: PluginContext, *, installed: Sequence[str] = ("*",)
) -> tuple[LoadedPlugin, ...]:
    """Load and check the installed plugins, then those in ``names`` (each ``module:attribute``).

    ``installed`` are globs of the entry points to load. An object that is both installed and named is taken once.

    Raises:
        PluginError: A plugin does not load, is not a plugin, holds a blocking or undecorated handler, or offers a
            service that another one offers too; or ``installed`` names one that there is not.
    """
    loaded: list[LoadedPlugin] = []
    faults = [*_not_installed(installed)]
    seen: list[object] = []
    for source in (*_installed(installed), *_configured(names)):
        try:
            found = source.load()
            if any(found is known for known in seen):
                continue
            seen.append(found)
            loaded.append(_open(source.origin, found, context))
        except UnsoundError as error:
            _log.debug("%s: refused", source.origin, exc_info=True)
            faults.append(f"{source.origin}: {error}")
    faults.extend(_collisions(loaded))
    if faults:
        raise PluginError(faults)
    return tuple(loaded)


@dataclass(frozen=True)
class _Source:
    """Where a plugin is said to be: an import path, and the words for it in a message."""

    origin: str
    target: str

    def load(self) -> object:
        module, _, attribute = self.target.partition(":")
        if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
            raise UnsoundError(f"{self.target!r} is not of the form 'module:attribute'")
        try:
            return attrgetter(attribute)(import_module(module))
        # A plugin that ends the interpreter while it is imported is a broken plugin, not a request to stop.
        except (Exception, SystemExit) as error:
            raise UnsoundError(f"cannot be loaded from {self.target!r}: {_in_one_line(error)}") from error


def _installed(globs: Sequence[str]) -> Iterator[_Source]:
    found = entry_points(group=PLUGIN_GROUP)
    for entry_point in sorted(found, key=lambda entry_point: (entry_point.name, entry_point.value)):
        if any(fnmatchcase(entry_point.name, glob) for glob in globs):
            yield _Source(f"plugin {entry_point.name!r} of {_distribution(entry_point)}", entry_point.value)


def _not_installed(globs: Sequence[str]) -> Iterator[str]:
    known = entry_points(group=PLUGIN_GROUP).names
    for index, glob in enumerate(globs):
        # A glob says what to take of whatever there is; a name says that it is there.
        if "*" not in glob and not any(fnmatchcase(name, glob) for name in known):
            there = ", ".join(sorted(known)) or "none"
            yield f"installed_plugins.{index} of the configuration: no plugin {glob!r} is installed; there are {there}"


def _configured(names: Sequence[str]) -> Iterator[_Source]:
    for index, name in enumerate(names):
        yield _Source(f"plugin {name!r} (plugins.{index} of the configuration)", name)


def _distribution(entry_point: EntryPoint) -> str:
    dist = entry_point.dist
    return f"{dist.name} {dist.version}" if dist else "an unknown distribution"


def _open(origin: str, found: object, context: PluginContext) -> LoadedPlugin:
    plugin = _made(found, context)
    check_parts(plugin)
    services: dict[str, ServiceHandler] = {}
    for instance in plugin.services:
        service = open_service(instance)
        if service.service.name in services:
            raise UnsoundError(f"offers the service {service.service.name!r} twice")
        services[service.service.name] = service
    check_exposed(plugin, services)
    return LoadedPlugin(origin=origin, plugin=plugin, services=services)


def _made(found: object, context: PluginContext) -> HandlerPlugin:
    if isinstance(found, HandlerPlugin):
        return found
    if not callable(found):
        raise UnsoundError(f"is a {_type_name(found)}, neither a HandlerPlugin nor a callable that makes one")
    try:
        made = found(context)
    except (Exception, SystemExit) as error:
        raise UnsoundError(f"failed when it was called with its PluginContext: {_in_one_line(error)}") from error
    if inspect.iscoroutine(made):
        made.close()
        raise UnsoundError("is an 'async def'; write it with 'def', plugins are made before anything runs")
    if not isinstance(made, HandlerPlugin):
        raise UnsoundError(f"made a {_type_name(made)} instead of a HandlerPlugin")
    return made


def _collisions(loaded: Sequence[LoadedPlugin]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for plugin in loaded:
        for service in plugin.services:
            owner = owners.setdefault(service, plugin.origin)
            if owner != plugin.origin:
                yield f"{plugin.origin}: offers the service {service!r}, and so does {owner}; {_ADVICE}"


def _type_name(value: object) -> str:
    return type(value).__name__


def _in_one_line(error: BaseException) -> str:
    return " ".join(f"{_type_name(error)}: {error}".split())
