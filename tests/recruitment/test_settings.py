"""What the settings refuse before anything starts."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from recruitment.settings import database


@pytest.mark.parametrize("vendor", ["mysql", "oracle"])
def test_a_database_that_the_event_store_does_not_run_on_is_refused(vendor: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"runs on PostgreSQL .* and SQLite"):
        database({"ENGINE": f"django.db.backends.{vendor}", "NAME": "log"})
