"""What a table says of many people at once is not believed until a person says so (SN-03; the issue's point 4)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from extract_site import Audience, members, row

from gateway.model.alert import AlertKind
from gateway.model.errors import CommandError, GuardError
from gateway.pipeline import conditions, inspect
from gateway.pipeline.extracting import Guards, TrialBook
from gateway.pipeline.extracting.guards import EXITS, GROWN, SHARED, SHRUNK
from gateway.pipeline.inspect.extracts import waiting
from gateway.ports import ExtractMode
from gateway.store import tables
from gateway.store.engine import Store

FORTY = [f"P{number}" for number in range(40)]


@pytest.fixture
def audience(store: Store, tmp_path: Path) -> Audience:
    """Forty patients in an audience, as of the last extract."""
    made = Audience(store, tmp_path / "rules")
    made.knows(*FORTY)
    made.pulls(members(*FORTY), chunk=100, baseline=False)
    return made


def _site(audience: Audience) -> inspect.parts.Inspectable:  # type: ignore[name-defined]
    return SimpleNamespace(store=audience.store, site=audience.site, readers={})  # type: ignore[return-value]


def _refused(audience: Audience, *mrns: str, **more: object) -> str:
    with pytest.raises(GuardError) as refused:
        audience.pulls(members(*mrns, **more), chunk=100)
    return refused.value.guard


def test_a_half_loaded_table_is_no_mass_exit(audience: Audience) -> None:
    """SN-03: nobody leaves; staff are told, and it goes on when a person says that it is right."""
    assert _refused(audience, *FORTY[:15]) == SHRUNK
    assert audience.requests() == {"active": 40}
    assert _refused(audience, *FORTY) == SHRUNK  # it waits, whatever the table says now
    with audience.store.read() as unit:
        assert [(one.kind, one.source) for one in conditions.found(unit, audience.site)] == [
            (AlertKind.EXTRACT_STOPPED, "cdp")
        ]
        (line,) = waiting(unit, audience.site.sources)
    assert (line.source, line.state) == ("cdp", "stopped")
    assert "far fewer rows" in line.why
    inspect.tables_believe(_site(audience), "cdp", reason="it shrank", account="os:test")
    assert _refused(audience, *FORTY[:15]) == EXITS  # the one thing said yes to is not the other
    inspect.tables_believe(_site(audience), "cdp", reason="they left", account="os:test")
    done = audience.pulls(members(*FORTY[:15]), chunk=100)
    assert (done.counts["left"], audience.requests()) == (25, {"active": 15, "revoked cancelled": 25})
    with audience.store.read() as unit:
        assert conditions.found(unit, audience.site) == []
    with pytest.raises(CommandError):
        inspect.tables_believe(_site(audience), "cdp", reason="again", account="os:test")


def test_an_empty_table_is_never_believed_by_itself(audience: Audience) -> None:
    """SN-03: a table that was dropped and made anew, before it is loaded."""
    with pytest.raises(GuardError):
        audience.pulls({})
    inspect.tables_give_up(_site(audience), "cdp", reason="half loaded", account="os:test")
    assert audience.pulls(members(*FORTY), chunk=100).counts["unchanged"] == 40
    assert audience.requests() == {"active": 40}
    with pytest.raises(CommandError):
        inspect.tables_give_up(_site(audience), "cdp", reason="twice", account="os:test")


def test_an_audience_ten_times_its_size_is_stopped_before_it_begins(audience: Audience) -> None:
    """Where the source says how many rows there are, nothing of it is taken; else no more than its bound."""
    with pytest.raises(GuardError) as refused:
        audience.book.begin(ExtractMode.SNAPSHOT, expected=400)
    assert refused.value.guard == GROWN
    with pytest.raises(GuardError):
        audience.book.open()
    with pytest.raises(GuardError):
        audience.book.begin(ExtractMode.SNAPSHOT, expected=40)
    inspect.tables_believe(_site(audience), "cdp", reason="a new campaign", account="os:test")
    going = audience.book.open()
    assert going is not None
    assert (going.cursor, going.baseline) == ("", False)
    audience.book.give_up(going, "a test")
    stored = audience.messages()
    assert _refused(audience, *FORTY, *(f"N{number}" for number in range(360))) == GROWN
    assert audience.messages() - stored <= 300


def test_a_column_that_holds_one_address_for_everyone_is_stopped(audience: Audience) -> None:
    """The issue's point 4: nobody gets the address, and no row is taken."""
    stored = audience.messages()
    assert _refused(audience, *FORTY, email="one@cdp.example") == SHARED
    assert audience.messages() == stored
    with audience.store.read() as unit:
        assert unit.lookup(tables.contact_point, ("id",), "origin", ["audience.email"]) == []
    inspect.tables_believe(_site(audience), "cdp", reason="a test system", account="os:test")
    assert audience.pulls(members(*FORTY, email="one@cdp.example"), chunk=100).counts["taken"] == 40


def test_an_address_is_counted_over_all_of_an_extract_and_after_a_stop(
    audience: Audience, open_store: Callable[..., Store], tmp_path: Path
) -> None:
    """Two people in each chunk: whoever goes on with it, in another process, has not forgotten the others."""
    told = [row(key, one) for key, one in members(*FORTY[:8], email="one@cdp.example").items()]
    state = audience.book.begin(ExtractMode.CHANGES)
    for at in (0, 2):
        state = audience.book.take(state, told[at : at + 2], str(at))
    other = Audience(open_store(), tmp_path / "rules")
    with pytest.raises(GuardError) as refused:
        other.book.take(state, told[4:6], "4")
    assert refused.value.guard == SHARED
    with audience.store.read() as unit:
        assert len(unit.lookup(tables.contact_point, ("id",), "origin", ["audience.email"])) == 4


def test_an_address_that_was_believed_is_no_news_afterwards(audience: Audience) -> None:
    """Only who gets an address is counted against it, with those who have it."""
    assert _refused(audience, *FORTY, email="one@cdp.example") == SHARED
    inspect.tables_believe(_site(audience), "cdp", reason="a care home", account="os:test")
    audience.pulls(members(*FORTY, email="one@cdp.example"), chunk=100)
    assert audience.pulls(members(*FORTY, email="one@cdp.example", note="x"), chunk=100).counts["taken"] == 40
    moved = {**members(*FORTY[1:], email="one@cdp.example", note="x"), **members(FORTY[0], email="two@cdp.example")}
    assert audience.pulls(moved, chunk=100).counts["taken"] == 1


def test_a_household_may_share_an_address(audience: Audience) -> None:
    """Five people, and the same person in as many audiences as there are."""
    told = {f"{key}{n}": one for n in range(9) for key, one in members(*FORTY[:5], email="home@cdp.example").items()}
    rest = members(*FORTY)
    assert audience.pulls({**rest, **told}, chunk=100).counts["taken"] == 45


def test_a_status_that_turns_for_nearly_everyone_is_a_mass_exit_too(audience: Audience) -> None:
    """SN-03: Segment tells an exit in a column; it counts as one that is missing."""
    before = audience.requests()
    turned = {**members(*FORTY[:20]), **members(*FORTY[20:], status="left")}
    with pytest.raises(GuardError) as refused:
        audience.pulls(turned, chunk=100, mode=ExtractMode.CHANGES)
    assert (refused.value.guard, audience.requests()) == (EXITS, before)


def test_a_few_rows_more_or_less_are_no_accident(store: Store, tmp_path: Path) -> None:
    """Of three people two may leave."""
    audience = Audience(store, tmp_path / "rules")
    audience.knows("A", "B", "C")
    audience.pulls(members("A", "B", "C"))
    assert audience.pulls(members("A")).counts["left"] == 2


def test_a_source_may_have_bounds_of_its_own(store: Store, tmp_path: Path) -> None:
    """`guard:` of its section."""
    audience = Audience(store, tmp_path / "rules", Guards(shrink=0.9, exits=1, shared=50))
    audience.knows(*FORTY)
    audience.pulls(members(*FORTY, email="x@cdp.example"), chunk=100)
    assert _refused(audience, *FORTY[:18]) == SHRUNK


def test_how_tables_stand_is_told_in_counts(audience: Audience) -> None:
    """`caregate tables status`."""
    (line,) = inspect.tables_status(_site(audience))
    assert (line.state, line.mode, line.rows, line.counts["taken"]) == ("finished", "snapshot", {"taken": 40}, 40)


def test_a_dry_run_counts_and_writes_nothing(audience: Audience) -> None:
    """Who would enter, leave and stay; the guards speak as they would."""
    book = TrialBook(audience.store, audience.entry, audience.read, Guards())
    assert (book.cursor(), book.open()) == ("40", None)
    begun = book.begin(ExtractMode.SNAPSHOT, expected=39)
    told = [row(key, one) for key, one in {**members(*FORTY[:38]), **members("X")}.items()]
    state = book.finish(book.take(begun, told, "1"))
    book.give_up(state, "a test")
    assert (state.counts["unchanged"], state.counts["no-patient"], state.counts["left"]) == (38, 1, 2)
    assert (audience.rows(), audience.book.open()) == (40, None)
    with pytest.raises(GuardError):
        book.begin(ExtractMode.SNAPSHOT, expected=4000)
    empty = TrialBook(audience.store, audience.entry, audience.read, Guards())
    with pytest.raises(GuardError):
        empty.finish(empty.begin(ExtractMode.SNAPSHOT))
    changes = book.begin(ExtractMode.CHANGES)
    assert book.finish(changes) == changes


def test_a_dry_run_sees_a_column_that_holds_one_value_for_everyone(audience: Audience) -> None:
    """SN-03: whoever looks before they leap hears what the extract itself would be stopped for."""
    book = TrialBook(audience.store, audience.entry, audience.read, Guards())
    begun = book.begin(ExtractMode.CHANGES)
    apart = {f"{one}|a": {"mrn": one, "status": "in", "email": f"{one}@cdp.example"} for one in FORTY}
    book.take(begun, [row(key, one) for key, one in apart.items()], "1")
    strangers = members(*(f"X{number}" for number in range(9)), email="one@cdp.example")
    book.take(begun, [row(key, one) for key, one in strangers.items()], "2")
    same = members(*FORTY[:6], email="one@cdp.example")
    with pytest.raises(GuardError) as refused:
        book.take(begun, [row(key, one) for key, one in same.items()], "3")
    assert refused.value.guard == SHARED
