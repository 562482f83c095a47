"""The README's lines do what it says, as they are written there."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


@pytest.mark.django_db(transaction=True)
def test_the_curl_lines(live_server: LiveServer, user_in: Callable[..., User]) -> None:
    _, token = AuthToken.objects.create(user_in("Recruiters"))
    (block,) = re.findall(r"^<!-- Run as written .*-->\n```sh\n(.*?)^```$", README, re.M | re.S)
    ran = subprocess.run(
        ["bash", "-eu", "-c", block],
        env={**os.environ, "API": f"{live_server.url}/api/v1", "TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines() if line]
    add, again, standby, invite, reject, undo, note, read, history, past = answers

    assert add == again
    assert [answer["status"] for answer in (add, standby, invite, undo, note)] == [
        "ADDED",
        "STANDBY",
        "INVITED",
        "STANDBY",
        "STANDBY",
    ]
    assert (reject["status"], reject["code"], reject["current_version"]) == (
        412,
        "stale_version",
        3,
    )
    assert (read["version"], read["status"], read["profile"]["name"]) == (
        5,
        "STANDBY",
        "Ada O’Neill",
    )
    assert (past["version"], past["status"], past["invited_at"] is None) == (3, "INVITED", False)
    assert [event["event_type"] for event in history["results"]] == [
        "candidate.added",
        "candidate.moved_to_standby",
        "candidate.invited",
        "candidate.decision_undone",
        "candidate.noted",
    ]


def test_every_link_leads_somewhere() -> None:
    root = Path(__file__).parent.parent.parent
    for page in [root / "README.md", *(root / "recruitment/docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
