"""Parts of a message are given up only while nobody else can be joining them."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

from gateway.pipeline import overdue


def test_parts_of_a_feed_that_is_not_locked_are_not_given_up(monkeypatch):
    """B-07: between the first look and the lock the parts of another feed became late; a gateway may be joining them."""
    looks = [[(1, 10)], [(1, 10), (2, 20)], []]

    def look(_statement, _params):
        return looks.pop(0)

    unit = SimpleNamespace(now=1_000, all=look, lookup=lambda *_args: [(1, "lab")], commit=lambda: None)
    store = SimpleNamespace(read=lambda: nullcontext(unit), begin=lambda _actor: nullcontext(unit))
    given_up: list[list[int]] = []
    monkeypatch.setattr(overdue, "locked", lambda _unit, wanted: dict.fromkeys(wanted, ""))
    monkeypatch.setattr(overdue, "give_up", lambda _unit, parts, _rule: given_up.append(parts))
    assert overdue.give_up_overdue(store, 100) == 1
    assert given_up == [[10]]
