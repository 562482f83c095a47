"""The settings that the demo brings along, so that it starts where nothing is set.

Used by manage.py before Django is there: standard library only.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import quote

BASE_DIR = Path(__file__).resolve().parents[2]
DATABASE = BASE_DIR / "demo.sqlite3"
SECRET = BASE_DIR / "demo.secret"


def prepare() -> None:
    """Put the demo's own database and secret in place of whatever the environment names.

    Exits with one line where they cannot be written.
    """
    try:
        secret = secret_key(SECRET)
    except OSError as error:
        raise SystemExit(f"The demo keeps a secret in {SECRET}: {error.strerror}.") from error
    os.environ |= {
        "SECRET_KEY": secret,
        "DATABASE_URL": f"sqlite:///{quote(str(DATABASE))}",
        "DEBUG": "false",
    }
    # The demo is reached at 127.0.0.1, which the default allows.
    os.environ.pop("ALLOWED_HOSTS", None)


def secret_key(path: Path) -> str:
    """The secret in this file, which is made where it is missing or empty.

    Afterwards nobody but the file's owner can read it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with open(descriptor, "r+", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)
        secret = file.read().strip()
        if not secret:
            secret = secrets.token_urlsafe(50)
            file.write(secret + "\n")
    return secret
