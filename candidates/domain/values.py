"""What a candidate's values must be, whatever its status is."""

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

from eventstore.domain.content import check_content
from eventstore.domain.exceptions import InvalidValue

PROFILE_BYTES = 64 * 1024
"""Of the profile as UTF-8 JSON."""
PROFILE_DEPTH = 20
TEXT_LENGTH = 10_000
"""Characters of a note or a reason in words."""


def checked_score(score: object) -> float:
    """A finite number from 0 to 100. Raises InvalidValue."""
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        raise InvalidValue(pointer="/score", rule="not_a_number", detail="A score is a number.")
    if isinstance(score, float) and not math.isfinite(score):
        raise InvalidValue(
            pointer="/score", rule="not_finite", detail="A score is a finite number."
        )
    if not 0 <= score <= 100:
        raise InvalidValue(
            pointer="/score", rule="out_of_range", detail="A score is between 0 and 100."
        )
    return float(score)


def checked_profile(profile: object) -> Mapping[str, Any]:
    """A JSON object, at most 64 KiB and 20 levels. Raises InvalidValue."""
    profile = _checked_object(profile)
    try:
        size = len(json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode())
    except TypeError as error:
        raise InvalidValue(pointer="/profile", rule="not_json", detail=str(error)) from error
    if size > PROFILE_BYTES:
        raise InvalidValue(
            pointer="/profile",
            rule="too_large",
            detail=f"{size} bytes of JSON; a profile has at most {PROFILE_BYTES}.",
        )
    return profile


def merged_profile(profile: Mapping[str, Any], changes: object) -> Mapping[str, Any]:
    """The profile after a JSON Merge Patch (RFC 7396), checked. Raises InvalidValue.

    None removes a key, objects are merged key by key, and any other value replaces what was there.
    """
    return checked_profile(_merged(profile, _checked_object(changes)))


def same_json(one: object, other: object) -> bool:
    """Whether both are alike but for the order of keys: 1, 1.0 and true are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def checked_text(text: str, *, field: str, optional: bool = False) -> str:
    """Words that are there unless `optional`, and not too many. Raises InvalidValue."""
    if not optional and not any(map(_shows, text)):
        raise InvalidValue(pointer=f"/{field}", rule="blank", detail="This cannot be blank.")
    if len(text) > TEXT_LENGTH:
        raise InvalidValue(
            pointer=f"/{field}",
            rule="too_long",
            detail=f"{len(text)} characters; at most {TEXT_LENGTH} are kept.",
        )
    return text


def _checked_object(profile: object) -> Mapping[str, Any]:
    if not isinstance(profile, Mapping):
        raise InvalidValue(
            pointer="/profile", rule="not_an_object", detail="A profile is a JSON object."
        )
    try:
        check_content(profile, depth=PROFILE_DEPTH)
    except InvalidValue as error:
        raise error.under("profile") from None
    return profile


def _merged(target: object, patch: object) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = {**target} if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value)
    return merged


def _shows(character: str) -> bool:
    """Neither white space nor what only says how others are shown, as a zero-width space does."""
    return not character.isspace() and unicodedata.category(character) != "Cf"
