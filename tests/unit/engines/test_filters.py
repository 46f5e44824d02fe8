"""The filter language as callers may use it: written anew, and never more than it says."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engines import InvalidFilter, OperationFilter, ServiceScope
from gateway.engines.temporal._attributes import keyword, metadata_keyword, tenant_keyword
from gateway.engines.temporal._filters import checked_filter
from gateway.engines.temporal._visibility import filter_query
from gateway.model import OperationAddress, Origin, Tenant

MINE = Tenant("https://issuer.test", "checkout")
OTHER = Tenant("https://other.test", "checkout")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WorkflowType='Order'", "WorkflowType = 'Order'"),
        ('WorkflowType = "Order"', "WorkflowType = 'Order'"),
        ("a = 1 and b<>2 or not c >= -1.5", "a = 1 AND b <> 2 OR NOT (c >= -1.5)"),
        ("( a = 1 OR b = 2 ) AND c IS NOT NULL", "(a = 1 OR b = 2) AND c IS NOT NULL"),
        ("NOT (a IN ('x', 'y'))", "NOT (a IN ('x', 'y'))"),
        ("a not between 1 and 2", "a NOT BETWEEN 1 AND 2"),
        ("WorkflowId STARTS_WITH 'order/'", "WorkflowId STARTS_WITH 'order/'"),
        ("NexusCallerNamespace = 'checkout'", "NexusCallerNamespace = 'checkout'"),
    ],
)
def test_a_filter_is_written_anew(text: str, expected: str) -> None:
    assert expected == checked_filter(text, MINE)


@pytest.mark.parametrize(
    "text",
    [
        "a = 1) OR (b = 2",
        "(a = 1",
        "a = 'x\\' OR b = 'y'",
        "a = 'x''y'",
        "a = `x`",
        "`a` = 1",
        "a = b",
        "a = 1 -- x",
        "a = 1 /* x */",
        "a = 1; b = 2",
        "a = 1 ORDER BY a",
        "a = 1 GROUP BY a",
        "a = 1 UNION SELECT 1",
        "a = f('x')",
        "a = 0x10",
        "1 = 1",
        "a LIKE '%'",
        "TemporalNamespaceDivision = 'x'",
        "TEMPORALNAMESPACEDIVISION IS NULL",
        "NexusCallerTenant = 'x'",
        "nexuscallertenant = 'x'",
        "NexusRequestId = 'x'",
        "NexusCallerNamespace = 'other'",
        "NexusCallerNamespace != 'checkout'",
        "NOT NexusCallerNamespace = 'checkout'",
        "NexusCallerNamespace IN ('checkout')",
        "a = 'x",
        "a = 'x\ny'",
        "(" * 30 + "a = 1" + ")" * 30,
        " AND ".join(["a = 1"] * 60),
        "a = '" + "x" * 3000 + "'",
        "a =",
        "AND",
        "a = 1 b = 2",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter):
        checked_filter(text, MINE)


@settings(deadline=None)
@given(st.text(alphabet="aA1 ()'\"`\\,=<>!-;/*%\n\x00ORANDNTIex'", max_size=60))
def test_what_is_let_through_keeps_within_its_parentheses(text: str) -> None:
    """Whatever a caller writes: quotes come in pairs, parentheses close what they opened, and nothing else is left."""
    try:
        written = checked_filter(text, MINE)
    except InvalidFilter:
        return
    outside = re.sub(r"'[^'\"`\\]*'", "", written)
    assert not set("'\"`\\;%*/") & set(outside)
    depth = 0
    for character in outside:
        depth += {"(": 1, ")": -1}.get(character, 0)
        assert 0 <= depth
    assert 0 == depth
    assert written == checked_filter(written, MINE)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_a_keyword_holds_nothing_that_a_filter_reads_as_anything_else(text: str) -> None:
    """Names and values of callers stand in filters, as themselves or as a hash."""
    written = keyword(text)
    assert not set("'\"`\\") & set(written)
    assert len(written) <= 200
    assert written.isprintable() or text == written
    assert written == text or written.startswith("~")


def test_two_texts_never_share_a_keyword() -> None:
    """A hash is no text that somebody could have."""
    hashed = keyword("it's")
    assert hashed.startswith("~")
    assert hashed != keyword(hashed)
    assert metadata_keyword("a", "b") != metadata_keyword("a=b", "")[:-1] + "x"
    assert tenant_keyword(Tenant("a", "bc")) != tenant_keyword(Tenant("ab", "c"))


def test_the_scope_stands_before_what_the_caller_wrote() -> None:
    """Whose and where, then what; the caller's part in parentheses."""
    odd = keyword("Ser'vice")
    scope = (ServiceScope("orders", "orders.v1"), ServiceScope("echo", "Ser'vice", ("a", "b")))
    query = filter_query(OperationFilter(tenant=MINE, scope=scope, expression="a = 1 OR b = 2"))
    assert query == (
        f"((NexusCallerTenant = '{tenant_keyword(MINE)}' AND"
        " ((NexusEndpoint = 'orders' AND NexusService = 'orders.v1') OR"
        f" (NexusEndpoint = 'echo' AND NexusService = '{odd}' AND NexusOperation IN ('a', 'b')))))"
        " AND ExecutionStatus != 'ContinuedAsNew' AND (a = 1 OR b = 2)"
    )


def test_a_scope_of_every_tenant_stands_beside_the_callers_own() -> None:
    """Each alternative says for itself where it holds; the caller's part narrows all of them."""
    scope = (
        ServiceScope("orders", "orders.v1", ("process",), every_tenant=True),
        ServiceScope("echo", "echo.v1"),
        ServiceScope("probe", "probe.v1", every_tenant=True),
    )
    asked = "NexusCallerNamespace != 'checkout'"
    query = filter_query(OperationFilter(tenant=MINE, scope=scope, expression=asked, names_tenants=True))
    assert query == (
        f"((NexusCallerTenant = '{tenant_keyword(MINE)}' AND"
        " ((NexusEndpoint = 'echo' AND NexusService = 'echo.v1')))"
        " OR (NexusEndpoint = 'orders' AND NexusService = 'orders.v1' AND NexusOperation IN ('process'))"
        " OR (NexusEndpoint = 'probe' AND NexusService = 'probe.v1'))"
        " AND ExecutionStatus != 'ContinuedAsNew' AND (NexusCallerNamespace != 'checkout')"
    )


@pytest.mark.parametrize("text", ["NexusCallerTenant = 'x'", "NexusRequestId = 'x'", "a = 1) OR (b = 2"])
def test_who_may_see_every_tenant_still_keeps_within_the_scope(text: str) -> None:
    """Another's namespace may be named; the hash that lists are held to may not."""
    scope = (ServiceScope("orders", "orders.v1", every_tenant=True),)
    wide = OperationFilter(tenant=MINE, scope=scope, names_tenants=True)
    with pytest.raises(InvalidFilter):
        filter_query(replace(wide, expression=text))


@pytest.mark.parametrize(
    ("tenant", "address", "admitted"),
    [
        (MINE, OperationAddress("echo", "echo.v1", "echo"), True),
        (MINE, OperationAddress("orders", "orders.v1", "process"), True),
        (MINE, OperationAddress("orders", "orders.v1", "quote"), False),
        (MINE, OperationAddress("orders", "echo.v1", "echo"), False),
        (OTHER, OperationAddress("orders", "orders.v1", "process"), True),
        (OTHER, OperationAddress("orders", "orders.v1", "quote"), False),
        (OTHER, OperationAddress("echo", "echo.v1", "echo"), False),
    ],
)
def test_what_the_index_finds_is_looked_at_once_more(tenant: Tenant, address: OperationAddress, admitted: bool) -> None:
    """Another tenant's only where the scope reaches every tenant, and nothing outside the scope."""
    scope = (ServiceScope("orders", "orders.v1", ("process",), every_tenant=True), ServiceScope("echo", "echo.v1"))
    origin = Origin(address=address, tenant=tenant, subject="svc", scoped_request_id="r", start_id="s")
    assert admitted is OperationFilter(tenant=MINE, scope=scope).admits(origin)
