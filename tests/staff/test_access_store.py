"""Keys, sessions, repeated writes and lists on both databases, and on two processes at once."""

from __future__ import annotations

import threading

import pytest

from gateway.model.access import Caller, Refusal, Role
from gateway.model.errors import CommandError
from gateway.model.when import DAY, MINUTE
from gateway.pipeline import inspect
from gateway.pipeline.inspect import heard, suppression
from gateway.pipeline.retention import purge_sessions


def test_a_key_opens_until_it_ends(store, clock):
    """Regulation 19: by its secret alone, on either database."""
    key, secret = inspect.access_add(store, name="desk", roles=["operator"], lasts=DAY, account="os:test")
    found = inspect.access_find(store, secret)
    assert isinstance(found, Caller)
    assert (found.roles, found.account) == ({Role.OPERATOR}, f"key:desk#{key.id}")
    assert inspect.access_find(store, secret + "x") is Refusal.KEY_UNKNOWN
    clock.set(clock.now() + DAY)
    assert inspect.access_find(store, secret) is Refusal.KEY_EXPIRED
    inspect.access_revoke(store, "desk", reason="left", account="os:test")
    assert inspect.access_find(store, secret) is Refusal.KEY_REVOKED
    assert inspect.access_list(store)[0].revoked == clock.now()


def test_a_role_that_is_no_longer_known_gives_nothing(store):
    """A word in the database that this version does not know is no right (law 6)."""
    from gateway.store import tables

    key, secret = inspect.access_add(store, name="desk", roles=["operator"], lasts=None, account="os:test")
    with store.begin("test") as uow:
        uow.update(tables.api_key, ("id",), ("roles",), [("super,root", key.id)])
        uow.audit([("test", key.id)])
        uow.commit()
    found = inspect.access_find(store, secret)
    assert isinstance(found, Caller)
    assert found.roles == frozenset()


def test_a_session_is_seen_by_every_process_and_ends_on_all(open_store, clock):
    """It is in the database: whichever server a browser reaches."""
    one, two = open_store("one"), open_store("two")
    _, secret = inspect.access_add(one, name="desk", roles=["operator"], lasts=None, account="os:test")
    caller = inspect.access_find(one, secret)
    assert isinstance(caller, Caller)
    token = inspect.session_begin(one, caller)
    for _ in range(3):
        clock.set(clock.now() + 10 * MINUTE)
        assert inspect.session_find(two, token) is not None
    session = inspect.session_find(two, token)
    assert session is not None
    inspect.session_end(two, session)
    inspect.session_end(one, session)  # a second time changes nothing
    assert inspect.session_find(one, token) is None
    assert inspect.session_find(one, "x" * 43) is None


def test_of_many_who_say_the_same_at_once_one_does_it(open_store):
    """A unique key decides, not a look before."""
    stores = [open_store(f"p{number}") for number in range(4)]
    found = []

    def say(store):
        found.append(inspect.once_begin(store, "key:a#1", "k", b"the same"))

    threads = [threading.Thread(target=say, args=(store,)) for store in stores]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    firsts = [one for one in found if isinstance(one, bytes)]
    others = [one for one in found if isinstance(one, inspect.Said)]
    assert len(firsts) == 1
    assert [(one.same, one.status) for one in others] == [(True, None)] * 3
    inspect.once_end(stores[0], firsts[0], 201, "{}")
    again = inspect.once_begin(stores[1], "key:a#1", "k", b"the same")
    assert again == inspect.Said(True, 201, "{}")
    assert inspect.once_begin(stores[1], "key:a#1", "k", b"another") == inspect.Said(False, 201, "{}")
    assert isinstance(inspect.once_begin(stores[1], "key:b#2", "k", b"the same"), bytes)


def test_what_was_said_is_kept_for_a_day_and_a_key_that_did_nothing_is_free(store, clock):
    """Old rows go with the next write."""
    from sqlalchemy import func, select

    from gateway.store import tables
    from gateway.store.statement import Statement

    first = inspect.once_begin(store, "a", "k", b"x")
    assert isinstance(first, bytes)
    inspect.once_forget(store, first)
    assert inspect.once_begin(store, "a", "k", b"y") == first
    clock.set(clock.now() + DAY)
    assert inspect.once_begin(store, "a", "k2", b"x") != first
    with store.read() as unit:
        assert unit.all(Statement("test.once", select(func.count()).select_from(tables.said_once))) == [(1,)]


def test_the_lists_are_asked_for_by_key_on_both_databases(store):
    """From behind a row, so many; nothing there is nothing told."""
    with store.read() as unit:
        assert unit.all(suppression.LISTED, (0, 10)) == []
        assert unit.all(heard.OPEN, (0, 10)) == []


@pytest.mark.parametrize(
    ("name", "roles"), [("", ["auditor"]), ("a b", ["auditor"]), ("a", []), ("a", ["root"]), ("x" * 65, ["auditor"])]
)
def test_a_key_needs_a_name_and_a_role_that_exist(store, name, roles):
    """Nothing is made by default."""
    with pytest.raises(CommandError):
        inspect.access_add(store, name=name, roles=roles, lasts=None, account="os:test")


def test_a_session_is_forgotten_a_month_after_it_began(open_store, clock):
    """What grows for good is evidence: the audit rows of it stay."""
    store = open_store("one")
    _, secret = inspect.access_add(store, name="desk", roles=["operator"], lasts=None, account="os:test")
    caller = inspect.access_find(store, secret)
    assert isinstance(caller, Caller)
    inspect.session_begin(store, caller)
    clock.set(clock.now() + 30 * DAY)
    assert purge_sessions(store) == 0
    clock.set(clock.now() + 1)
    assert (purge_sessions(store), purge_sessions(store)) == (1, 0)
