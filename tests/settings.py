"""The project's settings with what only tests may use."""

import os
import tempfile

import pytest
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("PERSONAL_DATA_KEYS", "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI=")

try:
    from recruitment.settings import *  # noqa: F403
    from recruitment.settings import DATABASES, REST_FRAMEWORK
except ImproperlyConfigured as error:
    # In one line, and not by the traceback of a plugin.
    raise pytest.UsageError(str(error)) from error

# A hash that is cheap to make: nobody attacks these passwords.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Static files are looked up when they are asked for, not listed anew for every test client.
WHITENOISE_AUTOREFRESH = True
REST_FRAMEWORK["TEST_REQUEST_DEFAULT_FORMAT"] = "json"

if DATABASES["default"]["ENGINE"] == "recruitment.sqlite":
    # A file: threads share nothing of a database in memory, and it has no WAL.
    DATABASES["default"]["TEST"] = {
        "NAME": os.path.join(tempfile.gettempdir(), f"recruitment-tests-{os.getuid()}.sqlite3")
    }
