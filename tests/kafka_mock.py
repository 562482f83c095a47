"""Runs the cluster that librdkafka has built in, over TCP, in a process of its own.

It speaks Kafka's protocol and has no disk; what of it Python cannot reach is called in C. Prints
its addresses; every line `<topic> <partitions>` that it reads makes a topic, which it confirms.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRODUCER = 0
ERROR_SIZE = 512


def _library() -> ctypes.CDLL:
    import confluent_kafka  # noqa: F401  # it is in the process then, with what it needs

    maps = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    (path,) = {line.split()[-1] for line in maps if "librdkafka" in line}
    library = ctypes.CDLL(path)
    for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, function).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


def _say(answer: object) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


def main(brokers: int) -> None:
    library = _library()
    error = ctypes.create_string_buffer(ERROR_SIZE)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    handle = ctypes.c_void_p(
        library.rd_kafka_new(PRODUCER, configuration, error, ctypes.c_size_t(ERROR_SIZE))
    )
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, brokers))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 100)
    library.rd_kafka_mock_set_controller_id(cluster, 1)
    _say(library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    for line in sys.stdin:
        topic, partitions = line.split()
        failed = library.rd_kafka_mock_topic_create(cluster, topic.encode(), int(partitions), 1)
        _say(failed)


class Cluster:
    """The process, which can be frozen: its connections stay open, and nothing is answered."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.servers = self._said()

    def topic(self, name: str, partitions: int) -> None:
        assert self._process.stdin is not None
        print(name, partitions, file=self._process.stdin, flush=True)
        assert self._said() == "0"

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        # Its threads go on for a moment, and would still answer.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def cluster() -> Iterator[Cluster]:
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Cluster(process)
        finally:
            process.kill()


if __name__ == "__main__":
    main(brokers=3)
