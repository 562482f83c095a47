"""How many candidates are where, got how far and how long it took them: today, or as it was."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candidates.api import examples
from candidates.api.views import MayUseAction
from candidates.wiring import statistics
from eventstore.api.moments import PAST_TIMES, past_time_of


class SecondsField(serializers.FloatField):
    def to_representation(self, value: Any) -> str:
        return super().to_representation(value.total_seconds())


class CountsSerializer(serializers.Serializer[Any]):
    ADDED = serializers.IntegerField()
    STANDBY = serializers.IntegerField()
    INVITED = serializers.IntegerField()
    REJECTED = serializers.IntegerField()


class StaysSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField()
    median_seconds = SecondsField(source="median", allow_null=True)
    percentile_90_seconds = SecondsField(source="percentile_90", allow_null=True)


class StaysByStatusSerializer(serializers.Serializer[Any]):
    ADDED = StaysSerializer()
    STANDBY = StaysSerializer()
    INVITED = StaysSerializer()
    REJECTED = StaysSerializer()


class ReasonsSerializer(serializers.Serializer[Any]):
    not_qualified = serializers.IntegerField()
    position_filled = serializers.IntegerField()
    withdrew = serializers.IntegerField()
    no_response = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    other = serializers.IntegerField()


class SourceSerializer(serializers.Serializer[Any]):
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it comes from
        help_text="Empty where the profiles have none."
    )
    now = CountsSerializer()
    ever = CountsSerializer()


class DaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField(help_text="In UTC.")
    reached = CountsSerializer()


class StatisticsSerializer(serializers.Serializer[Any]):
    now = CountsSerializer(help_text="Candidates in the status.")
    ever = CountsSerializer(help_text="Candidates who reached the status at any time.")
    stays = StaysByStatusSerializer(help_text="How long stays took that have ended.")
    reasons = ReasonsSerializer(help_text="Of those who are rejected now.")
    sources = SourceSerializer(many=True, help_text="In alphabetical order.")
    days = DaySerializer(many=True, help_text="On which something happened, the oldest first.")


class StatisticsView(APIView):
    permission_classes = [*APIView.permission_classes, MayUseAction]
    http_method_names = ["get", "head"]
    command = None

    @extend_schema(
        operation_id="read_statistics",
        summary="Count candidates, as of now or of then",
        tags=["Statistics"],
        responses=examples.answered(StatisticsSerializer, examples.STATISTICS, "The figures."),
        parameters=PAST_TIMES,
    )
    def get(self, request: Request) -> Response:
        """Candidates by status, source, rejection reason and day, and how long they stayed.

        Decisions that were undone and candidates that were retracted are in no figure. With one of
        `as_of` and `known_at` as it was then; before the first event every figure is 0.
        """
        return Response(StatisticsSerializer(statistics(past_time_of(request))).data)
