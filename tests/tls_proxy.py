"""An nginx in front of a server, with a certificate of its own and what the docs configure."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.backends import require
from tests.processes import ROOT, until

OPERATIONS = ROOT / "recruitment" / "docs" / "operations.md"
_HTTP = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@dataclass(frozen=True)
class TlsProxy:
    host: str
    port: int
    trust: ssl.SSLContext

    def connect(self) -> HTTPConnection:
        """As a browser does that finds the host's name here."""
        connection = HTTPSConnection(self.host, self.port, context=self.trust, timeout=60)
        connection._create_connection = self._here  # type: ignore[attr-defined]
        return connection

    def _here(self, address: Any, *options: Any) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 60)


def documented(language: str) -> str:
    """The block of this language in the chapter on proxies."""
    chapter = OPERATIONS.read_text().split("\n## Behind a proxy\n")[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", chapter, re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def tls_proxy(folder: Path, *, host: str, upstream: int) -> Iterator[TlsProxy]:
    """Skips where there is no nginx. `folder` is empty, and its own."""
    # Debian keeps it where only root looks.
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    require("nginx", reachable=nginx is not None)
    assert nginx is not None
    port, (certificate, key) = free_port(), _certificate(folder, host)
    server = documented("nginx")
    for written, here in {
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/certs/tracker.pem": str(certificate),
        "/etc/ssl/private/tracker.key": str(key),
        "http://127.0.0.1:8000;": f"http://127.0.0.1:{upstream};",
    }.items():
        assert written in server
        server = server.replace(written, here)
    configuration = folder / "nginx.conf"
    configuration.write_text(_HTTP.format(folder=folder, server=server))
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(configuration)])

    def listens() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text()
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens, seconds=60)
        yield TlsProxy(host, port, ssl.create_default_context(cafile=str(certificate)))
    finally:
        process.terminate()
        process.wait(timeout=60)


def _certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Signed by itself, for a day."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths
