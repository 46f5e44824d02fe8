"""``nexus-gateway check``: would it run, and who may then do what."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from gateway.app import ServerCertificate, load_plugins
from gateway.auth import BadKeySet, check_key_file, denials_about, rules_about
from gateway.cli._options import add_config, settings_of
from gateway.model import Verb
from gateway.plugins import PluginError
from gateway.registry import MountedEndpoint, Registry, RegistryError
from gateway.settings import (
    Settings,
    SettingsError,
    endpoints,
    issuer_policies,
    load_revocations,
    load_stops,
    signing_seeds,
    token_keys,
)

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.model import OperationAddress, Rule


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Validate FILE and the installed plugins, and print every operation that can be called with who may do what.\n"
        "What is wrong is printed in one line for each fault, with exit code 1. Of what depends on the machine\n"
        "that the gateway will run on, such as a key file or a variable, what is missing is only warned about."
    )
    parser.epilog = "example:\n  nexus-gateway check --config config/gateway.yaml"
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print faults, or the listing."""
    settings = settings_of(arguments)
    registry = _registry(settings, arguments.config)
    if faults := [*_access_faults(settings), *_certificate_faults(settings, arguments.config)]:
        raise SettingsError(faults)
    for warning in _warnings(settings, arguments.config):
        print(f"warning: {warning}", file=sys.stderr)
    permissions = any(issuer.require_permissions for issuer in settings.issuers)
    for mounted in registry.endpoints():
        for line in _listing(mounted):
            print(line)
    if permissions:
        print("beside a rule, a permission in the token has to cover the request where the issuer requires it")
    return 0


def _registry(settings: Settings, file: Path) -> Registry:
    try:
        return Registry.build(load_plugins(settings, os.environ), endpoints(settings))
    except (PluginError, RegistryError) as error:
        raise SettingsError(f"{file}: {fault}" for fault in error.faults) from error


def _access_faults(settings: Settings) -> Iterator[str]:
    """What is wrong in the files of stops and revocations; one that is not here may well be there."""
    access = settings.access
    for file, load in ((access.stops_file, load_stops), (access.revocations_file, load_revocations)):
        try:
            if file is not None and file.is_file():
                load(file)
        except SettingsError as error:
            yield from error.faults


def _certificate_faults(settings: Settings, file: Path) -> Iterator[str]:
    """What is wrong with the listener's certificate, which may well be elsewhere if it is not here."""
    tls = settings.server.tls
    if tls is not None and all(
        one is None or one.is_file() for one in (tls.cert_file, tls.key_file, tls.client_ca_file)
    ):
        try:
            ServerCertificate(tls)
        except SettingsError as error:
            yield from (f"{file}: {fault}" for fault in error.faults)


def _warnings(settings: Settings, file: Path) -> Iterator[str]:
    for key, path in _files(settings):
        if path is not None and not path.is_file():
            yield f"{file}: {key}: there is no file {path}"
    for index, policy in enumerate(issuer_policies(settings)):
        try:
            check_key_file(policy)
        except (BadKeySet, OSError) as error:
            # A gateway starts all the same: keys may come later.
            yield f"{file}: issuers.{index}.jwks_file: {getattr(error, 'strerror', None) or error}"
    for name, engine in settings.engines.items():
        if engine.api_key_env is not None and not os.environ.get(engine.api_key_env):
            yield f"environment: {engine.api_key_env}: is not set (engines.{name}.api_key_env)"
    for read in (token_keys, signing_seeds):
        try:
            read(settings, os.environ)
        except SettingsError as error:
            yield from error.faults


def _files(settings: Settings) -> Iterator[tuple[str, Path | None]]:
    """Every file that is read, by its key."""
    sections: list[tuple[str, object, tuple[str, ...]]] = [
        ("server.tls", settings.server.tls, ("cert_file", "key_file", "client_ca_file")),
        *(
            (f"issuers.{index}", one, ("jwks_file", "dev_signing_key_file"))
            for index, one in enumerate(settings.issuers)
        ),
        *(
            (f"engines.{name}.tls", one.tls, ("ca_file", "cert_file", "key_file"))
            for name, one in settings.engines.items()
        ),
        ("access", settings.access, ("revocations_file", "stops_file")),
    ]
    for section, values, keys in sections:
        yield from ((f"{section}.{key}", getattr(values, key, None)) for key in keys)


def _listing(mounted: MountedEndpoint) -> Iterator[str]:
    endpoint = mounted.endpoint
    yield (
        f"endpoint {endpoint.name}: engine {endpoint.engine}, namespace {endpoint.namespace},"
        f" task queue {endpoint.task_queue}"
    )
    addresses = mounted.addresses()
    width = max((len(_name(address)) for address in addresses), default=0)
    for address in addresses:
        first, *more = [_in_words(rule) for rule in rules_about(endpoint, address)] or ["nobody"]
        more.extend(f"not {_in_words(rule)}" for rule in denials_about(endpoint, address))
        yield f"  {_name(address):{width}}  {first}"
        yield from (f"  {'':{width}}  {words}" for words in more)


def _name(address: OperationAddress) -> str:
    return f"{address.service}/{address.operation}"


def _in_words(rule: Rule) -> str:
    verbs = ", ".join(verb for verb in Verb if rule.verbs is None or verb in rule.verbs)
    claims = {f"claim {'.'.join(path)}": globs for path, globs in (rule.claims or {}).items()}
    who = {"issuers": rule.issuers, "namespaces": rule.namespaces, "subjects": rule.subjects, **claims}
    selectors = "; ".join(f"{name} {', '.join(globs)}" for name, globs in who.items() if globs is not None)
    across = ", ".join(verb for verb in Verb if verb in rule.verbs_across_tenants)
    reach = f" (operations of every tenant: {across})" if across else ""
    return f"{verbs}: {selectors or 'everybody'}{reach}{' (shadow: decides nothing)' if rule.shadow else ''}"
