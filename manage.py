#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    try:
        from recruitment.startup import run_command
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error}: run `.venv/bin/python manage.py`, as the README installs it.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recruitment.settings")
    run_command(sys.argv)
