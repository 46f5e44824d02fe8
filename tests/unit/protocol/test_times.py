"""The two forms of a moment in a completion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.protocol import LocalProtocolError, RemoteProtocolError
from gateway.protocol._times import decode_http_date, decode_timestamp, encode_http_date, encode_timestamp

MOMENT = datetime(2026, 11, 22, 3, 12, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 22 Nov 2026 03:12:47 GMT",
        "22 Nov 2026 03:12:47 UTC",
        "Sun, 22 Nov 2026 04:12:47 +0100",
        "Sat, 21 Nov 2026 22:42:47 -0430",
    ],
)
def test_an_http_date_is_read(text: str) -> None:
    assert MOMENT == decode_http_date(text, "x")


def test_seconds_may_be_left_out_of_a_date() -> None:
    assert MOMENT.replace(second=0) == decode_http_date("22 Nov 2026 03:12 GMT", "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22T03:12:47Z",
        "Sun, 22 Nov 2026 03:12:47",
        "Sun, 31 Feb 2026 03:12:47 GMT",
        "Sun, 22 Nov 2026 24:12:47 GMT",
        "Sun, 22 nov 2026 03:12:47 GMT",
        "22 Nov 0000 03:12:47 GMT",
        "01 Jan 0001 00:00:00 +0100",
        "22 Nov 2026 03:12:47 +9999",
        "22 Nov 2026 03:12:47 GMT\n",
    ],
)
def test_what_is_no_http_date_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Nexus-Operation-Start-Time: "):
        decode_http_date(text, "Nexus-Operation-Start-Time")


@pytest.mark.parametrize(
    ("text", "microsecond", "nanoseconds"),
    [
        ("2026-11-22T03:12:47Z", 0, 0),
        ("2026-11-22T03:12:47.5z", 500_000, 0),
        ("2026-11-22 03:12:47.574880849Z", 574_880, 849),
        ("2026-11-22t05:42:47.000001+02:30", 1, 0),
        ("2026-11-21T23:12:47.0000000019-04:00", 0, 1),
    ],
)
def test_a_timestamp_is_read_to_the_nanosecond(text: str, microsecond: int, nanoseconds: int) -> None:
    assert (MOMENT.replace(microsecond=microsecond), nanoseconds) == decode_timestamp(text, "x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T03:12:47",
        "2026-11-22T03:12:47.Z",
        "2026-11-22T03:12:60Z",
        "2026-13-22T03:12:47Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-11-22T03:12:47+24:00",
        "2026-11-22T03:12:47.123Z\n",
        "Sun, 22 Nov 2026 03:12:47 GMT",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Nexus-Operation-Close-Time: "):
        decode_timestamp(text, "Nexus-Operation-Close-Time")


@pytest.mark.parametrize(
    ("microsecond", "nanoseconds", "fraction"),
    [(0, 0, ".000Z"), (574_000, 0, ".574Z"), (574_880, 0, ".574880Z"), (0, 1, ".000000001Z")],
)
def test_a_timestamp_is_written_to_the_millisecond_at_least(microsecond: int, nanoseconds: int, fraction: str) -> None:
    moment = MOMENT.replace(microsecond=microsecond).astimezone(timezone(timedelta(hours=5)))
    assert f"2026-11-22T03:12:47{fraction}" == encode_timestamp(moment, nanoseconds)


def test_a_moment_without_a_zone_is_not_sent() -> None:
    naive = MOMENT.replace(tzinfo=None)
    with pytest.raises(LocalProtocolError):
        encode_http_date(naive)
    with pytest.raises(LocalProtocolError):
        encode_timestamp(naive)


@pytest.mark.parametrize("nanoseconds", [-1, 1000])
def test_nanoseconds_beyond_a_microsecond_are_not_sent(nanoseconds: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode_timestamp(MOMENT, nanoseconds)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 999))
@settings(deadline=None)
def test_every_timestamp_comes_back_exactly(moment: datetime, nanoseconds: int) -> None:
    assert (moment, nanoseconds) == decode_timestamp(encode_timestamp(moment, nanoseconds), "x")


@given(st.datetimes(timezones=st.just(UTC)))
@settings(deadline=None)
def test_every_http_date_comes_back_to_the_second(moment: datetime) -> None:
    assert moment.replace(microsecond=0) == decode_http_date(encode_http_date(moment), "x")
