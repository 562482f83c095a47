"""A database that is made for one benchmark and dropped after it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg

DEFAULT = "postgres://postgres@127.0.0.1:5432/postgres"


def default_urls() -> list[str]:
    return [os.environ.get("BENCHMARK_DATABASE_URL", DEFAULT), "sqlite:///"]


@contextmanager
def fresh(url: str, name: str = "benchmark") -> Iterator[str]:
    """The address of an empty database: on the server `url` names, or in a new directory."""
    if url.startswith("sqlite"):
        with TemporaryDirectory() as folder:
            yield f"sqlite:///{quote(str(Path(folder) / 'benchmark.sqlite3'))}"
        return
    name = f"recruitment_{name}_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
