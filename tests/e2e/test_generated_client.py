"""A client that a public generator makes of the OpenAPI document goes the main path."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

DOCUMENT = Path(__file__).parent.parent.parent / "recruitment/docs/openapi.yaml"
PACKAGE = "recruitment_client"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its name, where it can be imported."""
    place = tmp_path_factory.mktemp("generated")
    configuration = place / "configuration.yaml"
    # Nothing is formatted: what it is formatted by would have to be fetched.
    configuration.write_text(f"package_name_override: {PACKAGE}\npost_hooks: []\n")
    made = subprocess.run(
        [
            *(Path(sys.executable).with_name("openapi-python-client"), "generate"),
            *("--path", DOCUMENT, "--config", configuration, "--meta", "none"),
            *("--output-path", place / PACKAGE, "--fail-on-warning"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield PACKAGE
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def client(live_server: LiveServer, package: str, user_in: Callable[..., User]) -> Iterator[Any]:
    _, token = AuthToken.objects.create(user_in("Recruiters", "Operators"))
    made = import_module(package).AuthenticatedClient(base_url=live_server.url, token=token)
    with made as open_client:
        yield open_client


def _call(operation: str, client: Any, *args: Any, **terms: Any) -> Any:
    """The answer with its status and headers; the model is its `parsed`."""
    [place] = Path(import_module(PACKAGE).__path__[0]).glob(f"api/*/{operation}.py")
    module = import_module(f"{PACKAGE}.api.{place.parent.name}.{operation}")
    return module.sync_detailed(*args, client=client, **terms)


@pytest.mark.django_db(transaction=True)
def test_the_main_path(client: Any) -> None:
    models = import_module(f"{PACKAGE}.models")
    profile = models.AddBodyProfile.from_dict({"name": "Ann Muñoz", "tags": ["x"]})
    add = models.AddBody(profile=profile, score=80)

    added = _call("add_candidate", client, body=add, idempotency_key="ann")
    assert (added.status_code, added.parsed.status) == (201, models.Status.ADDED)
    again = _call("add_candidate", client, body=add, idempotency_key="ann")
    assert (again.parsed, again.headers["Idempotent-Replayed"]) == (added.parsed, "true")
    ann = added.parsed.id

    read = _call("read_candidate", client, ann)
    assert read.parsed.profile.to_dict() == {"name": "Ann Muñoz", "tags": ["x"]}
    assert read.headers["ETag"] == added.headers["ETag"]
    unchanged = _call("read_candidate", client, ann, if_none_match=read.headers["ETag"])
    assert unchanged.status_code == 304
    listed = _call("list_candidates", client, status=models.Status.ADDED, page_size=1)
    assert [one.id for one in listed.parsed.results] == [ann]

    standby = _call(
        "move_candidate_to_standby",
        client,
        ann,
        body=models.StandbyBody(),
        if_match=read.headers["ETag"],
    )
    assert standby.parsed.status == models.Status.STANDBY
    stale = _call(
        "invite_candidate", client, ann, body=models.InviteBody(), if_match=read.headers["ETag"]
    )
    assert (stale.status_code, stale.parsed.code) == (412, "stale_version")
    assert (stale.parsed.changed_by, stale.parsed.current_version) == ("rita", 2)
    invite = _call(
        "invite_candidate",
        client,
        ann,
        body=models.InviteBody(),
        if_match=standby.headers["ETag"],
    )
    assert invite.parsed.status == models.Status.INVITED
    reason = models.RejectionReason.WITHDREW
    reject = _call("reject_candidate", client, ann, body=models.RejectBody(reason=reason))
    assert reject.parsed.status == models.Status.REJECTED
    undo = _call("undo_decision", client, ann, body=models.UndoBody(version=reject.parsed.version))
    assert undo.parsed.status == models.Status.INVITED

    history = _call("read_candidate_history", client, ann).parsed
    types = [event.event_type for event in history.results]
    assert types == [
        "candidate.added",
        "candidate.moved_to_standby",
        "candidate.invited",
        "candidate.rejected",
        "candidate.decision_undone",
    ]
    assert history.results[-1].data.undone_version == 4
    past = _call("read_candidate", client, ann, version=4).parsed
    assert (past.status, past.rejection_reason) == (models.Status.REJECTED, reason)

    batch = models.BatchBody(
        commands=[
            models.AddCommand(
                command="add",
                body=models.AddBody(profile=models.AddBodyProfile(), score=61.5),
            ),
            models.NoteCommand(
                command="note", candidate_id=ann, body=models.NoteBody(text="Prefers mornings.")
            ),
            models.InviteCommand(command="invite", candidate_id=ann, expected_version=1),
        ]
    )
    results = _call("carry_out_commands", client, body=batch).parsed.results
    assert [result.status for result in results] == [201, 200, 412]
    problem = results[2].problem
    assert (problem.code, problem.current_version) == ("stale_version", 6)

    figures = _call("read_statistics", client).parsed
    assert (figures.now.added, figures.now.invited, figures.ever.rejected) == (1, 1, 0)
    what_if = _call("ask_what_if", client, threshold=60).parsed
    assert (what_if.would_pass.added, [one.score for one in what_if.results]) == (1, [61.5])

    feed = _call("read_events", client, limit=3).parsed
    assert [event.type_ for event in feed.results] == types[:3]
    assert feed.results[0].data.event.score == 80
    (after,) = parse_qs(urlsplit(feed.next_).query)["after"]
    rest = _call("read_events", client, after=after).parsed
    assert [event.type_ for event in rest.results[:2]] == types[3:]
