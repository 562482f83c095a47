"""The shape of the code: who may import whom, and that models and migrations agree."""

from pathlib import Path

import pytest
from django.core.management import call_command
from importlinter import cli

ROOT = Path(__file__).parent.parent


def test_every_import_points_the_way_of_the_data() -> None:
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_the_project_passes_djangos_checks() -> None:
    call_command("check", "--fail-level", "WARNING")
