"""The project's own settings, but for what the rival brings."""

from recruitment.settings import *  # noqa: F403
from recruitment.settings import INSTALLED_APPS, MIDDLEWARE, REST_FRAMEWORK

OURS = ("eventstore", "candidates", "recruitment")
ROOT_URLCONF = "tests.benchmarks.rivals.crud.urls"
INSTALLED_APPS = [app for app in INSTALLED_APPS if app.split(".")[0] not in OURS]
INSTALLED_APPS += ["simple_history", "tests.benchmarks.rivals.crud"]
MIDDLEWARE = [one for one in MIDDLEWARE if not one.startswith("recruitment.")]
MIDDLEWARE += ["simple_history.middleware.HistoryRequestMiddleware"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.DjangoModelPermissions"],
    "DEFAULT_RENDERER_CLASSES": REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
}
