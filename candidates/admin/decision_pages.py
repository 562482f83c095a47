"""The page on which decisions are confirmed, and the one that reports them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from uuid import UUID, uuid4

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
from candidates.wiring import require_writable
from eventstore.domain.exceptions import KeyNotAdopted, ReadOnly

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
    if request.method == "POST":
        return _posted(request, kind, model_admin)
    if refusal := _why_not_writable():
        messages.error(request, refusal)
        return redirect("admin:candidates_candidateprojection_changelist")
    if not request.GET.getlist("candidate"):
        # Where a reload of the report leads to.
        messages.warning(request, "Nothing was decided now: choose the candidates again.")
        return redirect("admin:candidates_candidateprojection_changelist")
    candidates, looked_at = _named(request)
    return confirmation(request, kind, candidates, looked_at=looked_at, model_admin=model_admin)


def _why_not_writable() -> str:
    """Empty where commands are taken."""
    try:
        require_writable()
    except (KeyNotAdopted, ReadOnly) as error:
        return str(error)
    return ""


def _posted(request: HttpRequest, kind: str, model_admin: "Admin") -> HttpResponse:
    """Carries the decision out, or shows the form again with all that was typed into it."""
    fields = request.POST.copy()
    form, seen, shown = FORMS[kind](fields), _ticked(request), _shown(request)
    if refusal := _why_not_writable():
        form.add_error(None, refusal)
    elif not seen:
        form.add_error(None, "Tick at least one candidate.")
    if form.is_valid():
        return _carried_out(request, form, seen, model_admin)
    if form.has_error("token"):
        fields["token"] = str(uuid4())
    looked_at = {one.candidate_id: one.version for one in shown}
    left_out = looked_at.keys() - {one.candidate_id for one in seen}
    return confirmation(
        request,
        kind,
        shown_now(looked_at),
        looked_at=looked_at,
        notices=dict.fromkeys(left_out, "It was not ticked."),
        form=form,
        model_admin=model_admin,
    )


def _carried_out(
    request: HttpRequest, form: DecisionForm, seen: Sequence[Seen], model_admin: "Admin"
) -> TemplateResponse:
    """The report, with a form that has what was typed for those who may be decided on anew."""
    user, request_id = cast(User, request.user), getattr(request, "request_id", None)
    extra = {"request_id": request_id} if request_id else {}
    outcomes = carry_out(user, form, seen, extra=extra)
    refused = {one.seen.candidate_id: one for one in outcomes if one.result is None}
    again = proposals(
        user,
        type(form),
        [one.candidate for one in refused.values() if one.candidate],
        notices={id: one.refusal for id, one in refused.items()},
    )
    typed = {name: form.data.get(name) for name in form.fields if name != "token"}
    return _page(
        request,
        form.kind,
        "decided",
        model_admin,
        outcomes=outcomes,
        done=len(outcomes) - len(refused),
        refused=len(refused),
        form=type(form)(initial=typed),
        proposals=[one for one in again if not one.objection],
        chosen=0,
        note=typed.get("note") if refused else "",
    )


def confirmation(
    request: HttpRequest,
    kind: str,
    candidates: Sequence[CandidateProjection],
    *,
    model_admin: "Admin",
    looked_at: Mapping[UUID, int] | None = None,
    notices: Mapping[UUID, str] | None = None,
    form: DecisionForm | None = None,
) -> TemplateResponse:
    """The form, and every candidate at the version that a confirmation will rest on.

    `looked_at` and `notices` are those of `proposals`.
    """
    user = cast(User, request.user)
    listed = proposals(user, FORMS[kind], candidates, looked_at=looked_at, notices=notices)
    missing = (looked_at or {}).keys() - {candidate.pk for candidate in candidates}
    return _page(
        request,
        kind,
        "decide",
        model_admin,
        form=form or FORMS[kind](),
        proposals=listed,
        chosen=sum(not one.notice for one in listed),
        missing=sorted(missing),
    )


def versions_seen(texts: Iterable[str]) -> dict[UUID, int]:
    """Candidate -> the version that a page showed of it. Raises BadRequest."""
    return {seen.candidate_id: seen.version for seen in map(Seen.parse, texts)}


def _named(request: HttpRequest) -> tuple[Sequence[CandidateProjection], Mapping[UUID, int]]:
    """The candidates that the address names, and the versions it names them at, where it does."""
    named = _bounded(request.GET.getlist("candidate"))
    versions = versions_seen([text for text in named if ":" in text])
    try:
        ids = {UUID(text) for text in named if ":" not in text} | versions.keys()
    except ValueError:
        raise BadRequest("A candidate's id is a UUID.") from None
    candidates = shown_now(ids)
    if len(candidates) < len(ids):
        raise Http404("There is no such candidate.")
    return candidates, versions


def _ticked(request: HttpRequest) -> Sequence[Seen]:
    return [Seen.parse(text) for text in dict.fromkeys(request.POST.getlist("seen"))]


def _shown(request: HttpRequest) -> Sequence[Seen]:
    """All candidates of the form, ticked or not.

    They stand in one field: Django reads no form of more than a thousand.
    """
    given = [*request.POST.get("shown", "").split(), *request.POST.getlist("seen")]
    return [Seen.parse(text) for text in _bounded(given)]


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
