"""What people see of a candidate: thrown away and rebuilt from the log at will."""

from django.db import models

from candidates.application.projector import LIFTED_LENGTH
from candidates.domain.events import RejectionReason, Status
from eventstore.models import ExactJSONField


def _lifted() -> "models.CharField[str, str]":
    return models.CharField(max_length=LIFTED_LENGTH, default="", blank=True)


class CandidateProjection(models.Model):
    """One row a candidate. Written by the projector alone; every time comes from an event."""

    id = models.UUIDField(primary_key=True)
    version = models.PositiveIntegerField()
    position = models.BigIntegerField()
    status = models.CharField(
        max_length=20, choices=[(status.value, status.value.capitalize()) for status in Status]
    )
    status_since = models.DateTimeField()
    score = models.FloatField()

    profile = ExactJSONField()
    name = _lifted()
    email = _lifted()
    phone = _lifted()
    applied_position = _lifted()
    source = _lifted()
    location = _lifted()
    owner = _lifted()
    external_id = _lifted()
    resume_url = _lifted()
    tags = ExactJSONField()
    email_key = _lifted()
    phone_key = _lifted()
    search_key = models.TextField(default="", blank=True)

    added_at = models.DateTimeField()
    added_position = models.BigIntegerField()
    standby_at = models.DateTimeField(null=True)
    due_on = models.DateField(null=True)
    invited_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    rejection_reason = models.CharField(
        max_length=20,
        default="",
        choices=[(r.value, r.value.replace("_", " ").capitalize()) for r in RejectionReason],
    )
    rejection_note = models.TextField(default="")
    changed_at = models.DateTimeField()
    changed_by = _lifted()

    class Meta:
        verbose_name = "candidate"
        default_permissions = ("view",)
        permissions = [
            ("add_candidate", "Can add candidates"),
            ("decide", "Can put candidates on standby, invite, reject and undo"),
            ("edit", "Can rescore, change, annotate and retract candidates"),
            ("backdate", "Can state when something occurred"),
            ("act_on_behalf", "Can act on behalf of somebody else"),
        ]
        indexes = [
            models.Index(fields=["status", "added_position"], name="candidates_status"),
            models.Index(fields=["added_position"], name="candidates_added"),
            models.Index(fields=["external_id"], name="candidates_external_id"),
            models.Index(fields=["email_key"], name="candidates_email"),
            models.Index(fields=["phone_key"], name="candidates_phone"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)
