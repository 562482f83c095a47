#!/usr/bin/env python
import os
import sys

from django.core.management import execute_from_command_line

from recruitment.demo import environment

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
    if sys.argv[1:2] == ["demo"]:
        environment.prepare()
    execute_from_command_line(sys.argv)
