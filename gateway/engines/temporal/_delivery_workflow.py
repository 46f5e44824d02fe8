"""The workflow of a delivery that has to wait: one activity that Temporal repeats, and a last word when it is in vain.

It is deterministic by having nothing in it but that, so it runs outside the SDK's sandbox, which would otherwise load
the whole gateway anew for it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping  # noqa: TC003 - the data converter looks the annotation up
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory

if TYPE_CHECKING:
    from gateway.engines._deliveries import Deliverer

WORKFLOW: Final = "DeliverCallback"
"""The workflow's type, by which deliveries are found."""

DEAD: Final = "DeliveryDead"
"""The type of the failure that a delivery ends with when it is given up."""

# A destination that is away is what these activities are for: each attempt is logged, and needs no stack trace.
_EXPECTED: Final = ApplicationErrorCategory.BENIGN
_ATTEMPT: Final = "deliver_callback"
_BURIAL: Final = "bury_callback"
_REFUSED: Final = "DeliveryRefused"
_FIRST_DELAY: Final = 1.0
_JITTER: Final = 0.2
_MOST_DOUBLINGS: Final = 30
_LONGEST_DEFERRAL: Final = 60.0
_BURIAL_TIME: Final = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be done with a parcel, readable. Durations are in seconds, the rest is as in Parcel."""

    id: str
    about: Mapping[str, str] = field(default_factory=dict)
    traceparent: str = ""
    refused: str | None = None
    tries: int = 0
    max_age: float
    max_interval: float
    attempt_timeout: float


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """How a delivery went that was made late; ``tries`` counts all of them."""

    reason: str
    tries: int


@workflow.defn(name=WORKFLOW, sandboxed=False)
class DeliverCallback:
    """Tries until the destination takes the completion, refuses it for good, or it is too old."""

    @workflow.run
    async def run(self, order: Order, envelope: bytes) -> Delivered:
        """The way it was delivered; fails with ``DeliveryDead`` when it is not."""
        if order.refused is not None:
            raise ApplicationError(order.refused, order.tries, type=DEAD, non_retryable=True)
        try:
            delivered: Delivered = await workflow.execute_activity(
                _ATTEMPT,
                args=[order, envelope],
                result_type=Delivered,
                schedule_to_close_timeout=timedelta(seconds=order.max_age),
                start_to_close_timeout=timedelta(seconds=order.attempt_timeout),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=_FIRST_DELAY),
                    maximum_interval=timedelta(seconds=max(_FIRST_DELAY, order.max_interval)),
                ),
            )
        except ActivityError as error:
            reason, tries = _last_words(error, order.tries)
        else:
            return delivered
        await workflow.execute_activity(
            _BURIAL, args=[order, reason, tries], start_to_close_timeout=_BURIAL_TIME, retry_policy=RetryPolicy()
        )
        raise ApplicationError(reason, tries, type=DEAD, non_retryable=True)


def _last_words(error: ActivityError, tries: int) -> tuple[str, int]:
    """What the last attempt met with, also where time has run out since, and how many there were."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ApplicationError):
            given_up = "" if cause.type == _REFUSED else "too old; last: "
            return f"{given_up}{cause.message}", int(cause.details[0]) if cause.details else tries
        cause = cause.__cause__
    return "too old; it could not be tried in time", tries


class DeliveryActivities:
    """The activities, over whoever does the delivering."""

    def __init__(self, deliverer: Deliverer) -> None:
        self._deliverer = deliverer

    @activity.defn(name=_ATTEMPT)
    async def deliver(self, order: Order, envelope: bytes) -> Delivered:
        """Try once. What fails is for Temporal to repeat, after a delay that is counted by real tries."""
        known = activity.info().heartbeat_details
        tries = int(known[0]) if known else order.tries
        try:
            tried = await self._deliverer.deliver(order.id, envelope, tries)
        except ValueError as error:
            raise ApplicationError(str(error), next_retry_delay=_delay(order, activity.info().attempt)) from None
        tries += tried.made
        # Temporal keeps it for the next attempt; its own count includes those that sent nothing.
        activity.heartbeat(tries)
        if tried.delivered:
            return Delivered(reason=tried.reason, tries=tries)
        if tried.refused:
            raise ApplicationError(tried.reason, tries, type=_REFUSED, non_retryable=True, category=_EXPECTED)
        if tried.made:
            delay = _delay(order, tries, tried.retry_after)
        else:
            # Those that wait for a destination in great numbers come back at longer and longer intervals.
            passed_over = activity.info().attempt - (tries - order.tries)
            delay = _spread(max(tried.retry_after or 0.0, min(2.0 ** min(passed_over, 10), _LONGEST_DEFERRAL)))
        raise ApplicationError(tried.reason, tries, next_retry_delay=delay, category=_EXPECTED)

    @activity.defn(name=_BURIAL)
    async def bury(self, order: Order, reason: str, tries: int) -> None:
        """Say that it is over."""
        self._deliverer.bury(order.id, order.about, reason, tries)


def _delay(order: Order, tries: int, asked: float | None = None) -> timedelta:
    """A second after the first try, doubled by each further one; longer where the destination asks for it."""
    doubled = _FIRST_DELAY * 2.0 ** min(max(tries - 1, 0), _MOST_DOUBLINGS)
    return _spread(min(max(doubled, asked or 0.0), order.max_interval))


def _spread(seconds: float) -> timedelta:
    return timedelta(seconds=seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - nobody guesses at it
