"""The log as other systems follow it."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from eventstore import wiring
from eventstore.api import feed_cursor
from eventstore.api.openapi import EVENT_TYPE
from eventstore.api.parameters import single_values, whole_number
from eventstore.api.serializers import EXAMPLE, FeedSerializer
from eventstore.application.reading import readable
from eventstore.domain.events import Cursor

READ_FEED = "eventstore.read_feed"
FEED_PAGE = 100
LARGEST_FEED_PAGE = 1000


class MayReadFeed(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.has_perm(READ_FEED))


class EventFeed(APIView):
    permission_classes = [*APIView.permission_classes, MayReadFeed]
    required_scope = "feed"
    http_method_names = ["get", "head"]

    @extend_schema(
        operation_id="read_events",
        summary="Follow the log of events",
        tags=["Events"],
        responses=OpenApiResponse(
            FeedSerializer, "Events, as many as there are.", [OpenApiExample("Example", EXAMPLE)]
        ),
        parameters=[
            OpenApiParameter(
                "after",
                feed_cursor.SCHEMA,
                description="Of `next`, as it stands there. In the first epoch of the log also the "
                "`logposition` of the last event that you have.",
            ),
            OpenApiParameter(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": LARGEST_FEED_PAGE,
                    "default": FEED_PAGE,
                },
                description="Events of one answer at most.",
            ),
            OpenApiParameter(
                "types",
                {"type": "array", "minItems": 1, "items": EVENT_TYPE},
                explode=False,
                description="Only events of these types, separated by commas.",
            ),
            OpenApiParameter(
                "subject",
                {"type": "string", "format": "uuid"},
                description="Only events of this stream.",
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        """Every event in the order of the log, as CloudEvents.

        Follow `next`, which is always there: behind the last event there is nothing until there
        is more. Who keeps that link alone, and goes on from it after a stop, gets every event
        once. None is passed over that a slower transaction has still to commit. Where the log was
        restored from a backup and does not hold what was read, the answer is 409.
        """
        given = single_values(request, ("after", "limit", "types", "subject"))
        limit = whole_number(
            "limit", given.get("limit", str(FEED_PAGE)), minimum=1, maximum=LARGEST_FEED_PAGE
        )
        event_types = _event_types(given["types"]) if "types" in given else ()
        wiring.require_log()
        known_as = wiring.log_identity()
        after = feed_cursor.read(given.get("after", "0"), epoch=known_as.epoch)
        if "subject" in given:
            subject = _subject(given["subject"])
            recorded = wiring.stream_feed(
                subject, after=after, limit=limit, event_types=event_types
            )
        else:
            recorded = readable(
                wiring.event_store(), after=after, limit=limit, event_types=event_types
            )
        last = Cursor.at(recorded[-1]) if recorded else after
        following = replace_query_param(
            request.build_absolute_uri(),
            "after",
            feed_cursor.written(last, epoch=known_as.epoch),
        )
        return Response({"next": following, "results": wiring.cloud_events(recorded, known_as)})


def _subject(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        detail = "It is the id of a stream, a UUID."
        raise ValidationError({"subject": [detail]}, code="invalid_id") from error


def _event_types(text: str) -> frozenset[str]:
    known, named = wiring.mapper().classes, frozenset(text.split(","))
    if unknown := sorted(named - known.keys()):
        detail = (
            f"There is no event type {unknown[0][:100]!r}; they are {', '.join(sorted(known))}."
        )
        raise ValidationError({"types": [detail]}, code="unknown_event_type")
    return named
