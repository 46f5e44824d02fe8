"""A trace, drawn."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.devstack import Span


def trace_tree(spans: Sequence[Span]) -> Tree:
    """The spans of one trace, each below its parent and after whatever began before it."""
    known = {span.span_id for span in spans}
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start_ns):
        # A span whose parent has not arrived is shown at the top rather than not at all.
        children[span.parent_id if span.parent_id in known else None].append(span)
    tree = Tree(Text(f"trace {spans[0].trace_id}" if spans else "no trace"))
    _grow(tree, None, children)
    return tree


def is_whole(spans: Sequence[Span]) -> bool:
    """Whether every span's parent has arrived, and with them the root."""
    known = {span.span_id for span in spans}
    return any(span.parent_id is None for span in spans) and all(span.parent_id in {None, *known} for span in spans)


def _grow(branch: Tree, parent: str | None, children: Mapping[str | None, Sequence[Span]]) -> None:
    for span in children.get(parent, ()):
        _grow(branch.add(_label(span)), span.span_id, children)


def _label(span: Span) -> Text:
    milliseconds = (span.end_ns - span.start_ns) / 1_000_000
    label = Text(span.name, style="red" if span.failed else "")
    label.append(f"  {span.service}  {milliseconds:.0f} ms", style="dim")
    return label
