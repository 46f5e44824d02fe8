"""Durations: number and unit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol import LocalProtocolError, RemoteProtocolError, decode_duration, encode_duration
from tests.unit.protocol.comparing import outcome


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("9999ms", timedelta(milliseconds=9999)),
        ("59990ms", timedelta(milliseconds=59990)),
        ("30s", timedelta(seconds=30)),
        ("2.999s", timedelta(milliseconds=2999)),
        (".5m", timedelta(seconds=30)),
        ("1.m", timedelta(minutes=1)),
        ("007s", timedelta(seconds=7)),
        ("5m", timedelta(minutes=5)),
        ("0.001ms", timedelta(microseconds=1)),
        ("36500.0s", timedelta(seconds=36500)),
        ("52560000m", timedelta(days=36500)),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text: str, duration: timedelta) -> None:
    assert duration == decode_duration(text, "Request-Timeout")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        ".s",
        "1",
        "1h",
        "1S",
        "1 s",
        " 1s",
        "1s ",
        "1s\n",
        "-1s",
        "+1s",
        "1e3s",
        "NaNs",
        "infs",
        "1_0s",
        "\u0661s",
        "1,5s",
        "0s",
        "0ms",
        "0.0m",
        "0.0000001ms",
        "52560001m",
        "9" * 31 + "s",
        "9" * 5000 + "s",
        "0." + "9" * 5000 + "s",
    ],
)
def test_anything_else_is_refused_by_the_name_of_its_header(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Request-Timeout: ") as caught:
        decode_duration(text, "Request-Timeout")
    assert len(caught.value.message) < 250


def test_no_time_is_a_duration_where_that_means_something() -> None:
    assert timedelta(0) == decode_duration("0s", "wait", zero=True)
    assert "0s" == encode_duration(timedelta(0), zero=True)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(minutes=10), "10m"),
        (timedelta(seconds=90), "90s"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=1), "0.001ms"),
        (timedelta(days=36500), "52560000m"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_that_holds_it(duration: timedelta, text: str) -> None:
    assert text == encode_duration(duration)


@pytest.mark.parametrize("duration", [timedelta(0), timedelta(microseconds=-1), timedelta(days=36501), timedelta.max])
def test_what_is_no_time_to_wait_is_not_sent(duration: timedelta) -> None:
    with pytest.raises(LocalProtocolError):
        encode_duration(duration)


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=36500)))
@settings(deadline=None)
def test_every_duration_comes_back_exactly(duration: timedelta) -> None:
    assert duration == decode_duration(encode_duration(duration), "x")


@given(st.text() | st.from_regex(r"[0-9.eE+-]{0,40}(ms|s|m)?"))
@settings(deadline=None)
def test_junk_is_a_duration_or_the_peers_error(text: str) -> None:
    duration = outcome(lambda: decode_duration(text, "x"))
    assert isinstance(duration, RemoteProtocolError) or timedelta(0) < duration <= timedelta(days=36500)
