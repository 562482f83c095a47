import pytest

from tests.backends import require


def test_what_is_reachable_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_BACKENDS", "chromium")
    require("chromium", reachable=True)


@pytest.mark.parametrize("required", ["", "chrome, kafka"])
def test_a_missing_backend_skips_by_name(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("REQUIRE_BACKENDS", required)
    with pytest.raises(pytest.skip.Exception, match="chromium"):
        require("chromium", reachable=False)


@pytest.mark.parametrize("required", ["chromium", "kafka, chromium"])
def test_a_missing_backend_fails_where_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: str
) -> None:
    monkeypatch.setenv("REQUIRE_BACKENDS", required)
    with pytest.raises(pytest.fail.Exception, match="chromium"):
        require("chromium", reachable=False)
