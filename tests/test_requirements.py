"""The pinned requirements are complete: pip's hash mode refuses a file that leaves anything out."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions
from itertools import product
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
RUNNING, TESTS = ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNNING_NEEDS = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
TESTS_NEED = [Requirement(text) for text in PROJECT["dependency-groups"]["test"]]
PYTHONS = ["3.11.0", "3.11.9", "3.12.0", "3.13.0"]
SYSTEMS = [("Linux", "linux", "posix"), ("Darwin", "darwin", "posix"), ("Windows", "win32", "nt")]
ENVIRONMENTS: list[dict[str, str]] = [
    {
        **cast(dict[str, str], default_environment()),
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_version": python,
        "platform_system": system,
        "sys_platform": platform,
        "os_name": os_name,
    }
    for python, (system, platform, os_name) in product(PYTHONS, SYSTEMS)
]


def applies(marker: Marker | None, environment: dict[str, str], extra: str = "") -> bool:
    return marker is None or marker.evaluate({**environment, "extra": extra})


def pins(path: Path) -> list[Requirement]:
    """Returns the pinned requirements of the file and of the files that it includes."""
    found: list[Requirement] = []
    for line in path.read_text().replace("\\\n", "").splitlines():
        if included := re.match(r"-r (\S+)", line):
            found += pins(path.parent / included[1])
        elif not line.lstrip().startswith("#"):
            requirement, *hashes = line.split(" --hash=")
            assert hashes, line
            found.append(Requirement(requirement))
    return found


@cache
def installed() -> dict[str, list[Requirement]]:
    return {
        canonicalize_name(found.name): [Requirement(text) for text in found.requires or ()]
        for found in distributions()
    }


def asked_for(
    requirements: Iterable[Requirement], environment: dict[str, str]
) -> Iterator[tuple[str, Requirement]]:
    """Yields who asks for what, as far as the distributions are installed here."""
    left = [("pyproject.toml", requirement) for requirement in requirements]
    seen: set[tuple[str, str]] = set()
    while left:
        asking, requirement = left.pop()
        yield asking, requirement
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if name not in installed() or (name, extra) in seen:
                continue
            seen.add((name, extra))
            left += [
                (name, further)
                for further in installed()[name]
                if applies(further.marker, environment, extra)
            ]


def missing(path: Path, requirements: Iterable[Requirement]) -> set[str]:
    """Returns what some environment requires and does not pin, with its extras, exactly once."""
    pinned = pins(path)
    found = set()
    for environment in ENVIRONMENTS:
        here: dict[str, set[tuple[str, frozenset[str]]]] = {}
        for pin in pinned:
            if applies(pin.marker, environment):
                exactly = (str(pin.specifier), frozenset(pin.extras))
                here.setdefault(canonicalize_name(pin.name), set()).add(exactly)
        for asking, requirement in asked_for(requirements, environment):
            there = here.get(canonicalize_name(requirement.name), set())
            versions = list({version for version, _ in there})
            extras = {extra for _, several in there for extra in several}
            if (
                len(versions) != 1
                or not requirement.specifier.contains(versions[0][2:], prereleases=True)
                or not requirement.extras <= extras
            ):
                python, system = environment["python_full_version"], environment["sys_platform"]
                found.add(f"{asking} asks for {requirement} on Python {python}, {system}")
    return found


@pytest.mark.parametrize(
    ("path", "requirements"),
    [(RUNNING, RUNNING_NEEDS), (TESTS, [*RUNNING_NEEDS, *TESTS_NEED])],
    ids=["running", "tests"],
)
def test_everything_asked_for_is_pinned_with_its_extras(
    path: Path, requirements: list[Requirement]
) -> None:
    assert not missing(path, requirements)


def test_an_extra_that_a_file_drops_is_named(tmp_path: Path) -> None:
    stripped = tmp_path / "requirements.txt"
    stripped.write_text(
        "\n".join(
            re.sub(r"^coverage\[toml\]==", "coverage==", line)
            for path in (RUNNING, TESTS)
            for line in path.read_text().splitlines()
            if not line.startswith("-r ")
        )
    )
    named = missing(stripped, [Requirement("pytest-cov")])
    assert {line.partition(">")[0] for line in named} == {"pytest-cov asks for coverage[toml]"}


def test_nothing_is_pinned_for_running_but_what_running_asks_for() -> None:
    needed = {
        canonicalize_name(requirement.name)
        for environment in ENVIRONMENTS
        for _, requirement in asked_for(RUNNING_NEEDS, environment)
    }
    assert {canonicalize_name(pin.name) for pin in pins(RUNNING)} <= needed


def test_what_the_packages_import_is_declared() -> None:
    declared = {canonicalize_name(requirement.name) for requirement in RUNNING_NEEDS}
    provided = {
        package: {canonicalize_name(name) for name in names}
        for package, names in packages_distributions().items()
    }
    undeclared = set()
    for package in ("recruitment", "candidates", "eventstore"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Import(names=names):
                        modules = [alias.name for alias in names]
                    case ast.ImportFrom(module=str(module), level=0):
                        modules = [module]
                    case _:
                        continue
                roots = {module.partition(".")[0] for module in modules} & provided.keys()
                undeclared |= {
                    f"{path.relative_to(ROOT)}: {root}"
                    for root in roots - sys.stdlib_module_names
                    if not provided[root] & declared
                }
    assert not undeclared


def test_django_is_the_newest_that_each_python_may_have() -> None:
    """The one file forks by version: 5.2 is the last Django for Python 3.11."""
    versions = {
        environment["python_version"]: str(pin.specifier)
        for environment in ENVIRONMENTS
        for pin in pins(RUNNING)
        if pin.name == "django" and applies(pin.marker, environment)
    }
    assert versions["3.11"].startswith("==5.2.")
    assert versions["3.12"] == versions["3.13"]
    assert not versions["3.12"].startswith("==5.")
