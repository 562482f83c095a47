"""What each decision asks for, and the command that it becomes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import BadRequest

from candidates.application.commands import (
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    RejectCandidate,
    UndoDecision,
)
from candidates.application.history import newest_standing_decision
from candidates.domain.events import RejectionReason
from candidates.domain.values import TEXT_LENGTH
from candidates.models import REASONS, CandidateProjection
from candidates.wiring import history

Fields: TypeAlias = Mapping[str, Any]
_SEEN = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Seen:
    """The candidate that a decision is about, at the version that it rests on."""

    candidate_id: UUID
    version: int

    @classmethod
    def of(cls, candidate: CandidateProjection) -> Self:
        return cls(candidate.pk, candidate.version)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads what `str` wrote. Raises BadRequest."""
        if match := _SEEN.fullmatch(text):
            return cls(UUID(match[1]), int(match[2]))
        raise BadRequest("A candidate is named by its id and version.")

    def __str__(self) -> str:
        return f"{self.candidate_id}:{self.version}"


class NoteField(forms.CharField):
    """Lines of text. A browser sends a line break as two characters: here it counts as one."""

    widget = forms.Textarea(attrs={"rows": 3})

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        return text.replace("\r\n", "\n").replace("\r", "\n")


class DecisionForm(forms.Form):
    """One decision about any number of candidates."""

    kind: ClassVar[str]
    verb: ClassVar[str]
    token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
    """Drawn for each form shown. It names the commands, so that a second submit repeats them."""

    @classmethod
    def command(cls, seen: Seen, fields: Fields) -> CandidateCommand:
        """`fields` are the cleaned ones of the form, or none to try the decision out."""
        raise NotImplementedError


class InviteForm(DecisionForm):
    kind = "invite"
    verb = "Invite"

    @classmethod
    def command(cls, seen: Seen, fields: Fields) -> CandidateCommand:
        return InviteCandidate(candidate_id=seen.candidate_id)


class StandbyForm(DecisionForm):
    kind = "standby"
    verb = "Move to standby"
    until = forms.DateField(
        label="Due on",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Optional: when the decision falls due.",
    )

    @classmethod
    def command(cls, seen: Seen, fields: Fields) -> CandidateCommand:
        return MoveCandidateToStandby(candidate_id=seen.candidate_id, until=fields.get("until"))


class RejectForm(DecisionForm):
    kind = "reject"
    verb = "Reject"
    reason = forms.TypedChoiceField(
        choices=[("", "Choose a reason"), *REASONS.items()],
        coerce=RejectionReason,
    )
    note = NoteField(
        required=False,
        max_length=TEXT_LENGTH,
        help_text="Optional: for colleagues, in words. It is kept with the decision.",
    )

    @classmethod
    def command(cls, seen: Seen, fields: Fields) -> CandidateCommand:
        return RejectCandidate(
            candidate_id=seen.candidate_id,
            reason=fields.get("reason", RejectionReason.OTHER),
            note=fields.get("note", ""),
        )


class UndoForm(DecisionForm):
    kind = "undo"
    verb = "Undo the newest decision"

    @classmethod
    def command(cls, seen: Seen, fields: Fields) -> CandidateCommand:
        """Names the decision that stood newest at the version seen, 0 where none stood."""
        standing = newest_standing_decision(history(seen.candidate_id, until=seen.version))
        return UndoDecision(
            candidate_id=seen.candidate_id, version=standing.version if standing else 0
        )


FORMS: Mapping[str, type[DecisionForm]] = {
    form.kind: form for form in (InviteForm, StandbyForm, RejectForm, UndoForm)
}
