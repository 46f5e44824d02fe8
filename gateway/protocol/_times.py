"""The two ways completions write a moment: an HTTP date and an RFC 3339 timestamp (specification: Callback URLs)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

# Names of their own: those of the standard library follow the locale.
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(
    rf"(?:(?:{'|'.join(_DAYS)}),[ ]+)?([0-9]{{1,2}})[ ]+({'|'.join(_MONTHS)})[ ]+([0-9]{{4}})[ ]+"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?[ ]+(GMT|UTC|UT|[+-][0-9]{4})"
)
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,64}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")


def decode_http_date(text: str, part: str) -> datetime:
    """The moment an RFC 5322 date names, in UTC, to the second; ``part`` is the header that errors name.

    Raises:
        RemoteProtocolError: not such a date, or one that no calendar has.
    """
    match = _HTTP_DATE.fullmatch(text)
    if match is None:
        raise RemoteProtocolError(
            f"{part}: {shown(text)} is not an HTTP date; write it like Sun, 22 Nov 2026 03:12:47 GMT"
        )
    day, month, year, hour, minute, second, zone = match.groups()
    return _moment((year, _MONTHS.index(month) + 1, day, hour, minute, second or 0), zone, f"{part}: {shown(text)}")


def encode_http_date(moment: datetime) -> str:
    """An IMF-fixdate (RFC 9110, section 5.6.7): whole seconds, in GMT.

    Raises:
        LocalProtocolError: a datetime without a time zone.
    """
    moment = _utc(moment)
    date = f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d}"
    return f"{date} {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"


def decode_timestamp(text: str, part: str) -> tuple[datetime, int]:
    """The moment an RFC 3339 timestamp names, in UTC, and the nanoseconds (0 to 999) that a datetime cannot hold.

    Raises:
        RemoteProtocolError: not such a timestamp, or a moment that no calendar has (leap seconds included).
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise RemoteProtocolError(
            f"{part}: {shown(text)} is not an RFC 3339 timestamp; write it like 2026-11-22T03:12:47.574Z"
        )
    *fields, fraction, zone = match.groups()
    nanoseconds = int((fraction or "")[:9].ljust(9, "0"))
    moment = _moment(fields, zone, f"{part}: {shown(text)}")
    return moment.replace(microsecond=nanoseconds // 1000), nanoseconds % 1000


def encode_timestamp(moment: datetime, nanoseconds: int = 0) -> str:
    """An RFC 3339 timestamp in UTC: milliseconds at least, finer where there is more (0 to 999 nanoseconds beside).

    Raises:
        LocalProtocolError: a datetime without a time zone, or nanoseconds that belong into it.
    """
    if not 0 <= nanoseconds < 1000:  # noqa: PLR2004 - a thousand nanoseconds are a microsecond
        raise LocalProtocolError(f"{nanoseconds} nanoseconds do not fit below a microsecond")
    moment = _utc(moment)
    fraction = f"{moment.microsecond:06d}{nanoseconds:03d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{moment.replace(microsecond=0, tzinfo=None).isoformat()}.{fraction or '000'}Z"


def _moment(fields: Iterable[str | int], zone: str, what: str) -> datetime:
    year, month, day, hour, minute, second = map(int, fields)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RemoteProtocolError(f"{what} is a moment that no calendar has") from None


def _zone(text: str) -> timezone:
    match = _OFFSET.fullmatch(text)
    if match is None:
        return UTC
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise LocalProtocolError("a time without a time zone cannot be sent")
    return moment.astimezone(UTC)
