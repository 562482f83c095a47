"""What people see of a candidate: thrown away and rebuilt from the log at will."""

from contextlib import suppress
from functools import reduce
from operator import or_
from typing import Any, Self
from uuid import UUID

from django.db import models
from django.db.models.functions import Concat
from django.db.models.lookups import Contains

from candidates.application.compare import (
    INDEXED,
    SHORTEST_NATIONAL,
    folded,
    may_be_phone,
    national_keys,
    phone_key,
    tag_key,
    word_key,
)
from candidates.application.projector import LIFTED_LENGTH, PERSONAL
from candidates.application.what_if import INVITED, UNDECIDED
from candidates.domain.events import RejectionReason, Status
from eventstore.models import ExactJSONField


def _lifted() -> "models.CharField[str, str]":
    return models.CharField(max_length=LIFTED_LENGTH, default="", blank=True)


REASONS = {r.value: r.value.replace("_", " ").capitalize() for r in RejectionReason}
"""In words."""
ASKED = 8
"""Letters or digits: the index goes through a list for each, while few have so many. The last
ones, since what stands in front is a country's prefix or the like and is in many."""
SHORTEST_PHONE = 4
"""Digits: fewer would find half of everybody."""


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


def _contains(text: str, asked: str) -> models.Q:
    """Has this text, of which the index is asked for the last letters or digits of a part."""
    asked = asked[-ASKED:]
    if asked == text:
        return models.Q(search_key__contains=text)
    return models.Q(search_key__contains=asked) & _seen_to_contain(text)


def _seen_to_contain(text: str) -> models.Q:
    """By an expression that no index is made of."""
    return models.Q(Contains(Concat("search_key", models.Value("", models.TextField())), text))


def _has_number(phone: str) -> models.Q:
    """Has these digits, or those with which the number is dialled in its own country."""
    digits = phone_key(phone).lstrip("0")
    at_home = national_keys(phone)
    if not at_home:
        return _contains(digits, digits)
    written = reduce(or_, map(_seen_to_contain, at_home), _seen_to_contain(digits))
    return models.Q(search_key__contains=digits[-SHORTEST_NATIONAL:]) & written


def _holds(word: str) -> models.Q:
    """Has this word. Of an address the index is asked for what stands before the domain.

    Everybody's trigrams of a domain take PostgreSQL longer to go through than all candidates who
    have the rest.
    """
    local, at, domain = word.partition("@")
    if len(local) < INDEXED or not domain:
        key = word_key(word)
        return _contains(key, key)
    return _contains(word, local + at)


class CandidateQuerySet(models.QuerySet["CandidateProjection"]):
    def search(self, text: str) -> Self:
        """Those with all these words in name, e-mail, position, location, external id or tags; or
        whose phone has these digits, with or without the country's prefix; or whose id this is.

        Spelling counts as little as in `compare`: neither case nor accents nor apostrophes.
        """
        words, digits = folded(text).split(), phone_key(text).lstrip("0")
        by_phone = len(digits) >= SHORTEST_PHONE and may_be_phone(text)
        found = models.Q() if words else models.Q(pk__in=[])
        for word in words:
            found &= _holds(word)
        if by_phone:
            number = _has_number(text)
            # In several parts it is a number and nothing else.
            found = number if len(words) > 1 else found | number
        with suppress(ValueError):
            found |= models.Q(pk=UUID(text.strip()))
        return self.filter(found)

    def tagged(self, tag: str) -> Self:
        """Those with this tag, the whole of it, in any case and with any accents."""
        return self.filter(search_key__contains=tag_key(tag))

    def affected_by(self, threshold: float) -> Self:
        """Those for whom this threshold would change something: see `what_if`."""
        would_pass = models.Q(status__in=UNDECIDED, score__gte=threshold)
        return self.filter(would_pass | models.Q(status__in=INVITED, score__lt=threshold))


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
