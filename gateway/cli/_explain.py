"""``nexus-gateway explain``: why a request is let in, or is not."""

from __future__ import annotations

import asyncio
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.auth import AuthenticationFailed, Authenticator, KeysUnavailable, id_of
from gateway.cli._authorization import address_of, authorizer_of, in_a_word, revocations_of
from gateway.cli._options import add_config, settings_of
from gateway.model import Decision, OperationAddress, Principal, Verb
from gateway.settings import endpoints, issuer_policies

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator, Sequence

    from gateway.auth import Finding, Miss
    from gateway.model import Endpoint
    from gateway.settings import Settings

_MAX_VALUE = 80


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = (
        "Decide about a request as the gateway with FILE does, and say by which rule and claim. Nothing is called.\n"
        "The decision's id is the one that the gateway logs when it refuses this request to this caller.\n"
        "The exit code is 0 when the request would be let in and 1 when it would not."
    )
    parser.epilog = (
        "example:\n"
        "  nexus-gateway explain --config config/gateway.yaml --token @token.txt --endpoint orders \\\n"
        "      --operation orders.v1/process --verb start"
    )
    add_config(parser)
    parser.add_argument(
        "--token", metavar="T", type=_token, required=True, help="the caller's token; @FILE or @- reads it"
    )
    parser.add_argument("--endpoint", metavar="E", required=True, help="the endpoint's name")
    parser.add_argument("--operation", metavar="S/O", required=True, help="service and operation")
    parser.add_argument("--verb", choices=[*Verb], default=Verb.START, type=Verb, help="(default: start)")
    parser.add_argument(
        "--of-another-tenant", action="store_true", help="the operation is another tenant's, and not the caller's own"
    )
    parser.add_argument(
        "--certificate", metavar="THUMBPRINT", help="the client certificate's x5t#S256, for tokens bound to one"
    )
    parser.set_defaults(run=run, parser=parser)


def run(arguments: Namespace) -> int:
    """Print the explanation."""
    settings = settings_of(arguments)
    if "/" not in arguments.operation:
        arguments.parser.error(f"argument --operation: {arguments.operation!r} is not SERVICE/OPERATION")
    mounted = {endpoint.name: endpoint for endpoint in endpoints(settings)}
    endpoint = mounted.get(arguments.endpoint)
    address = address_of(endpoint, arguments.endpoint, arguments.operation)
    try:
        principal = asyncio.run(_caller(settings, arguments.token, arguments.certificate))
    except (AuthenticationFailed, KeysUnavailable) as error:
        status = 401 if isinstance(error, AuthenticationFailed) else 503
        print(f"decision {error.decision_id}: refused ({status})")
        print(f"  token refused: {error.reason}: {error.message}")
        return 1
    authorizer = authorizer_of(settings)
    anothers = arguments.of_another_tenant
    decision = Decision(allowed=False, visible=False, reason="no such endpoint")
    if endpoint is not None:
        decision = authorizer.authorize(principal, endpoint, address, arguments.verb, anothers=anothers)
    print(f"decision {id_of(principal, address, arguments.verb, decision, anothers=anothers)}: {in_a_word(decision)}")
    for line in _because(decision, principal, address, endpoint, settings):
        print(f"  {line}")
    for line in _rules(authorizer.explain(principal, address, arguments.verb, anothers=anothers)):
        print(f"  {line}")
    return 0 if decision.allowed else 1


def _token(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return (sys.stdin.read() if given == "@-" else Path(given[1:]).read_text(encoding="ascii")).strip()
    except OSError as error:
        raise ArgumentTypeError(f"{given[1:]!r} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ArgumentTypeError(f"{given[1:]!r} holds no token") from None


async def _caller(settings: Settings, token: str, certificate: str | None) -> Principal:
    async with Authenticator(issuer_policies(settings), revocations=revocations_of(settings)) as authenticator:
        return await authenticator.authenticate([f"Bearer {token}"], certificate)


def _because(
    decision: Decision, principal: Principal, address: OperationAddress, endpoint: Endpoint | None, settings: Settings
) -> Iterator[str]:
    yield f"because: {decision.reason}"
    if decision.shadow:
        yield f"shadow: {decision.shadow}"
    yield f"caller: subject {principal.subject}, namespace {principal.namespace}, issuer {principal.issuer}"
    target = f", which runs in the namespace {endpoint.namespace}" if endpoint else ""
    yield f"target: {address.service}/{address.operation} at the endpoint {address.endpoint}{target}"
    required = any(issuer.issuer == principal.issuer and issuer.require_permissions for issuer in settings.issuers)
    permissions = ", ".join(sorted(principal.permissions)) or "none"
    yield f"permissions: {f'{permissions} (one must cover the request)' if required else 'not required'}"


def _rules(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        shadow = " (shadow)" if finding.shadow else ""
        if finding.misses:
            misses = ", ".join(_in_words(miss) for miss in finding.misses)
            yield f"{finding.rule}{shadow}: does not match by {misses}"
        else:
            yield f"{finding.rule}{shadow}: matches"


def _in_words(miss: Miss) -> str:
    return f"{miss.selector} ({'none in the token' if miss.value is None else _short(miss.value)})"


def _short(value: object) -> str:
    text = str(value).encode("unicode_escape").decode("ascii")
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."
