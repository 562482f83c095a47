"""given / when / then for an aggregate, without a database."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from candidates.domain.candidate import Candidate
from eventstore.domain.events import DomainEvent, StreamHead
from eventstore.domain.exceptions import DomainError

CANDIDATE_ID = UUID("0190a000-0000-7000-8000-000000000001")


class Scenario:
    """`scenario.given(*events).when(Candidate.invite, threshold=75.0).then(*events)`"""

    _candidate: Candidate
    _decide: Callable[[], Any]

    def given(self, *events: DomainEvent) -> "Scenario":
        self._candidate = Candidate(CANDIDATE_ID)
        self._candidate.replay(events, head=StreamHead(version=len(events)))
        return self

    def when(self, decide: Callable[..., Any], **values: Any) -> "Scenario":
        self._decide = lambda: decide(self._candidate, **values)
        return self

    def then(self, *events: DomainEvent) -> Candidate:
        self._decide()
        assert self._candidate.pending == events
        return self._candidate

    def then_raises(self, error: type[DomainError], **data: Any) -> None:
        before = self._candidate.version
        with pytest.raises(error) as caught:
            self._decide()
        assert {name: getattr(caught.value, name) for name in data} == data
        assert (self._candidate.pending, self._candidate.version) == ((), before)
