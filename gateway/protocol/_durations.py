"""Durations as the specification writes them: a number and ``ms``, ``s`` or ``m`` (section Request-Timeout)."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

from gateway.protocol._errors import LocalProtocolError, RemoteProtocolError, shown

LONGEST: Final = timedelta(days=36_500)
"""The longest duration taken, about a hundred years: any moment that it leads to is still a date."""

_PATTERN = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ms|s|m)")
# Enough for a hundred years in milliseconds with nanoseconds behind the point; more digits are an attack or a mistake.
_LONGEST_TEXT = 32
_MICROSECOND = timedelta(microseconds=1)
_UNITS: Final = {"m": 60_000_000, "s": 1_000_000, "ms": 1000}


def decode_duration(text: str, part: str, *, zero: bool = False) -> timedelta:
    """A duration, to the microsecond; ``part`` is the header or parameter that errors name.

    Args:
        text: the value, for example ``250ms``, ``1.5s`` or ``5m``.
        part: what to call it in an error.
        zero: whether a duration of nothing means something here.

    Raises:
        RemoteProtocolError: not a number and unit, zero where that means nothing, or beyond LONGEST.
    """
    match = _PATTERN.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise RemoteProtocolError(
            f"{part}: {shown(text)} is not a duration; write a number and ms, s or m, for example 30s"
        )
    number, unit = match.groups()
    microseconds = int(number) * _UNITS[unit] if number.isdigit() else int(Decimal(number) * _UNITS[unit])
    return bounded(microseconds, text, part, zero=zero)


def bounded(microseconds: int, text: str, part: str, *, zero: bool) -> timedelta:
    """The duration if it is one that can be waited for; RemoteProtocolError naming ``part`` if not."""
    if microseconds > LONGEST // _MICROSECOND:
        raise RemoteProtocolError(f"{part}: {shown(text)} is too long; the most is {LONGEST.days} days")
    if microseconds == 0 and not zero:
        raise RemoteProtocolError(f"{part}: {shown(text)} is no time at all; it must be more than zero")
    return timedelta(microseconds=microseconds)


def encode_duration(duration: timedelta, *, zero: bool = False) -> str:
    """The duration in the largest unit that holds it in whole numbers; below a millisecond, as a fraction of one.

    Raises:
        LocalProtocolError: negative, zero where that means nothing, or beyond LONGEST.
    """
    if duration > LONGEST or duration < timedelta(0) or not (duration or zero):
        raise LocalProtocolError(f"{duration} is not a duration that can be sent")
    microseconds = duration // _MICROSECOND
    for unit, size in _UNITS.items():
        if microseconds % size == 0 and (microseconds or unit == "s"):
            return f"{microseconds // size}{unit}"
    whole, fraction = divmod(microseconds, _UNITS["ms"])
    return f"{whole}.{fraction:03d}".rstrip("0") + "ms"
