"""Clients in TypeScript that public generators make of the OpenAPI document."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.live_server_helper import LiveServer

from tests.backends import node_tools

DOCUMENT = Path(__file__).parent.parent.parent / "recruitment/docs/openapi.yaml"


def _run(*command: str | Path, **environment: str | Path) -> str:
    ran = subprocess.run(
        command,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _compile(tools: Path, source: Path, target: Path) -> None:
    _run(
        *("node", tools / "node_modules/typescript/bin/tsc", "--strict", "--target", "es2022"),
        *("--module", "node16", "--typeRoots", tools / "node_modules/@types", "--types", "node"),
        *("--outDir", target, source),
    )


@pytest.mark.django_db(transaction=True)
def test_orvals_client_compiles_strictly_and_goes_the_main_path(
    live_server: LiveServer, tmp_path: Path, user_in: Callable[..., User]
) -> None:
    tools = node_tools()
    _run(
        *("node", tools / "node_modules/orval/dist/bin/orval.js"),
        *("--config", tools / "orval.config.cjs"),
        DOCUMENT=DOCUMENT,
        CLIENT=tmp_path,
    )
    main_path = Path(shutil.copy(tools / "main_path.ts", tmp_path))
    _compile(tools, main_path, tmp_path / "compiled")
    _, token = AuthToken.objects.create(user_in("Recruiters", "Operators"))
    said = _run("node", tmp_path / "compiled/main_path.js", SERVER=live_server.url, TOKEN=token)
    assert said == "added, invited, undone, listed\n"


def test_openapi_generators_client_compiles_strictly(tmp_path: Path) -> None:
    tools = node_tools()
    made = _run(
        *(Path(sys.executable).with_name("openapi-generator-cli"), "generate"),
        *("--generator-name", "typescript-fetch", "--input-spec", DOCUMENT, "--output", tmp_path),
    )
    assert "There were issues with the specification" not in made
    for operation in ("inviteCandidate(", "undoDecision("):
        assert operation in (tmp_path / "apis/CommandsApi.ts").read_text()
    _compile(tools, tmp_path / "index.ts", tmp_path / "compiled")
