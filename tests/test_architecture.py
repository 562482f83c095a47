"""The shape of the code: who may import whom, and that models and migrations agree."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).parent.parent


def test_every_import_points_the_way_of_the_data() -> None:
    # A process of its own, since it switches off every logger of the one that it runs in.
    lint = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_project_passes_djangos_checks() -> None:
    call_command("check", "--fail-level", "WARNING")
