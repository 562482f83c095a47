"""Ends sessions that are not used any more."""

import logging
from collections.abc import Callable
from time import time

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from eventstore.infrastructure.outages import outage_of

logger = logging.getLogger(__name__)
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
                session.only_renewed = not session.modified  # type: ignore[attr-defined]
                session[RENEWED] = now
        return response

    return middleware


class SessionStore(db.SessionStore):
    """SESSION_ENGINE. Tells a database that takes no writes from a session that was deleted.

    A page that only shows something is shown then, and the session renewed later.
    """

    only_renewed = False

    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as error:
            failure = error.__context__
            outage = outage_of(failure) if failure else None
            if failure is None or outage is None:
                raise
            if not self.only_renewed:
                raise failure from None
            logger.warning("A session is not renewed: %s", outage.text)
