"""What Pydantic makes of handlers' annotations."""

import dataclasses
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, NotRequired, Optional, Required, TypedDict, Union
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.annotations import adapter_of, input_validator


class Named(TypedDict):
    name: str


class Article(Named, total=False):
    """Something to buy."""

    price: Required[float]
    parts: "list[Article]"
    maker: Named | None


class Order(TypedDict):
    article: Article
    note: NotRequired[str]


class Colour(Enum):
    RED = "red"


class Line(BaseModel):
    quantity: int = Field(default=1, gt=0)
    due: date | None = None
    lines: list["Line"] = []


class Lenient(BaseModel):
    model_config = ConfigDict(strict=False)

    quantity: int
    line: Line | None = None


class LenientField(BaseModel):
    quantity: int = Field(strict=False)


class Prepared(BaseModel):
    due: date
    colour: Colour

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        due, colour = value.split()
        return {"due": due, "colour": colour}


class Kind(BaseModel):
    type: int
    default: int


@dataclasses.dataclass
class Stock:
    count: int
    since: datetime | None = None


_ARTICLE = b'{"name": "kit", "price": 2, "parts": [{"name": "leg", "price": 0.5}], "maker": null}'
_ARTICLE_VALUE = {"name": "kit", "price": 2.0, "parts": [{"name": "leg", "price": 0.5}], "maker": None}


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (Article, _ARTICLE, _ARTICLE_VALUE),
        (Order, b'{"article": %s}' % _ARTICLE, {"article": _ARTICLE_VALUE}),
        (list[Article], b"[%s]" % _ARTICLE, [_ARTICLE_VALUE]),
        (dict[str, Named], b'{"a": {"name": "x"}}', {"a": {"name": "x"}}),
        (tuple[Named, ...], b'[{"name": "x"}]', ({"name": "x"},)),
        (Named | None, b"null", None),
        (Optional[Named], b'{"name": "x"}', {"name": "x"}),  # noqa: UP045 - the other spelling
        (Union[Named, int], b"5", 5),  # noqa: UP007 - the other spelling
        (Annotated[Named, "for whoever reads it"], b'{"name": "x"}', {"name": "x"}),
    ],
)
def test_the_typed_dicts_of_the_standard_library_are_read(annotation: Any, data: bytes, value: object) -> None:
    assert value == input_validator(annotation).validate_json(data)


@pytest.mark.parametrize(
    ("annotation", "data", "where"),
    [
        (Article, b'{"name": "kit"}', ("price",)),
        (Article, b'{"price": 1}', ("name",)),
        (Article, b'{"name": "kit", "price": 1, "parts": [{"name": "leg"}]}', ("parts", 0, "price")),
        (Order, b'{"article": {"name": 1, "price": 1}}', ("article", "name")),
    ],
)
def test_what_is_missing_or_wrong_in_a_typed_dict_is_named(
    annotation: Any, data: bytes, where: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as raised:
        input_validator(annotation).validate_json(data)
    assert [where] == [fault["loc"] for fault in raised.value.errors()]


def test_the_schema_of_a_typed_dict_goes_by_its_name() -> None:
    schema = adapter_of(Article).json_schema()
    assert {"$ref": "#/$defs/Article"}.items() <= schema.items()
    article = schema["$defs"]["Article"]
    assert {"name", "price"} == set(article["required"])
    assert {"items": {"$ref": "#/$defs/Article"}, "title": "Parts", "type": "array"} == article["properties"]["parts"]
    assert article["description"] == "Something to buy."


@pytest.mark.parametrize(
    ("annotation", "data", "where"),
    [
        (int, b'"7"', ()),
        (int, b'" 5 "', ()),
        (int, b"true", ()),
        (int, b"5.5", ()),
        (bool, b'"yes"', ()),
        (bool, b"1", ()),
        (list[float], b'["1.5"]', (0,)),
        (list[float], b"[2, true]", (1,)),
        (date, b"1600000000", ()),
        (datetime, b"1600000000", ()),
        (timedelta, b"5", ()),
        (dict[int, int], b'{"1": "2"}', ("1",)),
        (Line, b'{"quantity": "2"}', ("quantity",)),
        (Line, b'{"quantity": 0}', ("quantity",)),
        (Line, b'{"lines": [{"quantity": "2"}]}', ("lines", 0, "quantity")),
        (Lenient, b'{"quantity": 1, "line": {"quantity": "2"}}', ("line", "quantity")),
        (Kind, b'{"type": "1", "default": 1}', ("type",)),
        (Kind, b'{"type": 1, "default": "1"}', ("default",)),
        (Stock, b'{"count": "1"}', ("count",)),
        (int | None, b'"7"', ()),
    ],
)
def test_input_is_not_made_to_fit(annotation: Any, data: bytes, where: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        input_validator(annotation).validate_json(data)
    assert [where] == [fault["loc"] for fault in raised.value.errors()]


@pytest.mark.parametrize(
    ("annotation", "data", "where"),
    [
        (int | str, b"true", [("int",), ("str",)]),
        (list[int] | Line, b'["1"]', [("list[int]", 0), ("Line",)]),
        (Article | int, b"[]", [("Article",), ("int",)]),
    ],
)
def test_a_fault_in_a_union_names_the_types_as_their_author_did(
    annotation: Any, data: bytes, where: list[tuple[str | int, ...]]
) -> None:
    with pytest.raises(ValidationError) as raised:
        input_validator(annotation).validate_json(data)
    assert where == [fault["loc"] for fault in raised.value.errors()]


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (int, b"5.0", 5),
        (int, b"1%s" % (b"0" * 30), 10**30),
        (float, b"1", 1.0),
        (int | str, b'"5"', "5"),
        (int | float, b"5.5", 5.5),
        (dict[int, int], b'{"1": 2}', {1: 2}),
        (set[int], b"[1, 1]", {1}),
        (date, b'"2026-01-02"', date(2026, 1, 2)),
        (timedelta, b'"PT5S"', timedelta(seconds=5)),
        (Decimal, b'"1.50"', Decimal("1.50")),
        (Decimal, b"1.5", Decimal("1.5")),
        (UUID, b'"12345678-1234-5678-1234-567812345678"', UUID("12345678-1234-5678-1234-567812345678")),
        (Colour, b'"red"', Colour.RED),
        (Stock, b'{"count": 1, "since": "2026-01-02T00:00:00"}', Stock(1, datetime(2026, 1, 2))),  # noqa: DTZ001
        (Line, b'{"due": "2026-01-02"}', Line(due=date(2026, 1, 2))),
        (Any, b'{"a": ["1"]}', {"a": ["1"]}),
    ],
)
def test_what_json_has_no_type_for_comes_as_the_schema_says(annotation: Any, data: bytes, value: object) -> None:
    found = input_validator(annotation).validate_json(data)
    assert (value, type(value)) == (found, type(found))


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (Lenient, b'{"quantity": "1"}', Lenient(quantity=1)),
        (LenientField, b'{"quantity": "1"}', LenientField(quantity=1)),
        (Prepared, b'"2026-01-02 red"', Prepared.model_construct(due=date(2026, 1, 2), colour=Colour.RED)),
    ],
)
def test_the_author_of_a_type_has_the_say(annotation: Any, data: bytes, value: object) -> None:
    found = input_validator(annotation).validate_json(data)
    assert (value, type(value)) == (found, type(found))
