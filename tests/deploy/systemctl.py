#!/usr/bin/python3
"""Stands in for systemctl in a root where systemd is not the first process.

Ours are run as their units say, started again when they end; of the distribution's services the
script in /etc/init.d is asked.
"""

import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS, RUN = Path("/etc/systemd/system"), Path("/run/services")


def main(arguments: list[str]) -> None:
    action, *names = [word for word in arguments if not word.startswith("--")]
    if action == "daemon-reload":
        return
    if action == "enable":
        if "--now" not in arguments:
            return
        action = "start"
    for name in names:
        name = name.removesuffix(".service")
        if not name.startswith("recruitment"):
            subprocess.run(["/etc/init.d/" + name, action], check=True)
            continue
        if action in ("stop", "restart"):
            stop(name)
        if action in ("start", "restart"):
            start(name)


def start(name: str) -> None:
    RUN.mkdir(exist_ok=True)
    if os.fork():
        return
    os.setsid()
    with open(RUN / f"{name}.log", "ab") as log:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
    (RUN / f"{name}.pid").write_text(str(os.getpid()))
    supervise(name)
    os._exit(0)


def supervise(name: str) -> None:
    service, instance = unit(name)
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    for path in service["EnvironmentFile"]:
        environment |= assignments(Path(path.replace("%i", instance)))
    user = pwd.getpwnam(service["User"][-1])
    command = shlex.split(service["ExecStart"][-1].replace("%i", instance))
    ended = False
    child: subprocess.Popen[bytes] | None = None

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        if child is not None:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    while not ended:
        child = subprocess.Popen(
            command,
            env=environment,
            cwd=service["WorkingDirectory"][-1],
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            umask=0o077,
        )
        child.wait()
        if not ended:
            time.sleep(float(service["RestartSec"][-1]))


def unit(name: str) -> tuple[dict[str, list[str]], str]:
    """Its settings, each a list, and the name of its instance."""
    template, at, instance = name.partition("@")
    found: dict[str, list[str]] = {}
    for line in (UNITS / f"{template}{at}.service").read_text().splitlines():
        setting, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(setting, []).append(value)
    return found, instance


def assignments(path: Path) -> dict[str, str]:
    """As systemd reads them: quotes go, and nothing is expanded."""
    found = {}
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found[name] = value.strip("'")
    return found


def stop(name: str) -> None:
    kept = RUN / f"{name}.pid"
    if not kept.exists():
        return
    pid = int(kept.read_text())
    kept.unlink()
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and Path(f"/proc/{pid}/exe").exists():
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
