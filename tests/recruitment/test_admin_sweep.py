"""No page of the admin fails for anybody, whatever its address asks for and is posted to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice, product
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.auth.models import User
from django.db.models import Field, Model
from django.test import RequestFactory
from django.urls import reverse

from candidates.application import commands
from eventstore.wiring import parked_streams
from recruitment.models import Scope
from recruitment.tokens import issue
from tests import factories
from tests.browser import Browser
from tests.given import given

HOSTILE = [
    *("", "x", "1", "-1", "0.5", "1e999", "NaN", "None", "9" * 30, "1" + "0" * 19, "٣", "a" * 5000),
    *(",", "a,b", "\x00", "\udcff", "(", "[", "%", "\\", "'", '"', "{}", str(UUID(int=7))),
    *("2026-02-30", "2026-02-30 25:61", "0000-00-00", "9999-12-31"),
]
"""Numbers, times and patterns that a column, a cast or a database may choke on."""
PARAMETERS = [
    *("q", "o", "p", "all", "e", "_popup", "_to_field", "_facets", "_changelist_filters", "index"),
    *("status", "version", "as_of", "candidate", "action", "next", "x", "pk", "pk__in"),
]
SECRETS = [
    *("password", "user__password", "digest", "token_key", "user__email", "hash", "personal"),
    *("user__auth_token_set__digest", "data", "metadata", "profile", "email_keys", "search_key"),
    *("rejection_note", "user__logentry__change_message", "scopes__token__digest"),
]
"""Tokens, passwords, what only the log holds, and what says something about a person."""
ROLES = ["superuser", "Operators", "Recruiters", "Viewers", "nobody"]
ADMINS = sorted(admin.site._registry, key=lambda model: model._meta.label)
PLACES = list(product(ROLES, range(len(ADMINS))))
SHARES = 12
"""As many roles and lists are there that may see each other."""


class Sight(NamedTuple):
    """Somebody who is logged in and looks at a list."""

    browser: Browser
    user: User
    model: type[Model]
    share: int
    """Another number for each role and list that is swept."""
    shares: int

    @property
    def address(self) -> str:
        meta = self.model._meta
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")

    def asked(self, name: str, value: str) -> int:
        query = urlencode({name: value}, errors="surrogateescape")
        return int(self.browser.get(f"{self.address}?{query}").status_code)

    def refuses(self, lookup: str, value: str) -> bool:
        """Without the layers around the list, for which `asked` stands: there are thousands."""
        request = RequestFactory().get(
            f"{self.address}?{urlencode({lookup: value}, errors='surrogateescape')}"
        )
        request.user = self.user
        try:
            admin.site._registry[self.model].get_changelist_instance(request)
        except DisallowedModelAdminLookup:
            return True
        return False

    def some(self, pairs: "Iterable[T]") -> "Iterable[T]":
        """A share for each role and list, so that every pair is tried somewhere."""
        return islice(pairs, self.share, None, self.shares)


T = TypeVar("T")


@pytest.fixture
def somebody(staff: Callable[..., Browser], user_in: Callable[..., User]) -> Callable[..., Any]:
    """Looks as a role at the lists that it may see, or at the others; each has a row."""
    id = given(factories.add(candidate_id=uuid4(), profile={"name": "Ann"})).candidate_id
    given(commands.InviteCandidate(candidate_id=id))
    parked_streams().park("candidates", id, version=1, event_type="x", error=ValueError())
    issue(user_in("Recruiters", name="ann"), scopes=[Scope.READ], expires=None)

    logged_in: dict[str, Browser] = {}

    def sights(role: str, *, seen: bool = True) -> list[Sight]:
        if role not in logged_in:
            superuser = role == "superuser"
            logged_in[role] = staff(*{role} - {"superuser", "nobody"}, superuser=superuser)
            logged_in[role].raise_request_exception = False
        user = User.objects.get(username="rita")
        request = RequestFactory().get("/")
        request.user = user
        return [
            Sight(logged_in[role], user, model, PLACES.index((role, number)) % SHARES, SHARES)
            for number, model in enumerate(ADMINS)
            if admin.site._registry[model].has_view_or_change_permission(request) == seen
        ]

    return sights


each_role = pytest.mark.parametrize("role", ROLES)


def sent_by_filters(model: type[Model]) -> list[str]:
    """The lookups that the links of the list's filters have."""
    sent: list[str] = []
    filters: Sequence[Any] = admin.site._registry[model].list_filter
    for listed in filters:
        if isinstance(listed, tuple):
            sent.append(str(listed[0]))
        elif isinstance(listed, str):
            related = bool(model._meta.get_field(listed).is_relation)
            operators = ("id__exact", "isnull") if related else ("exact", "gte", "lt", "isnull")
            sent += [f"{listed}__{operator}" for operator in operators]
        else:
            sent.append(str(listed.parameter_name))
    return sent


def lookups(model: type[Model], *, related: bool = True) -> Iterator[str]:
    """Every column, of this table and of those beside it, with every operator that it knows."""
    for field in model._meta.get_fields():
        operators = field.get_lookups() if isinstance(field, Field) else ("isnull", "in")
        yield field.name
        yield from (f"{field.name}__{operator}" for operator in operators)
        if related and isinstance(field.related_model, type):
            beside = lookups(field.related_model, related=False)
            yield from (f"{field.name}__{lookup}" for lookup in beside)


@each_role
def test_a_lookup_that_no_filter_sends_is_refused(somebody: Callable[..., Any], role: str) -> None:
    values = cycle(HOSTILE)
    for sight in somebody(role):
        sent = sent_by_filters(sight.model)
        refused = [lookup for lookup in lookups(sight.model) if lookup not in sent]
        for lookup in refused:
            assert sight.refuses(lookup, next(values)), (sight.model, lookup)
        assert sight.asked(refused[sight.share], next(values)) == 400


# As the log of a development server says of an address without an offset.
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning")
@each_role
def test_a_filter_takes_any_value(somebody: Callable[..., Any], role: str) -> None:
    for sight in somebody(role):
        for lookup, value in sight.some(product(sent_by_filters(sight.model), HOSTILE)):
            status = sight.asked(lookup, value)
            assert status in (200, 302, 400), (sight.model, lookup, value)


@each_role
def test_a_parameter_takes_any_value(somebody: Callable[..., Any], role: str) -> None:
    for sight in somebody(role):
        for parameter, value in sight.some(product(PARAMETERS, HOSTILE)):
            assert sight.asked(parameter, value) < 500, (sight.model, parameter, value)


@each_role
def test_a_selection_takes_any_value(somebody: Callable[..., Any], role: str) -> None:
    actions = ("invite", "undo", "delete_selected", "x", "")
    for sight in somebody(role):
        for action, across, value in sight.some(product(actions, "01", HOSTILE)):
            text = value.encode("utf-8", "surrogateescape")
            form = {"action": action, "_selected_action": text, "select_across": across}
            for more in ({}, {"seen": text, "index": text}):
                answered = sight.browser.post(sight.address, {**form, **more}).status_code
                assert answered < 500, (sight.model, action, across, value, more)


def addresses() -> list[str]:
    pages = ("change/", "delete/", "history/", "", "retry/", "skip/")
    return [*(f"{{}}/{page}" for page in pages), "{}", "decide/{}/"]


@each_role
def test_an_address_of_a_page_takes_any_key(somebody: Callable[..., Any], role: str) -> None:
    for sight in somebody(role):
        for page, value in sight.some(product(addresses(), HOSTILE)):
            key = quote(value, safe="", errors="surrogateescape")
            for ask in (sight.browser.get, sight.browser.post):
                status = ask(sight.address + page.format(key)).status_code
                assert status < 500, (sight.model, page, value)


@each_role
def test_pages_beside_the_lists_take_any_value(somebody: Callable[..., Any], role: str) -> None:
    sights = somebody(role) + somebody(role, seen=False)
    browser: Browser = sights[0].browser
    pages = [
        *(f"{reverse('admin:autocomplete')}?term={{}}", "/admin/{}/", "/admin/r/{}/{}/"),
        f"{reverse('admin:autocomplete')}?app_label=auth&model_name=user&field_name={{}}",
        f"{reverse('admin:candidates_candidateprojection_statistics')}?as_of={{}}",
        f"{reverse('admin:candidates_candidateprojection_statistics')}?{{}}=1",
        *("/admin/jsi18n/?{}", "/admin/login/?next={}", "/admin/password_change/?{}"),
    ]
    for page, value in islice(product(pages, HOSTILE), ROLES.index(role), None, len(ROLES)):
        quoted = quote(value, safe="", errors="surrogateescape")
        assert browser.get(page.replace("{}", quoted)).status_code < 500, (page, value)


@each_role
def test_a_list_that_is_not_for_a_role_tells_it_nothing(
    somebody: Callable[..., Any], role: str
) -> None:
    """Whatever it asks: who may not see a list is told that, and not what is wrong."""
    secrets, values = cycle(SECRETS), cycle(HOSTILE)
    for sight in somebody(role, seen=False):
        for name in ("q", "o", "_to_field", next(secrets), f"{next(secrets)}__startswith"):
            assert sight.asked(name, next(values)) == 403, (sight.model, name)
        form = {"action": "delete_selected", "_selected_action": "1", "select_across": "1"}
        assert sight.browser.post(sight.address, form).status_code == 403
        for page in addresses():
            key = quote(next(values), safe="", errors="surrogateescape")
            for ask in (sight.browser.get, sight.browser.post):
                answer = ask(sight.address + page.format(key))
                assert answer.status_code in (301, 302, 400, 403, 404, 405), (sight.model, page)


@each_role
def test_what_is_secret_cannot_be_guessed(somebody: Callable[..., Any], role: str) -> None:
    for sight in somebody(role):
        for secret, operator in product(SECRETS, ("", "__startswith", "__gte", "__regex")):
            assert sight.refuses(secret + operator, "a"), (sight.model, secret, operator)
        for secret in sight.some(SECRETS):
            assert sight.asked(secret, "a") == 400
            # Which column rows are named by in a pop-up.
            assert sight.asked("_to_field", secret) == 400
