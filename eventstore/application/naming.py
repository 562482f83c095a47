"""What topics and groups may be called, so that every broker takes their names."""

import re

LONGEST = 80


def checked_name(name: str) -> str:
    """Raises ValueError, which says what is allowed."""
    if not re.fullmatch("[a-zA-Z0-9_-]+([.][a-zA-Z0-9_-]+)*", name) or len(name) > LONGEST:
        raise ValueError(
            f"{name!r} is no name on a broker: that is up to {LONGEST} letters, digits, - and _, "
            "and single dots between them."
        )
    return name
