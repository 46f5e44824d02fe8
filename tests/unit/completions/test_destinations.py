"""Which callback URLs the patterns of the configuration allow."""

import pytest

from gateway.completions import DestinationPolicy


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
    ],
)
def test_an_allowed_url(pattern: str, url: str) -> None:
    assert DestinationPolicy([pattern]).allows(url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("http://127.0.0.1:*", "https://127.0.0.1:9000/callback"),
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
    assert not DestinationPolicy([pattern]).allows(url)


def test_nothing_is_allowed_by_default() -> None:
    assert not DestinationPolicy([]).allows("https://example.com/")
