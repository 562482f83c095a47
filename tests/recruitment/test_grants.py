"""A role of PostgreSQL that serves all there is to serve, and can change nothing of the log."""

import base64
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import yaml
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command, get_commands
from django.db import ProgrammingError, connection, transaction
from django.urls import reverse

from candidates.application.commands import InviteCandidate, NoteOnCandidate
from candidates.models import CandidateProjection
from eventstore.models import LogIdentity, ParkedStream, StorageEvent, StrayMessage, StreamKey
from eventstore.wiring import log_id, parked_streams, waiting_room
from recruitment.models import ApiToken, Scope
from recruitment.startup import OURS
from recruitment.tokens import issue
from tests import factories
from tests.browser import Browser
from tests.candidates.test_admin_decisions import chosen, confirmed
from tests.conftest import CommittingClient
from tests.contracts.buses import rabbitmq_bus
from tests.given import given
from tests.processes import ROOT, run, running, until
from tests.wrapping_keys import fingerprint, wrapping_keys

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has no roles and no rights."
)
ROLE = f"web of {os.getpid()}"
PASSWORD = "s3cret"
CANDIDATES = "/api/v1/candidates/"
LOG = StorageEvent._meta.db_table
FUNCTION = "CREATE OR REPLACE FUNCTION eventstore_append_only() RETURNS trigger"
UPSERT = "ON CONFLICT (event_id) DO UPDATE SET data = ''"


def create(role: str = ROLE, options: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}' {options}")


def told(role: str = ROLE, **options: Any) -> str:
    out = io.StringIO()
    call_command("grants", role, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def granted(db: None) -> None:
    """The role, until the test's transaction is rolled back."""
    create()
    told(apply=True)


@contextmanager
def as_the_role(role: str = ROLE) -> Iterator[None]:
    """The test's own connection has the rights of the role and no others."""
    with connection.cursor() as cursor:
        cursor.execute(f'SET ROLE "{role}"')
        yield
        cursor.execute("RESET ROLE")


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {LOG} SET data = '{{}}'",
        f"UPDATE {LOG} SET version = version WHERE false",
        f"DELETE FROM {LOG}",
        f"TRUNCATE {LOG}",
        f"DROP TABLE {LOG}",
        f"ALTER TABLE {LOG} DISABLE TRIGGER ALL",
        f"ALTER TABLE {LOG} ADD COLUMN more text",
        f"DROP TRIGGER eventstore_append_only ON {LOG}",
        f"CREATE TRIGGER mine BEFORE INSERT ON {LOG} EXECUTE FUNCTION eventstore_settled()",
        f"{FUNCTION} LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE INDEX ON {LOG} (version)",
        f"INSERT INTO {LOG} (event_id) VALUES (NULL) {UPSERT}",
        f"SELECT setval('{LOG}_position_seq', 1)",
        f"SELECT nextval('{LOG}_position_seq')",
        f"SELECT * FROM {LOG} FOR UPDATE",
        f"LOCK TABLE {LOG} IN ACCESS EXCLUSIVE MODE",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "DELETE FROM eventstore_streamkey",
        "TRUNCATE eventstore_streamkey",
        "UPDATE eventstore_logidentity SET log_id = gen_random_uuid()",
        "UPDATE eventstore_logidentity SET epoch = epoch + 1",
        "UPDATE eventstore_logidentity SET place = ''",
        "DELETE FROM eventstore_logidentity",
        "DELETE FROM eventstore_checkpoint",
        "DELETE FROM candidates_importedrow",
        "UPDATE candidates_importedrow SET system = ''",
        "DELETE FROM eventstore_logseal",
        "UPDATE eventstore_logseal SET digest = ''",
        "DELETE FROM eventstore_wrappedsecret",
        "INSERT INTO eventstore_keycheck SELECT * FROM eventstore_keycheck",
        "UPDATE eventstore_keycheck SET check_value = ''",
        "DELETE FROM eventstore_keycheck",
        "DELETE FROM django_migrations",
        "INSERT INTO auth_permission (name) VALUES ('x')",
    ],
)
def test_nothing_of_the_log_can_be_changed(granted: None, statement: str) -> None:
    given(factories.add())
    with (
        as_the_role(),
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner") as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert getattr(refused.value.__cause__, "sqlstate", None) == "42501"


def test_every_call_of_the_api_is_served(granted: None, user_in: Callable[..., User]) -> None:
    user = user_in("Recruiters", "Operators")
    called: set[tuple[str, str]] = set()
    with as_the_role():
        _, token = issue(user, scopes=[], expires=None)
        client = CommittingClient(headers={"Authorization": f"Bearer {token}"})

        def call(
            method: str, path: str, body: Any = None, *, id: object = "", query: str = ""
        ) -> Any:
            called.add((method, path))
            answer = getattr(client, method)(path.replace("{id}", str(id)) + query, body)
            assert answer.status_code in (200, 201), answer.content
            return answer.json()

        def add() -> str:
            added = call("post", CANDIDATES, {"profile": {"name": "Ann"}, "score": 80})
            return str(added["id"])

        id, other = add(), add()
        own = CANDIDATES + "{id}/"
        for command, body in (
            ("standby", {"until": "2030-01-31"}),
            ("invite", {}),
            ("note", {"text": "Prefers mornings."}),
            ("undo", {"version": 3}),
            ("rescore", {"score": 90, "why": "second interview"}),
            ("profile", {"profile": {"name": "Ann Lee", "external_id": "7"}}),
            ("reject", {"reason": "withdrew"}),
        ):
            call("post", f"{own}{command}/", body, id=id)
        call("patch", f"{own}profile/", {"location": "Linz"}, id=id)
        call("post", f"{own}retract/", {"why": "added twice"}, id=other)
        batch = {"commands": [{"command": "add", "body": {"profile": {}, "score": 1}}]}
        for atomic in (False, True):
            call("post", f"{CANDIDATES}commands/", {**batch, "atomic": atomic})
        call("get", CANDIDATES, query="?search=lee&ordering=-score&page_size=1")
        call("get", own, id=id)
        call("get", own, id=id, query="?version=1")
        call("get", f"{own}history/", id=id)
        call("get", "/api/v1/statistics/", query="?as_of=2026-03-01T00:00Z")
        call("get", "/api/v1/what-if/", query="?threshold=60")
        for path in ("/readyz", "/healthz", "/api/v1/schema/"):
            assert client.get(path).status_code == 200, path
    document = yaml.safe_load((ROOT / "recruitment/docs/openapi.yaml").read_text())
    described = {
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods.keys() & {"get", "post", "put", "patch", "delete"}
    }
    # The settled log cannot be asked for inside the transaction that has added to it.
    assert described - called == {("get", "/api/v1/events/")}


def pages(keys: dict[str, Any]) -> Iterator[str]:
    """The address of every page of the admin."""
    for model, listed in admin.site._registry.items():
        for url in listed.get_urls():
            kinds = ("invite", "standby", "reject", "undo")
            if url.name is None:
                continue
            for kind in kinds if "kind" in url.pattern.converters else ("",):
                values = dict.fromkeys(("object_id", "pk", "id"), keys[model._meta.label])
                values["kind"] = kind
                named = {name: values[name] for name in url.pattern.converters}
                yield reverse(f"admin:{url.name}", kwargs=named)
    for name in ("index", "password_change", "password_change_done", "jsi18n"):
        yield reverse(f"admin:{name}")
    yield reverse("admin:app_list", args=["auth"])


def test_every_page_of_the_admin_is_served(granted: None, staff: Callable[..., Browser]) -> None:
    id = given(factories.add(candidate_id=uuid4())).candidate_id
    with as_the_role():
        given(InviteCandidate(candidate_id=id))
        parked_streams().park("candidates", id, version=1, event_type="x", error=ValueError())
        browser = staff(superuser=True)
        token, _ = issue(User.objects.get(), scopes=[Scope.READ], expires=None)
        keys: dict[str, Any] = {
            "candidates.CandidateProjection": id,
            "eventstore.StorageEvent": StorageEvent.objects.latest("position").pk,
            "eventstore.ParkedStream": ParkedStream.objects.get().pk,
            "auth.User": User.objects.get().pk,
            "auth.Group": Group.objects.first().pk,  # type: ignore[union-attr]
            "recruitment.ApiToken": token.pk,
        }
        for model in admin.site._registry:
            keys.setdefault(model._meta.label, 1)
        asked = list(pages(keys))
        for page in asked:
            assert browser.get(page).status_code in (200, 302, 403, 404), page
        assert browser.get(reverse("admin:index")).status_code == 200
    assert len(asked) > 25


def test_what_is_done_in_the_admin_is_done(granted: None, staff: Callable[..., Browser]) -> None:
    with as_the_role():
        ids = [given(factories.add(candidate_id=uuid4())).candidate_id for _ in range(2)]
        browser = staff(superuser=True)
        page = confirmed(browser, chosen(browser, "invite", *ids))
        assert "2 done" in page.content.decode()
        parked_streams().park("candidates", ids[0], version=1, event_type="x", error=ValueError())
        retry = reverse("admin:eventstore_parkedstream_retry", args=[ParkedStream.objects.get().pk])
        browser.post(retry)
        assert not ParkedStream.objects.exists()

        password = {"password1": "long enough for it", "password2": "long enough for it"}
        add_user = {"username": "bob", "usable_password": "true", **password}
        assert browser.post(reverse("admin:auth_user_add"), add_user).status_code == 302
        bob = User.objects.get(username="bob")
        assert browser.login(username="bob", password=password["password1"])
        browser.force_login(User.objects.get(username="rita"))
        browser.post(reverse("admin:auth_group_add"), {"name": "Others", "permissions": []})
        assert Group.objects.filter(name="Others").exists()
        browser.post(reverse("admin:recruitment_apitoken_add"), {"user": bob.pk})
        token = ApiToken.objects.get()
        browser.post(reverse("admin:recruitment_apitoken_delete", args=[token.pk]))
        assert not ApiToken.objects.exists()
        browser.post(reverse("admin:auth_user_delete", args=[bob.pk]), {"post": "yes"})
        assert not User.objects.filter(username="bob").exists()
        browser.post(reverse("admin:logout"))


@pytest.fixture
def serving(transactional_db: None) -> Iterator[dict[str, str]]:
    """The environment of a process that has the role."""
    create()
    told(apply=True)
    settings = connection.settings_dict
    place = f"{settings['HOST'] or '127.0.0.1'}:{settings['PORT'] or 5432}/{settings['NAME']}"
    yield {
        "DATABASE_URL": f"postgres://{quote(ROLE)}:{PASSWORD}@{place}",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    with connection.cursor() as cursor:
        cursor.execute(f'DROP OWNED BY "{ROLE}"')
        cursor.execute(f'DROP ROLE "{ROLE}"')


def ran(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_event_feed_is_served(serving: dict[str, str], user_in: Callable[..., User]) -> None:
    given(factories.add())
    _, token = issue(user_in("Operators"), scopes=[], expires=None)
    asked = run(
        f"""
from django.test import Client
client = Client(headers={{"Authorization": "Bearer {token}"}}, SERVER_NAME="localhost")
print(len(client.get("/api/v1/events/?after=0").json()["results"]))
print(client.get("/readyz?projections=1").json()["ready"])
""",
        **serving,
    )
    assert asked == "1\nTrue\n"


def test_every_command_that_is_for_it_runs_as_the_role(
    serving: dict[str, str], user_in: Callable[..., User], tmp_path: Path
) -> None:
    user_in("Recruiters")
    history = [str(ROOT / "tests/candidates/history.csv")]
    history += ["--map", str(ROOT / "tests/candidates/history_map.json")]
    commands: list[list[str]] = [
        ["import_history", *history],
        ["follow", "--once"],
        ["replay", "--check"],
        ["parked", "list"],
        ["verify_log"],
        ["verify_log", "--full"],
        ["rotate_keys"],
        ["pause", "--projection", "candidates", "--reason", "a look at it"],
        ["resume", "--projection", "candidates"],
        ["revoke_tokens", "rita"],
        ["what_if", "--threshold", "60", "--csv", str(tmp_path / "would_be.csv")],
        ["issue_token", "rita", "--scope", "read"],
        ["check", "--database", "default"],
        ["clearsessions"],
        ["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.org"],
        # Nothing is left to be made.
        ["migrate"],
        ["eventstore_status"],
        ["eventstore_status", "--json"],
    ]
    for command in commands:
        done = ran(*command, **serving)
        expected = 1 if command[0] == "import_history" and done.returncode else 0
        assert done.returncode == expected, (command, done.stderr)
        assert "permission" not in done.stderr, command
    assert StorageEvent.objects.count() == 5
    assert CandidateProjection.objects.count() == 2
    stream = str(StorageEvent.objects.first().stream_id)  # type: ignore[union-attr]
    for command in (["replay", "--stream", stream], ["parked", "retry"]):
        assert ran(*command, **serving).returncode == 0, command


def test_follower_relay_and_consumer_work_as_the_role(serving: dict[str, str]) -> None:
    id = given(factories.add(candidate_id=uuid4())).candidate_id
    with rabbitmq_bus() as bus:
        serving |= {"EVENT_BUS_URL": bus.url, "EVENT_BUS_TOPIC": bus.topic}
        serving |= {"EVENT_BUS_PARTITIONS": str(bus.partitions)}
        consuming = {**serving, "EVENT_DELIVERY": "bus", "EVENT_BUS_GROUP": "readers"}
        # It makes the queues.
        first = ran("consume", "--once", **consuming)
        assert first.returncode == 0, first.stderr
        relayed = ran("publish", "--once", **serving)
        assert relayed.returncode == 0, relayed.stderr
        CandidateProjection.objects.all().delete()
        consumed = ran("consume", "--once", **consuming)
        assert consumed.returncode == 0, consumed.stderr
        assert CandidateProjection.objects.get().pk == id
        environment = {**serving, "EVENT_DELIVERY": "follow"}
        with (
            running("manage.py", "follow", **environment) as follower,
            running("manage.py", "publish", **environment) as relay,
        ):
            given(NoteOnCandidate(candidate_id=id, text="again"))
            until(lambda: CandidateProjection.objects.get().version == 2, seconds=180)
            assert (follower.poll(), relay.poll()) == (None, None)


def test_a_consumer_builds_anew_as_the_role_what_the_owner_says_was_restored(
    serving: dict[str, str],
) -> None:
    id = given(factories.add(candidate_id=uuid4())).candidate_id
    with rabbitmq_bus() as bus:
        serving |= {"EVENT_BUS_URL": bus.url, "EVENT_BUS_TOPIC": bus.topic}
        serving |= {"EVENT_BUS_PARTITIONS": str(bus.partitions)}
        consuming = {**serving, "EVENT_DELIVERY": "bus", "EVENT_BUS_GROUP": "readers"}
        for command, environment in (
            ("consume", consuming),
            ("publish", serving),
            ("consume", consuming),
        ):
            done = ran(command, "--once", **environment)
            assert done.returncode == 0, (command, done.stderr)
        row = CandidateProjection.objects.get()
        CandidateProjection.objects.update(id=uuid4())
        call_command("after_restore", stdout=io.StringIO())
        for command, environment in (("publish", serving), ("consume", consuming)):
            done = ran(command, "--once", **environment)
            assert done.returncode == 0, (command, done.stderr)
    assert (row.pk, CandidateProjection.objects.get().pk) == (id, id)


def test_strays_are_read_anew_and_thrown_away_as_the_role(serving: dict[str, str]) -> None:
    consuming = {**serving, "EVENT_DELIVERY": "bus", "EVENT_BUS_URL": "amqp://127.0.0.1:1/"}
    waiting_room().keep_stray(b"what is this?")
    retried = ran("strays", "retry", **consuming)
    assert retried.stdout == "0 taken, 1 left\n", retried.stderr
    discarded = ran("strays", "discard", **consuming)
    assert discarded.stdout == "1 discarded\n", discarded.stderr
    assert not StrayMessage.objects.exists()


def test_a_key_is_declared_lost_as_the_role(serving: dict[str, str]) -> None:
    with wrapping_keys(1):
        id = given(factories.add(candidate_id=uuid4())).candidate_id
    declare = ["declare_key_lost", fingerprint(1), "--reason", "The safe burnt down.", "--yes"]
    declared = ran(*declare, **serving)
    assert declared.returncode == 0, declared.stderr
    assert StreamKey.objects.get(stream_id=id).wrapped is None


def test_backup_and_restore_say_what_to_do_instead(serving: dict[str, str]) -> None:
    for command in (["backup", "FILE"], ["restore", "FILE"]):
        said = ran(*command, **serving)
        assert (said.returncode, "pg_" in said.stderr) == (1, True), said.stderr


def test_no_command_is_left_out() -> None:
    """Each of the project's is tried above, or needs no database."""
    ours = {name for name, app in get_commands().items() if app in OURS}
    tried = set(re.findall(r'(?:\["|\[\["|ran\("|\(")([a-z_]+)"', Path(__file__).read_text()))
    no_database = {"demo", "new_key", "eventstore_asyncapi", "eventstore_schema"}
    assert ours - tried == no_database


def test_what_needs_the_owner_says_so_in_one_line(serving: dict[str, str]) -> None:
    given(factories.add())
    before = LogIdentity.objects.values().get(log_id=log_id())
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER eventstore_append_only ON {LOG}")
    try:
        keys = [os.environ["PERSONAL_DATA_KEYS"], base64.b64encode(os.urandom(32)).decode()]
        serving["PERSONAL_DATA_KEYS"] = ",".join(keys)
        for command in (
            ["migrate", "--verbosity=0"],
            ["replay"],
            ["rotate_keys", "--adopt"],
            ["after_restore"],
            ["after_restore", "--moved"],
            ["after_restore", "--another-log"],
            ["grants", ROLE, "--apply"],
        ):
            refused = ran(*command, **serving)
            assert refused.returncode == 1, command
            last = refused.stderr.splitlines()[-1]
            assert re.fullmatch(
                r"Error: The role that DATABASE_URL names may not do this \(.*\): "
                r"the tables' owner may\.",
                last,
            ), (command, refused.stderr)
            assert "Traceback" not in refused.stderr
        assert LogIdentity.objects.values().get() == before
    finally:
        call_command("migrate", verbosity=0)


def test_the_printed_statements_are_those_that_are_applied(db: None) -> None:
    create()
    printed = told()
    assert printed.splitlines()[0] == "BEGIN;"
    assert printed.splitlines()[-1] == "COMMIT;"
    assert f'GRANT SELECT, INSERT ON public.{{}} TO "{ROLE}";'.format(f'"{LOG}"') in printed
    with connection.cursor() as cursor:
        for statement in printed.splitlines()[1:-1]:
            cursor.execute(statement)
    with as_the_role():
        given(factories.add())
    assert CandidateProjection.objects.exists()


def test_rights_from_before_are_taken_back(db: None) -> None:
    create()
    with connection.cursor() as cursor:
        cursor.execute(f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{ROLE}"')
        cursor.execute(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{ROLE}"')
    assert re.fullmatch(
        rf"{ROLE} has rights on \d\d+ tables, and on the log only to add to it\n", told(apply=True)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(%s, %s, 'UPDATE')", [ROLE, LOG])
        assert cursor.fetchone() == (False,)


def test_a_role_that_could_change_the_log_even_so_is_refused(db: None) -> None:
    create("root of it", "SUPERUSER")
    create("member")
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE changers")
        cursor.execute(f"GRANT UPDATE ON {LOG} TO changers")
        cursor.execute("GRANT changers TO member")
    with pytest.raises(CommandError, match="There is no role 'nobody': make it first"):
        told("nobody", apply=True)
    with pytest.raises(CommandError, match="There is no role"):
        told("a\nb")
    for apply in (False, True):
        with pytest.raises(CommandError, match=r"root of it may do all that .* may, who owns the"):
            told("root of it", apply=apply)
    with pytest.raises(CommandError, match=f"member has UPDATE on {LOG} also from elsewhere"):
        told("member", apply=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege('member', %s, 'INSERT')", [LOG])
        assert cursor.fetchone() == (False,)


def test_a_schema_in_which_everybody_may_make_tables_is_named(db: None) -> None:
    create()
    with connection.cursor() as cursor:
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with pytest.raises(CommandError, match="REVOKE CREATE ON SCHEMA public FROM PUBLIC"):
        told(apply=True)


def test_the_rights_outlast_a_replay(serving: dict[str, str]) -> None:
    given(factories.add())
    call_command("replay", stdout=io.StringIO(), stderr=io.StringIO())
    assert ran("follow", "--once", **serving).returncode == 0
