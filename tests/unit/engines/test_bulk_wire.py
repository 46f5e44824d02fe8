"""What bulk jobs are written down as: whoever goes on with one reads what somebody else has written."""

from datetime import UTC, datetime

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from gateway.engines import BatchKind, BatchOrder, Chosen, OperationFilter, Requester, ServiceScope
from gateway.engines.temporal._bulk_workflow import Done, Found, Job, Reached
from gateway.model import OperationAddress, OperationStatus, Tenant

TENANT = Tenant("https://issuer.test", "checkout")
MOMENT = datetime(2026, 11, 22, 3, 12, 47, 574880, tzinfo=UTC)
CHOSEN = Chosen(OperationAddress("orders", "Ser/vic e", "do it"), '{"t":1}', TENANT)
ORDER = BatchOrder(
    id="b",
    asker="sealed",
    kind=BatchKind.RETRY,
    requester=Requester(tenant=TENANT, subject="dev", start_id="s", trace_id="t"),
    reason="why",
)
FILTER = OperationFilter(
    tenant=TENANT,
    scope=(ServiceScope("orders", "orders.v1", ("process",)), ServiceScope("echo", "echo.v1", None)),
    statuses=frozenset({OperationStatus.FAILED, OperationStatus.TIMED_OUT}),
    since=MOMENT,
    subject="dev",
    metadata={"mark": "a=b"},
    expression="WorkflowType = 'Order'",
)


@pytest.mark.parametrize(
    "value",
    [
        Job(id="j", order=ORDER, wanted=FILTER, chunk=500, pause=3.0),
        Job(id="j", order=ORDER, chosen=(CHOSEN, CHOSEN), chunk=500, pause=0.25),
        Reached(total=3, completed=1, failed=1, before=MOMENT, page="cGFnZQ=="),
        Found(operations=(CHOSEN,), next_page=None),
        Done(completed=1, failed=2),
    ],
)
def test_what_is_written_is_read_again_as_it_was(value: object) -> None:
    """Every member, and those with a default that nobody gave."""
    converter = pydantic_data_converter.payload_converter
    assert value == converter.from_payload(converter.to_payload(value), type(value))


def test_the_total_of_a_job_is_what_it_came_to_once_it_is_over() -> None:
    """An index tells at the beginning about how many there will be."""
    reached = Reached(total=10).plus(Done(completed=4, failed=1), "next", ended=False)
    assert (10, 4, 1, "next") == (reached.total, reached.completed, reached.failed, reached.page)
    assert 8 == reached.plus(Done(completed=3), None, ended=True).total
    assert 10 == reached.plus(Done(completed=3), None, ended=False).total
