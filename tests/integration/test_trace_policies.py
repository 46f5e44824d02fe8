"""How far a caller's trace context is believed: by the policy of its issuer, from the door to the callback."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gateway.auth import DevIssuerFiles, IssuerPolicy, KeyFile, TokenMinter, generate_dev_issuer
from tests.integration.callback_receiver import receiving
from tests.integration.governed_gateway import GovernedGateway, eventually, governed_gateway
from tests.integration.ordering import PROCESS, small_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp import ClientSession

    from gateway.devstack import Span, Stack
    from tests.integration.caller import Caller

TRUSTED, LINKED, STRANGER = "https://issuer.test", "https://linked.test", "https://stranger.test"
HEADERS, ECHO = "echo.v1/headers", "echo.v1/echo"


@dataclass(frozen=True)
class Theirs:
    """The trace context that a caller sends; ``flags`` 00 is a trace that the caller does not sample."""

    flags: str = "01"
    trace_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Traceparent": f"00-{self.trace_id}-b7ad6b7169203331-{self.flags}",
            "Tracestate": f"vendor={self.trace_id}",
            "Baggage": f"user={self.trace_id}",
            "B3": f"{self.trace_id}-b7ad6b7169203331-1",
        }


@pytest.fixture(scope="module")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DevIssuerFiles]:
    """The keys of the issuers that are not the stack's own."""
    return {issuer: generate_dev_issuer(tmp_path_factory.mktemp("issuer")) for issuer in (LINKED, STRANGER)}


@pytest.fixture(scope="module")
def minters(issuers: dict[str, DevIssuerFiles]) -> dict[str, TokenMinter]:
    return {issuer: minter(issuer, files) for issuer, files in issuers.items()}


def minter(issuer: str, files: DevIssuerFiles) -> TokenMinter:
    keys = KeyFile(files.jwks_file)
    policy = IssuerPolicy(issuer=issuer, audiences=("nexus-gateway",), algorithms=frozenset({"ES256"}), keys=keys)
    return TokenMinter(policy, files.signing_key_file)


@pytest_asyncio.fixture(scope="module")
async def gateway(
    stack: Stack, http: ClientSession, issuers: dict[str, DevIssuerFiles], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[GovernedGateway]:
    def edit(config: dict[str, Any]) -> None:
        for issuer, policy in ((LINKED, "link"), (STRANGER, "restart")):
            keys = {"audiences": ["nexus-gateway"], "jwks_file": str(issuers[issuer].jwks_file)}
            config["issuers"].append({"issuer": issuer, **keys, "trace_context": policy})

    async with governed_gateway(stack, http, tmp_path_factory.mktemp("tracing"), edit) as running:
        yield running


def caller(gateway: GovernedGateway, minters: dict[str, TokenMinter], issuer: str, endpoint: str = "echo") -> Caller:
    if issuer not in minters:
        return gateway.caller(endpoint)
    return gateway.bearer(minters[issuer].mint(subject="svc", namespace="checkout"), endpoint)


async def server_spans(gateway: GovernedGateway, trace_id: str) -> Sequence[Span]:
    spans = await gateway.stack.sink.spans(trace_id, until=lambda spans: any(one.kind == "server" for one in spans))
    return [span for span in spans if span.kind == "server"]


async def nothing_arrived(gateway: GovernedGateway, trace_id: str) -> bool:
    return trace_id not in gateway.stack.sink.trace_ids()


async def test_a_trusted_callers_trace_goes_on(gateway: GovernedGateway, minters: dict[str, TokenMinter]) -> None:
    theirs = Theirs()
    answer = await caller(gateway, minters, TRUSTED).start(HEADERS, None, headers=theirs.headers)
    seen = answer.json["headers"]
    assert [theirs.trace_id, f"vendor={theirs.trace_id}", f"user={theirs.trace_id}"] == [
        seen["traceparent"].split("-")[1],
        seen["tracestate"],
        seen["baggage"],
    ]
    (span,) = await server_spans(gateway, theirs.trace_id)
    assert ("b7ad6b7169203331", ()) == (span.parent_id, span.links)


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize(("issuer", "linked"), [(LINKED, True), (STRANGER, False)])
async def test_nothing_of_an_untrusted_trace_gets_past_the_door(
    gateway: GovernedGateway, minters: dict[str, TokenMinter], issuer: str, flags: str, *, linked: bool
) -> None:
    """A new trace is begun, whatever the caller's flags say, and linked to the caller's where that is the policy."""
    theirs = Theirs(flags)
    answer = await caller(gateway, minters, issuer).start(HEADERS, None, headers=theirs.headers)
    assert (200, False) == (answer.status, theirs.trace_id in answer.body.decode())
    ours = answer.json["headers"]["traceparent"].split("-")[1]
    (span,) = await server_spans(gateway, ours)
    assert (None, (theirs.trace_id,) if linked else ()) == (span.parent_id, span.links)
    assert await nothing_arrived(gateway, theirs.trace_id)


@pytest.mark.parametrize("issuer", [LINKED, STRANGER])
async def test_nothing_of_an_untrusted_trace_reaches_the_engine_or_a_callback(
    gateway: GovernedGateway, minters: dict[str, TokenMinter], issuer: str
) -> None:
    """The trace that the gateway has begun is the one of the workflow and of the callback."""
    theirs = Theirs()
    orders = caller(gateway, minters, issuer, "orders")
    async with receiving() as receiver:
        query = f"?callback={receiver.url('traced')}"
        answer = await orders.start(PROCESS, small_order(), query=query, headers=theirs.headers)
        assert 201 == answer.status
        (arrival,) = await receiver.wait("traced")
    ours = arrival.headers["Traceparent"].split("-")[1]
    assert theirs.trace_id not in str(arrival)

    def complete(spans: Sequence[Span]) -> bool:
        return {f"nexus.start {PROCESS}", "StartWorkflow:Order", "RunActivity:ship_order"} <= {
            span.name for span in spans
        }

    assert complete(await gateway.stack.sink.spans(ours, until=complete))
    assert await nothing_arrived(gateway, theirs.trace_id)


@pytest.mark.parametrize("path", ["nexus", "api"])
async def test_who_is_not_authenticated_is_trusted_as_the_least_trusted(gateway: GovernedGateway, path: str) -> None:
    """And the lines of the refusal have the trace that the refusal belongs to."""
    theirs = Theirs()
    before = len(gateway.audit)
    nobody = gateway.bearer("no.good.token")
    if path == "nexus":
        answer = await nobody.start(ECHO, 1, headers=theirs.headers)
    else:
        answer = await nobody.request("GET", f"{gateway.server.url}/api/v1/operations", headers=theirs.headers)
    assert 401 == answer.status
    await eventually(lambda: len(gateway.audit) > before)
    refused = gateway.audit[before]
    (span,) = await server_spans(gateway, refused["trace_id"])
    assert (None, ()) == (span.parent_id, span.links)
    (line,) = await eventually(lambda: [each for each in gateway.log if each.get("trace_id") == refused["trace_id"]])
    assert "refused a token: form, issuer -, kid -" == line["message"]
    assert await nothing_arrived(gateway, theirs.trace_id)


async def test_what_is_never_asked_for_a_token_is_trusted_as_the_least_trusted(gateway: GovernedGateway) -> None:
    theirs = Theirs()
    nobody = gateway.bearer("x").showing(None)
    document = await nobody.request("GET", f"{gateway.server.url}/openapi.json", headers=theirs.headers)
    junk = await nobody.request("POST", f"{gateway.server.url}/nexus/nothing", headers=theirs.headers)
    completion = await nobody.request("POST", f"{gateway.server.url}/nexus/callback", headers=theirs.headers)
    assert [200, 404, 404] == [document.status, junk.status, completion.status]
    later = await gateway.caller().start(HEADERS, None)
    await server_spans(gateway, later.json["headers"]["traceparent"].split("-")[1])
    assert await nothing_arrived(gateway, theirs.trace_id)


async def test_a_policy_changes_without_a_restart(gateway: GovernedGateway, minters: dict[str, TokenMinter]) -> None:
    stranger = caller(gateway, minters, STRANGER)

    def trust(policy: str) -> None:
        def edit(config: dict[str, Any]) -> None:
            (issuer,) = (one for one in config["issuers"] if one["issuer"] == STRANGER)
            issuer["trace_context"] = policy

        gateway.reconfigure(edit)

    async def goes_on() -> bool:
        theirs = Theirs()
        answer = await stranger.start(HEADERS, None, headers=theirs.headers)
        return theirs.trace_id in answer.json["headers"]["traceparent"]

    async def begins_anew() -> bool:
        return not await goes_on()

    assert await begins_anew()
    trust("continue")
    await eventually(goes_on)
    trust("restart")
    await eventually(begins_anew)
