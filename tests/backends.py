"""What a test may need besides the code, and what to do where it is missing."""

import os

import pytest


def require(backend: str, *, reachable: bool) -> None:
    """Skip for want of `backend`; fail instead where REQUIRE_BACKENDS (a,b,c) names it."""
    if reachable:
        return
    required = os.environ.get("REQUIRE_BACKENDS", "").split(",")
    if backend in (name.strip() for name in required):
        pytest.fail(f"REQUIRE_BACKENDS names {backend}, which is not reachable.")
    pytest.skip(f"{backend} is not reachable.")
