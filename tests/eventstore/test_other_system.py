"""The consumer that the pages show, which needs nothing of ours, run as it is written there."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from django.core.management import call_command

from eventstore.wiring import event_store
from tests.backends import rabbitmq_url
from tests.contracts.buses import rabbitmq_bus, swept
from tests.eventstore.test_publish import Broker, publish
from tests.factories import added, invited, noted
from tests.processes import ROOT, running
from tests.read_models import RITA, appended
from tests.restores import backup

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = ROOT / "recruitment/docs/scaling.md"


@pytest.fixture
def broker(settings: object) -> Iterator[Broker]:
    with rabbitmq_bus() as bus:
        broker = Broker(bus)
        for name, value in broker.settings.items():
            setattr(settings, name, value)
        yield broker
        swept(rabbitmq_url(), bus, ["mailer"])


def shown(page: Path) -> str:
    """The one block of Python on it."""
    (block,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= 20
    return str(block)


def lines(out: IO[str], count: int) -> list[str]:
    return [out.readline().strip() for _ in range(count)]


def test_it_is_told_every_event_once_in_each_candidates_order(broker: Broker) -> None:
    with broker.group("mailer"):
        pass
    first = appended(added(), noted())
    with running("-c", shown(PAGE), **broker.environment) as process:
        assert process.stdout is not None
        publish("--once")
        expected = [f"1 candidate.added {first}", f"2 candidate.noted {first}"]
        assert lines(process.stdout, 2) == expected
        # Repeats say nothing new.
        publish("--from", "0", "--group", "mailer")
        restore = backup()
        event_store().append("candidate", first, [invited()], expected=2, metadata=RITA)
        publish("--once")
        assert lines(process.stdout, 1) == [f"3 candidate.invited {first}"]
        # Of a log that was restored it is told everything anew, and begins with the first event.
        restore()
        call_command("after_restore", stdout=io.StringIO())
        event_store().append("candidate", first, [noted()], expected=2, metadata=RITA)
        publish("--once")
        assert lines(process.stdout, 3) == [*expected, f"3 candidate.noted {first}"]
