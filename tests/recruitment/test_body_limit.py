"""No body is read beyond the limit: whoever sends it, of whatever kind, and however it is sent."""

import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from eventstore.api.parsers import MAX_BODY_BYTES
from eventstore.models import StorageEvent
from recruitment.tokens import issue

URL = "/api/v1/candidates/"
TOO_LARGE = str(MAX_BODY_BYTES + 1)


class Unreadable:
    """What a client goes on to send, and nobody may take."""

    def read(self, *_: Any) -> bytes:
        raise AssertionError("The body was read.")

    readline = read


def _post(client: Client, path: str, length: str, content_type: str = "application/json") -> Any:
    environ: Any = {
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": length,
        "wsgi.input": Unreadable(),
    }
    return client.generic("POST", path, **environ)


@pytest.fixture
def logged_in(user_in: Callable[..., User]) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_in("Recruiters"))
    return client


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ],
)
@pytest.mark.parametrize("path", [URL, f"{URL}x/invite/", "/api/v1/schema/", "/api/v1/nowhere/"])
@pytest.mark.parametrize("length", [TOO_LARGE, "1" + "0" * 5_000])
def test_a_body_is_too_large_by_its_stated_length(
    logged_in: Client, path: str, length: str, content_type: str
) -> None:
    for client in (Client(), logged_in):
        answer = _post(client, path, length, content_type)
        assert answer.status_code == 413
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize("length", ["-1", "1e9", "+5", "x", "1_000", "5, 5"])
def test_a_length_that_is_no_number_makes_a_bad_request(logged_in: Client, length: str) -> None:
    answer = _post(logged_in, URL, length)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_a_body_up_to_the_limit_is_read(user_in: Callable[..., User]) -> None:
    client = Client()
    client.force_login(user_in("Recruiters"))
    with pytest.raises(AssertionError, match="The body was read"):
        _post(client, URL, str(MAX_BODY_BYTES))


@pytest.mark.django_db
def test_the_limit_is_the_apis_alone() -> None:
    assert Client().post("/admin/login/", {"username": "x" * MAX_BODY_BYTES}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_body_in_chunks_is_refused_before_any_of_it_has_come(
    live_server: LiveServer, user_in: Callable[..., User]
) -> None:
    _, token = issue(user_in("Recruiters"))
    server = urlsplit(live_server.url)
    lines = [
        f"POST {URL} HTTP/1.1",
        f"Host: {server.netloc}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ]
    with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b'"code":"length_required"' in answer
    assert not StorageEvent.objects.exists()
