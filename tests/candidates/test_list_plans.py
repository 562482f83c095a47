"""How the databases find what a list asks for, at 100,000 candidates: each time by an index."""

import re
from typing import NamedTuple
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from tests.candidates.api.requests import URL
from tests.candidates.api.test_listing import _cursor
from tests.candidates.crowd import TABLE, gather, multiply

pytestmark = pytest.mark.django_db

GATHERED, TIMES = 6_250, 16


class Plan(NamedTuple):
    postgresql: str
    """The index by which it goes there, as a pattern: where two are as good, either."""
    sqlite: str


def same(index: str) -> Plan:
    return Plan(index, index)


IN_ORDER = same("added")
RARE = Plan("search", "added")
KEY = Plan("keys", "added")


def common(index: str) -> Plan:
    """So many have the value that PostgreSQL meets enough of them in the order of the list."""
    return Plan(f"{index}|added", index)


PLANS: dict[str, Plan] = {
    "": IN_ORDER,
    f"ordering=-added&cursor={_cursor('-added|on|200001')}": IN_ORDER,
    f"ordering=added&cursor={_cursor('added|on|200001')}": IN_ORDER,
    "ordering=-added_at": same("added_at"),
    f"ordering=score&cursor={_cursor('score|on|50.0|200001')}": same("by_score"),
    "ordering=-score&score_max=50": same("by_score"),
    "ordering=-changed": same("changed"),
    "changed_after=200000": same("changed"),
    "status=INVITED": common("status"),
    f"status=INVITED&cursor={_cursor('-added|on|200001')}": common("status"),
    "source=event": common("source"),
    "position=Data analyst": common("applied"),
    "owner=nobody": same("owner"),
    "external_id=JOB-10037": same("external_id"),
    "source=event&status=INVITED": common("source|status"),
    "score_min=99.9": Plan("by_score", "by_score|added"),
    "added_after=2023-01-03T00:00:00Z&added_before=2023-01-04T00:00:00Z": same("added_at"),
    "search=nobody": RARE,
    "search=O’Brian": RARE,
    "search=li wu": RARE,
    "search=030 99999999": Plan("search|keys", "added"),
    "search=99999999": RARE,
    "search=nobody@example.org": Plan("search|keys", "added"),
    "search=nobody@": RARE,
    "email=nobody@example.org": KEY,
    "phone=030 99999999": KEY,
    "search=engineer": IN_ORDER,
    "tag=nothing": RARE,
    "tag=go": Plan("search|added", "added"),
    "search=nobody&count=true": RARE,
    "search=nobody&status=STANDBY": Plan("search", "status|added"),
    # Neither is the whole of a status read to find who is in both.
    "search=maces&status=INVITED": Plan("search|status", "status|added"),
}


def _explained(statement: str) -> str:
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {statement}", None)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def _follows(plan: str, index: str) -> bool:
    if connection.vendor == "postgresql":
        used = re.findall(r"Index (?:Only )?Scan (?:Backward )?(?:using|on) candidates_(\w+)", plan)
        scanned = "Seq Scan" in plan
    else:
        used = re.findall(r"USING (?:COVERING )?INDEX candidates_(\w+)", plan)
        scanned = re.search(r"SCAN (?!subquery)\w+$", plan, re.MULTILINE) is not None
    return not scanned and bool(used) and all(re.fullmatch(index, name) for name in used)


def test_every_list_goes_by_an_index(monkeypatch: pytest.MonkeyPatch) -> None:
    gather(GATHERED)
    multiply(TIMES)
    assert CandidateProjection.objects.count() == 100_000
    # There is no log that these came from.
    for where in ("filters", "pagination"):
        monkeypatch.setattr(f"candidates.api.{where}.shown_end", lambda after=0: 10**9)
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("vera"))

    others = {}
    for query, wanted in PLANS.items():
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(f"{URL}?{quote(query, safe='&=')}")
        assert answer.status_code == 200, answer.content
        statements = [one["sql"] for one in asked if f'FROM "{TABLE}"' in one["sql"]]
        # PostgreSQL is asked first whether anybody has the whole address or number.
        asks = connection.vendor == "postgresql" and "|keys" in wanted.postgresql
        assert len(statements) == (2 if "count" in query or asks else 1)
        for statement in statements:
            plan = _explained(statement)
            if not _follows(plan, getattr(wanted, connection.vendor)):
                others[query] = plan

    assert others == {}


def test_a_plan_without_an_index_is_told_from_one_with_it() -> None:
    by_nothing = CandidateProjection.objects.filter(resume_url="x")
    by_index = CandidateProjection.objects.filter(external_id="x")
    gather(2_000)
    assert not _follows(by_nothing.explain(), "external_id")
    assert _follows(by_index.explain(), "external_id")
    assert not _follows(by_index.explain(), "status")


def test_whole_keys_are_found_by_their_index_where_everybody_has_others() -> None:
    # PostgreSQL keeps statistics of keys only where several candidates have the same.
    gather(20_000)
    everybody = CandidateProjection.objects.order_by("-added_position")
    by_index = "keys" if connection.vendor == "postgresql" else "added"
    for found in (
        everybody.with_phone("+999 123 456 7890"),
        everybody.with_phone("0123 456 7890"),
        everybody.with_email("nobody@example.org"),
    ):
        for plan in (found[:51].explain(), found[:1].explain()):
            assert _follows(plan, by_index), plan
