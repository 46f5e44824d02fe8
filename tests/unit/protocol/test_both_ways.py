"""The table of cases, each encoded and decoded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.protocol import (
    Headers,
    decode_completion,
    decode_request,
    decode_response,
    encode_completion,
    encode_request,
    encode_response,
)
from tests.unit.protocol.cases import COMPLETIONS, REQUESTS, RESPONSES, CompletionCase, RequestCase, ResponseCase
from tests.unit.protocol.comparing import comparable, fields


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_a_request_is_read_from_the_wire(case: RequestCase) -> None:
    assert case.value == decode_request(case.method, case.target, Headers(case.headers))


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_a_request_is_written_to_the_wire(case: RequestCase) -> None:
    encoded = encode_request(case.value)
    assert (case.method, case.target) == (encoded.method, encoded.target)
    assert fields(case.headers) == fields(encoded.headers)


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_a_response_is_read_from_the_wire(case: ResponseCase) -> None:
    decoded = decode_response(case.request, case.status, Headers(case.headers), case.body)
    assert comparable(case.value) == comparable(decoded)


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_a_response_is_written_to_the_wire(case: ResponseCase) -> None:
    encoded = encode_response(case.value, case.form)
    assert (case.status, case.body) == (encoded.status, encoded.body)
    assert fields(case.headers) == fields(encoded.headers)


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_a_response_says_the_same_when_it_is_passed_on(case: ResponseCase) -> None:
    """What a client decoded, a gateway can answer with: nothing is wrapped a second time."""
    decoded = decode_response(case.request, case.status, Headers(case.headers), case.body)
    passed_on = encode_response(decoded, case.form)
    assert (case.status, case.body) == (passed_on.status, passed_on.body)


@pytest.mark.parametrize("case", COMPLETIONS, ids=lambda case: case.name)
def test_a_completion_is_read_from_the_wire(case: CompletionCase) -> None:
    assert case.value == decode_completion(Headers(case.headers), case.body)


@pytest.mark.parametrize("case", COMPLETIONS, ids=lambda case: case.name)
def test_a_completion_is_written_to_the_wire(case: CompletionCase) -> None:
    encoded = encode_completion(case.value)
    assert case.body == encoded.body
    assert fields(case.headers) == fields(encoded.headers)


@pytest.mark.parametrize("encode", [encode_request, encode_response])
def test_a_value_that_is_none_of_the_union_is_not_written(encode: Any) -> None:
    """The unions are closed: the type checker says so first, this is for those who do not ask it."""
    with pytest.raises(AssertionError):
        encode(SimpleNamespace(service="s", operation="o"))
