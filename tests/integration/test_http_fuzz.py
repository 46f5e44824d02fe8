"""Broken requests over raw sockets, against a running gateway: a small share of what ``make fuzz`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.security.fuzz import fuzz_gateway

if TYPE_CHECKING:
    from gateway.devstack import Stack


async def test_no_broken_request_gets_a_server_error_or_a_word_of_what_is_behind(stack: Stack) -> None:
    outcome = await fuzz_gateway(stack, 2000, seed=21)
    assert [] == outcome.wrong
    assert {200, 400, 401, 404} <= set(outcome.statuses)
    assert outcome.grown < 24 << 20
    assert not [line for line in stack.gateway.process.output if "Traceback" in line]
