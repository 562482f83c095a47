"""The compose file says what it is meant to, wherever it refers to the code."""

import os
import re
import subprocess
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.db import connection

from tests.databases import database_url
from tests.processes import ROOT

DEPLOY = ROOT / "recruitment/deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ["migrate", "web", "follow", "publish"]
ASKED_FOR = {
    *("SECRET_KEY", "PERSONAL_DATA_KEYS", "ALLOWED_HOSTS"),
    *("DATABASE_PASSWORD", "WEB_DATABASE_PASSWORD", "BROKER_PASSWORD"),
}


def test_it_has_every_process_and_what_they_need() -> None:
    assert list(SERVICES) == ["db", "rabbitmq", *OURS]
    assert set(COMPOSE["volumes"]) == {"database", "broker"}


def test_whatever_is_secret_is_asked_for() -> None:
    assert set(re.findall(r"\$\{(\w+)", TEXT)) == ASKED_FOR
    # Compose stops, and says which, where one is not set.
    assert re.findall(r"\$\{\w+(?!:\?)\}", TEXT) == []


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_each_is_started_again_and_asked_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "always"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_ours_may_write_nothing_and_have_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_the_owner_of_the_tables_migrates_and_nobody_else() -> None:
    owners = {
        name: re.match(r"postgres://(\w+):", SERVICES[name]["environment"]["DATABASE_URL"])
        for name in OURS
    }
    assert {name: found and found[1] for name, found in owners.items()} == {
        "migrate": "recruitment",
        "web": "recruitment_web",
        "follow": "recruitment_web",
        "publish": "recruitment_web",
    }
    assert "manage.py grants recruitment_web --apply" in SERVICES["migrate"]["command"][2]
    for name in OURS[1:]:
        condition = SERVICES[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"
    assert SERVICES["migrate"]["depends_on"]["db"]["condition"] == "service_healthy"


def test_every_command_that_it_names_exists() -> None:
    named = set(re.findall(r"manage\.py,? (\w+)", TEXT))
    assert {"migrate", "grants", "follow", "publish", "eventstore_status"} <= named
    assert named - {"new_key"} <= get_commands().keys()


def test_nobody_but_this_machine_reaches_the_port() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_the_health_check_of_the_web_server_is_code_that_runs() -> None:
    _, program, option, code = SERVICES["web"]["healthcheck"]["test"]
    assert (program, option) == ("python", "-c")
    compile(code, "healthcheck", "exec")


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no roles.")
def test_the_role_of_the_web_server_is_made_with_its_password() -> None:
    # In a transaction that is rolled back: the role is the server's, whoever's database it is.
    script = (DEPLOY / "web-role.sh").read_text()
    statement = script.split("<<'SQL'\n")[1].removesuffix("SQL\n")
    asked = "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'recruitment_web';\n"
    place = '--username="$POSTGRES_USER" --dbname="$POSTGRES_DB"'
    script = script.replace(place, f"-qAt '{database_url()}'")
    script = script.replace(statement, f"BEGIN;\n{statement}{asked}ROLLBACK;\n")
    made = subprocess.run(
        ["sh", "-c", script],
        env={**os.environ, "WEB_DATABASE_PASSWORD": "it's\\secret"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (made.stdout, made.stderr) == ("t|f\n", "")
