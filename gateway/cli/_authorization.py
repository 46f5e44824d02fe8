"""What ``explain`` and ``policy`` decide by: the rules, stops and revocations of a configuration, and no process."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from gateway.auth import Authorizer, Revocations
from gateway.model import Decision, OperationAddress
from gateway.settings import endpoints, load_revocations, load_stops

if TYPE_CHECKING:
    from gateway.model import Endpoint
    from gateway.settings import Settings

_FORBIDDEN = "refused (403)"
_HIDDEN = "hidden (404)"
_PAUSED = "paused (503)"


def authorizer_of(settings: Settings) -> Authorizer:
    """Decides as a gateway with these settings does.

    Raises:
        SettingsError: the file of stops is no good.
    """
    require = [issuer.issuer for issuer in settings.issuers if issuer.require_permissions]
    file = settings.access.stops_file
    return Authorizer(endpoints(settings), require, () if file is None else load_stops(file))


def revocations_of(settings: Settings) -> Revocations:
    """The tokens that count no longer.

    Raises:
        SettingsError: the file of revocations is no good.
    """
    file = settings.access.revocations_file
    return Revocations(() if file is None else load_revocations(file))


def address_of(endpoint: Endpoint | None, name: str, operation: str) -> OperationAddress:
    """The address that ``service/operation`` means at an endpoint; a service's own slashes are known by its name.

    Raises:
        ArgumentTypeError: there is no slash in it.
    """
    for service in sorted(endpoint.services if endpoint else (), key=len, reverse=True):
        if operation.startswith(f"{service}/"):
            return OperationAddress(name, service, operation[len(service) + 1 :])
    service, slash, rest = operation.partition("/")
    if not slash:
        raise ArgumentTypeError(f"{operation!r} is not SERVICE/OPERATION")
    return OperationAddress(name, service, rest)


def in_a_word(decision: Decision) -> str:
    """What a caller experiences of a decision, with the status of the answer."""
    if decision.allowed:
        return "allowed"
    if not decision.visible:
        return _HIDDEN
    return _PAUSED if decision.paused else _FORBIDDEN
