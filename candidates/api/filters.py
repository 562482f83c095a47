"""Which candidates a list shows."""

from functools import partial
from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError

from candidates.application.addresses import email_keys
from candidates.application.letters import folded, letters
from candidates.application.projector import uncut
from candidates.domain.events import Status
from candidates.models import CandidateProjection
from candidates.models.search import CandidateQuerySet
from candidates.wiring import shown_end
from eventstore.api.filters import ReadFilter, StrictFilterSet
from eventstore.api.parameters import (
    LAST_POSITION,
    decimal,
    instant_in_utc,
    short_text,
    whole_number,
)

LONGEST = 1000
SHORTEST_SEARCH, LONGEST_SEARCH = 3, 200


def _lifted(name: str, text: str) -> str:
    """As the values of profiles are compared."""
    return uncut(short_text(name, text, shortest=1, longest=LONGEST))


def _searched(name: str, text: str) -> str:
    text = short_text(name, text, shortest=1, longest=LONGEST_SEARCH)
    if letters(folded(text)) < SHORTEST_SEARCH:
        detail = (
            f"It has at least {SHORTEST_SEARCH} letters, digits or signs, not counting accents, "
            "apostrophes and hyphens; each letter of a script without spaces counts twice."
        )
        raise ValidationError({name: [detail]}, code="too_short")
    return text


def _email(name: str, text: str) -> str:
    text = short_text(name, text, shortest=1, longest=LONGEST)
    if len(email_keys(text)) != 1:
        raise ValidationError({name: ["It is one e-mail address."]}, code="invalid_email")
    return text


def _phone(name: str, text: str) -> str:
    # In a query a + stands for a space, unless it is written %2B.
    lost = text.startswith(" ")
    text = short_text(name, text, shortest=1, longest=LONGEST)
    if not any(map(str.isdecimal, text)):
        raise ValidationError({name: ["It is a telephone number."]}, code="invalid_phone")
    return f"+{text}" if lost and text[0].isdecimal() and text[0] != "0" else text


_LIFTED = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_EMAIL = {"type": "string", "format": "email", "maxLength": LONGEST}
_PHONE = {"type": "string", "pattern": "[0-9]", "maxLength": LONGEST}
_SCORE = {"type": "number", "minimum": 0, "maximum": 100}
_TIME = {"type": "string", "format": "date-time"}
_POSITION = {"type": "integer", "minimum": 0, "maximum": LAST_POSITION}
# Two letters of some scripts will do; no schema says which those are.
_SEARCH = {"type": "string", "minLength": 2, "maxLength": LONGEST_SEARCH}
_score = partial(decimal, minimum=0, maximum=100)
_position = partial(whole_number, minimum=0, maximum=LAST_POSITION)


class CandidateFilter(StrictFilterSet):
    """Retracted candidates are shown only to who asks for them, or for changes."""

    status = django_filters.ChoiceFilter(
        choices=[(status.value, status.value) for status in Status],
        help_text="In this status. Without it all but the retracted.",
    )
    source = ReadFilter(
        "source", _lifted, schema=_LIFTED, method="with_value", help_text="The profile's, exactly."
    )
    position = ReadFilter(
        "position",
        _lifted,
        schema=_LIFTED,
        field_name="applied_position",
        method="with_value",
        help_text="The profile's, exactly: what the candidate applied for.",
    )
    owner = ReadFilter(
        "owner", _lifted, schema=_LIFTED, method="with_value", help_text="The profile's, exactly."
    )
    tag = ReadFilter(
        "tag",
        _lifted,
        schema=_LIFTED,
        method="tagged",
        help_text="One of the profile's, all of it, in any case and with any accents.",
    )
    external_id = ReadFilter(
        "external_id",
        _lifted,
        schema=_LIFTED,
        method="with_value",
        help_text="The profile's, exactly.",
    )
    email = ReadFilter(
        "email",
        _email,
        schema=_EMAIL,
        method="with_email",
        help_text="One of the profile's addresses, all of it, in any case, its domain in Unicode "
        "or in punycode.",
    )
    phone = ReadFilter(
        "phone",
        _phone,
        schema=_PHONE,
        method="with_phone",
        help_text="One of the profile's telephone numbers, all of it, in any spelling, with the "
        "country's prefix or, on either side, as it is dialled at home.",
    )
    score_min = ReadFilter(
        "score_min",
        _score,
        schema=_SCORE,
        field_name="score",
        lookup_expr="gte",
        help_text="With this score, or a higher one.",
    )
    score_max = ReadFilter(
        "score_max",
        _score,
        schema=_SCORE,
        field_name="score",
        lookup_expr="lte",
        help_text="With this score, or a lower one.",
    )
    added_after = ReadFilter(
        "added_after",
        instant_in_utc,
        schema=_TIME,
        field_name="added_at",
        lookup_expr="gt",
        help_text="In business time. With this the list is in that order: see `ordering`.",
    )
    added_before = ReadFilter(
        "added_before",
        instant_in_utc,
        schema=_TIME,
        field_name="added_at",
        lookup_expr="lt",
        help_text="In business time. With this the list is in that order: see `ordering`.",
    )
    changed_after = ReadFilter(
        "changed_after",
        _position,
        schema=_POSITION,
        method="changed",
        help_text="Those with an event behind this position of the log, retracted ones too, as far "
        "as the list can be complete. With this the list is in that order: see `ordering`.",
    )
    search = ReadFilter(
        "search",
        _searched,
        schema=_SEARCH,
        method="found",
        help_text="Each of these words in name, e-mail, position, location, external id or tags, "
        "in any case and with any accents, apostrophes and hyphens; or a telephone number, or a "
        f"part of it, in any spelling; or an id. From {SHORTEST_SEARCH} to {LONGEST_SEARCH} "
        "characters.",
    )

    class Meta:
        model = CandidateProjection
        fields = ["status"]

    paging = StrictFilterSet.paging | {"ordering", "count"}

    def filter_queryset(
        self, queryset: QuerySet[CandidateProjection]
    ) -> QuerySet[CandidateProjection]:
        asked = self.form.cleaned_data
        # Who keeps a copy has to learn of a retraction.
        if "status" not in asked and "changed_after" not in asked:
            queryset = queryset.exclude(status=Status.RETRACTED)
        filtered: QuerySet[CandidateProjection] = super().filter_queryset(queryset)
        return filtered

    def tagged(self, queryset: CandidateQuerySet, name: str, value: str) -> CandidateQuerySet:
        return queryset.tagged(value)

    def with_value(self, queryset: CandidateQuerySet, name: str, value: str) -> CandidateQuerySet:
        return queryset.with_value(name, value)

    def with_email(self, queryset: CandidateQuerySet, name: str, value: str) -> CandidateQuerySet:
        return queryset.with_email(value)

    def with_phone(self, queryset: CandidateQuerySet, name: str, value: str) -> CandidateQuerySet:
        return queryset.with_phone(value)

    def found(self, queryset: CandidateQuerySet, name: str, value: str) -> CandidateQuerySet:
        return queryset.search(value)

    def changed(self, queryset: Any, name: str, value: int) -> Any:
        """Raises CursorBeyondLog."""
        return queryset.filter(position__gt=value, position__lte=shown_end(after=value))
