"""What `manage.py check --deploy` says besides Django's own checks."""

from typing import Any

import pytest

from recruitment.checks import check_proxy

HTTPS = ("HTTP_X_FORWARDED_PROTO", "https")


@pytest.mark.parametrize(
    ("header", "count", "ids"),
    [(None, 0, []), (None, 1, []), (HTTPS, 1, []), (HTTPS, 0, ["recruitment.W001"])],
)
def test_a_proxy_that_hides_its_clients_is_warned_of(
    settings: Any, header: Any, count: int, ids: list[str]
) -> None:
    settings.SECURE_PROXY_SSL_HEADER, settings.PROXY_COUNT = header, count
    assert [message.id for message in check_proxy()] == ids
