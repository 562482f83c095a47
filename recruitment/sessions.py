"""Ends sessions that are not used any more."""

from collections.abc import Callable
from time import time

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.http.response import HttpResponseBase

RENEWED = "renewed"
"""When this session was written last, in seconds since 1970."""


def renew_session(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. Writes the session of somebody who is logged in, and its end with it.

    At most once in SESSION_RENEWAL seconds, by which a session lives longer than SESSION_IDLE at
    most: a page that only shows something does not wait for the database's writers.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        session = request.session
        if session.accessed and SESSION_KEY in session:
            now = int(time())
            if now - session.get(RENEWED, 0) >= settings.SESSION_RENEWAL:
                session[RENEWED] = now
        return response

    return middleware
