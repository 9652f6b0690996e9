"""Pages for staff who get no shell: the same functions as the command line, no script, nothing from elsewhere."""

from gateway.api.staff.application import PREFIX, application

__all__ = ["PREFIX", "application"]
