"""The project's next version, in a folder of its own, and a process that runs it.

It has an event type and a schema version more, a projection with another column and schema, and
migrations: a nullable column for the log, one with a default for candidates.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import database_url

ROOT = Path(__file__).parent.parent
NOTED = '= "candidate.noted"\n'
STAR_IT = '                columns["starred"] = True\n'
PASSED = "            case CandidateNoted()"
STORED = "    schema_version = models.PositiveSmallIntegerField()\n"
STARRED = """
@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStarred(DomainEvent):
    event_type: ClassVar[str] = "candidate.starred"


"""
CHANGES: dict[str, list[tuple[str, str]]] = {
    "candidates/domain/events.py": [
        ("CandidateEvent: TypeAlias = (\n", f"{STARRED}CandidateEvent: TypeAlias = (\n"),
        ("    | CandidateErased\n", "    | CandidateErased\n    | CandidateStarred\n"),
        (
            NOTED,
            f"{NOTED}    schema_version: ClassVar[int] = 2\n    pinned: bool = False\n",
        ),
    ],
    "candidates/infrastructure/upcasters.py": [
        (
            "] = {\n",
            '] = {\n    ("candidate.noted", 1): lambda data: {**data, "pinned": True},\n',
        ),
    ],
    "candidates/domain/candidate.py": [
        ("    CandidateRetracted,\n", "    CandidateRetracted,\n    CandidateStarred,\n"),
        ("() | CandidateNoted():", "() | CandidateNoted() | CandidateStarred():"),
    ],
    "candidates/application/projector.py": [
        ("    CandidateRetracted,\n", "    CandidateRetracted,\n    CandidateStarred,\n"),
        (
            PASSED,
            f"            case CandidateStarred():\n{STAR_IT}{PASSED}",
        ),
        ("SCHEMA = ", "SCHEMA = 1 + "),
    ],
    "candidates/models/__init__.py": [
        (
            "    changed_at = ",
            "    starred = models.BooleanField(default=False, db_default=False)\n    changed_at = ",
        ),
    ],
    "eventstore/models.py": [
        (
            STORED,
            f"{STORED}    region = models.TextField(null=True)\n",
        ),
    ],
}
MIGRATION = """from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("{app}", "{before}")]
    operations = [migrations.AddField("{model}", "{column}", models.{field})]
"""
NAME = "9999_of_newer_code"
COLUMNS = {
    "candidates": (
        "candidateprojection",
        "starred",
        "BooleanField(default=False, db_default=False)",
    ),
    "eventstore": ("storageevent", "region", "TextField(null=True)"),
}
CONSOLE = """
import io, json, sys, traceback
import django
django.setup()
from django.core.management import call_command
for line in sys.stdin:
    out, errors, failed = io.StringIO(), io.StringIO(), ""
    try:
        name, *arguments = json.loads(line)
        if name == "python":
            exec(arguments[0], {"print": lambda *said: print(*said, file=out)})
        else:
            call_command(name, *arguments, stdout=out, stderr=errors)
    except Exception as error:
        failed = "".join(traceback.format_exception(error))
    print(json.dumps([out.getvalue(), failed]), flush=True)
"""


def newest_migration(app: str) -> str:
    """Of an app of this version."""
    return sorted(path.stem for path in (ROOT / app / "migrations").glob("[0-9]*.py"))[-1]


def make(folder: Path) -> Path:
    """The next version, with what is compiled of this one."""
    for name in ("recruitment", "eventstore", "candidates"):
        ignored = shutil.ignore_patterns("docs", "*.sqlite3*")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "manage.py", folder)
    (folder / "tests").symlink_to(ROOT / "tests")
    for file, changes in CHANGES.items():
        path = folder / file
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, (file, old)
            text = text.replace(old, new)
        path.write_text(text)
    for app, (model, column, field) in COLUMNS.items():
        text = MIGRATION.format(
            app=app, before=newest_migration(app), model=model, column=column, field=field
        )
        (folder / app / "migrations" / f"{NAME}.py").write_text(text)
    return folder


class Console:
    """A process that stays, since each start takes seconds."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def manage(self, *command: str) -> str:
        """What the command prints on stdout."""
        out, failed = self._asked(*command)
        assert not failed, failed
        return out

    def run(self, code: str) -> str:
        """What the code prints."""
        return self.manage("python", code)

    def fails(self, *command: str) -> str:
        """The traceback of a command that has to fail."""
        _, failed = self._asked(*command)
        assert failed
        return failed

    def _asked(self, *command: str) -> tuple[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the console has died"
        out, failed = json.loads(answer)
        return out, failed


@contextmanager
def console(folder: Path, **environment: str) -> Iterator[Console]:
    """Of the version in this folder."""
    with subprocess.Popen(
        [sys.executable, "-c", CONSOLE],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            **environment,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Console(process)
        finally:
            process.kill()
