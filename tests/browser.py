"""A browser without JavaScript, and what a reader sees in it."""

import re
from typing import Any

from django.test import Client, TestCase


class Committing:
    """Runs what waits for a commit, also where the test's own transaction is never committed."""

    def request(self, **kwargs: Any) -> Any:
        with TestCase.captureOnCommitCallbacks(execute=True):
            return super().request(**kwargs)  # type: ignore[misc]  # mixed into a test client


class Browser(Committing, Client):
    """Django's test client."""


def text_of(response: Any) -> str:
    """Without tags, white space collapsed."""
    content = re.sub(r"<(script|style).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())
