"""What a FHIR server's refusal says to whoever must decide what follows."""

from __future__ import annotations

import pytest

from gateway.model.errors import Busy, Denied, GuardError, ServerError


def test_who_is_believed_and_may_not_is_told_apart_from_who_is_not_believed() -> None:
    """A 403 is for the server's administrator, a 401 for whoever keeps our key."""
    assert Denied("no scope for it", 403).known
    assert not Denied("no token", 401).known


@pytest.mark.parametrize("after", [None, 7.0])
def test_a_busy_server_says_when_to_come_again_if_it_told(after: float | None) -> None:
    """RFC 9110 10.2.3."""
    busy = Busy("later", after, 429)
    assert (busy.after, busy.status, str(busy)) == (after, 429, "later")
    assert isinstance(busy, ServerError)


def test_a_guard_says_which_it_is() -> None:
    """SN-03: a closed word beside the sentence, for whoever decides whether it is believed."""
    error = GuardError("grown", "ten times its size")
    assert (error.guard, str(error)) == ("grown", "ten times its size")
