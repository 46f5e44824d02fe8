"""Where settings end: from here on the gateway knows its own values only."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.auth import IssuerPolicy, KeyDiscovery, KeyFile, KeyRefresh, KeyUrl, TokenMinter
from gateway.model import Endpoint, Rule
from gateway.settings._faults import SettingsError
from gateway.tokens import SECRET_BYTES, TokenKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.model import TraceContext
    from gateway.settings._endpoints import EndpointSettings, RuleSettings
    from gateway.settings._issuers import IssuerSettings
    from gateway.settings._models import Settings

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def endpoints(settings: Settings) -> tuple[Endpoint, ...]:
    """The endpoints to mount, in the file's order."""
    return tuple(_endpoint(name, endpoint) for name, endpoint in settings.endpoints.items())


def _endpoint(name: str, endpoint: EndpointSettings) -> Endpoint:
    return Endpoint(
        name=name,
        engine=endpoint.engine,
        namespace=endpoint.namespace,
        task_queue=endpoint.task_queue,
        services=endpoint.services,
        allow=tuple(replace(_rule(rule), tenants=rule.tenants) for rule in endpoint.allow),
        deny=tuple(_rule(rule) for rule in endpoint.deny),
        links=endpoint.links,
    )


def _rule(rule: RuleSettings) -> Rule:
    return Rule(
        issuers=rule.issuers,
        namespaces=rule.namespaces,
        subjects=rule.subjects,
        claims=None if rule.claims is None else rule.claims.by_path(),
        operations=rule.operations,
        verbs=rule.verbs,
        shadow=rule.shadow,
    )


def permission_issuers(settings: Settings) -> frozenset[str]:
    """The issuers whose callers need a permission beside a rule."""
    return frozenset(issuer.issuer for issuer in settings.issuers if issuer.require_permissions)


def trace_policies(settings: Settings) -> Mapping[str, TraceContext]:
    """What becomes of callers' trace context, by their issuer."""
    return {issuer.issuer: issuer.trace_context for issuer in settings.issuers}


def token_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[TokenKey, ...]:
    """The keys that seal operation tokens, read from the variables that the settings name; the first seals.

    Raises:
        SettingsError: with a line for each variable that is missing or does not hold 32 bytes in base64url.
    """
    keys: list[TokenKey] = []
    faults: list[str] = []
    for index, key in enumerate(settings.tokens.keys):
        secret = _secret(key.secret_env, environ)
        if isinstance(secret, str):
            faults.append(f"environment: {key.secret_env}: {secret} (tokens.keys.{index}, id {key.id})")
        else:
            keys.append(TokenKey(id=key.id, secret=secret))
    if faults:
        raise SettingsError(faults)
    return tuple(keys)


def signing_seeds(settings: Settings, environ: Mapping[str, str]) -> Mapping[str, bytes]:
    """The seeds of the keys that sign callbacks, by id, read from the variables that the settings name.

    Raises:
        SettingsError: with a line for each variable that is missing or does not hold 32 bytes in base64url.
    """
    seeds: dict[str, bytes] = {}
    faults: list[str] = []
    for index, key in enumerate(settings.callbacks.signing_keys):
        seed = _secret(key.seed_env, environ)
        if isinstance(seed, str):
            faults.append(f"environment: {key.seed_env}: {seed} (callbacks.signing_keys.{index}, id {key.id})")
        else:
            seeds[key.id] = seed
    if faults:
        raise SettingsError(faults)
    return seeds


def _secret(variable: str, environ: Mapping[str, str]) -> bytes | str:
    """The secret's bytes, or what is wrong with it; the text itself is never repeated."""
    text = environ.get(variable, "").strip()
    if not text:
        return f"is not set; it must hold {SECRET_BYTES} random bytes in base64url"
    unpadded = text.rstrip("=")
    try:
        secret = (
            base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4)) if _BASE64URL.fullmatch(unpadded) else None
        )
    except binascii.Error:
        secret = None
    if secret is None:
        return f"is not base64url; it must hold {SECRET_BYTES} random bytes in base64url"
    if len(secret) != SECRET_BYTES:
        return f"holds {len(secret)} bytes; it must hold {SECRET_BYTES} random bytes in base64url"
    return secret


def issuer_policies(settings: Settings) -> tuple[IssuerPolicy, ...]:
    """What is demanded of each issuer's tokens, in the file's order."""
    return tuple(_policy(issuer) for issuer in settings.issuers)


def _policy(issuer: IssuerSettings) -> IssuerPolicy:
    refresh = issuer.key_refresh
    return IssuerPolicy(
        issuer=issuer.issuer,
        audiences=issuer.audiences,
        algorithms=frozenset(issuer.algorithms),
        keys=_key_source(issuer),
        namespace_claim=issuer.namespace_claim,
        permissions_claim=issuer.permissions_claim,
        subject_claim=issuer.subject_claim,
        require_permissions=issuer.require_permissions,
        type=issuer.typ,
        leeway=issuer.leeway.total_seconds(),
        max_lifetime=None if issuer.max_lifetime is None else issuer.max_lifetime.total_seconds(),
        refresh=KeyRefresh(
            min_interval=refresh.min_interval.total_seconds(),
            max_interval=refresh.max_interval.total_seconds(),
            cooldown=refresh.cooldown.total_seconds(),
            stale_for=refresh.stale_for.total_seconds(),
            timeout=refresh.timeout.total_seconds(),
        ),
    )


def _key_source(issuer: IssuerSettings) -> KeyFile | KeyUrl | KeyDiscovery:
    if issuer.jwks_file is not None:
        return KeyFile(issuer.jwks_file)
    return KeyDiscovery() if issuer.jwks_uri is None else KeyUrl(issuer.jwks_uri)


def token_minter(settings: Settings, issuer: str | None = None) -> TokenMinter:
    """A minter of development tokens for ``issuer``, or for the first issuer that has a ``dev_signing_key_file``.

    Raises:
        SettingsError: when there is no such issuer, or it has no ``dev_signing_key_file``.
        MintingError: when the file is no key that the gateway would accept tokens of.
    """
    named = [one for one in settings.issuers if issuer in (None, one.issuer)]
    if not named:
        raise SettingsError(["issuers: none of them is the issuer that was asked for"])
    for one in named:
        if one.dev_signing_key_file is not None:
            return TokenMinter(_policy(one), one.dev_signing_key_file)
    raise SettingsError(["issuers: no dev_signing_key_file is set, so no token can be minted here"])
