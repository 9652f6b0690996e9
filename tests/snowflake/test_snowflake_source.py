"""The source as the gateway runs it: its options, its clock, what passes and what does not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from snowflake_rows import RowsMemory
from snowflake_there import SHAPE, Audience, There

from connectors.snowflake.names import Name, name_of
from connectors.sources.snowflake import SnowflakeSource
from gateway.model.errors import Busy, CommandError, ConfigError
from gateway.ports import Extracts, Remembers, SetClock


class Intake:
    """Counts how often the warehouse was heard."""

    def __init__(self) -> None:
        self.count = 0

    def heard(self, _source: str) -> None:
        self.count += 1


class Notes:
    """Leases of one source, shared by its processes."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self.until = 0
        self.holder: object = None

    def by(self, holder: object) -> Notes:
        """As one process has them."""
        mine = Notes(self._clock)
        mine.hold = lambda name, until: self._hold(holder, until)
        return mine

    def _hold(self, holder: object, until: int) -> bool:
        if self.holder not in (None, holder) and self._clock.now() < self.until:
            return False
        self.holder, self.until = holder, until
        return True


def running(source: SnowflakeSource, until: Callable[[], bool], intake: Intake | None = None) -> None:
    """Start it, wait for something, stop it."""

    async def run() -> None:
        await source.start(intake or Intake())
        end = time.monotonic() + 60
        while not until() and time.monotonic() < end:  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)
        await source.stop()

    asyncio.run(run())
    assert until()


@pytest.fixture
def source(audience: Audience, rows: RowsMemory, clock: SetClock) -> SnowflakeSource:
    """Of the audience, once every ten seconds."""
    found = SnowflakeSource("cdp", audience.there.section(audience.name, every="10s"), clock)
    found.extract_into(rows, SHAPE)
    return found


def test_it_extracts_when_it_starts(source: SnowflakeSource, audience: Audience, rows: RowsMemory):
    """SN-10: and says that the other end lives."""
    assert isinstance(source, Extracts)
    assert isinstance(source, Remembers)
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    intake = Intake()
    running(source, lambda: intake.count == 1, intake)
    assert list(rows.kept) == ['["a","x"]']
    assert not [one for one in threading.enumerate() if one.name == "caregate-snowflake-cdp"]


def test_a_refusal_stops_it_for_good(source: SnowflakeSource, audience: Audience):
    """SN-35: one login, however long it runs."""
    before = len(audience.there.seen()["logins"])
    audience.there.refuse({"where": "login", "code": "394304", "times": 9})
    running(source, lambda: source.counts.get("snowflake.stopped") == 1)
    assert len(audience.there.seen()["logins"]) == before + 1


def test_trouble_is_outlived(
    source: SnowflakeSource, audience: Audience, rows: RowsMemory, monkeypatch: pytest.MonkeyPatch
):
    """SN-35, SN-37: later, and later still; what a guard stops is asked for again."""
    monkeypatch.setattr("connectors.sources.snowflake.source._FIRST", 0.01)
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    audience.there.refuse({"where": "query", "sql": "QUALIFY", "code": "000630", "times": 2})
    intake = Intake()
    running(source, lambda: intake.count == 1, intake)
    assert source.counts == {"snowflake.later": 2}


def test_a_guard_s_no_is_told(source: SnowflakeSource, rows: RowsMemory):
    """SN-03: the extract waits for a person."""
    rows.guarded = True
    running(source, lambda: source.counts.get("snowflake.guarded") == 1)


def test_of_two_processes_one_extracts(audience: Audience, rows: RowsMemory, clock: SetClock):
    """SN-10: the other waits until it is done, or gone."""
    notes = Notes(clock)
    sources = []
    for name in ("one", "two"):
        source = SnowflakeSource("cdp", audience.there.section(audience.name), clock)
        source.extract_into(rows, SHAPE)
        source.remember(notes.by(name), None)
        sources.append(source)
    one, two = sources
    assert notes._hold("one", clock.now() + 1_000)
    with pytest.raises(Busy, match="another process"):
        two.pull(lambda _: None)
    one.pull(lambda _: None)
    clock.set(clock.now() + 1)
    assert two.pull(lambda _: None, baseline=False).baseline is False


def test_a_command_says_what_is_a_baseline(source: SnowflakeSource, audience: Audience, rows: RowsMemory):
    """SN-21: unless asked, the first is."""
    audience.put(("a", "x", "2026-03-01 08:00:00"))
    seen: list[bool] = []
    source.pull(lambda state: seen.append(state.baseline), baseline=False)
    assert set(seen) == {False}


def test_nobody_said_what_the_rows_are(audience: Audience, clock: SetClock):
    """SN-02: without a mapping nothing is read."""
    with pytest.raises(CommandError, match="mapping"):
        SnowflakeSource("cdp", audience.there.section(audience.name), clock).pull(lambda _: None)


def test_names_are_read_as_snowflake_reads_them():
    """SN-38: upper case unless quoted; nothing else is a name."""
    assert name_of('cdp.public."My ""T"""', parts=3) == Name(("CDP", "PUBLIC", 'My "T"'))
    assert name_of('cdp.public."My ""T"""', parts=3).sql == '"CDP"."PUBLIC"."My ""T"""'
    for wrong in ("", "a.b", "a.b.c.d", "a.b.c;", "a b.c.d", 'a."b.c', "a..c", "a.b.", '"".b.c'):
        with pytest.raises(ValueError, match="write DATABASE"):
            name_of(wrong, parts=3)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"table": "AUDIENCE"}, "table: write DATABASE.SCHEMA.TABLE"),
        ({"passphrase": "wrong"}, "private_key: must be a private key"),
        ({"passphrase": None}, "private_key: the key is encrypted"),
        ({"host": "lakeside.example"}, "protocol: plain http is for an emulator"),
        ({"mode": "stream"}, "own: tell DATABASE.SCHEMA"),
        ({"own": "CDP.OURS"}, "own: tell DATABASE.SCHEMA"),
        ({"chunk": 0}, "chunk: "),
        ({"every": "1s"}, "every: "),
        ({"insecure_mode": True}, "insecure_mode: there is no such setting"),
    ],
)
def test_wrong_options_are_named_and_never_quoted(
    clock: SetClock, change: dict[str, object], sentence: str, snowflake: There
):
    """SN-30, SN-36: nothing switches the certificate's check off."""
    with pytest.raises(ConfigError) as wrong:
        SnowflakeSource("cdp", {**snowflake.section("CDP.PUBLIC.T"), **change}, clock)
    assert sentence in str(wrong.value)
    assert "BEGIN" not in str(wrong.value)
