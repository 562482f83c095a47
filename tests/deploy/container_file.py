"""Runs the steps of a container file in folders, where there is nothing that builds images."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.roots import Root, entered

BASE = "debian:bookworm-slim"
IGNORED = shutil.ignore_patterns("__pycache__", "*.sqlite3*", "*.secret")
"""As Containerfile.dockerignore has it."""


@dataclass
class Stage:
    path: Path
    workdir: str = "/"
    user: str = "0"
    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)

    @contextmanager
    def entered(self) -> Iterator[Root]:
        with entered(self.path) as root:
            yield root


def steps(text: str) -> list[tuple[str, str]]:
    """Each instruction with what follows it on its line and those that continue it."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    whole = re.sub(r"\\\n\s*", "", lines)
    found = [line.partition(" ") for line in whole.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in found]


def built(file: Path, *, context: Path, base: Path, into: Path) -> Stage:
    """The last stage, with every step before it carried out."""
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, rest in steps(file.read_text()):
        if name == "FROM":
            image, _, alias = rest.partition(" AS ")
            assert image == BASE, f"only {BASE} is there to begin with"
            stage = Stage(into / (alias or "image"))
            stages[alias] = stage
            subprocess.run(["cp", "--archive", str(base), str(stage.path)], check=True)
            continue
        assert stage is not None
        _carry_out(name, rest, stage, stages, context)
    assert stage is not None
    return stage


def _carry_out(name: str, rest: str, stage: Stage, stages: dict[str, Stage], context: Path) -> None:
    match name:
        case "RUN":
            with stage.entered() as root:
                root.run(
                    *("/bin/sh", "-c", rest),
                    cwd=stage.workdir,
                    user=stage.user,
                    environment={**stage.environment, "DEBIAN_FRONTEND": "noninteractive"},
                )
        case "WORKDIR":
            stage.workdir = rest
            _inside(stage, rest).mkdir(parents=True, exist_ok=True)
        case "ENV":
            stage.environment |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        case "USER":
            stage.user = rest
        case "COPY":
            *options, sources = rest.split("=") if rest.startswith("--from=") else ["", rest]
            words = sources.split()
            if options[0]:
                _copy(stages[words.pop(0)].path, words, stage)
            else:
                _copy(context, words, stage, ignored=IGNORED)
        case "CMD":
            stage.command = json.loads(rest)
        case "EXPOSE":
            assert rest.isdecimal()
        case _:
            raise AssertionError(f"{name} is an instruction that this does not know")


def _copy(origin: Path, words: list[str], stage: Stage, ignored: Any = None) -> None:
    *sources, target = words
    for source in sources:
        found = origin / source.lstrip("/")
        place = _inside(stage, target)
        if found.is_dir():
            shutil.copytree(found, place, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(found, place / found.name if target.endswith("/") else place)


def _inside(stage: Stage, path: str) -> Path:
    """Where that is, seen from outside. A path that is not absolute begins where the stage is."""
    return stage.path / str(Path(stage.workdir) / path).lstrip("/")
