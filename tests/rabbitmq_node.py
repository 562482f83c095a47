"""A RabbitMQ of one test's own, which can be stopped and started while others use theirs."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.backends import require
from tests.processes import until

SERVERS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server") or "")


class Node:
    def __init__(self, server: str, home: Path) -> None:
        self._server = server
        self._home = home
        self.port, self._distribution = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (home / "plugins").write_text("[].", encoding="ascii")

    def start(self) -> None:
        """Returns once it answers."""
        self._process = subprocess.Popen(
            [self._server],
            env={
                **os.environ,
                "HOME": str(self._home),
                "RABBITMQ_NODENAME": f"drill-{self.port}@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(self.port),
                "RABBITMQ_DIST_PORT": str(self._distribution),
                "RABBITMQ_MNESIA_BASE": str(self._home / "data"),
                "RABBITMQ_LOG_BASE": str(self._home / "log"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "plugins"),
                "RABBITMQ_CONFIG_FILE": str(self._home / "none"),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until(self._answers, seconds=90)

    def stop(self) -> None:
        """As a shutdown of the machine would; what it holds is on its disk."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            probe.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(probe.recv(1))
        return False


@contextmanager
def rabbitmq_node(home: Path) -> Iterator[Node]:
    """Running. Skips where RabbitMQ is not installed on this machine."""
    server = next((one for one in SERVERS if one and Path(one).exists()), None)
    require("rabbitmq", reachable=server is not None)
    node = Node(server or "", home)
    try:
        node.start()
        yield node
    finally:
        node.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
