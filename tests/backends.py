"""What a test may need besides the code, and what to do where it is missing."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import pika
import pytest
from pika.exceptions import AMQPError
from redis import Redis
from redis.exceptions import RedisError


def require(backend: str, *, reachable: bool) -> None:
    """Skip for want of `backend`; fail instead where REQUIRE_BACKENDS (a,b,c) names it."""
    if reachable:
        return
    required = os.environ.get("REQUIRE_BACKENDS", "").split(",")
    if backend in (name.strip() for name in required):
        pytest.fail(f"REQUIRE_BACKENDS names {backend}, which is not reachable.")
    pytest.skip(f"{backend} is not reachable.")


def redis_url() -> str:
    """Of the Redis in REDIS_URL, or on this machine; skips where there is none."""
    url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    with Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
        try:
            reachable = bool(client.ping())
        except RedisError:
            reachable = False
    require("redis", reachable=reachable)
    return url


BROKER = os.environ.get("RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672/")
"""The RabbitMQ that tests may use: one elsewhere, or the one on this machine."""


def rabbitmq_url() -> str:
    """Of the RabbitMQ to test with; skips where there is none."""
    require("rabbitmq", reachable=reachable_rabbitmq(BROKER))
    return BROKER


@cache
def reachable_rabbitmq(url: str) -> bool:
    try:
        pika.BlockingConnection(pika.URLParameters(url)).close()
    except AMQPError:
        return False
    return True


NODE = Path(__file__).parent / "node"
"""The tools that run on Node.js. `npm ci --prefix tests/node` installs them."""


def node_tools() -> Path:
    """Where they are installed; skips where they are not, or in other versions."""
    require("node", reachable=_installed_node_tools())
    return NODE


@cache
def _installed_node_tools() -> bool:
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    installed = {
        name: json.loads(package.read_text())["version"]
        for name in wanted
        if (package := NODE / "node_modules" / name / "package.json").exists()
    }
    return shutil.which("node") is not None and installed == wanted
