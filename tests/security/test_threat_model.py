"""What the threat model promises is tested by is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TABLES = re.compile(
    r"^### (Tokens|HTTP|Across tenants|Callbacks|Telemetry)$(.*?)(?=^###|\Z)", re.MULTILINE | re.DOTALL
)


def rows() -> list[tuple[str, list[str]]]:
    """The classes of attack, each with the tests named for it."""
    text = (_ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    lines = [line for _, table in _TABLES.findall(text) for line in table.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [(attack, re.findall(r"`(test_\w+)`", tests)) for attack, tests in cells if attack != "class"]


@pytest.fixture(scope="module")
def functions() -> set[str]:
    """The names of all tests."""
    found: set[str] = set()
    for file in (_ROOT / "tests").rglob("test_*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found.update(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return found


def test_there_are_as_many_classes_as_have_been_thought_of() -> None:
    assert len(rows()) >= 36


@pytest.mark.parametrize(("attack", "tests"), rows(), ids=[attack[:60] for attack, _ in rows()])
def test_each_class_of_attack_has_its_tests(attack: str, tests: list[str], functions: set[str]) -> None:
    assert tests, attack
    assert [] == [name for name in tests if name not in functions]
