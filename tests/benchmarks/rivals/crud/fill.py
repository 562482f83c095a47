"""`python -m tests.benchmarks.rivals.crud.fill ROWS`: its tables and rows. Prints a token."""

import sys

import django
from django.core.management import call_command
from django.db import connection


def main(rows: int) -> None:
    django.setup()
    from django.contrib.auth.models import Group, Permission, User
    from knox.models import AuthToken

    from tests.benchmarks.people import candidate_id, people
    from tests.benchmarks.rivals.crud.api import columns_of
    from tests.benchmarks.rivals.crud.models import Candidate

    # The users first, whom the history points to: apps without migrations come before all others.
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    made = [
        Candidate(id=candidate_id(i), profile=profile, score=score, **columns_of(profile))
        for i, (profile, score) in enumerate(people(rows))
    ]
    Candidate.objects.bulk_create(made, batch_size=500)
    Candidate.history.bulk_history_create(made, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    group = Group.objects.create(name="Recruiters")
    group.permissions.set(Permission.objects.filter(content_type__app_label="crud"))
    user = User.objects.create_user("rita")
    user.groups.add(group)
    _, token = AuthToken.objects.create(user, expiry=None)
    print(token)


if __name__ == "__main__":
    main(int(sys.argv[1]))
