"""The admin's site: a form sent after its session ended is kept on the page that asks to log in.

Nothing that was typed is stored. It travels as hidden fields: to the login form, and behind it to
a page that sends the form once more when the user says so.
"""

from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import is_same_domain, url_has_allowed_host_and_scheme
from django.views.csrf import csrf_failure as plain_csrf_failure

from recruitment.sign_in_forms import PasswordChangeForm, SignInForm

View = TypeVar("View", bound=Callable[..., HttpResponseBase])
Response = TypeVar("Response", bound=HttpResponseBase)
KEPT = "kept"
"""The field of the login form that holds the other form, percent-encoded."""


class RecruitmentSite(admin.AdminSite):
    site_header = site_title = "Recruitment"
    index_title = "Overview"
    site_url = None
    # Its few links are on the overview; the lists need the width.
    enable_nav_sidebar = False
    login_form = SignInForm

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Guards a view as Django does, but answers a form of nobody with a login form."""
        guarded = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == "POST" and not self.has_permission(request):
                kept = _kept(request)
                if kept and request.path != reverse("admin:logout"):
                    return self.log_in_first(request, kept, request.get_full_path())
            return guarded(request, *args, **kwargs)

        return cast(View, update_wrapper(inner, guarded))

    def login(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> HttpResponse:
        kept = request.POST.get(KEPT, "")
        response = super().login(request, {**(extra_context or {}), KEPT: kept})
        if kept and isinstance(response, HttpResponseRedirect):
            return self.send_again(request, response.url, QueryDict(kept), status=200)
        return _too_many_where_refused(response)

    def password_change(
        self, request: HttpRequest, extra_context: Mapping[str, Any] | None = None
    ) -> TemplateResponse:
        view = PasswordChange.as_view(
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return _too_many_where_refused(cast(TemplateResponse, view(request)))

    def send_again(
        self, request: HttpRequest, address: str, fields: QueryDict, *, status: int
    ) -> TemplateResponse:
        """A page whose button sends these fields to this address."""
        context = {
            **self.each_context(request),
            "title": "Send it now?",
            "address": address,
            "fields": [(name, value) for name, values in fields.lists() for value in values],
        }
        return TemplateResponse(request, "recruitment/send_again.html", context, status=status)

    def log_in_first(self, request: HttpRequest, kept: str, address: str) -> TemplateResponse:
        """The login form, which keeps a form that goes to this address."""
        context = {
            **self.each_context(request),
            "title": "Log in",
            "form": SignInForm(request),
            "app_path": reverse("admin:login"),
            "username": request.user.get_username(),
            REDIRECT_FIELD_NAME: address,
            KEPT: kept,
        }
        return TemplateResponse(request, "admin/login.html", context)


class PasswordChange(PasswordChangeView):
    """Django's, whose form knows where the request comes from."""

    form_class = PasswordChangeForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"request": self.request, **super().get_form_kwargs()}


def _too_many_where_refused(response: Response) -> Response:
    """Answers 429 where the form says how long its password is not looked at."""
    context = getattr(response, "context_data", None) or {}
    if wait := getattr(context.get("form"), "wait", None):
        response.status_code = 429
        response["Retry-After"] = str(wait)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """CSRF_FAILURE_VIEW: keeps what one of our own pages sent.

    A page's token is no longer good once its reader has logged in anew in another tab. The page
    that asks to log in is no exception: what it keeps is kept on.
    """
    site = cast(RecruitmentSite, admin.site)
    kept, address = _kept(request), request.get_full_path()
    if request.path == reverse("admin:login"):
        kept, address = request.POST.get(KEPT, ""), request.POST.get(REDIRECT_FIELD_NAME, "")
    ours = url_has_allowed_host_and_scheme(address, None) and _sent_by_us(request)
    if not (kept and ours and address.startswith(reverse("admin:index"))):
        return plain_csrf_failure(request, reason=reason)
    if not site.has_permission(request):
        return site.log_in_first(request, kept, address)
    return site.send_again(request, address, QueryDict(kept), status=403)


def _sent_by_us(request: HttpRequest) -> bool:
    """Whether one of our own pages sent this: no other site can state this origin, or referrer."""
    origin = request.headers.get("Origin")
    if origin is None:
        referrer = urlsplit(request.headers.get("Referer", ""))
        origin = f"{referrer.scheme}://{referrer.netloc}"
    return origin == f"{request.scheme}://{request.get_host()}" or _trusted(origin)


def _trusted(origin: str) -> bool:
    """Whether CSRF_TRUSTED_ORIGINS names it: where a proxy does not pass the host on."""
    scheme, _, host = origin.partition("://")
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        trusted_scheme, _, pattern = trusted.partition("://")
        if scheme == trusted_scheme and is_same_domain(host, pattern.removeprefix("*")):
            return True
    return False


def _kept(request: HttpRequest) -> str:
    """The form that was sent, percent-encoded. Empty where it holds a password or a file."""
    if request.FILES or any("password" in name for name in request.POST):
        return ""
    fields = request.POST.copy()
    fields.pop("csrfmiddlewaretoken", None)
    return fields.urlencode()
