"""What an operator may see and do of other tenants' operations, on a real Temporal server; and what nobody may."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from gateway.devstack import CALLER_NAMESPACE
from gateway.settings import token_minter
from tests.integration.conftest import RIVALS, STRICT_ISSUER
from tests.integration.governed_gateway import GovernedGateway, governed_gateway
from tests.integration.operations_api import OperationsApi
from tests.integration.ordering import PROCESS, large_order
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack
    from tests.integration.caller import Answer, Caller

OPERATORS = "operators"
COUNT = "probe.v1/count"
NEXUS_REQUESTS = {
    "result": ("GET", "/result"),
    "waiting result": ("GET", "/result?wait=5s"),
    "info": ("GET", ""),
    "cancel": ("POST", "/cancel"),
}


@dataclass(frozen=True, kw_only=True)
class Party:
    """Somebody with a token, at both interfaces."""

    nexus: Caller
    api: OperationsApi


@dataclass(frozen=True, kw_only=True)
class Started:
    """One running order of each of three tenants and of the operators' own, all with the same mark."""

    mark: str
    tokens: dict[str, str]

    @property
    def marked(self) -> dict[str, str]:
        """The filter that finds them."""
        return {"metadata.mark": self.mark}


def admit_operators(config: dict[str, Any]) -> None:
    """One operator may do everything with every tenant's orders, one only looks, and a third has its own alone."""
    config["endpoints"]["orders"]["allow"] += [
        {"namespaces": [OPERATORS], "subjects": ["olga"], "operations": [PROCESS], "tenants": "all"},
        {"namespaces": [OPERATORS], "subjects": ["watcher"], "verbs": ["list", "describe"], "tenants": "all"},
        {"namespaces": [OPERATORS], "subjects": ["trainee"]},
    ]
    config["endpoints"]["probe"]["allow"].append({"namespaces": [OPERATORS]})


@pytest_asyncio.fixture(scope="module")
async def gateway(stack: Stack, http: ClientSession, tmp_path_factory: Any) -> AsyncIterator[GovernedGateway]:
    """A gateway with a rule that reaches every tenant."""
    directory: Path = tmp_path_factory.mktemp("across")
    async with governed_gateway(stack, http, directory, admit_operators) as running:
        yield running


@pytest.fixture(scope="module")
def parties(gateway: GovernedGateway, stack: Stack) -> dict[str, Party]:
    """Three tenants, of whom the third has the first one's namespace by another issuer, and the operators."""
    strict = token_minter(stack.settings, STRICT_ISSUER)
    namesake = strict.mint(subject="dev", namespace=CALLER_NAMESPACE, permissions=["temporal:*"])
    callers = {
        "mine": gateway.caller("orders"),
        "rival": gateway.caller("orders", namespace=RIVALS),
        "namesake": gateway.bearer(namesake, "orders"),
        **{
            subject: gateway.caller("orders", namespace=OPERATORS, subject=subject)
            for subject in ("olga", "watcher", "trainee")
        },
    }
    return {name: Party(nexus=caller, api=OperationsApi(gateway, caller)) for name, caller in callers.items()}


@pytest_asyncio.fixture
async def started(parties: dict[str, Party]) -> Started:
    """Orders that wait for their approval."""
    mark = uuid.uuid4().hex
    owners = ("mine", "rival", "namesake", "olga")
    answers = await asyncio.gather(
        *(
            parties[name].nexus.start(PROCESS, large_order(), headers={"Nexus-Gateway-Metadata-Mark": mark})
            for name in owners
        )
    )
    made = Started(mark=mark, tokens={name: answer.token for name, answer in zip(owners, answers, strict=True)})
    await parties["olga"].api.eventually(len(owners), **made.marked)
    return made


async def found_by(party: Party, started: Started, **more: str) -> dict[str, dict[str, Any]]:
    """What a party's list has of them, by token."""
    return {one["token"]: one for one in await party.api.listed(**started.marked, **more)}


async def anothers(parties: dict[str, Party], started: Started, namespace: str = RIVALS) -> str:
    """The operator's token for another tenant's operation."""
    found = await found_by(parties["olga"], started)
    [token] = [token for token, one in found.items() if one["caller"]["namespace"] == namespace]
    return token


def seen(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """All that a caller can tell two answers apart by."""
    return answer.status, answer.lasting_headers, answer.body


async def test_an_operator_lists_the_operations_of_every_tenant(parties: dict[str, Party], started: Started) -> None:
    """Page by page and by every filter, with whose they are; its own with the token that start returned."""
    for name in ("olga", "watcher"):
        found = await found_by(parties[name], started, page_size="2")
        assert sorted([CALLER_NAMESPACE, CALLER_NAMESPACE, RIVALS, OPERATORS]) == sorted(
            one["caller"]["namespace"] for one in found.values()
        )
        assert {started.tokens["olga"]} == found.keys() & set(started.tokens.values())
        counted = await parties[name].api.get("operations/count", **started.marked)
        assert 4 == counted.json["total"]
    olga = parties["olga"]
    for query, namespaces in [
        ("NexusCallerNamespace = 'rivals'", {RIVALS}),
        ("NexusCallerNamespace != 'rivals' AND ExecutionStatus = 'Running'", {CALLER_NAMESPACE, OPERATORS}),
        ("NexusCallerNamespace IN ('rivals', 'operators')", {RIVALS, OPERATORS}),
    ]:
        found = await found_by(olga, started, query=query)
        assert namespaces == {one["caller"]["namespace"] for one in found.values()}, query
    assert [] == await olga.api.listed(**started.marked, caller="somebody")


async def test_nobody_else_sees_more_than_before(parties: dict[str, Party], started: Started) -> None:
    """A tenant its own, and so does an operator whose rule says nothing of tenants."""
    for name in ("mine", "rival", "namesake"):
        assert {started.tokens[name]} == (await found_by(parties[name], started)).keys()
        for query in ("WorkflowType = 'Order' OR WorkflowType != 'Order'", "NOT (NexusEndpoint = 'x')"):
            assert {started.tokens[name]} == (await found_by(parties[name], started, query=query)).keys()
    assert {started.tokens["olga"]} == (await found_by(parties["trainee"], started)).keys()
    refused = await parties["trainee"].api.get("operations", query="NexusCallerNamespace = 'rivals'")
    assert 400 == refused.status


async def test_a_rule_reaches_no_further_than_it_says(gateway: GovernedGateway, parties: dict[str, Party]) -> None:
    """Another tenant's operation elsewhere stays unseen, whatever the filter says."""
    mark = uuid.uuid4().hex
    headers = {"Nexus-Gateway-Metadata-Mark": mark}
    there = gateway.caller("probe", namespace=RIVALS)
    waiting = await there.start("probe.v1/wait", {"id": uuid.uuid4().hex, "seconds": 60}, headers=headers)
    rival = OperationsApi(gateway, there)
    await rival.eventually(1, **{"metadata.mark": mark})
    assert [] == await parties["olga"].api.listed(**{"metadata.mark": mark})
    for query in ("NexusEndpoint = 'probe'", "NexusCallerNamespace = 'rivals' OR NexusEndpoint != 'x'"):
        assert [] == await parties["olga"].api.listed(**{"metadata.mark": mark, "query": query})
    for query in ("WorkflowId != 'x') OR (NexusCallerNamespace = 'rivals'", "NexusCallerTenant != 'x'"):
        assert 400 == (await parties["olga"].api.get("operations", query=query)).status
    assert 200 == (await rival.post("operations/terminate", waiting.token)).status


async def test_an_operator_steers_anothers_operation(parties: dict[str, Party], started: Started) -> None:
    """It stays its owner's, also once it is started again; the approver is the operator."""
    olga, rival = parties["olga"], parties["rival"]
    token = await anothers(parties, started)
    described = await olga.api.awaiting(token)
    assert {"namespace": RIVALS, "subject": "dev"} == described["caller"]
    assert started.mark == described["metadata"]["mark"]
    assert "awaiting_approval" == (await olga.api.get("operations/query/status", token)).json["phase"]
    canceled = await olga.api.post("operations/cancel", token)
    assert (202, token) == (canceled.status, canceled.json["token"])
    await olga.api.state(token, "canceled")
    events = await olga.api.get("operations/events", token)
    assert (200, True) == (events.status, b"event: canceled" in events.body)
    once = {"Idempotency-Key": started.mark}
    first, second = [await olga.api.post("operations/retry", token, headers=once) for _ in range(2)]
    assert (202, first.json) == (first.status, second.json)
    again = first.json["token"]
    anew = await olga.api.awaiting(again)
    assert ({"namespace": RIVALS, "subject": "dev"}, token) == (anew["caller"], anew["retry_of"])
    marked = {**started.marked, "status": "running"}
    [theirs] = await eventually(
        lambda: rival.api.listed(**marked),
        lambda found: 1 == len(found) and found[0]["token"] != started.tokens["rival"],
    )
    assert {"namespace": RIVALS, "subject": "dev"} == theirs["caller"]
    assert started.tokens["rival"] == (await rival.api.described(theirs["token"]))["retry_of"]
    approved = await olga.api.post("operations/update/approve", again)
    assert (200, "olga") == (approved.status, approved.json["approved_by"])
    receipt = await rival.nexus.result(PROCESS, theirs["token"])
    assert (200, "olga") == (receipt.status, receipt.json["approved_by"])


async def test_what_a_rule_does_not_say_stays_forbidden(parties: dict[str, Party], started: Started) -> None:
    """To look is not to end, and nobody starts operations in another tenant's name."""
    olga, watcher = parties["olga"], parties["watcher"]
    token = await anothers(parties, started)
    assert 200 == (await watcher.api.get("operations/describe", token)).status
    for path in ("terminate", "cancel", "retry", "clone", "update/approve"):
        refused = await watcher.api.post(f"operations/{path}", token)
        assert (403, "PERMISSION_DENIED") == (refused.status, refused.json["error"]["code"]), path
    assert 403 == (await olga.api.post("operations/clone", token)).status
    unknown = await olga.api.get("operations/describe", "ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    hidden = await parties["trainee"].api.get("operations/describe", token)
    assert (404, unknown.json) == (hidden.status, hidden.json)
    assert "running" == (await parties["rival"].api.described(started.tokens["rival"]))["state"]


@pytest.mark.parametrize("request_kind", NEXUS_REQUESTS)
async def test_a_token_of_anothers_operation_is_none_at_the_nexus_interface(
    parties: dict[str, Party], started: Started, request_kind: str
) -> None:
    """To the byte what one gets that nobody has: for who got it, for the owner and for everybody else."""
    token = await anothers(parties, started)
    unknown = "ng1.dev." + "A" * (len(token) - len("ng1.dev."))
    method, path = NEXUS_REQUESTS[request_kind]
    for name in ("olga", "rival", "mine", "namesake"):
        caller = parties[name].nexus
        answers = [
            await caller.request(method, f"{PROCESS}{path}", headers={"Nexus-Operation-Token": one})
            for one in (token, unknown)
        ]
        assert 404 == answers[0].status
        assert seen(answers[1]) == seen(answers[0])


async def test_a_token_of_anothers_operation_is_nobody_elses(parties: dict[str, Party], started: Started) -> None:
    """Not even the owner's, whose own one is another."""
    token = await anothers(parties, started)
    for name in ("mine", "rival", "namesake"):
        api = parties[name].api
        unknown = await api.get("operations/describe", "ng1.dev.AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
        for path in ("cancel", "terminate", "retry", "clone", "update/approve"):
            refused = await api.post(f"operations/{path}", token)
            assert (404, unknown.json) == (refused.status, refused.json), path
        assert 404 == (await api.post("operations/bulk-terminate", body={"tokens": [token]})).status
    assert "running" == (await parties["olga"].api.described(token))["state"]


async def test_an_operators_own_operation_has_the_ordinary_token(parties: dict[str, Party], started: Started) -> None:
    """Also where it was found by a rule that reaches every tenant: it is good at both interfaces."""
    found = await found_by(parties["olga"], started, query="NexusCallerNamespace = 'operators'")
    assert [started.tokens["olga"]] == [*found]
    assert "running" == (await parties["olga"].nexus.info(PROCESS, started.tokens["olga"])).json["state"]


async def test_bulk_requests_reach_as_far_as_lists_do(parties: dict[str, Party], started: Started) -> None:
    """By filter and by tokens; what is retried is its owners' as before."""
    marked = {"filter": {"metadata": {"mark": started.mark}}}

    async def would(name: str, verb: str) -> int:
        answer = await parties[name].api.post(f"operations/bulk-{verb}", body={**marked, "dry_run": True})
        assert 200 == answer.status, answer.body
        total: int = answer.json["total"]
        return total

    assert [4, 0, 1, 1] == [await would(name, "terminate") for name in ("olga", "watcher", "trainee", "mine")]
    olga = parties["olga"]
    assert 202 == (await olga.api.post("operations/bulk-terminate", body={**marked, "reason": "drill"})).status
    for name in ("mine", "rival", "namesake", "olga"):
        await parties[name].api.state(started.tokens[name], "terminated")
    terminated = {**started.marked, "status": "terminated"}
    await eventually(lambda: olga.api.listed(**terminated), lambda found: 4 == len(found))
    tokens = [*await found_by(olga, started)]
    begun = await olga.api.post("operations/bulk-retry", body={"tokens": tokens})
    assert (202, 4) == (begun.status, begun.json["total"])

    async def running() -> list[str]:
        return [
            one["caller"]["namespace"] for one in await olga.api.listed(**started.marked) if one["state"] == "running"
        ]

    owners = sorted([CALLER_NAMESPACE, CALLER_NAMESPACE, RIVALS, OPERATORS])
    await eventually(running, lambda namespaces: owners == sorted(namespaces))
    for name in ("mine", "rival", "namesake"):
        [again] = [one for one in await parties[name].api.listed(**started.marked) if one["state"] == "running"]
        assert "dev" == again["caller"]["subject"]


async def test_it_is_on_record_who_did_what_with_whose_operation(
    gateway: GovernedGateway, parties: dict[str, Party], started: Started
) -> None:
    """What was done as well as what was refused; of an own operation the line says no owner."""
    token = await anothers(parties, started)
    await parties["watcher"].api.post("operations/terminate", token)
    await parties["olga"].api.post("operations/terminate", token)
    await parties["rival"].api.get("operations/describe", started.tokens["rival"])

    async def lines() -> list[dict[str, Any]]:
        audit = await asyncio.to_thread(lambda: gateway.audit)
        return [line for line in audit if line["verb"] in ("terminate", "describe")][-3:]

    refused, done, own = await eventually(lines, lambda found: found and found[-1]["namespace"] == RIVALS)
    assert (False, "watcher") == (refused["allowed"], refused["subject"])
    assert "no allow rule matches" == refused["reason"]
    assert (True, "olga", PROCESS) == (done["allowed"], done["subject"], f"{done['service']}/{done['operation']}")
    for line in (refused, done):
        assert {"issuer": line["issuer"], "namespace": RIVALS} == line["owner"]
        assert (OPERATORS, "terminate") == (line["namespace"], line["verb"])
    assert "owner" not in own


async def test_a_rule_that_is_taken_back_takes_the_tokens_along(
    gateway: GovernedGateway, parties: dict[str, Party], started: Started
) -> None:
    """At once, while the gateway runs; what the operator may do with its own stays."""
    token = await anothers(parties, started)

    def take_back(config: dict[str, Any]) -> None:
        for rule in config["endpoints"]["orders"]["allow"]:
            rule.pop("tenants", None)

    gateway.reconfigure(take_back)
    olga = parties["olga"].api
    await eventually(lambda: olga.get("operations/describe", token), lambda answer: answer.status == 404)
    assert {started.tokens["olga"]} == (await found_by(parties["olga"], started)).keys()
    assert 200 == (await olga.get("operations/describe", started.tokens["olga"])).status


async def test_what_another_tenant_began_is_not_started_again_by_who_joined_it(
    gateway: GovernedGateway, parties: dict[str, Party]
) -> None:
    """With its input, that is: it would be shown to somebody who has never had it."""
    mine, rival = gateway.caller("probe"), gateway.caller("probe", namespace=RIVALS)
    counting = {"id": f"shared-{uuid.uuid4().hex}", "join": True}
    first = (await mine.start(COUNT, counting)).token
    joined = (await rival.start(COUNT, counting)).token
    api = parties["rival"].api
    for ended in (False, True):
        for verb in ("clone", "retry") if ended else ("clone",):
            answer = await api.post(f"operations/{verb}", joined)
            assert (501, "UNIMPLEMENTED") == (answer.status, answer.json["error"]["code"])
            assert "joined" in answer.json["error"]["message"]
        await parties["mine"].api.post("operations/terminate", first)
