"""The examples of the documentation, carried out as they stand there."""

import io
import json
import re
from pathlib import Path

import pytest
from django.core.management import call_command

DOCS = Path(__file__).parent.parent.parent / "recruitment" / "docs" / "operations.md"
EXAMPLE = re.compile(
    r"```json\n(?P<map>[^`]*)```\s+```(csv|jsonl|xml)\n(?P<file>[^`]*)```\s+```text\n(?P<said>[^`]*)```"
)
EXAMPLES = list(EXAMPLE.finditer(DOCS.read_text(encoding="utf-8")))


def test_there_is_an_example_of_every_format() -> None:
    assert sorted({example[2] for example in EXAMPLES}) == ["csv", "jsonl", "xml"]


@pytest.mark.django_db
@pytest.mark.parametrize("example", EXAMPLES, ids=[example[2] for example in EXAMPLES])
def test_an_example_prints_what_the_documentation_says(
    example: re.Match[str], tmp_path: Path
) -> None:
    map_file, log, out = tmp_path / "map.json", tmp_path / "log", io.StringIO()
    map_file.write_text(example["map"], encoding="utf-8")
    encoding = json.loads(example["map"]).get("encoding", "utf-8")
    log.write_text(example["file"], encoding=encoding)
    call_command(
        "import_history",
        str(log),
        f"--map={map_file}",
        "--dry-run",
        stdout=out,
        stderr=io.StringIO(),
    )
    assert out.getvalue() == example["said"]
