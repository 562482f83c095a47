"""What people see of a candidate: thrown away and rebuilt from the log at will."""

from typing import Any

from django.db import models

from candidates.application.projector import LIFTED_LENGTH, PERSONAL
from candidates.domain.events import RejectionReason, Status
from candidates.models.search import CandidateQuerySet
from eventstore.models import ExactJSONField


def _lifted() -> "models.CharField[str, str]":
    return models.CharField(max_length=LIFTED_LENGTH, default="", blank=True)


REASONS = {r.value: r.value.replace("_", " ").capitalize() for r in RejectionReason}
"""In words."""


class SearchedInOrder(models.Index):
    """The first field's order, to list by; on SQLite with the second's text, to search in.

    PostgreSQL finds parts of a text by trigrams: that index is the migration's. SQLite has none
    for a table whose rows a replay exchanges. There a search walks this one, in the order of the
    list, and looks up no row that it does not find.
    """

    def create_sql(
        self, model: type[models.Model], schema_editor: Any, using: str = "", **kwargs: Any
    ) -> Any:
        if schema_editor.connection.vendor == "sqlite":
            return super().create_sql(model, schema_editor, using, **kwargs)
        order = models.Index(fields=self.fields[:1], name=self.name)
        return order.create_sql(model, schema_editor, using, **kwargs)


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
    search_key = models.TextField(default="", blank=True)
    email_keys = models.TextField(default="", blank=True)
    phone_keys = models.TextField(default="", blank=True)

    added_at = models.DateTimeField()
    added_position = models.BigIntegerField()
    standby_at = models.DateTimeField(null=True)
    due_on = models.DateField(null=True)
    invited_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    rejection_reason = models.CharField(
        max_length=20,
        default="",
        choices=list(REASONS.items()),
    )
    rejection_note = models.TextField(default="")
    changed_at = models.DateTimeField()
    changed_by = _lifted()

    objects = CandidateQuerySet.as_manager()
    personal_columns = PERSONAL

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
            models.Index(fields=["source", "added_position"], name="candidates_source"),
            models.Index(fields=["applied_position", "added_position"], name="candidates_applied"),
            models.Index(fields=["owner", "added_position"], name="candidates_owner"),
            models.Index(fields=["external_id"], name="candidates_external_id"),
            SearchedInOrder(fields=["added_position", "search_key"], name="candidates_added"),
            models.Index(fields=["added_at", "added_position"], name="candidates_added_at"),
            models.Index(fields=["score", "added_position"], name="candidates_by_score"),
            models.Index(fields=["position"], name="candidates_changed"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)


class StatusSpan(models.Model):
    """One stay of a candidate in a status. Written by its projector alone; statistics count it."""

    pk = models.CompositePrimaryKey("candidate", "version")
    candidate = models.UUIDField()
    version = models.PositiveIntegerField()
    """Of the event that opened it."""
    shown_version = models.PositiveIntegerField(null=True)
    """What the candidate's spans show; on the newest alone."""
    status = models.CharField(
        max_length=20, choices=[(status.value, status.value.capitalize()) for status in Status]
    )
    source = _lifted()
    reason = models.CharField(max_length=20, default="", choices=list(REASONS.items()))
    by_undo = models.BooleanField()
    """Opened by taking a decision back, and not by one: the candidate returned."""
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    recorded_since = models.DateTimeField()
    recorded_until = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)
    undone_recorded_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.candidate}/{self.version} {self.status}"


class ImportedRow(models.Model):
    """A row of another system's log that an import has taken: what is remembered of it.

    Both ids are digests under a secret, which say nothing of the row to who has only the database.
    Without its rows here a candidate's history is not imported a second time either: the log has
    the candidate, who may not be added again.
    """

    pk = models.CompositePrimaryKey("place", "digest")
    place = models.UUIDField()
    """Digest of candidate, activity and time; for a row that adds, of the candidate only."""
    digest = models.UUIDField()
    """All that it says, with its number among the rows of its file that say the same."""
    candidate = models.UUIDField(db_index=True)
    system = models.TextField()
    file = models.UUIDField()
    """The batch that brought it in: one for each state of a file."""

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.system} {self.candidate} {self.digest}"
