import os

from django.core.wsgi import get_wsgi_application

from recruitment.startup import NOT_BOOTED, say_what_keys_lack, told_in_one_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
with told_in_one_line(code=NOT_BOOTED):
    application = get_wsgi_application()
    # Not before: the settings are read by then.
    from recruitment.serving import pool_connections, prepare_connections

    prepare_connections()
say_what_keys_lack()
# Behind all that is asked before a server forks: its workers have a pool each.
pool_connections()
