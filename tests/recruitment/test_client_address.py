"""Which address a request came from, as far as a client cannot choose it."""

from typing import Any

import pytest
from django.test import RequestFactory

from recruitment.client_address import client_address, network_of


def address(*, peer: str = "192.0.2.1", forwarded: str | None = None, **headers: str) -> str:
    given = headers if forwarded is None else {"X-Forwarded-For": forwarded, **headers}
    return client_address(RequestFactory().get("/", headers=given, REMOTE_ADDR=peer))


def test_without_a_proxy_no_header_is_believed() -> None:
    assert address(forwarded="203.0.113.9", Forwarded="for=203.0.113.9") == "192.0.2.1"
    assert address(forwarded="203.0.113.9", **{"X-Real-IP": "203.0.113.8"}) == "192.0.2.1"


@pytest.mark.parametrize(
    ("count", "forwarded", "expected"),
    [
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.0.0.1, 203.0.113.9", "203.0.113.9"),
        (1, "127.0.0.1,,203.0.113.9", "203.0.113.9"),
        (2, "10.0.0.1, 203.0.113.9, 198.51.100.2", "203.0.113.9"),
        (2, "203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9:4711", "203.0.113.9"),
        (1, "[2001:db8::9]:4711", "2001:db8::9"),
        (1, "2001:DB8::9", "2001:db8::9"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, None, "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "203.0.113.9, unknown", "192.0.2.1"),
        (1, "203.0.113.9, ", "192.0.2.1"),
    ],
)
def test_each_proxy_appends_who_called_it(
    settings: Any, count: int, forwarded: str | None, expected: str
) -> None:
    settings.PROXY_COUNT = count
    assert address(forwarded=forwarded) == expected


def test_a_proxy_may_use_a_header_of_its_own(settings: Any) -> None:
    settings.PROXY_COUNT, settings.PROXY_ADDRESS_HEADER = 1, "HTTP_X_REAL_IP"
    assert address(forwarded="10.0.0.1", **{"X-Real-IP": "203.0.113.9"}) == "203.0.113.9"


def test_behind_a_unix_socket_there_is_none_without_a_proxy(settings: Any) -> None:
    assert address(peer="") == "-"
    settings.PROXY_COUNT = 1
    assert address(peer="", forwarded="203.0.113.9") == "203.0.113.9"


def test_of_ipv6_a_client_has_a_whole_network() -> None:
    assert network_of("2001:db8::1:2:3:4") == network_of("2001:db8::9") == "2001:db8::/64"
    assert network_of("2001:db8:0:1::9") != network_of("2001:db8::9")
    assert (network_of("192.0.2.1"), network_of("-")) == ("192.0.2.1", "-")
