"""How many calls of one scope a user may make, where the settings set a limit."""

import logging
from time import time
from typing import Any

from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from recruitment.access import scope_of

logger = logging.getLogger(__name__)


class ScopeThrottle(BaseThrottle):
    """Counts in windows of a second, minute, hour or day, by one atomic increment.

    DRF's own throttles read a list of times and write it back: of calls that come at once, each
    finds room. All tokens and sessions of a user count together.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        scope = scope_of(request, view)
        rate = settings.API_THROTTLES[scope]
        if rate is None or not request.user.is_authenticated:
            return True
        limit, seconds = rate
        window, passed = divmod(time(), seconds)
        self._left = seconds - passed
        return _count(f"throttle:{scope}:{request.user.pk}:{window:.0f}", seconds) <= limit

    def wait(self) -> float:
        """Seconds until the next window: more than 0."""
        return self._left


def _count(key: str, seconds: int) -> int:
    """How often this was asked, this time included.

    A cache that fails or forgets stops nobody: limits protect the service, they are no rule.
    """
    try:
        cache.add(key, 0, timeout=2 * seconds)
        return int(cache.incr(key))
    except (RedisError, ValueError):
        logger.exception("Calls are not counted, and so not limited.")
        return 1
