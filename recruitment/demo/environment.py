"""The settings that the demo brings along, so that it starts where nothing is set.

Used before there are settings.
"""

import base64
import os
import secrets
from pathlib import Path
from typing import IO
from urllib.parse import quote

from django.core.files import locks

from eventstore.infrastructure.private_files import make

BASE_DIR = Path(__file__).resolve().parents[2]
DATABASE = BASE_DIR / "demo.sqlite3"
SECRET = BASE_DIR / "demo.secret"
_held: list[IO[str]] = []
"""Open for as long as the process lives, and the lock with it."""


def prepare() -> None:
    """Put the demo's own database and secrets in place of whatever the environment names.

    Exits with one line where they cannot be written, or another demo runs on them: a second one
    would draw new passwords, and those of the first would no longer work.
    """
    try:
        make(SECRET)
        file = SECRET.open()
        if not locks.lock(file, locks.LOCK_EX | locks.LOCK_NB):
            raise SystemExit(f"Error: a demo runs already in {BASE_DIR}: use it, or stop it first.")
        _held.append(file)
        kept = secrets_in(SECRET)
    except OSError as error:
        raise SystemExit(
            f"Error: the demo keeps its secrets in {SECRET}: {error.strerror}."
        ) from error
    os.environ |= {
        **kept,
        "DATABASE_URL": f"sqlite:///{quote(str(DATABASE))}",
        "DEBUG": "false",
        # Nobody follows the demo's log.
        "EVENT_DELIVERY": "on_commit",
        "READ_ONLY": "false",
    }
    # The demo is reached at 127.0.0.1, which the default allows, and has a key of its own.
    for name in ("ALLOWED_HOSTS", "PERSONAL_DATA_KEYS_FILE", "PERSONAL_DATA_KEYS_COMMAND"):
        os.environ.pop(name, None)


def secrets_in(path: Path) -> dict[str, str]:
    """The settings in this file, a NAME=value a line, drawn where it is missing or empty.

    Afterwards nobody but the file's owner can read it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+", encoding="ascii") as file:
        os.chmod(path, 0o600)
        kept = dict(line.split("=", 1) for line in file.read().split())
        if not kept:
            kept = {
                "SECRET_KEY": secrets.token_urlsafe(50),
                "PERSONAL_DATA_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
            }
            file.writelines(f"{name}={value}\n" for name, value in kept.items())
    return kept
