"""docs/running.md names keys, metrics and log fields that there are."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.settings import load_settings, settings_schema
from gateway.telemetry._logs import JsonLines

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/running.md").read_text()
CONFIG = (ROOT / "config/gateway.yaml").read_text()
# Metrics are made by these; what else begins so in the code is no metric.
MAKERS = [ROOT / "gateway/telemetry/_metrics.py", *(ROOT / "gateway/app").glob("*.py")]


SCHEMA = settings_schema()


def keys(node: Mapping[str, Any] = SCHEMA, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every key of the configuration; names that are the user's are left out."""
    if "$ref" in node:
        yield from keys(SCHEMA["$defs"][node["$ref"].rpartition("/")[2]], path)
    for inner in (*node.get("anyOf", ()), node.get("items"), node.get("additionalProperties")):
        if isinstance(inner, Mapping):
            yield from keys(inner, path)
    for name, inner in node.get("properties", {}).items():
        yield (*path, name)
        if name != "claims":
            yield from keys(inner, (*path, name))


def test_every_key_on_the_page_is_one_of_the_configuration() -> None:
    known = {".".join(path[start:]) for path in keys() for start in range(len(path))}
    sections = SCHEMA["properties"].keys() | {"key_refresh"}
    named = {key for key in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", PAGE) if key.partition(".")[0] in sections}
    assert 15 < len(named)
    assert set() == named - known


def test_the_page_has_every_metric_and_no_other() -> None:
    made = {name for maker in MAKERS for name in re.findall(r'"(nexus_[a-z_]+)"', maker.read_text())}
    assert made == set(re.findall(r"`(nexus_[a-z_]+)", PAGE))


def test_every_field_of_a_log_line_is_on_the_page() -> None:
    error = ValueError("told")
    record = logging.LogRecord("gateway", logging.ERROR, "", 0, "failed", (), (ValueError, error, None))
    assert [] == [name for name in json.loads(JsonLines().format(record)) if f"`{name}`" not in PAGE]


def test_the_example_configuration_has_every_key() -> None:
    """As it stands, or in a comment."""
    assert [] == [".".join(path) for path in keys() if not re.search(rf"\b{path[-1]}\b", CONFIG)]


def test_every_option_in_a_comment_of_the_example_configuration_can_be_taken_over(tmp_path: Path) -> None:
    """The first # is taken away of each line that is a key, or an item of a list."""
    option = re.compile(r"^( *)# ( *(?:- )?\{?[a-z_]+:(?: .*)?)$", re.MULTILINE)
    (tmp_path / "gateway.yaml").write_text(option.sub(r"\1\2", CONFIG))
    settings = load_settings(tmp_path / "gateway.yaml", {})
    assert settings.server.tls is not None
    assert any(rule.shadow for rule in settings.endpoints["orders"].allow)
    assert not settings.endpoints["orders"].links
    assert settings.callbacks.signing_keys
