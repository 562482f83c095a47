"""How gunicorn is told to serve."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.processes import ROOT


@pytest.fixture
def told() -> Callable[..., dict[str, str]]:
    """What gunicorn makes of the file, of its own variables, and of these."""

    def tell(**environment: str) -> dict[str, str]:
        printed = subprocess.run(
            [
                *(sys.executable, "-m", "gunicorn", "--print-config"),
                *("--config", "recruitment/deploy/gunicorn_conf.py", "recruitment.wsgi"),
            ],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "DEBUG": "true", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert printed.returncode == 0, printed.stderr
        lines = (line.partition("=") for line in printed.stdout.splitlines())
        return {name.strip(): value.strip() for name, _, value in lines}

    return tell


def test_workers_are_recycled_and_not_at_the_same_moment(
    told: Callable[..., dict[str, str]],
) -> None:
    config = told()
    assert int(config["workers"]) == max(2, len(os.sched_getaffinity(0)))
    assert (config["worker_class"], config["threads"]) == ("gthread", "4")
    assert int(config["max_requests"]) > 2 * int(config["max_requests_jitter"]) > 0
    assert int(config["graceful_timeout"]) < int(config["timeout"])
    assert config["worker_tmp_dir"] == "/dev/shm"


def test_only_a_proxy_of_this_machine_is_believed(told: Callable[..., dict[str, str]]) -> None:
    assert told()["forwarded_allow_ips"] == "['127.0.0.1', '::1']"
    assert told(FORWARDED_ALLOW_IPS="10.0.0.7")["forwarded_allow_ips"] == "['10.0.0.7']"


def test_its_access_log_is_off_and_knows_no_query_strings(
    told: Callable[..., dict[str, str]],
) -> None:
    config = told()
    assert config["accesslog"] == "None"
    for atom in ("%(r)s", "%(q)s", "%(f)s"):
        assert atom not in config["access_log_format"]


def test_the_environment_overrides_it(told: Callable[..., dict[str, str]]) -> None:
    config = told(WEB_CONCURRENCY="7", GUNICORN_CMD_ARGS="--bind=0.0.0.0:8000 --threads=2")
    assert (config["workers"], config["threads"]) == ("7", "2")
    assert config["bind"] == "['0.0.0.0:8000']"
