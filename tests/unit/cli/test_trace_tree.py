"""A trace is drawn as the tree that it is."""

import io

from rich.console import Console

from gateway.cli._trace_tree import is_whole, trace_tree
from gateway.devstack import Span


def span(name: str, parent: str | None, start: int, *, failed: bool = False) -> Span:
    """A span of two milliseconds whose id is its name."""
    return Span(
        trace_id="abc",
        span_id=name,
        parent_id=parent,
        name=name,
        kind="internal",
        service="shop",
        start_ns=start,
        end_ns=start + 2_000_000,
        failed=failed,
        attributes={},
    )


SPANS = (span("late", "root", 3), span("root", None, 0), span("early", "root", 1), span("leaf", "early", 2))


def drawn(*spans: Span) -> list[str]:
    """The lines of the tree, without what is dim."""
    out = io.StringIO()
    Console(file=out, width=200).print(trace_tree(spans))
    return [line.replace("  shop  2 ms", "").rstrip() for line in out.getvalue().splitlines()]


def test_draws_children_below_their_parents_in_the_order_they_began() -> None:
    """However they arrived."""
    assert [
        "trace abc",
        "└── root",
        "    ├── early",
        "    │   └── leaf",
        "    └── late",
    ] == drawn(*SPANS)


def test_an_orphan_is_shown_at_the_top() -> None:
    """Its parent may still come; it is not hidden meanwhile."""
    assert ["trace abc", "├── root", "└── orphan"] == drawn(span("root", None, 0), span("orphan", "missing", 1))


def test_a_trace_of_nothing_is_drawn_too() -> None:
    """There is something to see even when nothing came."""
    assert ["no trace"] == drawn()


def test_a_trace_is_whole_when_no_parent_is_missing() -> None:
    """And it has a root."""
    assert is_whole(SPANS)
    assert not is_whole(SPANS[:1])
    assert not is_whole(())
