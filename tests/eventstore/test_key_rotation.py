"""The wrapping key is changed by two rolling restarts, and nobody at work notices."""

import base64
import io
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

import pytest
from django.core.management import call_command

from eventstore.models import StorageEvent, StreamKey
from eventstore.wiring import event_store
from tests import processes
from tests.wrapping_keys import fingerprint, key, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)

AT_WORK = """
import signal
from candidates.application.commands import NoteOnCandidate
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.factories import add

stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
context = CommandContext(actor="rita", door="api", allows=lambda _: True)
rounds = 0
while not stopped:
    service = candidate_service()
    id = service.handle(add(candidate_id=None), context).candidate_id
    newest = StorageEvent.objects.order_by("-position").values_list("stream_id", flat=True)
    oldest = StorageEvent.objects.order_by("position").values_list("stream_id", flat=True)
    for other in {*newest[:10], *oldest[:2]}:
        first = event_store().read_stream(other)[0]
        assert first.event.profile, other
    service.handle(NoteOnCandidate(candidate_id=first.stream_id, text="read"), context)
    rounds += 1
    print(rounds, flush=True)
"""


@contextmanager
def at_work(*values: int) -> Iterator["Popen[str]"]:
    """A process with these keys that writes under the first of them and reads what all write."""
    keys = ",".join(base64.b64encode(key(value)).decode() for value in values)
    with processes.running("-c", processes.SETUP + AT_WORK, PERSONAL_DATA_KEYS=keys) as process:
        yield process
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


def rounds(*together: "Popen[str]") -> None:
    """Each of them has got round once more, from now on."""
    for process in together:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline().strip(), process.stderr and process.stderr.read()


def rotate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_key_is_changed_by_two_rolling_restarts_under_load() -> None:
    with wrapping_keys(1), at_work(1) as first:
        rounds(first)
        with at_work(1, 2) as second:
            rounds(first, second)
            # Here every process has the new key, and none writes with it yet.
            with wrapping_keys(1, 2, adopted=False):
                assert rotate("--adopt").startswith(f"adopted {fingerprint(2)}\n")
            first.send_signal(signal.SIGTERM)
            first.wait(60)
            with at_work(2, 1) as third:
                rounds(second, third)
                second.send_signal(signal.SIGTERM)
                second.wait(60)
                with wrapping_keys(2, 1):
                    rotate()
                with at_work(2) as fourth:
                    rounds(third, fourth)
    prefixes = {
        bytes(wrapped or b"")[:4].hex()
        for wrapped in StreamKey.objects.values_list("wrapped", flat=True)
    }
    assert prefixes == {fingerprint(2)}
    with wrapping_keys(2):
        for stream_id in StreamKey.objects.values_list("pk", flat=True):
            assert all(one.event for one in event_store().read_stream(stream_id))
    assert StorageEvent.objects.count() >= 24
