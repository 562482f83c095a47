"""A profile as people read it. Whatever it holds, it is text here, and escaped."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_is_web_address = URLValidator(schemes=["http", "https"])


def shown(value: Any) -> SafeString:
    """Any JSON value: an object as names and values, a list as a list, a web address as a link."""
    match value:
        case None:
            return format_html('<span class="quiet">{}</span>', "none")
        case str() | Mapping() | list() | tuple() if not value:
            return format_html('<span class="quiet">{}</span>', "empty")
        case str():
            return _link(value) or format_html('<bdi class="typed">{}</bdi>', value)
        case Mapping():
            items = ((key, shown(item)) for key, item in value.items())
            pairs = format_html_join("", "<div><dt>{}</dt><dd>{}</dd></div>", items)
            return format_html('<dl class="profile">{}</dl>', pairs)
        case list() | tuple():
            items_of_list = format_html_join("", "<li>{}</li>", ((shown(item),) for item in value))
            return format_html('<ul class="profile">{}</ul>', items_of_list)
        case _:
            return format_html("{}", json.dumps(value))


def _link(text: str) -> SafeString | None:
    try:
        _is_web_address(text)
    except ValidationError:
        return None
    return format_html('<a href="{}" rel="noopener noreferrer nofollow">{}</a>', text, text)
