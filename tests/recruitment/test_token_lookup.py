"""A token's rights are looked up once in each request, and again in the next one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from candidates.api import batch_bodies
from candidates.application.commands import AddCandidate
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from recruitment.models import Scope, TokenScopes, TokenUse
from recruitment.token_lookup import tokens_beginning
from recruitment.tokens import issue
from tests.statements import executed

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/candidates/"
ADD = AddCandidate(profile={"name": "Ann"}, score=80)
EVERYTHING = CommandContext(actor="rita", door="api", allows=lambda permission: True)


def bearer(token: str) -> APIClient:
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def api_of(user: User, *scopes: Scope) -> APIClient:
    """With a token that was used just now, so that this needs not be stored."""
    issued, token = issue(user, scopes=scopes)
    TokenUse.objects.create(token=issued, used_at=timezone.now())
    return bearer(token)


def granted(codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label="candidates", codename=codename)


@pytest.fixture
def candidate() -> UUID:
    return candidate_service().handle(ADD, EVERYTHING).candidate_id


@pytest.fixture(params=["no scopes", "scopes", "superuser", "own permission"])
def reader(request: pytest.FixtureRequest, user_in: Callable[..., User]) -> APIClient:
    user = user_in(*(["Viewers"] if "scopes" in request.param else []))
    user.is_superuser = request.param == "superuser"
    user.save()
    if request.param == "own permission":
        user.user_permissions.add(granted("view_candidateprojection"))
    return api_of(user, *([Scope.READ] if request.param == "scopes" else []))


@pytest.mark.parametrize(
    "path",
    [
        "{id}/",
        "",
        "?page_size=1",
        "?ordering=-score&page_size=1",
        "?ordering=-added_at&page_size=1",
        "?ordering=-changed&page_size=1",
        "?status=ADDED&score_min=1&search=ann",
        "{id}/history/",
    ],
)
def test_a_read_is_one_statement_to_sign_in_and_one_to_read(
    reader: APIClient, candidate: UUID, path: str
) -> None:
    candidate_service().handle(ADD, EVERYTHING)
    with executed() as statements:
        answer = reader.get(URL + path.format(id=candidate))
    assert (answer.status_code, len(statements)) == (200, 2), statements


COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("standby", {"until": "2027-09-01"}),
    ("note", {"text": "Called."}),
    ("undo", {"version": 2}),
    ("rescore", {"score": 90, "why": "Second look."}),
    ("profile", {"profile": {"name": "Ann"}}),
    ("invite", {}),
    ("reject", {"reason": "other"}),
]


def test_a_command_is_one_statement_to_sign_in_besides_its_own(
    user_in: Callable[..., User], candidate: UUID
) -> None:
    api = api_of(user_in("Recruiters"))
    other = candidate_service().handle(ADD, EVERYTHING).candidate_id
    for name, body in COMMANDS:
        with executed() as statements:
            answer = api.post(f"{URL}{candidate}/{name}/", body)
        assert answer.status_code == 200, answer.content
        kind, reader = batch_bodies.COMMANDS[name]
        content = reader(data=body)
        content.is_valid(raise_exception=True)
        fields: dict[str, Any] = {"candidate_id": other, **content.validated_data}
        service, command = candidate_service(), kind(**fields)
        with executed() as alone:
            service.handle(command, EVERYTHING)
        assert len(statements) == len(alone) + 1, (name, statements)


def test_a_refusal_is_one_statement(user_in: Callable[..., User], candidate: UUID) -> None:
    nobody, limited = api_of(user_in(name="ann")), api_of(user_in("Viewers"), Scope.FEED)
    unknown = bearer("a" * 64)
    for client, status in ((nobody, 403), (limited, 403), (unknown, 401)):
        with executed() as statements:
            answer = client.get(f"{URL}{candidate}/")
        assert (answer.status_code, len(statements)) == (status, 1)


def _withdraw_group(user: User) -> None:
    user.groups.clear()


def _withdraw_from_group(user: User) -> None:
    Group.objects.get(name="Viewers").permissions.clear()


def _delete_group(user: User) -> None:
    Group.objects.get(name="Viewers").delete()


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _delete_user(user: User) -> None:
    user.delete()


def _revoke(user: User) -> None:
    AuthToken.objects.get(user=user).delete()


def _expire(user: User) -> None:
    AuthToken.objects.filter(user=user).update(expiry=timezone.now())


def _limit(user: User) -> None:
    TokenScopes.objects.create(
        token=AuthToken.objects.get(user=user), read=False, command=True, feed=True
    )


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (_withdraw_group, 403),
        (_withdraw_from_group, 403),
        (_delete_group, 403),
        (_deactivate, 401),
        (_delete_user, 401),
        (_revoke, 401),
        (_expire, 401),
        (_limit, 403),
    ],
)
def test_what_is_withdrawn_is_refused_in_the_next_request(
    user_in: Callable[..., User], change: Callable[[User], None], status: int
) -> None:
    user = user_in("Viewers")
    api = api_of(user)
    assert api.get(URL).status_code == 200
    change(user)
    assert api.get(URL).status_code == status


def test_a_permission_of_ones_own_is_given_and_withdrawn_at_once(
    user_in: Callable[..., User],
) -> None:
    user = user_in()
    api = api_of(user)
    assert api.get(URL).status_code == 403
    user.user_permissions.add(granted("view_candidateprojection"))
    assert api.get(URL).status_code == 200
    user.user_permissions.clear()
    assert api.get(URL).status_code == 403


def test_who_is_no_superuser_any_more_has_what_is_granted(user_in: Callable[..., User]) -> None:
    user = user_in("Viewers")
    user.is_superuser = True
    user.save()
    api = api_of(user)
    assert api.post(URL, {"profile": {}, "score": 1}).status_code == 201
    User.objects.update(is_superuser=False)
    assert api.post(URL, {"profile": {}, "score": 1}).status_code == 403
    assert api.get(URL).status_code == 200


def test_the_permissions_are_those_that_django_finds(user_in: Callable[..., User]) -> None:
    user = user_in("Viewers", "Recruiters", "Operators")
    user.user_permissions.add(granted("decide"), granted("backdate"))
    odd = granted("edit")
    odd.pk, odd.codename = None, 'with "quotes", a space and ü'
    odd.save()
    user.user_permissions.add(odd)
    _, token = issue(user)
    ((found, _),) = tokens_beginning(token[:15], now=timezone.now())
    asked = User.objects.get(pk=user.pk)
    with executed() as statements:
        for kind in ("user", "group", "all"):
            expected = getattr(asked, f"get_{kind}_permissions")()
            assert getattr(found.user, f"get_{kind}_permissions")() == expected
    assert all("auth_permission" in one or one == "Execute" for one in statements)
    assert 'candidates.with "quotes", a space and ü' in found.user.get_all_permissions()


def test_a_superuser_has_every_permission(user_in: Callable[..., User]) -> None:
    user = user_in()
    user.is_superuser = True
    user.save()
    _, token = issue(user)
    ((found, _),) = tokens_beginning(token[:15], now=timezone.now())
    assert found.user.has_perm("candidates.decide")
    assert len(found.user.get_all_permissions()) == Permission.objects.count()


def test_what_is_left_out_of_the_user_is_loaded_when_it_is_asked_for(
    user_in: Callable[..., User],
) -> None:
    user = user_in()
    user.email = "rita@example.org"
    user.save()
    kept, token = issue(user, scopes=[Scope.READ], expires=timezone.now() + timedelta(days=1))
    ((found, _),) = tokens_beginning(token[:15], now=timezone.now())
    assert (found, found.user, found.expiry) == (kept, user, kept.expiry)
    assert found.scopes.granted == {Scope.READ}
    assert (found.user.email, found.created) == ("rita@example.org", kept.created)


def test_tokens_that_begin_alike_are_told_apart(user_in: Callable[..., User]) -> None:
    users = [user_in("Viewers", name="ann"), user_in(name="bob"), user_in("Viewers", name="eve")]
    issued = [issue(user) for user in users]
    key = issued[0][1][:15]
    for row, _ in issued:
        row.token_key = key
        row.save()
    # The rest of the token is what its digest is made of, so only the first is whole.
    assert bearer(issued[0][1]).get(URL).status_code == 200
    AuthToken.objects.filter(user=users[0]).delete()
    assert bearer(issued[0][1]).get(URL).status_code == 401
    assert AuthToken.objects.count() == 2


def test_expired_tokens_of_a_user_are_deleted_when_one_of_them_is_shown(
    user_in: Callable[..., User],
) -> None:
    user, other = user_in("Viewers"), user_in("Viewers", name="ann")
    expired = [issue(one, expires=timezone.now() + timedelta(days=1))[0] for one in (user, other)]
    api = api_of(user)
    AuthToken.objects.filter(pk__in=[one.pk for one in expired]).update(
        expiry=timezone.now() - timedelta(seconds=1)
    )
    assert api.get(URL).status_code == 200
    assert set(AuthToken.objects.values_list("user__username", "expiry")) == {
        ("rita", None),
        ("ann", AuthToken.objects.get(pk=expired[1].pk).expiry),
    }
    with executed() as statements:
        assert api.get(URL).status_code == 200
    assert len(statements) == 2


def test_a_token_good_until_later_is_good(user_in: Callable[..., User]) -> None:
    _, token = issue(user_in("Viewers"), expires=timezone.now() + timedelta(minutes=1))
    assert bearer(token).get(URL).status_code == 200


def test_a_token_is_renewed_where_the_settings_ask_for_it(
    user_in: Callable[..., User], settings: Any
) -> None:
    settings.REST_KNOX = {
        **settings.REST_KNOX,
        "AUTO_REFRESH": True,
        "TOKEN_TTL": timedelta(hours=1),
        "AUTO_REFRESH_MAX_TTL": timedelta(minutes=40),
    }
    kept, token = issue(user_in("Viewers"), expires=timezone.now() + timedelta(minutes=5))
    assert bearer(token).get(URL).status_code == 200
    renewed = AuthToken.objects.get()
    assert renewed.expiry == kept.created + timedelta(minutes=40)
    assert renewed.user == kept.user
