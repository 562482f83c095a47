"""Times as RFC 3339 writes them, wherever the API takes one."""

from datetime import UTC, datetime, timedelta

import pytest

from eventstore.domain.times import read_instant

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01t12:00:00z", NOON),
        ("2026-03-01t12:00:00Z", NOON),
        ("2026-03-01T12:00:00z", NOON),
        ("2026-03-01t14:00:00+02:00", NOON),
        ("2026-03-01T12:00Z", NOON),
        ("2026-03-01T12:00:00-00:00", NOON),
        ("2026-03-01T12:00:00+00:00", NOON),
        ("2026-03-02T11:59:00+23:59", NOON),
        ("2026-03-01T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("2026-03-01T12:00:00.000001Z", NOON + timedelta(microseconds=1)),
        # Cut off, never rounded up.
        ("2026-03-01T12:00:00.0000019Z", NOON + timedelta(microseconds=1)),
        ("2026-03-01T12:00:00.999999999999999999Z", NOON + timedelta(microseconds=999_999)),
        ("2026-03-01T12:00:00." + "1" * 10_000 + "Z", NOON + timedelta(microseconds=111_111)),
        # A leap second is the second after it.
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31t23:59:60.25z", datetime(2017, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2016-12-31T18:29:60-05:30", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read(text: str, read: datetime) -> None:
    assert read_instant(text) == read
    assert read_instant(text).utcoffset() is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01_12:00:00Z",
        "2026-03-01T12Z",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01T12:00:00+0200",
        "2026-03-01T12:00:00+02",
        "2026-03-01T12:00:00UTC",
        "2026-03-01T12:00:00Z ",
        "2026-03-01T12:00:00Z\n",
        "20260301T120000Z",
        "2026-W09-7T12:00:00Z",
        "26-03-01T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T23:59:60+01:00",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+00:60",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "0001-01-01T00:00:60+14:00",
        "2026-03-01T12:00:00\u017f",
        "２026-03-01T12:00:00Z",
        "\x00",
        "9" * 5_000,
    ],
)
def test_whatever_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_instant(text)
