"""The mapping of header fields."""

from __future__ import annotations

import pytest

from gateway.protocol import Headers


def test_names_are_found_in_any_case_and_listed_in_lower_case() -> None:
    headers = Headers([("X-One", "1"), ("x-TWO", "2")])
    assert ("1", "2") == (headers["x-one"], headers.get("X-Two"))
    assert "X-ONE" in headers
    assert 1 not in headers  # type: ignore[comparison-overlap]  # mappings may be asked for anything
    assert ["x-one", "x-two"] == list(headers)
    assert [("x-one", "1"), ("x-two", "2")] == list(headers.items())
    assert 2 == len(headers)


def test_a_field_that_came_several_times_reads_as_a_list_and_comes_apart() -> None:
    headers = Headers([("Via", "a"), ("x", "y"), ("via", "b, c"), ("VIA", "d")])
    assert "a, b, c, d" == headers["via"]
    assert ("a", "b, c", "d") == headers.get_all("Via")
    assert ("y",) == headers.get_all("x")
    assert () == headers.get_all("z")
    assert frozenset({"via"}) == headers.repeated


def test_a_field_that_is_not_there_has_the_default() -> None:
    headers = Headers()
    assert None is headers.get("x")
    assert "d" == headers.get("x", "d")
    with pytest.raises(KeyError):
        headers["x"]


def test_values_are_not_in_the_repr() -> None:
    assert "Headers(authorization, x)" == repr(Headers([("Authorization", "Bearer s3cr3t"), ("x", "y")]))


def test_headers_with_the_same_fields_are_equal() -> None:
    assert Headers([("A", "1")]) == Headers([("a", "1")])
    assert Headers([("A", "1")]) != Headers([("a", "2")])


def test_many_repetitions_are_read_in_one_pass() -> None:
    headers = Headers([("a", "b")] * 20_000)
    assert 20_000 == len(headers.get_all("a"))
