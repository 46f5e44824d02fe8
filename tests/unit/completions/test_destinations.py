"""Which callback URLs the patterns of the configuration allow, and for whom."""

from contextlib import nullcontext
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest

from gateway.completions import AllowRule, DestinationPolicy, DestinationRefused, OwnAddresses
from gateway.model import OperationAddress, Tenant
from tests.unit.completions.senders import ADDRESS, ANYWHERE, TENANT, admit, policy


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("http://127.0.0.1:*", "http://127.0.0.1:9000/callback?x=1"),
        ("http://127.0.0.1:*", "http://127.0.0.1/callback"),
        ("https://hooks.example.com", "https://hooks.example.com/any/path"),
        ("https://hooks.example.com", "https://HOOKS.example.com:443/"),
        ("https://*.example.com", "https://a.example.com/x"),
        ("https://a.test/hooks/*", "https://a.test/hooks/1"),
        ("https://[::1]:*", "https://[::1]:9000/x"),
        ("https://[::1]:*", "https://[0:0:0:0:0:0:0:1]:9000/x"),
        ("https://[2606:4700:0:0::1111]", "https://[2606:4700::1111]/"),
        ("HTTPS://Hooks.Example.com", "https://hooks.example.com/"),
    ],
)
def test_an_allowed_url(pattern: str, url: str) -> None:
    assert admit(policy(pattern), url).url


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("http://127.0.0.1:*", "https://127.0.0.1:9000/callback"),
        ("http://127.0.0.1:*", "http://127.0.0.2:9000/callback"),
        ("http://127.0.0.1:*", "http://127.0.0.1.evil.test:9000/"),
        ("http://127.0.0.1:*", "http://127.0.0.1:80@evil.test/"),
        ("http://127.0.0.1:*", "http://evil.test/?http://127.0.0.1:80/"),
        ("http://127.0.0.1:*", "http://127.0.0.1:99999/"),
        ("https://*.example.com", "https://evil.test/.example.com"),
        ("https://*.example.com", "https://evil.test:443/.example.com/"),
        ("https://*.example.com", "https://user@a.example.com/"),
        ("https://*.example.com", "https://example.com/"),
        ("https://hooks.example.com", "https://hooks.example.com:8443/"),
        ("https://a.test/hooks/*", "https://a.test/other"),
        ("https://a.test", "ftp://a.test/"),
        ("https://a.test", "https:///x"),
        ("https://a.test", "not a url"),
    ],
)
def test_a_url_that_no_pattern_allows(pattern: str, url: str) -> None:
    with pytest.raises(DestinationRefused):
        admit(policy(pattern), url)


def test_nothing_is_allowed_by_default() -> None:
    with pytest.raises(DestinationRefused):
        admit(policy(), "https://example.com/")


@pytest.mark.parametrize(
    ("issuer", "namespace", "endpoint", "allowed"),
    [
        ("https://issuer.test", "checkout", "orders", True),
        ("https://issuer.test", "checkout-2", "orders", True),
        ("https://issuer.test", "rivals", "orders", False),
        ("https://other.test", "checkout", "orders", False),
        ("https://issuer.test", "checkout", "echo", False),
    ],
)
def test_a_rule_holds_for_those_it_selects(issuer: str, namespace: str, endpoint: str, allowed: bool) -> None:
    rule = AllowRule(
        urls=["https://a.test"], issuers=["https://issuer.*"], namespaces=["checkout*"], endpoints=["orders"]
    )
    tenant, address = Tenant(issuer, namespace), OperationAddress(endpoint, "s", "o")
    try:
        DestinationPolicy([rule]).admit("https://a.test/", tenant, address)
    except DestinationRefused:
        assert not allowed
    else:
        assert allowed


def test_only_the_rule_that_matches_opens_its_networks() -> None:
    """An open network for one host is none for another."""
    inside, outside = policy("https://a.test", networks=["10.0.0.0/8"]), policy("https://b.test")
    both = DestinationPolicy([AllowRule(urls=["https://b.test"]), AllowRule(urls=["https://a.test"])])
    assert ["10.0.0.0/8"] == [str(network) for network in admit(inside, "https://a.test/").opened]
    assert () == admit(outside, "https://b.test/").opened
    assert () == admit(both, "https://a.test/").opened


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/x", "http://127.0.0.1:8080/nexus/callback", "http://127.0.0.1:8080"]
)
def test_the_gateway_does_not_call_itself(url: str) -> None:
    with pytest.raises(DestinationRefused, match="gateway's own"):
        admit(policy("http://127.0.0.1:*", own=["http://127.0.0.1:8080"]), url)


@pytest.mark.parametrize(
    ("bound", "url", "own"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081/", True),
        ("127.0.0.1", "http://localhost:8081/", True),
        ("127.0.0.1", "http://127.0.0.1:8082/", False),
        ("127.0.0.1", "http://127.0.0.2:8081/", False),
        ("::1", "http://[::1]:8081/", True),
        ("::1", "http://127.0.0.1:8081/", False),
        ("0.0.0.0", "http://127.0.0.1:8081/", True),
        ("0.0.0.0", "http://127.0.0.9:8081/", True),
        ("0.0.0.0", "http://localhost:8081/", True),
        ("0.0.0.0", "http://93.184.216.34:8081/", False),
        ("::", "http://127.0.0.1:8081/", True),
        ("::", "http://[2606:2800:220:1::1]:8081/", False),
    ],
)
def test_no_listener_of_the_gateway_is_a_destination(bound: str, url: str, own: bool) -> None:
    """Not its admin listener either, and on every address of the machine where it listens on all of them."""
    rule = AllowRule(
        urls=[*ANYWHERE, "http://localhost:*"], networks=[ip_network("127.0.0.0/8"), ip_network("::1/128")]
    )
    guarded = DestinationPolicy([rule], own_addresses=OwnAddresses([(bound, 8081)]))
    with pytest.raises(DestinationRefused, match="gateway's own") if own else nullcontext():
        assert urlsplit(url).hostname == admit(guarded, url).host


HOSTILE_LITERALS = [
    "http://127.0.0.1/",
    "http://127.1.2.3/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://0.0.0.0/",
    "http://0.1.2.3/",
    "http://255.255.255.255/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://198.18.0.1/",
    "http://192.88.99.1/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://[2606:4700::5efe:10.0.0.1]/",
    "http://[2606:4700::200:5efe:7f00:1]/",
    "http://[5f00::1]/",
]
HOSTILE_SPELLINGS = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.000.000.001/",
    "http://127.0.0.1./",
    "http://1.2.3.4.5/",
    "http://127.0.0.0x1/",
    "http://evil.test.0x7f/",
    "http://[::1%25lo]/",
    "http://[fe80::1%eth0]/",
    "http://[127.0.0.1]/",
    "http://[v1.fe80::1]/",
    "http://user@example.com/",
    "http://user:pass@127.0.0.1/",
    "http://example.com@127.0.0.1/",
    "http://@127.0.0.1/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:-1/",
    "http://example.com:80:80/",
    "http://exa_mple..com/",
    "http://.example.com/",
    "http://example.com./",
    "http://-example.com/",
    "http://①②⑦.0.0.1/",
    "http://127。0。0。1/",
    "http://exämple.test/",
    "http://localhost%00.example.com/",
    "http://%31%32%37.0.0.1/",
    "http:///x",
    "http://",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "unix:///run/docker.sock",
    "http+unix://%2Frun%2Fdocker.sock/",
    "javascript:alert(1)",
    f"http://{'a' * 64}.test/",
    f"http://{'a.' * 130}test/",
]


@pytest.mark.parametrize("url", HOSTILE_LITERALS + HOSTILE_SPELLINGS)
def test_a_hostile_url_is_refused_at_start_whatever_the_patterns(url: str) -> None:
    with pytest.raises(DestinationRefused) as refused:
        admit(policy(*ANYWHERE), url)
    secret = url.partition("://")[2].strip("/")
    assert not secret or secret not in str(refused.value)


def test_there_are_enough_of_them() -> None:
    """Sixty at least, and none twice."""
    assert 60 <= len(set(HOSTILE_LITERALS + HOSTILE_SPELLINGS)) == len(HOSTILE_LITERALS + HOSTILE_SPELLINGS)


@pytest.mark.parametrize(
    ("networks", "url"),
    [
        (["10.0.0.0/8"], "http://10.1.2.3/"),
        (["127.0.0.0/8"], "http://127.0.0.9/"),
        (["fc00::/7"], "http://[fd12::1]/"),
        (["169.254.169.254/32"], "http://169.254.169.254/"),
        (["64:ff9b::/96"], "http://[64:ff9b::808:808]/"),
    ],
)
def test_a_network_is_opened_by_name(networks: list[str], url: str) -> None:
    assert url == admit(policy(*ANYWHERE, networks=networks), url).url.replace(":80/", "/")


@pytest.mark.parametrize(
    ("networks", "url"),
    [
        (["169.254.0.0/16"], "http://169.254.169.254/"),
        (["0.0.0.0/0"], "http://100.100.100.200/"),
        (["0.0.0.0/0"], "http://0.0.0.0/"),
        (["0.0.0.0/0"], "http://224.0.0.1/"),
        (["::/0"], "http://[::]/"),
        (["::/0"], "http://[fd00:ec2::254]/"),
        (["10.0.0.0/8"], "http://[::ffff:10.0.0.1]/"),
    ],
)
def test_a_wide_network_opens_no_metadata_service_and_no_multicast(networks: list[str], url: str) -> None:
    with pytest.raises(DestinationRefused):
        admit(policy(*ANYWHERE, networks=networks), url)


def test_a_public_address_is_fine_as_a_literal() -> None:
    assert "http://8.8.8.8:80/x" == policy("http://8.8.8.8").admit("http://8.8.8.8/x", TENANT, ADDRESS).url
