"""A small Debian in a folder, and processes that take it for the whole machine."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.backends import require
from tests.processes import until

RELEASE = "bookworm"
CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE = "/mnt/outside"
"""Where a root sees what belongs to the machine."""
# The first process of a root: it mounts what the others need, and collects what they leave.
_INIT = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for path in "$@"; do
    seen="$root$OUTSIDE$path"
    mkdir -p "$(dirname "$seen")"
    if [ -d "$path" ]; then mkdir -p "$seen"; else touch "$seen"; fi
    mount --rbind "$path" "$seen"
done
if [ "$NETWORK" = own ]; then ip link set lo up; fi
echo mounted
while :; do sleep 3600 & wait $!; done
"""


class Root:
    """Commands in it have no other processes and files than its own."""

    def __init__(self, path: Path, init: int, environment: Mapping[str, str]) -> None:
        self.path = path
        self._init = init
        self.environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **environment}

    def command(self, *command: str, cwd: str = "/", user: str = "") -> list[str]:
        """To be run on the machine itself."""
        enter = ["nsenter", f"--target={self._init}", "--mount", "--pid", "--net", CHROOT]
        become = [f"--userspec={user}"] if user else []
        move = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd]
        return [*enter, *become, str(self.path), *move, *command]

    def run(
        self,
        *command: str,
        cwd: str = "/",
        user: str = "",
        environment: Mapping[str, str] | None = None,
        seconds: int = 900,
        check: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        ran = subprocess.run(
            self.command(*command, cwd=cwd, user=user),
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not check or ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        return ran

    @contextmanager
    def running(
        self, *command: str, cwd: str = "/", user: str = "", environment: Mapping[str, str]
    ) -> "Iterator[subprocess.Popen[str]]":
        process = subprocess.Popen(
            self.command(*command, cwd=cwd, user=user),
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            terminate(process)
            process.communicate(timeout=60)


def terminate(process: "subprocess.Popen[str]") -> None:
    """Asks a command of a root to end. `nsenter`, which waits for it, passes nothing on."""
    if process.poll() is None:
        for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(pid), signal.SIGTERM)


@contextmanager
def entered(path: Path, *, own_network: bool = False) -> Iterator[Root]:
    """Its processes, mounts and network, if it has one of its own, end with the block."""
    environment, outside = packages()
    init = subprocess.Popen(
        [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation=private"),
            *(["--net"] if own_network else []),
            *("sh", "-c", _INIT, "init", str(path), *outside),
        ],
        env={**os.environ, "NETWORK": "own" if own_network else "shared", "OUTSIDE": OUTSIDE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert init.stdout is not None
        assert init.stdout.readline() == "mounted\n"
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children")
        until(lambda: children.read_text().split())
        yield Root(path, int(children.read_text().split()[0]), environment)
    finally:
        init.kill()
        init.communicate(timeout=60)


def bootstrapped(path: Path) -> None:
    """Makes the smallest Debian there. Skips where that cannot be done."""
    able = os.getuid() == 0 and all(map(shutil.which, ("debootstrap", "unshare", "ip")))
    require("debootstrap", reachable=bool(able))
    subprocess.run(
        ["debootstrap", "--variant=minbase", RELEASE, str(path), mirror()],
        check=True,
        capture_output=True,
        timeout=1800,
    )
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copyfile(file, f"{path}{file}")
    # As apt of this machine reaches its mirror.
    acquire = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, check=True)
    (path / "etc/apt/apt.conf.d/00acquire").write_bytes(acquire.stdout)
    # There is nobody to start services: whoever installs one starts it.
    policy = path / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def mirror() -> str:
    """The one that this machine installs from."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    known = [target.split()[1] for target in targets if target.split()[0] == RELEASE]
    return known[0] if known else "http://deb.debian.org/debian"


def packages() -> tuple[dict[str, str], list[str]]:
    """What pip of this machine is told, as environment variables, and the paths that it needs.

    The variables name the paths as a root sees them.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    told = {
        "PIP_" + name.upper().replace("-", "_"): " ".join(str(ast.literal_eval(value)).split())
        for name, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)=(.*)$", listed, re.M)
    }
    told |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    paths: set[str] = set()

    def seen(match: re.Match[str]) -> str:
        path = Path(match[2])
        if not path.exists():
            return match[0]
        # An index may lead to files beside it.
        paths.add(str(Path(*path.parts[:3]) if path.is_dir() else path))
        return f"{match[1]}{OUTSIDE}{match[2]}"

    place = re.compile(r"(^|(?<=\s)|file://)(/[^\s:]+)")
    return {name: place.sub(seen, value) for name, value in told.items()}, sorted(paths)
