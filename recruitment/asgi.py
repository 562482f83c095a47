import os

from django.core.asgi import get_asgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
application = get_asgi_application()
# A request has a thread of its own here: a connection that it left open would serve no other.
for database in connections.settings.values():
    database["CONN_MAX_AGE"] = 0
