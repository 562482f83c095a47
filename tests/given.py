"""Brings candidates into being as everything does: by commands to the service."""

from typing import Any

from django.test import TestCase

from candidates.application.commands import CandidateCommand
from candidates.application.service import CommandResult
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext


def given(command: CandidateCommand, **context: Any) -> CommandResult:
    """What rita did by the API, unless `context` says otherwise. The read model shows it."""
    stated = {"actor": "rita", "door": "api", "allows": lambda permission: True, **context}
    with TestCase.captureOnCommitCallbacks(execute=True):
        return candidate_service().handle(command, CommandContext(**stated))
