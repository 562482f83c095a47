"""Where the wrapping keys of personal data come from. Used while the settings are made."""

import base64
import re
import shlex
import subprocess
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KEYS, FILE, COMMAND = SOURCES = (
    "PERSONAL_DATA_KEYS",
    "PERSONAL_DATA_KEYS_FILE",
    "PERSONAL_DATA_KEYS_COMMAND",
)
PATIENCE = 30
"""Seconds for the command."""


def wrapping_keys(*, keys: str, file: str, command: str) -> list[bytes]:
    """The keys of 32 bytes, the newest first; none where no source is set.

    At most one source is. Each gives keys in base64, between commas or white space; behind a # is
    a comment. Raises ImproperlyConfigured, whose text quotes no key.
    """
    stated = [name for name, value in zip(SOURCES, (keys, file, command), strict=True) if value]
    if len(stated) > 1:
        raise ImproperlyConfigured(f"{' and '.join(stated)} are both set; the keys have one place.")
    if not stated:
        return []
    text = keys
    if file:
        text = _of_file(file)
    elif command:
        text = _printed_by(command)
    found = re.split(r"[\s,]+", re.sub(r"#.*", "", text).strip(" \t\r\n,"))
    if found == [""]:
        raise ImproperlyConfigured(f"{stated[0]} gives no key.")
    return [_wrapping_key(one, stated[0]) for one in found]


def _wrapping_key(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"Each of {source} is 32 bytes in base64.")
    return key


def _of_file(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(f"{FILE}: {path} cannot be read: {reason}.") from None


def _printed_by(command: str) -> str:
    """Not by a shell. What it says on stderr goes to ours."""
    try:
        done = subprocess.run(  # noqa: S603  # an operator's own
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"{COMMAND} cannot be read: {error}.") from None
    except OSError as error:
        raise ImproperlyConfigured(f"{COMMAND} cannot be run: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise ImproperlyConfigured(f"{COMMAND} gave no key within {PATIENCE} seconds.") from None
    if done.returncode:
        raise ImproperlyConfigured(f"{COMMAND} failed with exit code {done.returncode}.")
    return done.stdout.decode("ascii", "replace")
