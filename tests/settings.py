"""The project's settings with what only tests may use."""

import os
import tempfile

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("PERSONAL_DATA_KEYS", "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI=")

from recruitment.settings import *  # noqa: F403
from recruitment.settings import DATABASES, REST_FRAMEWORK

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
