"""What another threshold would change: counts, and the candidates page by page."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candidates.api import examples
from candidates.api.pagination import AddedOrder
from candidates.api.views import MayUseAction
from candidates.application.what_if import read_threshold
from candidates.domain.events import Status
from candidates.models import CandidateProjection
from candidates.wiring import what_if
from eventstore.api.parameters import single_values


class UndecidedSerializer(serializers.Serializer[Any]):
    ADDED = serializers.IntegerField()
    STANDBY = serializers.IntegerField()


class InvitedSerializer(serializers.Serializer[Any]):
    INVITED = serializers.IntegerField()


class LookedAtSerializer(UndecidedSerializer, InvitedSerializer):
    pass


class AffectedCandidateSerializer(serializers.ModelSerializer[CandidateProjection]):
    status = serializers.ChoiceField(choices=[(s.value, s.name) for s in Status])

    class Meta:
        model = CandidateProjection
        fields = ["id", "name", "status", "score"]
        read_only_fields = fields
        extra_kwargs = {"name": {"help_text": "Empty where the profile has none."}}


class WhatIfSerializer(serializers.Serializer[Any]):
    threshold = serializers.FloatField()
    would_pass = UndecidedSerializer(help_text="Of those without a decision, by status.")
    would_not_pass = InvitedSerializer(help_text="Of the invited.")
    candidates = LookedAtSerializer(help_text="All of those, whatever their score.")
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = AffectedCandidateSerializer(many=True)


class WhatIfView(GenericAPIView[CandidateProjection]):
    serializer_class = AffectedCandidateSerializer
    permission_classes = [*APIView.permission_classes, MayUseAction]
    pagination_class = AddedOrder
    http_method_names = ["get", "head"]
    command = None

    @extend_schema(
        operation_id="ask_what_if",
        summary="Ask what another threshold would mean",
        tags=["Statistics"],
        responses=examples.answered(WhatIfSerializer, examples.WHAT_IF, "Counts, and a page."),
        parameters=[
            OpenApiParameter(
                "threshold",
                {"type": "number", "minimum": 0, "maximum": 100},
                required=True,
                description="Such as 60 or 72.5.",
            ),
            OpenApiParameter(
                "cursor",
                {"type": "string", "minLength": 1},
                description="Of a page: see `next`.",
            ),
            OpenApiParameter(
                "page_size",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": AddedOrder.max_page_size,
                    "default": AddedOrder.page_size,
                },
                description="Results of one page at most.",
            ),
        ],
    )
    def get(self, request: Request) -> Response:
        """Who would be on the other side of another threshold; nothing is changed.

        Candidates who are ADDED or on STANDBY and would pass, and INVITED ones who would not, the
        newest first.
        """
        given = single_values(request, ("threshold", "cursor", "page_size"))
        if "threshold" not in given:
            raise ValidationError({"threshold": ["This is needed."]}, code="required")
        threshold = read_threshold(given["threshold"])
        # Without the profiles, which are large.
        affected = CandidateProjection.objects.affected_by(threshold).defer(
            "profile", "search_key", "email_keys", "phone_keys"
        )
        page = self.paginate_queryset(affected)
        answer = self.get_paginated_response(self.get_serializer(page, many=True).data)
        counts = what_if(threshold)
        answer.data |= {
            "threshold": counts.threshold,
            "would_pass": counts.would_pass,
            "would_not_pass": counts.would_not_pass,
            "candidates": counts.candidates,
        }
        return answer
