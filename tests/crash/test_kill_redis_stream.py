"""kill -9 between a stream's delivery and its XACK, a wire that is cut, a server that dies: every message counts once, and in order."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from crash_parts import Child, House, wall

from gateway.model.when import MINUTE
from gateway.store import tables
from tests.queues.redis_there import STREAM, Valkey, Wire, valkey

pytestmark = pytest.mark.slow

FEED = """\
  queue:
    kind: redis-stream
    organization: lakeside
    authority: LAKESIDE
    url: redis://127.0.0.1:{port}
    streams: {stream}
    declare: yes
    batch: 4
    prefetch: 8
    reconnect: 500ms
"""
POINTS = ["after-taking", "during-receive-commit", "before-settling", "after-settling"]
"""All that a broker can tell apart: before our commit it is as after taking, behind it as before settling (what a database makes of
being killed there: test_kill.py)."""
VISITS = [f"2026-03-{day} 09:30" for day in range(20, 29)]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey that outlives every gateway of the test."""
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


@pytest.fixture
def home(make_house: Callable[..., House], store_url: str, server: Valkey) -> House:
    """A site on each database that reads a stream."""
    return make_house(store_url, feeds=FEED.format(port=server.port, stream=STREAM))


def moved(home: House) -> list[bytes]:
    """One visit, booked and then moved from day to day: only the order of the stream makes the last of them true."""
    return [
        home.booking("p1", when, appointment="A1", trigger="S13" if at else "S12") for at, when in enumerate(VISITS)
    ]


def told_once(home: House, server: Valkey, child: Child, messages: list[bytes]) -> None:
    """Each is stored once, nothing is left at the broker, and the last word of the stream is what holds."""
    home.waits(lambda: server.left() == 0, 60)
    assert len(home.every(tables.raw, "id")) == len(messages)
    assert {one["result"] for one in home.every(tables.raw, "result")} == {"accepted"}
    assert len(home.every(tables.occurrence, "id")) == 1
    planned = [one for one in home.every(tables.request, "state", "expires") if one["state"] == "active"]
    assert {one["expires"] for one in planned} == {wall(VISITS[-1])}
    child.terminate()
    assert child.gone() == 0, child.log()
    assert home.verified().ok


@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_that_is_killed_within_a_stream_loses_nothing_and_doubles_nothing(
    home: House, server: Valkey, point: str
) -> None:
    """A-01, D-02: what was not settled comes again, before what is newer."""
    first, messages = home.starts(), moved(home)
    home.waits(lambda: bool(server.client.exists(STREAM)))
    first.ask(kill=point)
    server.puts(*messages)
    assert first.gone() == -signal.SIGKILL
    assert server.left() > 0
    home.goes_to(home.now + MINUTE, quiet=False)  # the lease of who died is over
    told_once(home, server, home.starts(), messages)


@pytest.fixture
def wire(server: Valkey) -> Iterator[Wire]:
    """To it; a test may cut it."""
    with Wire(server.port) as made:
        yield made


def test_a_wire_that_is_cut_and_a_server_that_dies_lose_nothing(
    make_house: Callable[..., House], store_url: str, server: Valkey, wire: Wire
) -> None:
    """It is connected again each time, and nothing is stored twice."""
    home = make_house(store_url, feeds=FEED.format(port=wire.port, stream=STREAM))
    child, messages = home.starts(), moved(home)
    home.waits(lambda: bool(server.client.exists(STREAM)))
    server.puts(*messages[:3])
    wire.cut()
    server.puts(*messages[3:6])
    home.waits(lambda: server.left() < 6)
    server.kill()
    server.start()
    server.puts(*messages[6:])
    told_once(home, server, child, messages)
    assert wire.made >= 3


def test_of_two_gateways_one_reads_and_the_other_goes_on_when_it_dies(
    make_house: Callable[..., House], postgres_site: str, server: Valkey
) -> None:
    """The stream is not spread over both, so that its order holds; who takes over begins with what was not settled."""
    home = make_house(postgres_site, feeds=FEED.format(port=server.port, stream=STREAM))
    first = home.starts()
    home.waits(lambda: bool(server.client.exists(STREAM)))
    messages = moved(home)
    server.puts(*messages[:1])
    home.waits(lambda: server.left() == 0)
    second = home.starts()
    first.ask(kill="after-receive-commit")
    server.puts(*messages[1:])
    assert first.gone() == -signal.SIGKILL
    home.goes_to(home.now + MINUTE, second, quiet=False)
    told_once(home, server, second, messages)


@pytest.fixture
def postgres_site(request: pytest.FixtureRequest, postgres_url: str) -> str:
    """A migrated PostgreSQL database: of SQLite there is one gateway."""
    from gateway.ports import SetClock
    from gateway.store.migrations import migrate

    migrate(postgres_url, clock=SetClock(0))
    return postgres_url
