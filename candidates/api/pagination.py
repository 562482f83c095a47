from eventstore.api.pagination import StrictCursorPagination


class AddedOrder(StrictCursorPagination):
    """The newest first. The order of adding never changes, so no candidate moves between pages."""

    ordering = "-added_position"
