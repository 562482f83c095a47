"""The service units, as systemd itself reads them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.backends import require
from tests.processes import ROOT

UNITS = sorted((ROOT / "recruitment/deploy/systemd").glob("*.service"))
NAMES = [
    *("recruitment-consume@.service", "recruitment-follow.service"),
    *("recruitment-publish.service", "recruitment-web.service"),
]
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)


def read(unit: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit.read_text())
    return parser


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root with the units in it, and programs where they look for them."""
    require("systemd", reachable=shutil.which("systemd-analyze") is not None)
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, units)
    for target in ("sysinit", "basic", "shutdown", "network-online", "multi-user"):
        (units / f"{target}.target").write_text("[Unit]\n")
    for command in ("usr/bin/env", "opt/recruitment/.venv/bin/python"):
        program = tmp_path / command
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(0o755)
    (tmp_path / "opt/recruitment/.venv/bin/gunicorn").touch(0o755)
    return tmp_path


def analyzed(machine: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments, f"--root={machine}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_is_one_for_each_process() -> None:
    assert [unit.name for unit in UNITS] == NAMES


def test_systemd_finds_no_fault(machine: Path) -> None:
    names = [unit.name.replace("@", "@readers") for unit in UNITS]
    verified = analyzed(machine, "verify", "--man=no", *names)
    assert (verified.returncode, verified.stderr) == (0, "")


def test_a_fault_would_be_found(machine: Path) -> None:
    broken = machine / "etc/systemd/system/recruitment-web.service"
    broken.write_text(broken.read_text().replace("Restart=always", "Restart=alwyas"))
    assert "alwyas" in analyzed(machine, "verify", "--man=no", broken.name).stderr


@each_unit
def test_it_is_shut_off_from_the_rest_of_the_machine(machine: Path, unit: Path) -> None:
    name = unit.name.replace("@", "@readers")
    shown = analyzed(machine, "security", "--offline=true", "--no-pager", name).stdout
    exposure = re.search(r"exposure level for \S+ ([0-9.]+)", shown)
    assert exposure is not None, shown
    # "OK" ends at 5.0; a service that states nothing has 9.6.
    assert float(exposure[1]) < 2.5, shown


@each_unit
def test_it_never_gives_up(unit: Path) -> None:
    said = read(unit)
    assert said["Unit"]["StartLimitIntervalSec"] == "0"
    assert (said["Service"]["Restart"], said["Service"]["RestartSec"]) == ("always", "2")
    # It starts, and goes on, without what it waits for.
    assert not said["Unit"].keys() & {"Requires", "BindsTo", "PartOf"}


@each_unit
def test_no_secret_is_in_it(unit: Path) -> None:
    text = unit.read_text()
    assert "\nEnvironmentFile=/etc/recruitment/environment\n" in text
    assert not re.search("SECRET_KEY|PERSONAL_DATA_KEYS|://[^/ ]*:[^/ ]*@", text)


def test_a_consumer_is_of_the_group_that_it_is_named_for() -> None:
    unit = read(ROOT / "recruitment/deploy/systemd/recruitment-consume@.service")
    assert unit["Service"]["ExecStart"].startswith("/usr/bin/env EVENT_BUS_GROUP=%i ")
