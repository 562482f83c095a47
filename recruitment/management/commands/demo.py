import logging
import warnings
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.urls import reverse
from django.utils import timezone

from candidates.models import CandidateProjection
from eventstore.domain.exceptions import DomainError
from recruitment.demo import database, loading
from recruitment.demo.environment import DATABASE, SECRET
from recruitment.demo.logins import GROUPS, draw_passwords, issue_token

HOST = "127.0.0.1"


class Command(BaseCommand):
    help = (
        "Serve the project with generated candidates from a database of its own, which later "
        "starts keep. Needs no settings. Ctrl-C stops it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, default=8000, help="of 127.0.0.1; 0: any free one (default 8000)"
        )

    def handle(self, *, port: int, **options: Any) -> None:
        if Path(settings.DATABASES["default"]["NAME"]) != DATABASE:
            raise CommandError(
                "The demo runs on a database of its own only: start it as `manage.py demo`."
            )
        # Who signs in to a demo, and what its users may do, is of no interest.
        logging.getLogger("recruitment").setLevel(logging.WARNING)
        try:
            # Bound before anything else is done, so that a taken port costs no wait.
            with self._server(port) as server:
                self._prepare()
                self._welcome(
                    draw_passwords(),
                    issue_token("recruiter"),
                    f"http://{HOST}:{server.server_port}",
                )
                self._serve(server)
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. The next start goes on from here.")

    def _server(self, port: int) -> ThreadedWSGIServer:
        try:
            return ThreadedWSGIServer((HOST, port), WSGIRequestHandler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", error)
            raise CommandError(
                f"Port {port} of {HOST} cannot be used ({reason}): choose another with --port."
            ) from error

    def _prepare(self) -> None:
        try:
            database.claim(DATABASE)
            call_command("migrate", verbosity=0, interactive=False)
            # That read models catch up while it loads is no news.
            logging.getLogger("eventstore").setLevel(logging.WARNING)
            if not database.is_loaded(DATABASE):
                loading.load(today=timezone.now().date())
                database.mark_loaded(DATABASE)
        except database.ForeignDatabase as error:
            raise CommandError(f"{error} Move it away and start again.") from error
        except DomainError as error:
            raise CommandError(
                f"An earlier start left {DATABASE} half loaded, and it cannot be completed: "
                f"{error} Delete it and start again."
            ) from error

    def _welcome(self, passwords: Mapping[str, str], token: str, site: str) -> None:
        candidates = reverse("candidate-list")
        self.stdout.write(
            f"""
The demo has {CandidateProjection.objects.count()} candidates.

  Admin  {site}{reverse("admin:index")}
  API    {site}{candidates}
  Docs   {site}{reverse("docs")}

{_table(passwords)}

The passwords are drawn anew at each start; those of earlier starts no longer work.
Ask the API as the recruiter:

  curl -H 'Authorization: Bearer {token}' {site}{candidates}

Other commands work on it too, for example `manage.py replay`, after:

  export DATABASE_URL=sqlite:///{DATABASE.name} $(cat {SECRET.name})

Ctrl-C stops the demo."""
        )
        self.stdout.flush()

    def _serve(self, server: ThreadedWSGIServer) -> None:
        with warnings.catch_warnings():
            # Nobody has collected static files: they are served from where they are.
            warnings.filterwarnings("ignore", message="No directory at:")
            server.set_app(get_wsgi_application())
        # A line per request would carry the passwords out of sight.
        logging.getLogger("recruitment.request_log").setLevel(logging.WARNING)
        server.serve_forever()


def _table(passwords: Mapping[str, str]) -> str:
    rows = [(name, password, GROUPS[name]) for name, password in passwords.items()]
    return "\n".join(f"  {user:<10} {password}   {group}" for user, password, group in rows)
