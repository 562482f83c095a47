from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework import serializers, viewsets
from rest_framework.pagination import CursorPagination

from tests.benchmarks.rivals.crud.models import Candidate

LIFTED = {
    "name": "name",
    "email": "email",
    "phone": "phone",
    "position": "applied_position",
    "source": "source",
    "location": "location",
    "owner": "owner",
    "external_id": "external_id",
    "resume_url": "resume_url",
}


class CandidateSerializer(serializers.ModelSerializer[Candidate]):
    class Meta:
        model = Candidate
        fields = [
            "id",
            "version",
            "status",
            "status_since",
            "score",
            "profile",
            "note",
            "added_at",
            "standby_at",
            "due_on",
            "invited_at",
            "rejected_at",
            "rejection_reason",
            "rejection_note",
            "changed_at",
            "changed_by",
        ]
        read_only_fields = [
            "version",
            "status_since",
            "added_at",
            "standby_at",
            "invited_at",
            "rejected_at",
            "changed_at",
            "changed_by",
        ]


class NewestFirst(CursorPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-added_at"


class CandidateViewSet(viewsets.ModelViewSet[Candidate]):
    queryset = Candidate.objects.all()
    serializer_class = CandidateSerializer
    pagination_class = NewestFirst
    filterset_fields = ["status", "source", "owner", "external_id"]

    def perform_create(self, serializer: Any) -> None:
        lifted = columns_of(serializer.validated_data["profile"])
        serializer.save(changed_by=self.request.user.get_username(), **lifted)

    def perform_update(self, serializer: Any) -> None:
        said, now = serializer.validated_data, timezone.now()
        also: dict[str, Any] = columns_of(said["profile"]) if "profile" in said else {}
        if "status" in said:
            also["status_since"] = now
            if said["status"] != "ADDED":
                also[f"{said['status'].lower()}_at"] = now
        serializer.save(
            version=serializer.instance.version + 1,
            changed_at=now,
            changed_by=self.request.user.get_username(),
            **also,
        )


def columns_of(profile: Mapping[str, Any]) -> dict[str, Any]:
    texts = {column: str(profile.get(key, "")) for key, column in LIFTED.items()}
    searched = ("name", "email", "phone", "applied_position", "location", "external_id")
    key = " ".join(texts[column] for column in searched).casefold()
    return {**texts, "tags": profile.get("tags", []), "search_key": key}
