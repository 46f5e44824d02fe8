"""Globs of allow rules."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth._globs import operations_of, texts


@pytest.mark.parametrize(
    ("glob", "text", "matches"),
    [
        ("checkout", "checkout", True),
        ("checkout", "checkout2", False),
        ("checkout", "Checkout", False),
        ("check*", "checkout", True),
        ("check*", "check", True),
        ("*out", "checkout", True),
        ("*out", "outs", False),
        ("c*k*t", "checkout", True),
        ("c*kk*t", "checkout", False),
        ("checkou?", "checkout", True),
        ("checkout?", "checkout", False),
        ("?", "", False),
        ("*", "", True),
        ("a*", "a\nb", True),
        ("a.c", "abc", False),
        ("a[bc]", "ab", False),
        ("a[bc]", "a[bc]", True),
        ("a\\*", "a\\b", True),
        ("team/*", "team/payments", True),
        ("https://*.test", "https://issuer.test", True),
        ("*ab", "aab", True),
        ("*a*", "bab", True),
    ],
)
def test_a_star_is_any_run_and_a_question_mark_one_character(glob: str, text: str, matches: bool) -> None:
    assert matches is (text in texts([glob]))


simple = st.text("ab*?", max_size=8)


@settings(deadline=None)
@given(simple, st.text("ab", max_size=10))
def test_globs_match_as_the_standard_library_has_them(glob: str, text: str) -> None:
    assert fnmatch.fnmatchcase(text, glob) is (text in texts([glob]))


@settings(deadline=None)
@given(st.lists(simple, max_size=5), st.text("ab", max_size=10))
def test_a_list_matches_what_one_of_its_globs_matches(globs: list[str], text: str) -> None:
    assert any(fnmatch.fnmatchcase(text, glob) for glob in globs) is (text in texts(globs))


def test_no_selector_matches_everything_and_an_empty_one_nothing() -> None:
    assert "x" in texts(None)
    assert "x" not in texts([])
    assert texts([]).empty


def test_a_glob_of_many_stars_is_not_slow() -> None:
    """Whoever chooses the text must not be able to choose the time."""
    selected = texts(["*a*a*a*a*a*a*a*a*a*a*b"])
    started = time.perf_counter()
    assert "a" * 1000 not in selected
    assert time.perf_counter() - started < 0.05


@pytest.mark.parametrize(
    ("glob", "service", "operations"),
    [
        ("orders.v1/process", "orders.v1", {"process"}),
        ("orders.v1/*", "orders.v1", {"*"}),
        ("orders.v1/pro*", "orders.v1", {"pro*"}),
        ("orders.*/process", "orders.v1", {"process"}),
        ("orders.v?/process", "orders.v1", {"process"}),
        ("*/process", "orders.v1", {"process"}),
        ("*/*", "orders.v1", {"*"}),
        ("*", "orders.v1", {"*"}),
        ("orders*", "orders.v1", {"*"}),
        ("orders.v2/*", "orders.v1", set()),
        ("orders.v1", "orders.v1", set()),
        ("orders.v1/", "orders.v1", set()),
        ("", "orders.v1", set()),
        # A service whose name holds a slash is named with it, and is not meant by a glob for another service.
        ("a/*", "a/b", set()),
        ("a/b/*", "a/b", {"*"}),
        ("a/b/c", "a/b", {"c"}),
        ("a/b/c", "a", {"b/c"}),
        ("*/c", "a/b", {"c"}),
        ("a/*/c", "a/b", {"c"}),
        ("a/*/c", "a", {"*/c"}),
        ("Ser/vic e/*", "Ser/vic e", {"*"}),
    ],
)
def test_a_glob_is_read_for_one_service_at_a_time(glob: str, service: str, operations: set[str]) -> None:
    assert operations == operations_of(glob, service)


@settings(deadline=None)
@given(st.text("ab/*?", max_size=8), st.text("ab", min_size=1, max_size=4), st.text("ab", min_size=1, max_size=4))
def test_names_without_a_slash_match_as_one_text(glob: str, service: str, operation: str) -> None:
    """Where neither name holds a slash, reading service and operation apart changes nothing, except for ``?``."""
    whole = fnmatch.fnmatchcase(f"{service}/{operation}", glob)
    apart = operation in texts(operations_of(glob, service))
    assert apart is whole or ("/" in glob and not apart)
