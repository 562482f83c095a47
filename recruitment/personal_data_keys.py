"""Where the wrapping keys of personal data come from. Used while the settings are made."""

import base64
import logging
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KEYS, FILE, COMMAND = SOURCES = (
    "PERSONAL_DATA_KEYS",
    "PERSONAL_DATA_KEYS_FILE",
    "PERSONAL_DATA_KEYS_COMMAND",
)
PATIENCE = 30
"""Seconds for the command."""
LOOK = 1.0
"""Seconds between two looks at the file."""
logger = logging.getLogger(__name__)


class KeysOfFile(Sequence[bytes]):
    """The keys in a file, read again when it has changed, so that who waits for one goes on.

    What will not do then is logged, and the keys stay what they were. Raises ImproperlyConfigured
    at first.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._keys = _parsed(_of_file(path), FILE)
        self._look_at = time.monotonic() + LOOK

    def __len__(self) -> int:
        return len(self._current())

    def __getitem__(self, index: Any) -> Any:
        return self._current()[index]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._current())

    def _current(self) -> list[bytes]:
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK
            if (stamp := _stamp(self._path)) != self._stamp:
                self._stamp = stamp
                self._read_again()
        return self._keys

    def _read_again(self) -> None:
        try:
            self._keys = _parsed(_of_file(self._path), FILE)
        except ImproperlyConfigured as error:
            logger.error("The wrapping keys stay what they were: %s", error)
        else:
            logger.warning("The wrapping keys were read again: there are %d", len(self._keys))


def wrapping_keys(*, keys: str, file: str, command: str) -> Sequence[bytes]:
    """The keys of 32 bytes, the newest first; none where no source is set.

    At most one source is. Each gives keys in base64, between commas or white space; behind a # is
    a comment. Raises ImproperlyConfigured, whose text quotes no key.
    """
    stated = [name for name, value in zip(SOURCES, (keys, file, command), strict=True) if value]
    if len(stated) > 1:
        raise ImproperlyConfigured(f"{' and '.join(stated)} are both set; the keys have one place.")
    if not stated:
        return []
    if file:
        return KeysOfFile(file)
    return _parsed(_printed_by(command) if command else keys, stated[0])


def _parsed(text: str, source: str) -> list[bytes]:
    found = re.split(r"[\s,]+", re.sub(r"#.*", "", text).strip(" \t\r\n,"))
    if found == [""]:
        raise ImproperlyConfigured(f"{source} gives no key.")
    return [_wrapping_key(one, source) for one in found]


def _wrapping_key(text: str, source: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"Each of {source} is 32 bytes in base64.")
    return key


def _stamp(path: str) -> tuple[int, ...] | None:
    """Changes with the file; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


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
