"""The only door for writes."""

from collections.abc import Callable, Collection
from contextlib import nullcontext
from dataclasses import dataclass
from typing import assert_never
from uuid import UUID

from candidates.application.commands import (
    ACT_ON_BEHALF,
    BACKDATE,
    AddCandidate,
    AddUnlessKnown,
    AmendProfile,
    CandidateCommand,
    ChangeProfile,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RescoreCandidate,
    RetractCandidate,
    UndoDecision,
)
from candidates.application.external_ids import ExternalIds, checked_external_id
from candidates.application.profile import profile_at
from candidates.domain.candidate import Candidate
from candidates.domain.events import Status
from candidates.domain.exceptions import AlreadyAdded, ExternalIdsNotHere
from eventstore.application.commands import CommandContext
from eventstore.application.ports import EventPublisher, Streams, UnitOfWork
from eventstore.application.repository import AggregateRepository
from eventstore.application.snapshots import Snapshots
from eventstore.domain.events import Metadata, RecordedEvent, stream_id_of
from eventstore.domain.exceptions import (
    CommandReused,
    ConcurrencyError,
    DomainError,
    EventAlreadyStored,
    NotPermitted,
    StaleVersion,
)

ATTEMPTS = 50
"""Of n writers at one version one wins each round, so n of them need at most n rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """Result of a command: the same for the first answer and for every repeat.

    It has no events if there was nothing to do: the candidate is as it was.
    """

    candidate_id: UUID
    version: int
    status: Status
    position: int
    """Position of the event that made this version."""
    events: tuple[RecordedEvent, ...]
    repeated: bool = False


class CandidateService:
    def __init__(
        self,
        *,
        store: Streams,
        publisher: EventPublisher,
        threshold: float,
        new_id: Callable[[], UUID],
        snapshots: Snapshots | None = None,
        unit_of_work: UnitOfWork = nullcontext,
        external_ids: ExternalIds | None = None,
        require_writable: Callable[[], object] = lambda: None,
    ) -> None:
        """Without `external_ids` nobody can be looked up by one: `AddUnlessKnown` is refused.

        `require_writable` raises what keeps this system from taking commands.
        """
        self._store = store
        self._publisher = publisher
        self._candidates = AggregateRepository(
            Candidate,
            store=store,
            publisher=publisher,
            snapshots=snapshots,
            unit_of_work=unit_of_work,
        )
        self._threshold = threshold
        self._new_id = new_id
        self._external_ids = external_ids
        self._require_writable = require_writable

    def handle(self, command: CandidateCommand, context: CommandContext) -> CommandResult:
        """Carry out a command, or answer it once more if its id was carried out before.

        A command that was refused left nothing and is decided anew. Where the caller stated no
        version, a conflict with another writer is decided again on the newer state. A command that
        changes nothing stores nothing, and leaves its id free.

        Raises NotPermitted, and then what `require_writable` does, before anything is looked up;
        AggregateNotFound; InvalidValue; StaleVersion where a version was stated; CommandReused;
        KeyFault; and what the rules say.
        """
        self._admit(command, context)
        metadata = context.metadata(command)
        try:
            return self._carry_out(command, context, metadata)
        except (DomainError, EventAlreadyStored):
            # Where the command was carried out before, its own events are what refused it now:
            # their ids are taken, or they moved the version or the status. So looking first
            # would find nothing that this does not, and the first time costs no look-up.
            if repeated := self._answered(metadata):
                return repeated
            raise

    def repeated(self, command: CandidateCommand, context: CommandContext) -> CommandResult | None:
        """The answer that this command had before, under its id; None where it had none.

        Raises NotPermitted, what `require_writable` does, InvalidValue and CommandReused.
        """
        self._admit(command, context)
        return self._answered(context.metadata(command))

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        """See `Streams.carried_out`."""
        return self._store.carried_out(command_ids)

    def _admit(self, command: CandidateCommand, context: CommandContext) -> None:
        """Raises NotPermitted, and then what keeps this system from taking commands."""
        needed = [command.permission]
        if context.occurred_at is not None:
            needed.append(BACKDATE)
        if context.on_behalf_of is not None:
            needed.append(ACT_ON_BEHALF)
        for permission in needed:
            if not context.allows(permission):
                raise NotPermitted(permission=permission)
        self._require_writable()

    def _carry_out(
        self, command: CandidateCommand, context: CommandContext, metadata: Metadata
    ) -> CommandResult:
        if isinstance(command, AddUnlessKnown):
            return self._add_unless_known(command, context, metadata)
        attempt = 0
        while True:
            attempt += 1
            candidate = self._decide(command, context)
            if not candidate.pending:
                # It may be that its first time left nothing to change.
                return self._answered(metadata) or self._unchanged(candidate)
            try:
                return self._saved(candidate, context, metadata)
            except ConcurrencyError as error:
                if isinstance(command, AddCandidate):
                    raise AlreadyAdded from error
                if attempt == ATTEMPTS:
                    raise

    def _add_unless_known(
        self, command: AddUnlessKnown, context: CommandContext, metadata: Metadata
    ) -> CommandResult:
        if self._external_ids is None:
            raise ExternalIdsNotHere
        candidate = self._decide(command, context)
        external_id = checked_external_id(command.profile)
        with self._external_ids.lock(external_id):
            # The same command may have added the candidate before this lock was taken. It gets its
            # first answer again; the look-up below would take its candidate for a known one.
            if repeated := self._answered(metadata):
                return repeated
            for candidate_id in self._external_ids.candidates(external_id):
                known = self._candidates.get(candidate_id)
                if not known.ended:
                    return self._unchanged(known)
            result = self._saved(candidate, context, metadata)
            self._external_ids.added(result.events)
            return result

    def _saved(
        self, candidate: Candidate, context: CommandContext, metadata: Metadata
    ) -> CommandResult:
        recorded = self._candidates.save(
            candidate,
            metadata=metadata,
            correlation_id=context.correlation_id,
            occurred_at=context.occurred_at,
        )
        return CommandResult(
            candidate_id=candidate.id,
            version=candidate.version,
            status=candidate.status,
            position=recorded[-1].position,
            events=tuple(recorded),
        )

    def _unchanged(self, candidate: Candidate) -> CommandResult:
        version = candidate.version
        (newest,) = self._store.read_stream(candidate.id, after=version - 1, until=version)
        return CommandResult(
            candidate_id=candidate.id,
            version=version,
            status=candidate.status,
            position=newest.position,
            events=(),
        )

    def _decide(self, command: CandidateCommand, context: CommandContext) -> Candidate:
        if isinstance(command, AddCandidate):
            return Candidate.add(
                command.candidate_id or self._stream_id(context),
                profile=command.profile,
                score=command.score,
            )
        if isinstance(command, AddUnlessKnown):
            return Candidate.add(
                self._stream_id(context), profile=command.profile, score=command.score
            )
        candidate = self._candidates.get(command.candidate_id)
        if not context.expects(candidate.version):
            raise self._stale(candidate.id, context.expected_version)
        match command:
            case MoveCandidateToStandby(until=until):
                candidate.move_to_standby(until=until)
            case InviteCandidate():
                candidate.invite(threshold=self._threshold)
            case RejectCandidate(reason=reason, note=note):
                candidate.reject(reason=reason, note=note, threshold=self._threshold)
            case UndoDecision(version=version):
                candidate.undo(version=version)
            case RescoreCandidate(score=score, why=why):
                candidate.rescore(score=score, why=why)
            case ChangeProfile(profile=profile):
                candidate.change_profile(profile=profile)
            case AmendProfile(profile=changes):
                current = profile_at(self._store, candidate.id, version=candidate.version)
                candidate.amend_profile(profile=current, changes=changes)
            case NoteOnCandidate(text=text):
                candidate.note(text=text)
            case RetractCandidate(why=why):
                candidate.retract(why=why)
            case _:
                assert_never(command)
        return candidate

    def _stream_id(self, context: CommandContext) -> UUID:
        return stream_id_of(context.command_id) if context.command_id else self._new_id()

    def _answered(self, metadata: Metadata) -> CommandResult | None:
        """The answer this command had before, from the log alone; None if it had none.

        Its events are published once more, which mends a projection that missed them.
        Raises CommandReused where the id stands for other content.
        """
        if metadata.causation_id is None:
            return None
        recorded = self._store.read_command(metadata.causation_id)
        if not recorded:
            return None
        # After an erasure nobody can tell what an old command said: it counts as this one.
        if recorded[0].metadata.command_digest not in (None, metadata.command_digest):
            raise CommandReused(command_id=metadata.causation_id)
        version = recorded[-1].version
        candidate = self._candidates.get(recorded[-1].stream_id, until=version)
        self._publisher.publish(recorded)
        return CommandResult(
            candidate_id=candidate.id,
            version=version,
            status=candidate.status,
            position=recorded[-1].position,
            events=tuple(recorded),
            repeated=True,
        )

    def _stale(self, candidate_id: UUID, stated: int | frozenset[int] | None) -> StaleVersion:
        newest = self._store.read_stream(candidate_id)[-1]
        return StaleVersion(
            stream_id=candidate_id,
            expected=stated if isinstance(stated, int) else max(stated or (), default=None),
            current_version=newest.version,
            changed_by=newest.metadata.actor,
            changed_at=newest.recorded_at,
        )
