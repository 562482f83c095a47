"""The page on which decisions are confirmed, and the one that reports them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from candidates.admin.decision_forms import FORMS, DecisionForm, Seen
from candidates.admin.decisions import carry_out, proposals, shown_now
from candidates.application.commands import DECIDE
from candidates.models import CandidateProjection
from eventstore.domain.exceptions import ReadOnly

MOST_AT_ONCE = 500

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Admin: TypeAlias = ModelAdmin[CandidateProjection]


def decide(request: HttpRequest, kind: str, *, model_admin: "Admin") -> HttpResponse:
    """GET asks for confirmation, POST carries out. Needs `decide` for both."""
    if kind not in FORMS:
        raise Http404(f"There is no decision named {kind}.")
    if not (model_admin.has_view_permission(request) and request.user.has_perm(DECIDE)):
        raise PermissionDenied
    if settings.READ_ONLY:
        messages.error(request, str(ReadOnly()))
        return redirect("admin:candidates_candidateprojection_changelist")
    if request.method != "POST" and not request.GET.getlist("candidate"):
        # Where a login that ended in between leads back to, and a reload of the report.
        messages.warning(request, "Nothing was decided now: choose the candidates again.")
        return redirect("admin:candidates_candidateprojection_changelist")
    if request.method != "POST":
        return confirmation(request, kind, _named(request), model_admin=model_admin)
    form, seen = FORMS[kind](request.POST), _seen(request)
    if form.is_valid():
        request_id = getattr(request, "request_id", None)
        extra = {"request_id": request_id} if request_id else {}
        outcomes = carry_out(cast(User, request.user), form, seen, extra=extra)
        done = sum(outcome.result is not None for outcome in outcomes)
        refused = len(outcomes) - done
        counts = {"done": done, "refused": refused}
        return _page(request, kind, "decided", model_admin, outcomes=outcomes, **counts)
    candidates = shown_now(one.candidate_id for one in seen)
    return confirmation(request, kind, candidates, form=form, model_admin=model_admin)


def confirmation(
    request: HttpRequest,
    kind: str,
    candidates: Sequence[CandidateProjection],
    *,
    model_admin: "Admin",
    form: DecisionForm | None = None,
) -> TemplateResponse:
    """The form, and every candidate at the version that a confirmation will rest on."""
    listed = proposals(cast(User, request.user), FORMS[kind], candidates)
    return _page(request, kind, "decide", model_admin, form=form or FORMS[kind](), proposals=listed)


def _named(request: HttpRequest) -> Sequence[CandidateProjection]:
    """The candidates that the address names."""
    try:
        ids = {UUID(id) for id in _bounded(request.GET.getlist("candidate"))}
    except ValueError:
        raise BadRequest("A candidate's id is a UUID.") from None
    candidates = shown_now(ids)
    if len(candidates) < len(ids):
        raise Http404("There is no such candidate.")
    return candidates


def _seen(request: HttpRequest) -> Sequence[Seen]:
    return [Seen.parse(text) for text in _bounded(request.POST.getlist("seen"))]


def _bounded(given: list[str]) -> list[str]:
    distinct = list(dict.fromkeys(given))
    if not 1 <= len(distinct) <= MOST_AT_ONCE:
        raise BadRequest(f"A decision is about 1 to {MOST_AT_ONCE} candidates.")
    return distinct


def _page(
    request: HttpRequest, kind: str, template: str, model_admin: "Admin", **context: Any
) -> TemplateResponse:
    filters: dict[str, Any] = {
        "opts": model_admin.opts,
        "preserved_filters": model_admin.get_preserved_filters(request),
    }
    here = reverse("admin:candidates_candidateprojection_decide", args=[kind])
    return TemplateResponse(
        request,
        f"candidates/{template}.html",
        {
            **model_admin.admin_site.each_context(request),
            **filters,
            **context,
            "title": FORMS[kind].verb,
            "media": model_admin.media,
            "here": add_preserved_filters(filters, here),
        },
    )
