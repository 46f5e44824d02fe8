"""The tokenizer of Nexus-Link."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nexusrpc import Link

from gateway.protocol import LocalProtocolError, RemoteProtocolError, decode_links, encode_link
from tests.unit.protocol.comparing import outcome

URLS = st.from_regex(r"\A(?:[!-$&-;=?-~]|%[0-9A-Fa-f]{2}){1,60}\Z")
TYPES = st.from_regex(r"\A[A-Za-z0-9_./]{1,30}\Z")


@pytest.mark.parametrize(
    ("fields", "links"),
    [
        ((), []),
        (("",), []),
        ((" ,, ",), []),
        (("<a>; type=t",), [("a", "t")]),
        (('<a>;type="t"',), [("a", "t")]),
        (('< a:b\t>\t;\ttype = "t" ',), [("a:b", "t")]),
        (('<http://x/a,b;c>; type="t"',), [("http://x/a,b;c", "t")]),
        (('<a>; type="t",<b>; type="u"',), [("a", "t"), ("b", "u")]),
        (('<a>; type="t" , , <b>; type="u",', "<c>;type=v"), [("a", "t"), ("b", "u"), ("c", "v")]),
        (('<a>; rel=next; title="x, <y>; \\"z\\""; TYPE=t; flag; type=u',), [("a", "t")]),
        (('<a>; type="a\\.b";',), [("a", "a.b")]),
        (("<a>; type=a/b",), [("a", "a/b")]),
        (("<a>;; type=t;",), [("a", "t")]),
    ],
)
def test_links_are_read_from_fields(fields: tuple[str, ...], links: list[tuple[str, str]]) -> None:
    assert tuple(Link(url=url, type=kind) for url, kind in links) == decode_links(fields, 100)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "<a>",
        "<a>; rel=next",
        "<a>; type",
        "<a>; type=",
        '<a>; type=""',
        '<a>; type="t',
        '<a>; type="t"x',
        "<a>; type=t <b>; type=u",
        "<a; type=t",
        "<>; type=t",
        "<a b>; type=t",
        "<a<b>; type=t",
        "<a\x00>; type=t",
        "<ü>; type=t",
        "<%zz>; type=t",
        "<%>; type=t",
        "<a>; type=a-b",
        '<a>; type="a b"',
        '<a>; type="\x00"',
        "<a>; =; type=t",
        "; type=t",
    ],
)
def test_what_is_no_link_is_refused_by_its_header(text: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^Nexus-Link: ") as caught:
        decode_links((text,), 100)
    assert caught.value.message.isprintable()


def test_more_links_than_the_limit_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="3 links; at most 2"):
        decode_links(("<a>;type=t,<b>;type=t", "<c>;type=t"), 2)


def test_a_long_field_is_read_in_one_pass() -> None:
    """Each link is looked at once: a field of 16 KiB takes milliseconds, whatever is in it."""
    assert 1260 == len(decode_links((",".join(["<a>; type=t"] * 1260),), 2000))
    for hostile in (
        "<" * 16_000,
        "<a>" * 5_000,
        '<a>; t="' + "\\" * 16_000,
        "<a>" + ";" * 16_000,
        "<a>;" + " " * 16_000,
    ):
        with pytest.raises(RemoteProtocolError):
            decode_links((hostile,), 100)


def test_a_comma_in_a_url_is_encoded_because_temporal_splits_there() -> None:
    assert '<a:b%2Cc;d>; type="t"' == encode_link(Link(url="a:b,c;d", type="t"))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        *((url, "t") for url in ("", "a b", "<", ">", "a\nb", "a\n", "\x7f", "ü", "%")),
        *(("a", kind) for kind in ("", 'x"y', "a-b", "ü", "t\n")),
    ],
)
def test_a_link_that_others_could_not_read_is_not_sent(url: str, kind: str) -> None:
    with pytest.raises(LocalProtocolError, match=r"^Nexus-Link: "):
        encode_link(Link(url=url, type=kind))


@given(st.lists(st.builds(Link, url=URLS, type=TYPES), max_size=5))
@settings(deadline=None)
def test_every_link_comes_back_one_by_one_or_joined(links: list[Link]) -> None:
    fields = [encode_link(link) for link in links]
    expected = tuple(Link(url=link.url.replace(",", "%2C"), type=link.type) for link in links)
    assert expected == decode_links(fields, 100)
    assert expected == decode_links((", ".join(fields),), 100)


@given(st.lists(st.text(alphabet='<>;,="\\ \ttype%2aü\x00', max_size=60) | st.text(), max_size=3))
@settings(deadline=None)
def test_junk_is_links_that_can_be_sent_or_the_peers_error(fields: list[str]) -> None:
    links = outcome(lambda: decode_links(fields, 100))
    if not isinstance(links, RemoteProtocolError):
        expected = tuple(Link(url=link.url.replace(",", "%2C"), type=link.type) for link in links)
        assert expected == decode_links([encode_link(link) for link in links], 100)
