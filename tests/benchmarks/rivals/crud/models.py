from typing import ClassVar
from uuid import uuid4

from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords

STATUSES = [(name, name) for name in ("ADDED", "STANDBY", "INVITED", "REJECTED", "RETRACTED")]


def _text() -> "models.CharField[str, str]":
    return models.CharField(max_length=1000, default="", blank=True)


class Candidate(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid4)
    version = models.PositiveIntegerField(default=1)
    status = models.CharField(max_length=20, choices=STATUSES, default="ADDED")
    status_since = models.DateTimeField(default=timezone.now)
    score = models.FloatField()

    profile = models.JSONField()
    name = _text()
    email = _text()
    phone = _text()
    applied_position = _text()
    source = _text()
    location = _text()
    owner = _text()
    external_id = _text()
    resume_url = _text()
    tags = models.JSONField(default=list)
    search_key = models.TextField(default="", blank=True)
    note = models.TextField(default="", blank=True)

    added_at = models.DateTimeField(default=timezone.now)
    standby_at = models.DateTimeField(null=True)
    due_on = models.DateField(null=True)
    invited_at = models.DateTimeField(null=True)
    rejected_at = models.DateTimeField(null=True)
    rejection_reason = models.CharField(max_length=20, default="", blank=True)
    rejection_note = models.TextField(default="", blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = _text()

    objects: ClassVar["models.Manager[Candidate]"] = models.Manager()
    history = HistoricalRecords()

    class Meta:
        app_label = "crud"
        indexes = [
            models.Index(fields=["status", "added_at"]),
            models.Index(fields=["source", "added_at"]),
            models.Index(fields=["applied_position", "added_at"]),
            models.Index(fields=["owner", "added_at"]),
            models.Index(fields=["external_id"]),
            models.Index(fields=["added_at"]),
            models.Index(fields=["score", "added_at"]),
            models.Index(fields=["changed_at"]),
        ]

    def __str__(self) -> str:
        return self.name
