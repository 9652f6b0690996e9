"""Tables of a warehouse, as an operator handles them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.app import assemble, assembly, extracts
from gateway.model.errors import GuardError
from gateway.model.event import EventKind, PatientEvent, Person, RawMessage, Reading, Told
from gateway.model.party import Demographics, Identifier
from gateway.pipeline.extracting import Guards, RowBook
from gateway.ports import ExtractMode, ExtractState, Row, Rows, SystemClock
from gateway.rowjson import told
from gateway.settings import load


def _ignored(message: RawMessage) -> Reading:
    key = b"%d\x00%b" % (message.received, message.body)
    return Reading(type="audience", control_id=str(message.received), body_key=key, ignored="nothing of ours")


@pytest.fixture
def stopped(site, feed, write):
    """A site whose table had one row, and then none."""
    site("load", write(feed.registered()))
    gateway = assemble(load(Path("caregate.yaml"), environ={}), clock=SystemClock())
    try:
        (source,) = gateway.site.sources.values()
        gateway.receiver._readers = lambda _rules: {source.name: _ignored}
        book = RowBook(gateway.store, source, gateway.receiver, _ignored, Guards())
        begun = book.begin(ExtractMode.SNAPSHOT)
        book.finish(book.take(begun, [Row(key="1", body=told("1", {"a": 1}))], "1"))
        with pytest.raises(GuardError):
            book.finish(book.begin(ExtractMode.SNAPSHOT))
    finally:
        gateway.close()
    site.source = source.name
    return site


def test_a_table_that_was_not_believed_goes_on_when_a_person_says_so(stopped):
    """SN-03: the keys are a promise to programs; status and worklist name it."""
    (line,) = stopped("tables", "status", "--json").lines
    assert list(line) == [
        "source",
        "state",
        "mode",
        "baseline",
        "counts",
        "rows",
        "started",
        "ended",
        "why",
        "changed",
        "nobodys",
    ]
    assert (line["state"], line["rows"]) == ("stopped", {"ignored": 1})
    assert "far fewer rows" in line["why"]
    assert "far fewer rows" in stopped("tables", "status").out
    assert "a table says of many people at once was not believed" in stopped("status").out
    assert f"caregate tables believe {stopped.source}" in stopped("worklist").out
    assert stopped("tables", "believe", stopped.source).code == 2  # without a reason
    ran = stopped("tables", "believe", stopped.source, "--reason", "the audience is over")
    assert ran.out.startswith(f"{stopped.source} goes on, though the table has far fewer rows")
    assert stopped("tables", "believe", stopped.source, "--reason", "again").code == 2
    assert stopped("tables", "give-up", stopped.source, "--reason", "enough").code == 0
    assert stopped("tables", "give-up", stopped.source, "--reason", "enough").code == 2


class _Table:
    """A source of rows that has two, and one once it was told to lose the other."""

    rows = ("1", "2")
    mode = ExtractMode.SNAPSHOT

    def __init__(self, name: str) -> None:
        self.name = name

    def extract_into(self, rows: Rows, _shape: object) -> None:
        """As the port says."""
        self._into = rows

    def pull(self, progress: Callable[[ExtractState], None], *, baseline: bool | None = None) -> ExtractState:
        """As the port says."""
        begun = self._into.open() or self._into.begin(self.mode, baseline=baseline)
        taken = self._into.take(begun, [Row(key=one, body=told(one, {"a": 1})) for one in self.rows], "end")
        progress(taken)
        return self._into.finish(taken)

    async def start(self, intake: object) -> None:
        """Never."""

    async def stop(self) -> None:
        """Nothing to stop."""


@pytest.fixture
def table(site, feed, write, monkeypatch):
    """A site whose source brings rows."""
    site("load", write(feed.registered()))
    monkeypatch.setattr(extracts, "made", lambda section, _clock: _Table(section.name))
    monkeypatch.setattr(extracts, "shape_of", lambda _gateway, _name: None)
    monkeypatch.setattr(assembly, "readers_of", lambda _pack, feeds, _facts: dict.fromkeys(feeds, _ignored))
    (site.source,) = load(Path("caregate.yaml"), environ={}).sources
    return site


def test_a_table_is_read_once_when_asked(table, monkeypatch):
    """SN-21: the first time is the baseline; a dry run writes nothing; an empty table is not believed, exit code 1."""
    dry = table("tables", "pull", table.source, "--dry-run")
    assert dry.out == f"{table.source}: 0 known, 2 ignored, 2 rows, 2 entered (would come of it)\n"
    assert table("tables", "status").err == "no table was read yet\n"
    first = table("tables", "pull", table.source)
    assert first.out == f"{table.source}: 0 known, 2 ignored, 2 rows, 2 entered (baseline)\n"
    assert first.err.startswith(f"{table.source}: 2 rows\n")
    (line,) = table("tables", "pull", table.source, "--json").lines
    assert line["counts"] == {"known": 2, "before": 2, "ignored": 2, "rows": 2}
    monkeypatch.setattr(_Table, "rows", ())
    ran = table("tables", "pull", table.source)
    assert (ran.code, ran.out) == (1, "")
    assert "far fewer rows" in ran.err


def test_a_table_whose_mapping_changed_is_said_so_and_read_again(table, monkeypatch):
    """Rows that say nothing new are taken as of the mapping in force; a dry run tells how many that are."""
    table("tables", "pull", table.source)
    assert "--again" not in table("tables", "status").out
    for module in ("gateway.pipeline.inspect.extracts", "gateway.app.extracts"):
        monkeypatch.setattr(f"{module}.meaning_of", lambda _reader: "another")
    advice = f"{table.source}: its mapping, or what the rules ask of it, changed since its rows were taken"
    assert advice in table("tables", "status").out
    assert table("tables", "status", "--json").lines[0]["changed"]
    assert "2 unchanged" not in table("tables", "pull", table.source, "--again", "--dry-run").out
    assert advice in table("tables", "status").out
    assert "2 ignored" in table("tables", "pull", table.source, "--again").out
    assert advice not in table("tables", "status").out


def test_rows_of_nobody_known_that_changes_never_bring_again_are_told(table, monkeypatch):
    """SN-05: a person says when all is read again, for nothing tells a warehouse whom we got to know."""

    def nobody(message):
        event = PatientEvent(
            kind=EventKind.PATIENT_UPDATED,
            identifiers=(Identifier("LAKESIDE", "MR", "1"),),
            person=Person(b"", b"", lambda: Told(Demographics(), {})),
            occurred=1,
            recorded=1,
            production=True,
            existing=True,
        )
        return Reading(type="audience", control_id="1", body_key=message.body, events=(event,))

    monkeypatch.setattr(assembly, "readers_of", lambda _pack, feeds, _facts: dict.fromkeys(feeds, nobody))
    monkeypatch.setattr(_Table, "mode", ExtractMode.CHANGES)
    table("tables", "pull", table.source)
    assert f"{table.source}: 2 rows are about nobody we knew" in table("tables", "status").out


def test_only_sources_of_rows_can_be_pulled(stopped):
    """The error names the kind it is of, or the sources there are."""
    assert "brings no rows of a table" in stopped("tables", "pull", stopped.source).err
    assert "there is no source nobody" in stopped("tables", "pull", "nobody").err
    assert "there is no source nobody" in stopped("tables", "believe", "nobody", "--reason", "x").err


def test_a_site_without_tables_says_so(site):
    """Nothing was read yet."""
    assert site("tables", "status").err == "no table was read yet\n"
