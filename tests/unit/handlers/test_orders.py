"""The parts of the orders plugin that need no Temporal: prices, inputs, and whose workflow is whose."""

import pytest
from nexusrpc import HandlerError, HandlerErrorType
from nexusrpc.handler import Handler
from pydantic import ValidationError

from gateway.model import Principal
from gateway.plugins import calling
from handlers.orders import _prices, plugin
from handlers.orders._identity import approver, workflow_id
from handlers.orders._model import ARTICLES, Order, Quote
from tests.unit.calls import start


def of(issuer: str, namespace: str, subject: str = "alice") -> Principal:
    """A caller of the tenant ``(issuer, namespace)``."""
    return Principal(issuer=issuer, subject=subject, namespace=namespace)


def test_two_tenants_with_one_order_id_never_meet() -> None:
    """Issuer and namespace both count, and moving text from one to the other makes another tenant."""
    tenants = [of("a", "bc"), of("ab", "c"), of("a", 'b"c'), of('a"', "bc"), of("abc", "")]
    ids = set()
    for tenant in tenants:
        with calling(tenant):
            ids.add(workflow_id("order-1"))
    assert len(tenants) == len(ids)


def test_callers_of_one_tenant_share_its_orders() -> None:
    """The subject is for the record only."""
    with calling(of("a", "b", "alice")):
        alices = (workflow_id("order-1"), approver())
    with calling(of("a", "b", "bob")):
        bobs = (workflow_id("order-1"), approver())
    assert alices[0] == bobs[0]
    assert ("alice", "bob") == (alices[1], bobs[1])


def test_without_a_caller_there_is_no_tenant() -> None:
    """In a plain worker; and no tenant's id can look like that."""
    assert "order/-/order-1" == workflow_id("order-1")
    assert "-" == approver()


@pytest.mark.parametrize("order_id", ["", "../x", "a/b", "a b", ".hidden", "x" * 65, "ü"])
def test_an_order_id_is_plain(order_id: str) -> None:
    """An id that could be mistaken for something else is refused."""
    with pytest.raises(ValidationError, match="order_id"):
        Order.model_validate({"order_id": order_id, "lines": [{"sku": "tea"}], "card": "card-ok"})


@pytest.mark.parametrize(
    ("lines", "total", "needs_approval"),
    [
        ([{"sku": "tea"}], 450, False),
        ([{"sku": "tea", "quantity": 2}, {"sku": "kettle"}], 5_800, False),
        ([{"sku": "samovar"}], 129_000, True),
    ],
)
async def test_quotes_what_a_basket_costs(lines: list[dict[str, object]], total: int, *, needs_approval: bool) -> None:
    """Quantity times price, and whether that is much."""
    quote = await start(Handler(plugin.services), "orders.v1", "quote", {"lines": lines})
    assert Quote(total_cents=total, needs_approval=needs_approval) == quote


async def test_names_the_line_of_an_unknown_article() -> None:
    """A basket that cannot be priced is the caller's mistake."""
    with pytest.raises(
        HandlerError, match=r"lines\.0\.sku: there is no article 'moon'; sold: kettle, samovar, tea"
    ) as e:
        await start(Handler(plugin.services), "orders.v1", "quote", {"lines": [{"sku": "moon"}]})
    assert HandlerErrorType.BAD_REQUEST is e.value.type


def test_the_schema_offers_what_the_price_list_has() -> None:
    """Whoever reads the schema may order everything it names, and nothing else."""
    assert list(_prices._PRICES_CENTS) == list(ARTICLES)
