"""The benchmarks run and say what they should; how fast anything is, is no test's business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.databases import database_url


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["rehydrate", "read"])
def test_a_benchmark_gives_one_figure_a_line(name: str) -> None:
    url = "sqlite:///" if connection.vendor == "sqlite" else database_url("postgres")
    command = [sys.executable, "-m", "tests.benchmarks", name, "--json", "--events", "500"]
    ran = subprocess.run(
        [*command, "--database-url", url],
        cwd=Path(__file__).parent.parent,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    figures = [json.loads(line) for line in ran.stdout.splitlines()]
    assert figures
    for figure in figures:
        assert set(figure) == {"name", "ours", "limit", "ratio", "unit", "target", "met"}
        assert figure["name"].startswith(f"{name}/{connection.vendor}")
        assert figure["ours"] > 0
