"""The whole corpus of hostile tokens over HTTP: one shape of answer for all of them, and each reason in the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gateway.auth import Reason
from tests.integration.governed_gateway import governed_gateway
from tests.unit.auth.signing import key_set
from tests.unit.auth.test_hostile_tokens import CORPUS, SIGNER

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import ClientSession

    from gateway.devstack import Stack

_SENDABLE = re.compile(r"[\x21-\x7e]+")
"""What can stand behind ``Bearer`` without being another header, or no header at all."""

_TOO_LONG = 12_000


async def test_every_hostile_token_gets_the_same_shape_of_answer_and_its_reason_in_the_log(
    stack: Stack, http: ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "jwks.json").write_text(key_set(SIGNER.jwk()))

    def edit(config: dict[str, Any]) -> None:
        config["issuers"] = [{**config["issuers"][0], "jwks_file": "jwks.json"}]
        del config["issuers"][0]["dev_signing_key_file"]

    cases = [(token, reason) for _, token, reason in CORPUS if _SENDABLE.fullmatch(token) and len(token) < _TOO_LONG]
    assert len(cases) > 150
    async with governed_gateway(stack, http, tmp_path, edit) as gateway:
        assert 200 == (await gateway.bearer(SIGNER.token()).start("echo.v1/echo", 1)).status
        shapes = set()
        for token, reason in cases:
            answer = await gateway.bearer(token).start("echo.v1/echo", 1)
            assert (401, "UNAUTHENTICATED") == (answer.status, answer.error_type), reason
            assert token not in str(answer.headers) + answer.message
            challenge = answer.headers["WWW-Authenticate"]
            assert f'Bearer error="invalid_token", error_description="{answer.message}"' == challenge
            shapes.add((tuple(sorted(answer.headers)), tuple(answer.json), tuple(answer.json["details"])))
        assert 1 == len(shapes)
        assert 200 == (await gateway.bearer(SIGNER.token()).start("echo.v1/echo", 1)).status
        logged = [line["message"].split(",")[0] for line in gateway.log if "refused a token" in line["message"]]
        text = "\n".join(gateway.lines)
    assert [f"refused a token: {reason}" for _, reason in cases] == logged
    assert {Reason.FORM, Reason.SIGNATURE, Reason.BINDING} <= {reason for _, reason in cases}
    assert not [token for token, _ in cases if len(token) > 40 and token in text]
