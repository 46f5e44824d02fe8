"""What can change while the gateway runs: who may call, whose tokens count, what is stopped, and some limits.

Each change is made ready first and then put in force in one step, between two requests. What cannot change in a running
process (listeners, engines, token keys, plugins, which services an endpoint has) stays as it was at the start, and
``notices`` names it.
"""

from __future__ import annotations

import dataclasses
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.app._limits import LIVE_LIMITS, limits_in_force
from gateway.app._watching import CannotTake, Watched
from gateway.auth import Authenticator, Authorizer, KeysNotLoaded, Revocations
from gateway.settings import (
    SettingsError,
    endpoints,
    issuer_policies,
    load_revocations,
    load_stops,
    permission_issuers,
    trace_policies,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from gateway.model import Endpoint, Stop
    from gateway.settings import EndpointSettings, LimitSettings, Settings
    from gateway.telemetry import Telemetry

_logger = logging.getLogger("gateway")

_FIXED_SECTIONS: Final = (
    *("server", "engines", "tokens", "callbacks", "access", "audit", "bulk", "telemetry"),
    *("plugins", "installed_plugins"),
)
_FIXED_OF_ENDPOINT: Final = ("engine", "namespace", "task_queue", "services", "links")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """Where the settings came from, to be read again; ``read`` raises SettingsError."""

    path: Path
    read: Callable[[], Settings]


class Live:
    """Takes over changed files."""

    def __init__(
        self,
        settings: Settings,
        *,
        source: ConfigSource | None,
        authenticator: Authenticator,
        authorizer: Authorizer,
        telemetry: Telemetry,
        put_limits_in_force: Callable[[LimitSettings], None],
    ) -> None:
        self._at_start = settings
        self._mounted = endpoints(settings)
        self._settings = settings
        self._source = source
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._telemetry = telemetry
        self._put_limits_in_force = put_limits_in_force
        self._stops: tuple[Stop, ...] = ()

    def load(self) -> None:
        """Read revocations and stops for the first time.

        Raises:
            SettingsError: a file is missing or no good; a gateway that should know of stops does not start without.
        """
        access = self._at_start.access
        if access.revocations_file is not None:
            self._authenticator.revocations = Revocations(load_revocations(access.revocations_file))
        if access.stops_file is not None:
            self._stops = load_stops(access.stops_file)
            self._decide_by(self._settings)

    def watched(self) -> Iterator[Watched]:
        """The files to watch."""
        access = self._at_start.access
        if access.stops_file is not None:
            yield Watched(name="stops", paths=(access.stops_file,), take=self._take_stops)
        if access.revocations_file is not None:
            yield Watched(name="revocations", paths=(access.revocations_file,), take=self._take_revocations)
        if self._source is not None:
            yield Watched(name="configuration", paths=(self._source.path,), take=self._take_settings)

    def notices(self) -> Mapping[str, str]:
        """What the configuration says by now, but only a restart brings about."""
        waiting = tuple(_needing_a_restart(self._at_start, self._settings))
        return {"restart": f"needed for {', '.join(waiting)}"} if waiting else {}

    async def _take_stops(self) -> None:
        path = self._at_start.access.stops_file
        if path is not None:
            with _faults_named():
                stops = load_stops(path)
            self._stops = stops
            self._decide_by(self._settings)
            _logger.warning("%d stops are in force", len(stops))

    async def _take_revocations(self) -> None:
        path = self._at_start.access.revocations_file
        if path is not None:
            with _faults_named():
                revocations = Revocations(load_revocations(path))
            self._authenticator.revocations = revocations
            _logger.info("%d revocations are in force", len(revocations))

    async def _take_settings(self) -> None:
        if self._source is None:
            return
        with _faults_named():
            settings = self._source.read()
        try:
            async with self._authenticator.replacing(issuer_policies(settings)) as put_in_force:
                put_in_force()
                self._telemetry.believe(trace_policies(settings))
                self._decide_by(settings)
                self._put_limits_in_force(limits_in_force(self._at_start.limits, settings.limits))
                self._settings = settings
        except KeysNotLoaded as error:
            raise CannotTake([str(error)]) from None
        for what in self.notices().values():
            _logger.warning("a restart is %s", what)

    def _decide_by(self, settings: Settings) -> None:
        stated = {endpoint.name: endpoint for endpoint in endpoints(settings)}
        rules = [_with_rules_of(mounted, stated.get(mounted.name)) for mounted in self._mounted]
        self._authorizer.replace(rules, permission_issuers(settings), self._stops)


@contextmanager
def _faults_named() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise CannotTake(error.faults) from None


def _with_rules_of(mounted: Endpoint, stated: Endpoint | None) -> Endpoint:
    """An endpoint as it is mounted, with the rules that the settings have for it by now: none, where it is gone."""
    allow, deny = ((), ()) if stated is None else (stated.allow, stated.deny)
    return dataclasses.replace(mounted, allow=allow, deny=deny)


def _needing_a_restart(before: Settings, after: Settings) -> Iterator[str]:
    yield from (section for section in _FIXED_SECTIONS if getattr(before, section) != getattr(after, section))
    for name in type(before.limits).model_fields:
        if name not in LIVE_LIMITS and getattr(before.limits, name) != getattr(after.limits, name):
            yield f"limits.{name}"
    for name in sorted(before.endpoints.keys() | after.endpoints.keys()):
        if _fixed(before.endpoints.get(name)) != _fixed(after.endpoints.get(name)):
            yield f"endpoints.{name}"


def _fixed(endpoint: EndpointSettings | None) -> tuple[object, ...]:
    return () if endpoint is None else tuple(getattr(endpoint, name) for name in _FIXED_OF_ENDPOINT)
