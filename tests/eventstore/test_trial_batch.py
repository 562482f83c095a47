"""A batch for trying commands out: chunk by chunk, and never stored."""

from uuid import uuid4

import pytest

from eventstore.domain.events import Metadata, StreamHead
from eventstore.domain.exceptions import ConcurrencyError, EventAlreadyStored
from eventstore.models import StorageEvent
from eventstore.wiring import event_store, trial_batch
from tests.factories import added, invited, noted

pytestmark = pytest.mark.django_db
RITA = Metadata(actor="rita", door="api")


def test_what_was_appended_before_a_fetch_is_gone_on_from() -> None:
    there, fresh = uuid4(), uuid4()
    event_store().append("candidate", there, [added()], expected=0, metadata=RITA)
    caused = RITA._replace(causation_id=uuid4())
    with trial_batch() as batch:
        batch.fetch([there, fresh])
        batch.append("candidate", there, [noted(text="t")], expected=1, metadata=RITA)
        (first,) = batch.append("candidate", fresh, [added()], expected=0, metadata=caused)
        for _ in range(2):
            batch.fetch([there, fresh])
            assert batch.head(fresh) == StreamHead.at(first)
            assert batch.head(there).version == 2
            with pytest.raises(ConcurrencyError):
                batch.append("candidate", fresh, [added()], expected=0, metadata=RITA)
            with pytest.raises(EventAlreadyStored):
                batch.append("candidate", uuid4(), [added()], expected=0, metadata=caused)
        batch.append("candidate", fresh, [invited()], expected=1, metadata=RITA)
        loaded = batch.load_stream(fresh)
        assert loaded is not None
        assert loaded.events == [added(profile={}), invited()]
        with pytest.raises(ValueError, match="never stored"):
            batch.store()
    assert StorageEvent.objects.count() == 1
