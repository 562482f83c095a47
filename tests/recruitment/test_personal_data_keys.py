"""Where wrapping keys come from, and how one is made."""

import base64
import io
import os
import secrets
import shlex
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from eventstore.infrastructure.keys import fingerprint_of
from recruitment import personal_data_keys
from recruitment.personal_data_keys import SOURCES, wrapping_keys
from tests.processes import ROOT
from tests.wrapping_keys import key

A, B = (base64.b64encode(key(value)).decode() for value in (1, 2))


def of_file(path: Path) -> list[bytes]:
    return list(wrapping_keys(keys="", file=str(path), command=""))


def of_command(*words: str) -> Sequence[bytes]:
    return wrapping_keys(keys="", file="", command=shlex.join(words))


def test_keys_come_from_one_place_the_newest_first(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# the newest\n{B}\n{A}  # until 2027\n\n")
    assert wrapping_keys(keys=f"{B}, {A}", file="", command="") == [key(2), key(1)]
    assert of_file(path) == [key(2), key(1)]
    assert of_command("cat", str(path)) == [key(2), key(1)]
    assert wrapping_keys(keys="", file="", command="") == []


def test_a_file_that_has_changed_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(personal_data_keys, "LOOK", 0)
    path = tmp_path / "keys"
    path.write_text(A)
    keys = wrapping_keys(keys="", file=str(path), command="")
    assert (keys[0], len(keys), tuple(keys)) == (key(1), 1, (key(1),))
    call_command("new_key", str(path), "--add", stderr=io.StringIO())
    assert len(keys) == 2
    for spoilt in ("", "secret"):
        path.write_text(spoilt)
        assert len(keys) == 2
    path.unlink()
    assert keys[0] == key(1)
    assert "stay what they were" in caplog.text
    assert "secret" not in caplog.text
    (tmp_path / "next").write_text(f"{B}\n{A}\n")
    (tmp_path / "next").rename(path)
    assert list(keys) == [key(2), key(1)]


def test_two_places_are_refused(tmp_path: Path) -> None:
    words = "PERSONAL_DATA_KEYS and PERSONAL_DATA_KEYS_FILE are both set"
    with pytest.raises(ImproperlyConfigured, match=words):
        wrapping_keys(keys=A, file=str(tmp_path), command="")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "PERSONAL_DATA_KEYS_FILE gives no key"),
        (b"# nothing\n", "PERSONAL_DATA_KEYS_FILE gives no key"),
        (b"c2VjcmV0\n", "Each of PERSONAL_DATA_KEYS_FILE is 32 bytes in base64"),
        (f"{A} secret".encode(), "Each of PERSONAL_DATA_KEYS_FILE is 32 bytes"),
        (b"\xff\xfe", "cannot be read: it is no text"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_holds_no_keys_is_told(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=words) as told:
        of_file(path)
    assert "secret" not in str(told.value)


def test_a_command_that_gives_no_keys_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, command in [
        ("cannot be run: No such file", ["no-such-command"]),
        ("failed with exit code 3", ["sh", "-c", "echo secret; exit 3"]),
        ("gives no key", ["true"]),
        ("Each of PERSONAL_DATA_KEYS_COMMAND is 32 bytes", ["echo", "secret"]),
    ]:
        with pytest.raises(ImproperlyConfigured, match=words) as told:
            of_command(*command)
        assert "secret" not in str(told.value)
    with pytest.raises(ImproperlyConfigured, match="cannot be read: No closing quotation"):
        wrapping_keys(keys="", file="", command="cat '")
    monkeypatch.setattr(personal_data_keys, "PATIENCE", 0.01)
    with pytest.raises(ImproperlyConfigured, match="gave no key within"):
        of_command("sleep", "60")


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Without any setting of ours but these."""
    kept = {name: value for name, value in os.environ.items() if name not in SOURCES}
    kept = {k: v for k, v in kept.items() if k not in ("SECRET_KEY", "DEBUG")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**kept, "DJANGO_SETTINGS_MODULE": "recruitment.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_key_is_made_before_there_are_settings_and_then_serves(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    made = manage("new_key", str(path))
    assert (made.returncode, made.stdout) == (0, "")
    (first,) = of_file(path)
    assert made.stderr.startswith(f"wrapping key {fingerprint_of(first)}: keep a copy")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = manage(
        "shell",
        "--no-imports",
        "-c",
        "from django.conf import settings; print(len(settings.PERSONAL_DATA_KEYS))",
        SECRET_KEY=secrets.token_urlsafe(50),
        PERSONAL_DATA_KEYS_FILE=str(path),
    )
    assert shown.stdout == "1\n", shown.stderr


def test_a_key_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(A)
    with pytest.raises(CommandError, match="is there already and stays as it is"):
        call_command("new_key", str(path))
    assert path.read_text() == A
    call_command("new_key", str(path), "--add", stderr=io.StringIO())
    call_command("new_key", str(path), "--add", stderr=io.StringIO())
    found = of_file(path)
    assert found[0] == key(1)
    assert len(set(found)) == 3
    with pytest.raises(CommandError, match="cannot be written: No such file"):
        call_command("new_key", str(tmp_path / "none"), "--add")
    with pytest.raises(CommandError, match="--add needs the FILE"):
        call_command("new_key", "--add")


def test_without_a_file_the_key_is_all_that_is_printed() -> None:
    out = io.StringIO()
    call_command("new_key", stdout=out, stderr=io.StringIO())
    assert len(wrapping_keys(keys=out.getvalue(), file="", command="")) == 1
    assert out.getvalue().count("\n") == 1
