"""Processes that give commands, and which of those were acknowledged, whatever comes after."""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid5

from eventstore.domain.events import event_id_of, stream_id_of
from tests import processes

NAMESPACE = UUID("0190a000-0000-7000-8000-00000000ac4d")
_GIVE = """
import sys
from itertools import count
from uuid import UUID, uuid5
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from tests.factories import add

def give(command_id):
    context = CommandContext(
        actor="rita", door="api", allows=lambda _: True, command_id=command_id)
    candidate_service().handle(add(candidate_id=None), context)
"""
_WRITER = """
for number in count():
    command_id = uuid5(UUID(os.environ["WRITER"]), str(number))
    give(command_id)
    print(command_id, flush=True)
"""
_AGAIN = """
for line in open(os.environ["COMMANDS"]):
    give(UUID(line.strip()))
"""
_RESTORED = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("after_restore")
"""
_SOUND = """
call_command("follow", once=True)
call_command("verify_log", full=True)
call_command("replay", check=True)
"""


class Acknowledged:
    """The ids of commands whose answers came, by any of the writers, in the order of coming."""

    def __init__(self) -> None:
        self.commands: list[UUID] = []
        self.errors: list[str] = []

    def wait_for(self, more: int) -> list[UUID]:
        """Those that have come when so many more have."""
        wanted = len(self.commands) + more
        processes.until(lambda: len(self.commands) >= wanted or self.errors, seconds=120)
        assert not self.errors, self.errors[0]
        return list(self.commands)


@contextmanager
def writers(count: int, url: str) -> Iterator[Acknowledged]:
    """Each adds candidates, one command after another, and is killed at the end of the block."""
    found, readers = Acknowledged(), []

    def read(writer: Any) -> None:
        for line in writer.stdout:
            if line.endswith("\n"):
                found.commands.append(UUID(line.strip()))
        if not stopping.is_set():
            found.errors.append(writer.stderr.read())

    stopping = threading.Event()
    with ExitStack() as stack:
        for number in range(count):
            name = str(uuid5(NAMESPACE, f"{number} of {url}"))
            started = processes.running(
                "-c", processes.BEGIN + _GIVE + _WRITER, DATABASE_URL=url, WRITER=name
            )
            writer = stack.enter_context(started)
            readers.append(threading.Thread(target=read, args=[writer]))
            readers[-1].start()
            stack.callback(readers[-1].join)
            stack.callback(writer.kill)
        try:
            yield found
        finally:
            stopping.set()


def check_sound(url: str, *, given_again: Sequence[UUID] = ()) -> None:
    """What an operator does after a restore; and once more behind these commands.

    Fails where any of it does.
    """
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(f"{command_id}\n" for command_id in given_again)
        file.flush()
        code = processes.BEGIN + _GIVE + _RESTORED + _SOUND + _AGAIN + _SOUND
        with processes.running("-c", code, DATABASE_URL=url, COMMANDS=file.name) as process:
            out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, out + errors


def events_of(commands: list[UUID]) -> list[UUID]:
    """The id of the one event of each."""
    return [event_id_of(command_id, 0) for command_id in commands]


def candidates_of(commands: list[UUID]) -> list[UUID]:
    return [stream_id_of(command_id) for command_id in commands]
