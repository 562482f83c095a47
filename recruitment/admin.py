"""Where operators issue and revoke API tokens, and superusers keep users and groups.

A token is shown in one answer and kept nowhere.
"""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from knox.models import AuthToken

from eventstore.admin.strict_list import StrictListAdmin
from recruitment.models import ApiToken, Scope
from recruitment.sign_in_forms import SetPasswordForm
from recruitment.tokens import UnusableExpiry, check_expiry, issue


class IssueForm(forms.Form):
    user = forms.ModelChoiceField(
        User.objects.none(), empty_label="Choose a user", help_text="Whose permissions it has."
    )
    scopes = forms.MultipleChoiceField(
        choices=[
            (Scope.READ.value, "read: candidates, their history, statistics"),
            (Scope.COMMAND.value, "command: add candidates and decide"),
            (Scope.FEED.value, "feed: follow the log"),
        ],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Without any it may do all that its user may.",
    )
    expires = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=f"In {settings.TIME_ZONE}. Without it, it is good until it is revoked.",
    )

    def __init__(self, issuer: User, *args: Any, **kwargs: Any) -> None:
        """Only superusers issue tokens of superusers: nobody gets more rights than they have."""
        super().__init__(*args, **kwargs)
        users = User.objects.filter(is_active=True).order_by("username")
        if not issuer.is_superuser:
            users = users.filter(is_superuser=False)
        self.fields["user"].queryset = users  # type: ignore[attr-defined]

    def clean_expires(self) -> Any:
        try:
            check_expiry(self.cleaned_data["expires"])
        except UnusableExpiry as error:
            raise ValidationError(str(error)) from None
        return self.cleaned_data["expires"]


@admin.display(description="good for")
def good_for(token: ApiToken) -> str:
    scopes = getattr(token, "scopes", None)
    return "everything" if scopes is None else ", ".join(sorted(scopes.granted))


@admin.display(description="expires")
def expires(token: ApiToken) -> str:
    if token.expiry is None:
        return "never"
    shown = localize(localtime(token.expiry))
    return f"expired {shown}" if token.expiry <= timezone.now() else str(shown)


@admin.display(description="last used")
def last_used(token: ApiToken) -> str:
    use = getattr(token, "use", None)
    return "never" if use is None else str(localize(localtime(use.used_at)))


# Knox's page puts the token into a message, and with it into the session.
admin.site.unregister([AuthToken, User, Group])


@admin.register(User)
class StrictUserAdmin(StrictListAdmin, UserAdmin):  # type: ignore[type-arg]
    """Django's, whose page for a new password offers to revoke tokens."""

    change_password_form = SetPasswordForm


@admin.register(Group)
class StrictGroupAdmin(StrictListAdmin, GroupAdmin):
    """Django's."""


@admin.register(ApiToken)
class ApiTokenAdmin(StrictListAdmin):
    list_display = ("beginning", "user", good_for, "created", last_used, expires, "revoke")
    list_display_links = None
    list_select_related = ("user", "scopes", "use")
    list_per_page = 50
    ordering = ("-created",)
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        names = {
            f"{self.opts.app_label}_apitoken_{page}" for page in ("changelist", "add", "delete")
        }
        return [url for url in super().get_urls() if url.name in names]

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if self.has_delete_permission(request) else shown[:-1]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "API tokens", **(extra_context or {})})

    @admin.display(description="begins with")
    def beginning(self, token: ApiToken) -> str:
        return token.beginning

    @admin.display(description="revoke")
    def revoke(self, token: ApiToken) -> SafeString:
        url = reverse("admin:recruitment_apitoken_delete", args=[token.pk])
        return format_html('<a href="{}" aria-label="Revoke {}">Revoke</a>', url, token)

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        assert isinstance(request.user, User)
        form = IssueForm(request.user, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._page(request, "issue_token", title="Issue API token", form=form)
        given = form.cleaned_data
        with transaction.atomic():
            issued, token = issue(
                given["user"],
                scopes=[Scope(name) for name in given["scopes"]],
                expires=given["expires"],
            )
            self.log_addition(request, issued, [{"added": {}}])
        return self._page(
            request, "token_issued", title="API token issued", issued=issued, token=token
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if not self.has_delete_permission(request):
            raise PermissionDenied
        found = self._named(object_id)
        if found is None:
            messages.warning(request, "There is no such token: it expired, or it was revoked.")
        elif request.method != "POST":
            return self._page(request, "revoke_token", title="Revoke API token", issued=found)
        else:
            with transaction.atomic():
                self.log_deletions(request, ApiToken.objects.filter(pk=found.pk))
                found.delete()
            messages.success(request, f"The token {found} is revoked.")
        return redirect("admin:recruitment_apitoken_changelist")

    def _named(self, digest: str) -> ApiToken | None:
        # A database may choke on other characters.
        named: QuerySet[ApiToken] = ApiToken.objects.filter(digest=digest)
        return named.select_related("user", "scopes", "use").first() if digest.isalnum() else None

    def _page(
        self, request: HttpRequest, template: str, *, issued: ApiToken | None = None, **context: Any
    ) -> TemplateResponse:
        facts = {one.__name__: one(issued) for one in (good_for, last_used, expires) if issued}
        return TemplateResponse(
            request,
            f"recruitment/{template}.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "issued": issued,
                **facts,
                **context,
            },
        )
