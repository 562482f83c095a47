import os

from django.core.asgi import get_asgi_application
from django.db import connections

from recruitment.startup import NOT_BOOTED, say_what_keys_lack, told_in_one_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
with told_in_one_line(code=NOT_BOOTED):
    application = get_asgi_application()
# A request has a thread of its own here: a connection that it left open would serve no other.
for database in connections.settings.values():
    database["CONN_MAX_AGE"] = 0
say_what_keys_lack()
