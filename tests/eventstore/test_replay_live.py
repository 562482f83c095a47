"""A replay while people work, two at a time, and one that is killed."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from candidates.application.commands import InviteCandidate, NoteOnCandidate, RescoreCandidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service
from eventstore.application import replay as replaying
from eventstore.application.commands import CommandContext
from eventstore.infrastructure import rebuild_postgresql
from eventstore.wiring import checkpoints
from tests.factories import add, noted
from tests.read_models import (
    LIVES,
    appended,
    definitions,
    failed,
    rebuilt,
    replay,
    replay_process,
    rows,
    traces,
)
from tests.threads import in_flight

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL has it")
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)
LIST = reverse("admin:candidates_candidateprojection_changelist")
TABLE = CandidateProjection._meta.db_table


def filled(events: int) -> list[UUID]:
    """So many events, or a few more, that no read model shows."""
    return [appended(*life) for _ in range(-(-events // 10)) for life in LIVES]


def wait_until(reached: Callable[[], object], *, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not come to that in time"


class Worker:
    """Does the same again and again until it is stopped, and keeps what went wrong."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self._act = act
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self.done = 0
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=120)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._act(self.done)
                self.done += 1
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.error = error
        finally:
            connection.close()


@contextmanager
def at_work(workers: list[Worker]) -> Iterator[None]:
    """Each of them has done something before the block and something more after it."""

    def go_on() -> None:
        before = [worker.done for worker in workers]
        wait_until(
            lambda: all(
                worker.error or worker.done > count
                for worker, count in zip(workers, before, strict=True)
            )
        )

    for worker in workers:
        worker.start()
    try:
        go_on()
        yield
        go_on()
    finally:
        for worker in workers:
            worker.stop()


def writer(mine: list[UUID]) -> Worker:
    """Commands on candidates that nobody else touches, and new ones."""
    service = candidate_service()

    def act(number: int) -> None:
        id = mine[number % len(mine)]
        if number % 3 == 0:
            id = service.handle(add(candidate_id=None), RITA).candidate_id
            service.handle(InviteCandidate(candidate_id=id), RITA)
        elif number % 3 == 1:
            service.handle(NoteOnCandidate(candidate_id=id, text=f"note {number}"), RITA)
        else:
            service.handle(
                RescoreCandidate(candidate_id=id, score=float(number % 100), why="anew"), RITA
            )

    return Worker(act)


def api_reader(user: User, known: UUID) -> Worker:
    client = APIClient()
    client.force_authenticate(user)

    def act(number: int) -> None:
        listed = client.get("/api/v1/candidates/")
        assert listed.status_code == 200, listed.content
        assert len(listed.json()["results"]) >= 20
        one = client.get(f"/api/v1/candidates/{known}/")
        assert one.status_code == 200, one.content

    return Worker(act)


def admin_reader(user: User) -> Worker:
    client = Client()
    client.force_login(user)

    def act(number: int) -> None:
        page = client.get(LIST)
        assert page.status_code == 200
        assert len(page.context["cl"].result_list) == 50

    return Worker(act)


def counting(smallest: dict[str, int]) -> Worker:
    def act(number: int) -> None:
        count = CandidateProjection.objects.count()
        assert count >= smallest["rows"], f"{count} rows after {smallest['rows']}"
        smallest["rows"] = count

    return Worker(act)


@pytest.mark.parametrize("events", [3_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_people_work_on_while_it_runs_and_it_misses_nothing(
    events: int, user_in: Callable[..., User], caplog: pytest.LogCaptureFixture
) -> None:
    ids = filled(events)
    replay()
    admin = User.objects.create_superuser("root")
    # Only who is undecided can be rescored, as by the last of the three lives.
    undecided = ids[2::3]
    workers = [
        *(writer(undecided[number * 10 : number * 10 + 10]) for number in range(4)),
        api_reader(admin, ids[-1]),
        admin_reader(admin),
        counting({"rows": len(ids)}),
    ]

    with at_work(workers):
        replay()
        replay("--batch-size", "100")

    assert [worker.error for worker in workers] == [None] * len(workers)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    served = rows()
    assert len(served["candidates"]) > len(ids)
    assert served == rebuilt()
    assert not traces()


@pytest.fixture
def old_and_new() -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows that are served, each unlike the one that a replay makes; and those."""
    filled(4_000)
    replay()
    new = rows()
    CandidateProjection.objects.update(owner="an old row")
    return rows(), new


def answers(statement: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return bool(row and row[0])


def in_sqlite(name: str) -> bool:
    return answers(f"SELECT count(*) FROM sqlite_master WHERE name = '{name}'")


def in_postgresql(what: str) -> bool:
    return answers(f"SELECT {what} FROM (SELECT to_regclass('replay.{TABLE}') AS new) AS it")


if connection.vendor == "sqlite":
    STATES: dict[str, Callable[[], bool]] = {
        "the new table is there": partial(in_sqlite, f"{TABLE}__replay"),
        "it is being filled": lambda: (
            in_sqlite(f"{TABLE}__replay") and answers(f"SELECT count(*) FROM {TABLE}__replay")
        ),
        "it is being indexed": partial(in_sqlite, "candidates_added__replay"),
        "the old one is being emptied": partial(in_sqlite, f"{TABLE}__replaced"),
    }
else:
    STATES = {
        "the new table is there": partial(in_postgresql, "new IS NOT NULL"),
        "it is being filled": partial(in_postgresql, "pg_relation_size(new) > 0"),
        "it is being indexed": partial(
            in_postgresql, "EXISTS (SELECT FROM pg_index WHERE indrelid = new)"
        ),
    }


def reached(state: str, process: "subprocess.Popen[str]") -> None:
    def there() -> bool:
        if STATES[state]():
            return True
        assert process.poll() is None, f"it ended before {state}: {process.communicate()}"
        return False

    wait_until(there)


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
    # The server takes a moment to see that its client is gone.
    wait_until(lambda: not any(trace.startswith("lock") for trace in traces()))


def mended(new: dict[str, Any], before: list[tuple[Any, ...]]) -> None:
    replay()
    assert rows() == new
    assert definitions() == before
    assert not traces()


@pytest.mark.parametrize("state", STATES)
def test_killed_it_leaves_whole_rows_and_the_next_run_clears_everything(
    state: str, old_and_new: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    old, new = old_and_new
    before = definitions()
    process = replay_process("--batch-size", "2")
    reached(state, process)

    killed(process)

    assert rows() == (new if state == "the old one is being emptied" else old)
    assert traces()
    mended(new, before)


def test_rows_go_on_being_delivered_after_a_kill(
    old_and_new: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    process = replay_process("--batch-size", "2")
    reached(list(STATES)[-1], process)
    killed(process)
    added = candidate_service().handle(add(candidate_id=None), RITA).candidate_id
    candidate_service().handle(InviteCandidate(candidate_id=added), RITA)
    assert CandidateProjection.objects.get(id=added).status == "INVITED"
    replay()
    assert rows() == rebuilt()


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_killed_anywhere_it_leaves_whole_rows(
    kills: int, old_and_new: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    old, new = old_and_new
    before, chance = definitions(), random.Random(kills)
    for _ in range(kills):
        process = replay_process("--batch-size", "20")
        reached("the new table is there", process)
        moment = time.monotonic() + chance.uniform(0, 1)
        wait_until(lambda moment=moment: time.monotonic() > moment)  # type: ignore[misc]
        killed(process)
        assert rows() in (old, new)
    mended(new, before)


def test_a_second_one_at_the_same_time_is_refused_and_told_of_the_first(
    old_and_new: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    old, new = old_and_new
    process = replay_process("--batch-size", "2")
    reached("the new table is there", process)
    process.send_signal(signal.SIGSTOP)
    try:
        complaint, printed = failed()
        assert complaint.startswith("Another replay is running: ")
        assert f"process {process.pid}, " in complaint
        assert printed == []
        assert rows() == old
    finally:
        process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out.splitlines()[-1].startswith("replayed 4000 events into ")
    assert rows() == new


@on_postgresql
def test_a_reader_that_does_not_let_go_keeps_the_old_rows(
    old_and_new: tuple[dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = old_and_new
    before = definitions()
    monkeypatch.setattr(replaying, "PAUSES", (0.0,))
    with in_flight(CandidateProjection.objects.count):
        complaint, _ = failed()
        assert complaint.startswith("The new rows were built, but could not take the place ")
        assert rows() == old
        assert not [trace for trace in traces() if trace == "replay"]
    mended(new, before)


@on_postgresql
def test_a_follower_with_much_to_do_makes_way_between_two_batches(
    old_and_new: tuple[dict[str, Any], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new = old_and_new
    monkeypatch.setattr(replaying, "PAUSES", (0.0,))
    monkeypatch.setattr(rebuild_postgresql, "LOCK_TIMEOUT", "100ms")

    def batch(number: int) -> None:
        """One that takes longer than a replay waits for the table, and the next at its heels."""
        with checkpoints().claimed("candidates") as checkpoint:
            if checkpoint is not None:
                CandidateProjection.objects.update(version=F("version"))
                Event().wait(0.3)

    with at_work([Worker(batch)]):
        replay()

    assert rows() == new


@on_postgresql
def test_what_is_not_settled_yet_is_shown_once_it_is(
    old_and_new: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Its number lies below those of others, so the replay can only read up to there."""
    id = UUID(str(CandidateProjection.objects.order_by("id").values_list("id", flat=True)[0]))
    version = CandidateProjection.objects.get(id=id).version
    with in_flight(lambda: appended(noted(), stream_id=id, expected=version)):
        late = appended(*LIVES[0])
        replay()
        assert CandidateProjection.objects.get(id=late).version == 3
        assert CandidateProjection.objects.get(id=id).version == version
    replay()
    assert rows() == rebuilt()
