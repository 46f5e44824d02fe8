"""The price list: what the shop of this example sells."""

from collections.abc import Mapping
from types import MappingProxyType

from handlers.orders._model import Basket, Quote

APPROVAL_LIMIT_CENTS = 100_000
"""An order above this amount ships only after somebody has approved it."""

_PRICES_CENTS: Mapping[str, int] = MappingProxyType(
    {
        "tea": 450,
        "kettle": 4_900,
        "samovar": 129_000,
    }
)


class UnknownArticleError(ValueError):
    """A basket holds an article that is not on the price list; the message names the line."""


def quote(basket: Basket) -> Quote:
    """What ``basket`` costs.

    Raises:
        UnknownArticleError: An article is not on the price list.
    """
    total = 0
    for index, line in enumerate(basket.lines):
        if line.sku not in _PRICES_CENTS:
            raise UnknownArticleError(f"lines.{index}.sku: there is no article {line.sku!r}; sold: {_sold()}")
        total += line.quantity * _PRICES_CENTS[line.sku]
    return Quote(total_cents=total, needs_approval=total > APPROVAL_LIMIT_CENTS)


def _sold() -> str:
    return ", ".join(sorted(_PRICES_CENTS))
