"""The page of examples runs as it is written, is answered as it says, and leaves no call out."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from tests.alike import check_alike

DOCS = Path(__file__).parent.parent.parent / "recruitment/docs"
PAGE = (DOCS / "api-examples.md").read_text()
LINES = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
ANSWERS = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)]


def _values(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:]


@pytest.mark.django_db(transaction=True)
def test_the_lines_are_answered_as_the_page_says(
    live_server: LiveServer, user_in: Callable[..., User]
) -> None:
    _, token = AuthToken.objects.create(user_in("Recruiters", "Operators"))
    ran = subprocess.run(
        ["bash", "-eu", "-c", "\n".join(LINES)],
        env={**os.environ, "API": f"{live_server.url}/api/v1", "TOKEN": token},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    given = list(_values(ran.stdout))
    assert len(given) == len(ANSWERS)
    for number, (shown, answer) in enumerate(zip(ANSWERS, given, strict=True)):
        check_alike(shown, answer, f"answer {number}", shortened=True)


def test_every_call_is_there() -> None:
    document = yaml.safe_load((DOCS / "openapi.yaml").read_text())
    calls = [call for lines in LINES for call in re.split(r"^(?=api )", lines, flags=re.M)]
    for path, operations in {**document["paths"], "/api/v1/schema/": {"get": {}}}.items():
        for method in operations:
            wanted = re.escape(path.removeprefix("/api/v1")).replace(r"\{id\}", r"\$[A-Z]+")
            found = [call for call in calls if re.search(rf"\$API{wanted}[\"?\s)]", call)]
            patched = {call for call in found if "-X PATCH" in call}
            sent = {call for call in found if "-d '" in call or "-X POST" in call} - patched
            read = set(found) - sent - patched
            assert {"get": read, "post": sent, "patch": patched}[method], f"{method} {path}"
