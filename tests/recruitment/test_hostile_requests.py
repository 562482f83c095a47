"""Bytes that no client library would send: under /api/ each is answered by a problem, never by a
page, and never by a fault of ours."""

import gzip
import json
import socket
from collections.abc import Callable
from email import message_from_bytes
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from pytest_django.live_server_helper import LiveServer

from eventstore.models import StorageEvent
from recruitment.tokens import issue

URL = b"/api/v1/candidates/"
ADD = b'{"profile": {"name": "Ann"}, "score": 80}'
JSON = b"Content-Type: application/json"
pytestmark = pytest.mark.django_db(transaction=True)
Send = Callable[..., tuple[int, bytes]]


@pytest.fixture
def send(live_server: LiveServer, user_in: Callable[..., User]) -> Send:
    """Sends a request line, headers and a body as they are; gives status and body."""
    _, token = issue(user_in("Recruiters", "Operators"))
    server = urlsplit(live_server.url)

    def raw(
        line: bytes, *headers: bytes, body: bytes = b"", host: bool = True
    ) -> tuple[int, bytes]:
        own = [b"Connection: close"]
        if host:
            own.append(b"Host: " + server.netloc.encode())
        if not any(header.lower().startswith(b"authorization:") for header in headers):
            own.append(b"Authorization: Bearer " + token.encode())
        if body and not any(b"length:" in h.lower() or b"encoding:" in h.lower() for h in headers):
            own.append(b"Content-Length: %d" % len(body))
        with socket.create_connection((server.hostname, server.port), timeout=30) as connection:
            connection.sendall(b"\r\n".join([line, *own, *headers, b"", body]))
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, content = answer.partition(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        status, sent = int(first.split()[1]), message_from_bytes(rest)
        assert status < 500, answer[:2000]
        assert b"<" not in content[:1], answer[:2000]
        if status >= 400 and not line.startswith(b"HEAD"):
            assert sent["Content-Type"] == "application/problem+json", answer[:2000]
            problem = json.loads(content)
            assert (problem["status"], bool(problem["code"])) == (status, True)
        assert sent["X-Request-ID"]
        return status, content

    return raw


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ADD, 201),
        (b"", 400),
        (b"{", 400),
        (b"\x00" * 100, 400),
        (b"\xff\xfe\xfd", 400),
        (b'{"profile": {"a": "\xed\xa0\x80"}, "score": 1}', 400),
        (b'{"profile": {}, "profile": {}, "score": 1}', 400),
        (b'{"profile": {"a": 1, "a": 1}, "score": 1}', 400),
        (b'{"profile": {"a": "\\u0000"}, "score": 1}', 400),
        (b'{"profile": {"a": "\\ud800"}, "score": 1}', 400),
        (b'{"profile": {}, "score": 1e400}', 400),
        (b'{"profile": {}, "score": -Infinity}', 400),
        (b'{"profile": {}, "score": %s}' % (b"9" * 100_000), 400),
        (b'{"profile": {"a": %s}, "score": 1}' % (b"9" * 100_000), 400),
        (b"[" * 500_000, 400),
        (b'{"a":' * 150_000, 400),
        (b'{"profile": {"a": %s}, "score": 1}' % (b"[" * 200_000 + b"]" * 200_000), 400),
        (b'{"profile": {"a": "%s"}, "score": 1}' % (b"x" * 70_000), 400),
        (b'{"profile": {%s}, "score": 1}' % b",".join(b'"%d": 1' % i for i in range(50_000)), 400),
        (b" " * (1024 * 1024 + 1), 413),
        (gzip.compress(ADD, mtime=0), 400),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_body(send: Send, body: bytes, status: int) -> None:
    assert send(b"POST " + URL + b" HTTP/1.1", JSON, body=body)[0] == status
    assert StorageEvent.objects.count() == (status == 201)


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Type: application/json; charset=nonsense",),
        (b"Content-Type: \xff\xfe",),
        (b"Content-Type: multipart/form-data",),
        (b"Content-Type: multipart/form-data; boundary=" + b"x" * 5_000,),
        (b"Content-Type:",),
        (b"Content-Length: -5", JSON),
        (b"Content-Length: 9999999999999999999999", JSON),
        (b"Content-Length: five", JSON),
        (b"Transfer-Encoding: gzip, chunked", JSON),
        (b"Content-Encoding: gzip", b"Content-Length: 0", JSON),
        (b"Authorization: Bearer \xff\x00\xfe",),
        (b"Authorization: Bearer",),
        (b"Authorization: Bearer a b",),
        (b"Authorization: Basic %%%",),
        (b"Authorization: " + b"x" * 60_000,),
        (b"Authorization: ", b"Cookie: sessionid=\xff; csrftoken=\x00"),
        (b"Accept: \xff",),
        (b"Accept: */*;q=0",),
        (b"Accept: text/html",),
        (b"Accept: application/json; q=x;;;",),
        (b"Accept-Language: \xff; q=9",),
        (b"Idempotency-Key: \xff",),
        (b"Idempotency-Key: " + b"x" * 60_000,),
        (b"On-Behalf-Of: \x00",),
        (b"If-Match: " + b'"1",' * 10_000,),
        (b"If-Match: \xf0\x9f\x98\x80",),
        (b"X-Request-ID: \xff" + b"x" * 60_000,),
        (b"X-Forwarded-For: \xff", b"Forwarded: host=evil"),
        (b"Expect: 200-nothing",),
        (b"Upgrade: websocket", b"Connection: Upgrade"),
        tuple(b"X-%d: %d" % (i, i) for i in range(90)),
    ],
    ids=lambda headers: repr(headers[0])[:40],
)
def test_headers(send: Send, headers: tuple[bytes, ...]) -> None:
    body = b"" if any(b"length" in h.lower() or b"transfer" in h.lower() for h in headers) else ADD
    send(b"POST " + URL + b" HTTP/1.1", *headers, body=body)
    send(b"GET " + URL + b" HTTP/1.1", *headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((b"Content-Encoding: gzip",), 415),
        ((b"Content-Encoding: br",), 415),
        ((b"Content-Encoding: x-gzip",), 415),
        ((b"Content-Encoding: identity, gzip",), 415),
        ((b"Content-Encoding: identity", b"Content-Encoding: zstd"), 415),
        ((b"Content-Encoding: \xff",), 415),
        ((b"Content-Encoding: identity",), 201),
        ((b"Content-Encoding: IDENTITY, identity",), 201),
        ((b"Content-Encoding:",), 201),
    ],
)
def test_a_body_is_sent_as_it_is(send: Send, headers: tuple[bytes, ...], status: int) -> None:
    length = b"Content-Length: %d" % len(ADD)
    got, content = send(b"POST " + URL + b" HTTP/1.1", JSON, length, *headers, body=ADD)
    assert got == status
    if status == 415:
        assert json.loads(content)["code"] == "unsupported_content_encoding"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((b'If-Match: "x"', b'If-Match: "1"'), 200),
        ((b'If-Match: "x"', b'If-Match: "y"'), 412),
        ((b"If-Match: *", b"If-Match: *"), 200),
        ((b'If-None-Match: "x"', b"If-None-Match: *"), 200),
        ((b"Accept: text/html", b"Accept: application/json;q=0.1"), 200),
        ((b"Accept: */*", b"Accept: application/json;q=0"), 406),
    ],
)
def test_header_lines_of_one_name_are_one_list(
    send: Send, headers: tuple[bytes, ...], status: int
) -> None:
    _, content = send(b"POST " + URL + b" HTTP/1.1", JSON, body=ADD)
    path = URL + json.loads(content)["id"].encode() + b"/"
    assert send(b"GET " + path + b" HTTP/1.1", *headers)[0] == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET /api HTTP/1.1", 404),
        (b"GET /api/v1 HTTP/1.1", 404),
        (b"GET /api//v1/candidates/ HTTP/1.1", 404),
        (b"GET /api/v1/candidates HTTP/1.1", 404),
        (b"GET /api/v1/../../admin/ HTTP/1.1", 404),
        (b"GET /api/v1/%2e%2e/%2e%2e/etc/passwd HTTP/1.1", 404),
        (b"GET /api/v1/candidates/%00/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/%ff%fe/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/\xff\xfe/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/%ED%A0%80/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/%zz/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/a%0d%0aSet-Cookie:%20x=1/ HTTP/1.1", 400),
        (b"GET /api/v1/candidates/" + b"x" * 200 + b"/ HTTP/1.1", 400),
        (b"GET /api/v1/" + b"x/" * 1_000 + b" HTTP/1.1", 404),
        (b"GET /api/v1/candidates/?%00=%00 HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?%ff=%fe HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?\xff HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?status=ADDED&status=ADDED HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?" + b"a=1&" * 5_000 + b" HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?cursor=%00 HTTP/1.1", 400),
        (b"GET /api/v1/candidates/?cursor=" + b"9" * 30_000 + b" HTTP/1.1", 400),
        (b"GET /api/v1/events/?after=-1 HTTP/1.1", 400),
        (b"GET /api/v1/events/?types=%00 HTTP/1.1", 400),
        (b"GET /api/v1/what-if/?threshold=" + b"9" * 30_000 + b" HTTP/1.1", 400),
        (b"GET /api/v1/statistics/?as_of=%00 HTTP/1.1", 400),
        (b"GET /api/v1/nowhere/%00 HTTP/1.1", 404),
        (b"POST /api/v1/nowhere/ HTTP/1.1", 404),
        (b"BREW /api/v1/candidates/ HTTP/1.1", 405),
        (b"get /api/v1/candidates/ HTTP/1.1", 200),
        (b"TRACE /api/v1/candidates/ HTTP/1.1", 405),
        (b"OPTIONS /api/v1/candidates/ HTTP/1.1", 405),
        (b"PROPFIND /api/v1/candidates/x/invite/ HTTP/1.1", 405),
        (b"DELETE /api/v1/schema/ HTTP/1.1", 405),
        (b"HEAD /api/v1/candidates/x/ HTTP/1.1", 400),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_request_line(send: Send, line: bytes, status: int) -> None:
    assert send(line)[0] == status


@pytest.mark.parametrize("host", [b"Host: evil.example", b"Host: \xff", b"Host: a b", b"Host:"])
def test_a_host_that_is_not_served(send: Send, host: bytes) -> None:
    status, content = send(b"GET " + URL + b" HTTP/1.1", host, host=False)
    assert (status, json.loads(content)["code"]) == (400, "bad_request")
