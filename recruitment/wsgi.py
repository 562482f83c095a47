import os

from django.core.wsgi import get_wsgi_application

from recruitment.startup import NOT_BOOTED, say_what_keys_lack, told_in_one_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
with told_in_one_line(code=NOT_BOOTED):
    application = get_wsgi_application()
say_what_keys_lack()
