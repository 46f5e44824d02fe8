"""The YAML file as a tree of plain values; safe, and without YAML's silent surprises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from gateway.settings._faults import Fault, Path

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotReadable(Exception):
    """The text is no YAML document that can be a configuration."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__()
        self.faults = faults


def read_tree(content: bytes) -> dict[str, Any]:
    """The document's tree; an empty document is an empty mapping.

    Raises:
        NotReadable: with every duplicate key, or with the place of the first syntax error.
    """
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return {}
        faults = tuple(_faults(node, (), set()))
        if faults:
            raise NotReadable(*faults)
        tree = loader.construct_document(node)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotReadable(Fault((), _where(error))) from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(tree, dict):
        raise NotReadable(Fault((), "must be a mapping of sections such as server, issuers and endpoints"))
    return tree


def _where(error: Exception) -> str:
    # The mark's snippet is left out: it may show a secret.
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{place}{getattr(error, 'problem', None) or 'is not valid YAML'}"


def _faults(node: yaml.Node, path: Path, above: set[int]) -> Iterator[Fault]:
    if id(node) in above:
        yield Fault(path, "an alias must not point to what holds it")
        return
    above.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _mapping_faults(node, path, above)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _faults(item, (*path, index), above)
    above.discard(id(node))


def _mapping_faults(node: yaml.MappingNode, path: Path, above: set[int]) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            yield from _faults(value, path, above)
            continue
        if key.tag != "tag:yaml.org,2002:str":
            name = key.value if isinstance(key.value, str) else "?"
            yield Fault((*path, name), f"keys must be text; put the one on line {line} in quotes")
            continue
        if key.value in seen:
            yield Fault((*path, key.value), f"is given twice, on lines {seen[key.value]} and {line}")
        seen.setdefault(key.value, line)
        yield from _faults(value, (*path, key.value), above)
