"""What the README shows is what there is."""

import re
from pathlib import Path

import pytest

from gateway.model import Endpoint
from gateway.plugins import PluginContext, discover_plugins
from gateway.registry import Registry

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()


def test_the_handler_in_the_readme_is_the_example_file() -> None:
    [shown] = re.findall(r"```python\n(.*?)```", _README, re.DOTALL)
    assert shown in (_ROOT / "docs/examples/greeting.py").read_text()


def test_the_example_loads_as_a_plugin_and_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_ROOT / "docs/examples"))
    plugins = discover_plugins(["greeting:plugin"], PluginContext())
    endpoint = Endpoint(
        name="greetings", engine="main", namespace="n", task_queue="q", services=("greeting.v1",), allow=()
    )
    mounted = Registry.build(plugins, [endpoint]).resolve("greetings")
    assert mounted is not None
    assert {"greet", "greet_later"} == set(mounted.services["greeting.v1"])


def test_every_file_that_the_documents_link_to_exists() -> None:
    documents = [_ROOT / "README.md", _ROOT / "CONTRIBUTING.md", *(_ROOT / "docs").rglob("*.md")]
    links = [
        (document, target) for document in documents for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    ]
    assert [] == [f"{document.name}: {target}" for document, target in links if not (document.parent / target).exists()]
    assert links
