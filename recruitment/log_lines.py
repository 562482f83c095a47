"""How a line of the log is written: as text or as JSON, and never with a query string.

What somebody searched for stands behind the `?` of an address: a name, mostly. Django, gunicorn and
the development server quote addresses, and so do browsers in `Referer`.
"""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

from structlog.processors import EventRenamer, JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name

from recruitment.request_id import NO_REQUEST

FORMATS = ("text", "json")
OF_REQUESTS = ("method", "path", "status", "duration_ms", "user_id")
"""What the line of a request has besides; see `recruitment.request_log`."""
# A request line may have blanks in its query string, and then is refused and quoted as it is.
_QUERY = re.compile(r"\?(?:.*(?= HTTP/[0-9])|\S+)")
# What gunicorn cannot read it quotes.
_REFUSED = re.compile(r"(Invalid request from ip=\S+: [^'\"]*)['\"].*", re.DOTALL)


def without_queries(text: str) -> str:
    """Cuts off what follows the `?` of each address in the text."""
    return _REFUSED.sub(r"\1…", _QUERY.sub("?…", text))


class TextFormatter(logging.Formatter):
    """The standard library's, without query strings, in tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        return without_queries(super().format(record))


def json_formatter() -> logging.Formatter:
    """One JSON object a line: `time`, `level`, `logger`, `request_id` and `message`.

    `request_id` is null outside of requests. A traceback is the text `exception`.
    """
    return ProcessorFormatter(
        processors=[
            TimeStamper(fmt="iso", utc=True, key="time"),
            add_log_level,
            add_logger_name,
            ExtraAdder(("request_id", *OF_REQUESTS)),
            format_exc_info,
            EventRenamer("message"),
            ProcessorFormatter.remove_processors_meta,
            _cleaned,
            JSONRenderer(),
        ],
    )


def _cleaned(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if line.get("request_id") == NO_REQUEST:
        line["request_id"] = None
    return {
        name: without_queries(value) if isinstance(value, str) else value
        for name, value in line.items()
    }
