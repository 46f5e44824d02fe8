"""Durations and sizes as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings._values import format_duration, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("1h", 3600), ("1.5s", 1.5), ("0s", 0)]
)
def test_a_duration_is_a_number_and_its_unit(text: str, seconds: float) -> None:
    assert timedelta(seconds=seconds) == parse_duration(text)


@pytest.mark.parametrize("text", ["30", "30 s", "-1s", "1d", "s", "1h30m", "", "1e3s", "٣s", 30, 1.5, True, None, []])
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="must be a duration with its unit"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_reads_back_as_it_is_shown(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert duration == parse_duration(format_duration(duration))


@pytest.mark.parametrize(
    ("text", "size"), [("2MiB", 2 << 20), ("16KiB", 16 << 10), ("1GiB", 1 << 30), ("7B", 7), ("512", 512), (512, 512)]
)
def test_a_size_is_bytes_or_has_a_unit(text: object, size: int) -> None:
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["2MB", "2 MiB", "-1", "1.5MiB", "", True, None, -1, 1.5])
def test_anything_else_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="must be a size in bytes"):
        parse_size(text)
