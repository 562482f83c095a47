"""A second aggregate is a copy of candidates/ with another word: nothing else changes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import database_url

ROOT = Path(__file__).parent.parent
WORD, OTHER = "candidate", "applicant"
TEXT = {".py", ".json", ".html", ".css", ".csv", ".svg"}


def translated(text: str) -> str:
    def other(match: re.Match[str]) -> str:
        word = match[0]
        if word.isupper():
            return OTHER.upper()
        return OTHER.capitalize() if word[0].isupper() else OTHER

    return re.sub(WORD, other, text, flags=re.IGNORECASE)


def copy_translated(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / translated(str(path.relative_to(source)))
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in TEXT:
                copy.write_text(translated(path.read_text()))
            else:
                shutil.copyfile(path, copy)


def insert_after(path: Path, line: str, addition: str) -> None:
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, f"{line}\n{addition}", 1))


@pytest.mark.django_db
def test_a_copy_of_candidates_under_another_name_works(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3*")
    for name in ("recruitment", "eventstore", "candidates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)

    # The three steps of the README.
    copy_translated(ROOT / "candidates", tmp_path / "applicants")
    insert_after(tmp_path / "recruitment/settings.py", '    "candidates",', '    "applicants",')
    insert_after(
        tmp_path / "recruitment/urls.py",
        '    path("", include("candidates.api.urls")),',
        '    path("", include("applicants.api.urls")),',
    )
    copy_translated(ROOT / "tests", tmp_path / "tests")

    tests = ["test_applicant.py", "test_service.py", "test_projector.py", "test_admin.py", "api"]
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
            *(f"tests/applicants/{name}" for name in tests),
        ],
        cwd=tmp_path,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_"))},
            "DATABASE_URL": database_url(f"applicants_{os.environ.get('PYTEST_XDIST_WORKER', '')}"),
            "TMPDIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
