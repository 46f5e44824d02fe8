"""Which of a caller's links reach the engine, and how quietly the others do not."""

import logging

import pytest
from nexusrpc import Link

from gateway.engines.temporal import TemporalEngine

_EVENT = "temporal.api.common.v1.Link.WorkflowEvent"
_REAL = Link(
    url="temporal:///namespaces/n/workflows/w/r/history?eventID=1&eventType=WorkflowExecutionStarted"
    "&referenceType=EventReference",
    type=_EVENT,
)


async def test_links_that_the_sdk_cannot_attach_are_left_out_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """A caller chooses their text and their number: neither belongs in the log."""
    links = [
        Link(url="https://elsewhere.test/?secret=1", type="some.other.Link"),
        Link(url="https://elsewhere.test/?secret=2", type="temporal.api.common.v1.Link.Unheard"),
        Link(url="https://elsewhere.test/?secret=3", type=_EVENT),
        _REAL,
    ]
    with caplog.at_level(logging.INFO):
        assert [_REAL] == TemporalEngine("main", {}).usable_links(links)
    assert [] == caplog.records
