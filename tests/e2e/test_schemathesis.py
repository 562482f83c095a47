"""The OpenAPI document attacks the API: what it allows is answered as it says, and nothing breaks.

Schemathesis sends examples, the edges of every schema, what is random, and chains of calls that
follow the document's links, so that commands are decided on the ETags of earlier answers.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.servers.basehttp import WSGIRequestHandler
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from eventstore.models import StorageEvent

CONFIGURATION = Path(__file__).parent.parent / "schemathesis.toml"
PHASES = ("examples", "coverage", "fuzzing", "stateful")
Exchange = tuple[dict[str, list[str]], dict[str, Any]]
"""The headers of a request, and what it was answered."""


@pytest.mark.django_db(transaction=True)
def test_the_api_holds_what_its_document_promises(
    live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server sends head and body apart; the second would wait 40 ms for an acknowledgement.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
    attacker = User.objects.create_user("mallory")
    attacker.user_permissions.set(Permission.objects.all())
    _, token = AuthToken.objects.create(attacker)
    report, log = tmp_path / "report.json", tmp_path / "log.ndjson"
    ran = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "--no-color"),
            *("--config-file", CONFIGURATION, "run", f"{live_server.url}/api/v1/schema/"),
            *("--report", "json,ndjson", "--report-json-path", report, "--report-ndjson-path", log),
        ],
        # What else it writes goes where nobody looks.
        cwd=tmp_path,
        env={**os.environ, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(report.read_text())
    assert (found["failures"], found["errors"], found["stop_reason"]) == ([], [], "completed")
    assert {phase: found["phases"][phase]["status"] for phase in PHASES} == dict.fromkeys(
        PHASES, "success"
    )
    assert found["operations"]["tested"] == found["operations"]["total"]
    assert found["test_cases"]["generated"] >= 1000

    answers = Counter(answer["status_code"] for *_, (_, answer) in _exchanges(log))
    assert not [status for status in answers if status >= 500], answers
    assert answers[200] + answers[201] >= 100, answers
    assert _decided_on_an_answered_version(log) >= 3
    assert StorageEvent.objects.filter(version__gte=3).exists()


def _exchanges(log: Path) -> Iterator[tuple[int, str, Exchange]]:
    """Scenario, phase, and what was sent and answered, in order."""
    for scenario, line in enumerate(log.read_text().splitlines()):
        finished = json.loads(line).get("ScenarioFinished", {"recorder": {}})
        for exchange in finished["recorder"].get("interactions", {}).values():
            if exchange["response"] is not None:
                sent = exchange["request"]["headers"]
                yield scenario, finished["phase"], (sent, exchange["response"])


def _decided_on_an_answered_version(log: Path) -> int:
    """How many commands stated an ETag that an earlier call of their chain was answered with."""
    answered: set[tuple[int, str]] = set()
    count = 0
    for scenario, phase, (sent, answer) in _exchanges(log):
        stated = {(scenario, tag) for tag in sent.get("If-Match", ())}
        count += phase == "stateful" and answer["status_code"] == 200 and bool(stated & answered)
        answered |= {(scenario, tag) for tag in answer["headers"].get("etag", ())}
    return count
