"""Whatever is sent, the answer is a success or says what is wrong."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from candidates.domain.events import RejectionReason
from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL

# json.dumps escapes what is not ASCII, so lone surrogates and NUL get through to the server.
TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 100)
    | st.floats()
    | TEXT
    | st.sampled_from([reason.value for reason in RejectionReason])
    | st.dates().map(str)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
FIELDS = {
    "": ["profile", "score"],
    "standby/": ["until"],
    "invite/": [],
    "reject/": ["reason", "note"],
    "undo/": ["version"],
    "rescore/": ["score", "why"],
    "profile/": ["profile"],
    "note/": ["text"],
    "retract/": ["why"],
}
"""Of the body of each command, by its path."""
CALLS = st.sampled_from(list(FIELDS)).flatmap(
    lambda path: st.tuples(
        st.just(path),
        st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[path], VALUES)) | VALUES,
    )
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=CALLS, headers=st.dictionaries(st.sampled_from(["If-Match", "Idempotency-Key"]), TEXT))
def test_no_body_and_no_header_breaks_a_command(
    api: APIClient, call: tuple[str, Any], headers: dict[str, str]
) -> None:
    path, body = call
    url = api.post(URL, {"profile": {}, "score": 80})["Location"]
    stored = StorageEvent.objects.count()

    answer = api.post(
        f"{url}{path}" if path else URL,
        data=json.dumps(body),
        content_type="application/json",
        headers=headers,
    )

    done = answer.status_code in (200, 201)
    assert done or (400 <= answer.status_code < 500 and answer.json()["code"])
    new = done and "Idempotent-Replayed" not in answer
    assert StorageEvent.objects.count() == stored + new


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60))
def test_no_bytes_break_the_parser(api: APIClient, body: bytes) -> None:
    answer = api.post(URL, data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(
        st.sampled_from(["status", "cursor", "page_size"]) | TEXT, TEXT, max_size=3
    )
)
def test_no_parameter_breaks_a_list(api: APIClient, query: dict[str, str]) -> None:
    given = {
        key.encode("utf-8", "surrogatepass"): value.encode("utf-8", "surrogatepass")
        for key, value in query.items()
    }
    answer = api.get(URL, query_params=given)
    assert answer.status_code in (200, 400)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.dictionaries(
        st.sampled_from(["as_of", "known_at", "version"]) | TEXT,
        TEXT | st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.integers().map(str),
        max_size=2,
    )
)
def test_no_moment_breaks_a_read(api: APIClient, query: dict[str, str]) -> None:
    url = api.post(URL, {"profile": {}, "score": 80})["Location"]
    given = {
        key.encode("utf-8", "surrogatepass"): value.encode("utf-8", "surrogatepass")
        for key, value in query.items()
    }
    answer = api.get(url, query_params=given)
    assert answer.status_code in (200, 400, 404)
    assert answer.status_code == 200 or answer.json()["code"]
