"""Reads what the environment says of signing keys, of proxies and of HTTPS.

Used by the settings alone: each function takes a text and raises ImproperlyConfigured where it will
not do, without showing a secret.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

LEAST_LENGTH, LEAST_DIFFERENT = 50, 10
"""Characters of a signing key, and how many of them differ. 50 random hexadecimal digits pass."""
MOST_PROXIES = 9
DJANGOS_OWN = "django-insecure-"
"""How the keys begin that Django writes into new projects, which get into repositories."""


def secret_keys(key: str, fallbacks: Sequence[str], file: str, *, debug: bool) -> list[str]:
    """Returns the key that signs and, behind it, those that are still accepted.

    A file has one key on each line. Under `debug` any key will do, and none has to be set.
    """
    if file and (key or fallbacks):
        raise ImproperlyConfigured(
            "SECRET_KEY_FILE holds every key: SECRET_KEY and SECRET_KEY_FALLBACKS are not set "
            "beside it."
        )
    named = _of_file(file) if file else [("SECRET_KEY", key)]
    named += [("SECRET_KEY_FALLBACKS", fallback) for fallback in fallbacks]
    if not named[0][1]:
        if debug:
            return ["insecure-for-development-only", *fallbacks]
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it to at least 50 random characters, "
            "or set DEBUG=true to try things out on your own machine."
        )
    if not debug:
        for name, text in named:
            _check_strength(name, text)
    return [text for _, text in named]


def _of_file(path: str) -> list[tuple[str, str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY_FILE {path!r} cannot be read: {error.strerror}."
        ) from None
    except ValueError:
        raise ImproperlyConfigured(f"SECRET_KEY_FILE {path!r} is not text.") from None
    keys = [
        (f"SECRET_KEY_FILE, line {number}", line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not keys:
        raise ImproperlyConfigured(f"SECRET_KEY_FILE {path!r} holds no key.")
    return keys


def _check_strength(name: str, key: str) -> None:
    if key.startswith(DJANGOS_OWN):
        wrong = f"begins with {DJANGOS_OWN}"
    elif len(key) < LEAST_LENGTH:
        wrong = f"has {len(key)} characters"
    # A text that repeats itself is found in two of it behind one another, away from the ends.
    elif len(set(key)) < LEAST_DIFFERENT or key in f"{key}{key}"[1:-1]:
        wrong = "repeats itself"
    else:
        return
    raise ImproperlyConfigured(
        f"{name} {wrong}; each key has at least {LEAST_LENGTH} random characters, for example from "
        "`openssl rand -base64 48`."
    )


def proxy_ssl_header(text: str) -> tuple[str, str] | None:
    """Reads `X-Forwarded-Proto: https`. Empty is no header."""
    if not text:
        return None
    if not (header := re.fullmatch(r"([A-Za-z0-9-]+): *([A-Za-z0-9]+)", text)):
        raise ImproperlyConfigured(
            f"SECURE_PROXY_SSL_HEADER is {text!r}; it is the header and value by which the proxy "
            "tells HTTPS, such as 'X-Forwarded-Proto: https'."
        )
    return request_key(header[1]), header[2]


def proxy_count(text: str) -> int:
    if not re.fullmatch(f"[0-{MOST_PROXIES}]", text):
        raise ImproperlyConfigured(
            f"PROXY_COUNT is {text!r}; it is how many proxies stand in front, from 0 to "
            f"{MOST_PROXIES}."
        )
    return int(text)


def proxy_address_header(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9-]+", name):
        raise ImproperlyConfigured(
            f"PROXY_ADDRESS_HEADER is {name!r}; it is the header in which proxies name the "
            "client's address, such as X-Forwarded-For."
        )
    return request_key(name)


def request_key(header: str) -> str:
    """Where a request keeps a header."""
    return f"HTTP_{header.upper().replace('-', '_')}"


def trusted_origin(text: str) -> str:
    host = r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
    if not re.fullmatch(rf"https?://({host})(:[0-9]{{1,5}})?", text):
        raise ImproperlyConfigured(
            f"CSRF_TRUSTED_ORIGINS has {text!r}; each is a scheme and a name, such as "
            "https://tracker.example.org or https://*.example.org, without path."
        )
    return text


def hsts_seconds(text: str, *, promises_more: bool) -> int:
    """`promises_more`: subdomains and preload are part of the same header."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ImproperlyConfigured(
            f"SECURE_HSTS_SECONDS is {text!r}; it is a number of seconds, such as 31536000 for a "
            "year."
        )
    if promises_more and not int(text):
        raise ImproperlyConfigured(
            "SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_PRELOAD say nothing without "
            "SECURE_HSTS_SECONDS."
        )
    return int(text)


def session_idle(text: str) -> int:
    """Reads minutes. Returns seconds."""
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        raise ImproperlyConfigured(
            f"SESSION_IDLE_MINUTES is {text!r}; it is a number of minutes from 1 to 99999."
        )
    return 60 * int(text)
