"""Describes in the OpenAPI document what every operation has in common."""

from typing import Any

from drf_spectacular.openapi import AutoSchema


class ProblemAutoSchema(AutoSchema):
    """Every operation may answer a problem document."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation["responses"].setdefault(
                "default",
                {
                    "description": "What went wrong.",
                    "content": {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/Problem"}
                        }
                    },
                },
            )
        return operation
