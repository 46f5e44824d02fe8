"""``nexus-gateway policy``: rules put to the test."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from gateway.cli._authorization import address_of, authorizer_of, in_a_word
from gateway.cli._parser import OneLineParser
from gateway.model import Decision, Principal, Verb
from gateway.settings import ConfigPath, Name, Section, SettingsError, endpoints, load_document, load_settings

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from gateway.auth import Authorizer
    from gateway.model import Endpoint
    from gateway.settings import Settings

_EXAMPLE = "example:\n  nexus-gateway policy test policy.yaml --config config/gateway.yaml"


class Expectation(StrEnum):
    """What a case may expect."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    HIDDEN = "hidden"
    PAUSED = "paused"


class CallerCase(Section):
    """Who asks, as a verified token would say it."""

    issuer: Name | None = None
    namespace: Name
    subject: Name = "somebody"
    permissions: tuple[Name, ...] = ()
    claims: dict[Name, Any] = Field(default={})


class Case(Section):
    """One request, and what is expected of the rules."""

    name: Name | None = None
    caller: CallerCase
    endpoint: Name
    operation: Annotated[Name, Field(pattern="/")]
    verb: Verb = Verb.START
    of_another_tenant: bool = False
    expect: Expectation


class CasesFile(Section):
    """The file that ``policy test`` reads."""

    config: ConfigPath | None = None
    cases: Annotated[tuple[Case, ...], Field(min_length=1)]


def configure(parser: ArgumentParser) -> None:
    """Describe the command's options."""
    parser.description = "Put the rules of a configuration to the test."
    parser.epilog = _EXAMPLE
    topics = parser.add_subparsers(title="topics", metavar="TOPIC", required=True, parser_class=OneLineParser)
    test = topics.add_parser(
        "test",
        help="decide a table of cases and compare",
        description="Decide every case of FILE by the rules of a configuration; exit with 1 if one fails.",
        epilog=(
            "a file of cases:\n"
            "  config: gateway.yaml            # unless --config names it\n"
            "  cases:\n"
            "    - name: checkout may start orders\n"
            "      caller: {namespace: checkout, subject: svc, claims: {team: payments}}\n"
            "      endpoint: orders\n"
            "      operation: orders.v1/process\n"
            "      verb: start\n"
            "      of_another_tenant: false    # whether the operation is another tenant's\n"
            "      expect: allowed             # or refused (403), hidden (404), paused (503)\n\n" + _EXAMPLE
        ),
    )
    test.add_argument("file", metavar="FILE", type=Path, help="the cases, a YAML file")
    test.add_argument("--config", metavar="FILE", type=Path, help="the configuration, instead of the one FILE names")
    test.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Print a line for each case."""
    cases = load_document(arguments.file, CasesFile)
    config = arguments.config or cases.config
    if config is None:
        raise SettingsError([f"{arguments.file}: config: is required, or --config"])
    settings = load_settings(config, os.environ)
    authorizer = authorizer_of(settings)
    failed = 0
    for index, case in enumerate(cases.cases):
        decision = _decide(case, settings, authorizer)
        came_out = in_a_word(decision)
        as_expected = came_out.startswith(case.expect)
        failed += not as_expected
        title = case.name or f"cases.{index}"
        expected = "" if as_expected else f", expected {case.expect}"
        print(f"{'ok  ' if as_expected else 'FAIL'} {title}: {came_out}{expected}: {decision.reason}")
    print(f"{len(cases.cases)} cases, {failed} came out otherwise")
    return 1 if failed else 0


def _decide(case: Case, settings: Settings, authorizer: Authorizer) -> Decision:
    endpoint = _endpoints(settings).get(case.endpoint)
    if endpoint is None:
        return Decision(allowed=False, visible=False, reason="no such endpoint")
    principal = Principal(
        issuer=case.caller.issuer or settings.issuers[0].issuer,
        subject=case.caller.subject,
        namespace=case.caller.namespace,
        permissions=frozenset(case.caller.permissions),
        claims=case.caller.claims,
    )
    address = address_of(endpoint, case.endpoint, case.operation)
    return authorizer.authorize(principal, endpoint, address, case.verb, anothers=case.of_another_tenant)


def _endpoints(settings: Settings) -> dict[str, Endpoint]:
    return {endpoint.name: endpoint for endpoint in endpoints(settings)}
