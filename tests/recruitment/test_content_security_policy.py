"""What the pages of the project allow a browser to load, run, and be framed by."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from tests import factories
from tests.browser import Browser
from tests.given import given

POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
INLINE = re.compile(r"<style|<script(?![^>]* src=)(?![^>]*application/json)|<[^>]+\s(style|on\w+)=")


@pytest.mark.parametrize(
    "path",
    ["/admin/login/", "/api/v1/docs/", "/api/v1/schema/", "/api/v1/candidates/", "/nowhere/"],
)
def test_every_answer_carries_the_policy(db: None, path: str) -> None:
    header = Client().get(path).headers["Content-Security-Policy"]
    sent = dict(directive.strip().split(" ", 1) for directive in header.split(";"))
    assert sent == POLICY


def test_no_page_has_a_script_or_style_of_its_own(staff: Callable[..., Browser]) -> None:
    id = given(factories.add()).candidate_id
    browser = staff(superuser=True)
    candidates = "/admin/candidates/candidateprojection/"
    for path in (
        "/admin/",
        candidates,
        f"{candidates}{id}/change/",
        f"{candidates}decide/reject/?candidate={id}",
        "/admin/eventstore/storageevent/",
        "/admin/recruitment/apitoken/",
        "/admin/recruitment/apitoken/add/",
        "/api/v1/docs/",
    ):
        content = browser.get(path).content.decode()
        assert not re.search(r"<style|<script(?![^>]* src=)(?![^>]*application/json)", content), (
            path
        )
        assert not re.search(r"<[^>]+\s(style|on\w+)=", content), path
