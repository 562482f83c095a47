"""What every page may need to know."""

from django.conf import settings
from django.http import HttpRequest


def read_only(request: HttpRequest) -> dict[str, bool]:
    return {"read_only": settings.READ_ONLY}
