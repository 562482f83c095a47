"""What a supervisor or load balancer asks, without a token: is this process alive, can it serve?"""

import logging
from functools import cache

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from eventstore import wiring
from eventstore.application.pausing import troubles as paused
from eventstore.domain.exceptions import LogWasRestored, UnsafeLogRead
from eventstore.infrastructure.outages import Outage
from recruitment import bounded

logger = logging.getLogger(__name__)
PATIENCE = 1.5
"""Seconds for all that is looked at: an answer within two is a promise."""
NO_ANSWER = Outage.AWAY.text


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"alive": True})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200, or 503 with what is in the way. A handful of small queries, answered in two seconds.

    With `?projections=1` also what keeps read models, here or behind a broker, from showing what
    the log says. What only waits for an upgrade is a warning.
    """
    look = _all_problems if request.GET.get("projections") == "1" else _problems
    try:
        problems, warnings = bounded.ask(look, seconds=PATIENCE)
    except bounded.NoAnswer:
        logger.error("The database has not answered within %.1f s.", PATIENCE)
        problems, warnings = [NO_ANSWER], []
    return JsonResponse(
        {"ready": not problems, "problems": problems, "warnings": warnings},
        status=503 if problems else 200,
    )


def _problems() -> tuple[list[str], list[str]]:
    """Problems and warnings."""
    try:
        problems = [
            f"The log is not protected as it should be: {name} is missing or weakened."
            for name in wiring.missing_log_guards(connection)
        ]
        applied = MigrationRecorder(connection).applied_migrations()
        if unapplied := _newest_migrations() - applied.keys():
            names = ", ".join(sorted(f"{app}.{name}" for app, name in unapplied))
            problems.append(f"Migrations are not applied: {names}.")
            # The tables that warnings are read from may lack a column.
            return problems, []
        return problems + wiring.key_troubles(), wiring.warnings(applied)
    except ImproperlyConfigured as error:
        return [str(error)], []
    except Error:
        # Its text may name hosts and users: for who reads the log, not for who may ask this.
        logger.exception(NO_ANSWER)
        return [NO_ANSWER], []


def _all_problems() -> tuple[list[str], list[str]]:
    problems, warnings = _problems()
    return problems or _projection_problems(), warnings


def _projection_problems() -> list[str]:
    try:
        now, statuses = timezone.now(), wiring.projection_statuses()
        publisher, consumer = wiring.publisher_status(), wiring.consumer_status()
        pauses = wiring.pauses().all()
    except (LogWasRestored, UnsafeLogRead) as error:
        return [str(error)]
    except Error:
        logger.exception(NO_ANSWER)
        return [NO_ANSWER]
    troubles = [*paused(pauses)]
    troubles += [trouble for status in statuses for trouble in status.troubles(now)]
    troubles += publisher.troubles(now) if publisher else ()
    troubles += consumer.troubles(now) if consumer else ()
    return troubles


@cache
def _newest_migrations() -> frozenset[tuple[str, str]]:
    """The last of each app in this code. Read once: code does not change while it runs."""
    return frozenset(MigrationLoader(None).graph.leaf_nodes())
