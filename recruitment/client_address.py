"""Tells from which address a request came."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

UNKNOWN = "-"
"""Where a server listens on a Unix socket and no proxy names an address."""


def client_address(request: HttpRequest) -> str:
    """Returns the address of the client, or UNKNOWN.

    Each of the PROXY_COUNT proxies in front appends to the header the address that it was called
    from, so the client's is that many places from the end. What stands before it is the client's
    own word, and so is the whole header where no proxy is configured.
    """
    address = _parsed(request.META.get("REMOTE_ADDR", ""))
    if settings.PROXY_COUNT:
        hops = request.META.get(settings.PROXY_ADDRESS_HEADER, "").split(",")
        # Fewer than expected: the outer proxies were passed by.
        address = _parsed(hops[-min(settings.PROXY_COUNT, len(hops))]) or address
    return UNKNOWN if address is None else str(address)


def network_of(address: str) -> str:
    """Returns what one client may be given: of IPv6 a network of 64 bits, else the address."""
    parsed = _parsed(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Some proxies append a port: 192.0.2.7:4711, [2001:db8::7]:4711."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
