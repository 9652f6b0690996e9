"""What a server's fault means for a batch: not now is tried again, everything else waits for a person, and both say why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.model.errors import Busy, Refused, ServerError, Unavailable


@contextmanager
def told() -> Iterator[None]:
    """Raises Unavailable for Busy, Refused for any other ServerError."""
    try:
        yield
    except Busy as error:
        raise Unavailable(str(error)) from None
    except ServerError as error:
        raise Refused(str(error)) from None
