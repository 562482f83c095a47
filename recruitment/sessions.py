"""Ends sessions that are not used any more."""

from collections.abc import Callable
from time import time

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from eventstore.infrastructure.outages import outage_of
from recruitment.brief_writes import written_briefly

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
                changed = session.modified
                session[RENEWED] = now
                # Django writes it with what was changed besides.
                if not changed:
                    _renew(session)
        return response

    return middleware


def _renew(session: SessionBase) -> None:
    """Later, where the database takes no write now."""
    written_briefly("That a session is in use", lambda: _save(session))
    session.modified = False


def _save(session: SessionBase) -> None:
    try:
        session.save()
    except UpdateError as error:
        # Somebody has logged out meanwhile.
        raise DatabaseError(str(error) or "the session was deleted") from error


class SessionStore(db.SessionStore):
    """SESSION_ENGINE. Tells a database that takes no writes from a session that was deleted."""

    def save(self, must_create: bool = False) -> None:
        try:
            super().save(must_create)
        except UpdateError as error:
            failure = error.__context__
            if failure is None or outage_of(failure) is None:
                raise
            raise failure from None
