"""Checks of a deployment, for `manage.py check --deploy`."""

from typing import Any

from django.conf import settings
from django.core import checks


def check_proxy(**_: Any) -> list[checks.CheckMessage]:
    """Whoever signs in is known by the proxy's address, if nothing says where to find their own."""
    if settings.SECURE_PROXY_SSL_HEADER is None or settings.PROXY_COUNT:
        return []
    return [
        checks.Warning(
            "SECURE_PROXY_SSL_HEADER is set, but PROXY_COUNT is 0: all clients have the proxy's "
            "address, and failed sign-ins of one are held against all.",
            hint="Set PROXY_COUNT to how many proxies stand in front.",
            id="recruitment.W001",
        )
    ]
