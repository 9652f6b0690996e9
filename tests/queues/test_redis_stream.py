"""A stream is read in its order whatever was given out before and to whom, against a Valkey of the tests' own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from connectors.sources.queues import Delivery
from connectors.sources.redis_stream.link import NO_FIELD, StreamLink
from connectors.sources.redis_stream.options import RedisStreamOptions
from connectors.sources.redis_stream.turn import Turn
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Missing, StoreUnavailable, Unusable
from gateway.model.when import Millis
from gateway.ports import SetClock
from tests.queues.redis_there import GROUP, STREAM, Valkey, bodies, valkey

Made = Callable[..., StreamLink]


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        yield made


@pytest.fixture
def server(one_server: Valkey) -> Valkey:
    """It is empty."""
    one_server.client.flushall()
    return one_server


class Notes:
    """Leases in memory, as of several processes: `names` has who holds what until when."""

    def __init__(self, who: str, names: dict[str, tuple[str, Millis]], clock: SetClock) -> None:
        self.who, self.names, self.clock = who, names, clock
        self.away = False

    def hold(self, name: str, until: Millis) -> bool:
        if self.away:
            raise StoreUnavailable("away")
        holder, end = self.names.get(name, (self.who, 0))
        if holder != self.who and end > self.clock.now():
            return False
        self.names[name] = (self.who, until)
        return True


@pytest.fixture
def made(server: Valkey, clock: SetClock) -> Iterator[Made]:
    """Open links; all are closed at the end."""
    found: list[StreamLink] = []

    def make(notes: Notes | None = None, **told: object) -> StreamLink:
        options = RedisStreamOptions.model_validate(
            {"url": server.url, "streams": STREAM, "declare": True, "lease": 15, **told}
        )
        link = StreamLink("q", options, Turn(notes, clock, options.lease, pause=0), Tally("q"))  # type: ignore[arg-type]
        found.append(link)
        link.open()
        return link

    yield make
    for one in found:
        one.close()


def drained(link: StreamLink, most: int = 3) -> list[bytes]:
    """All there is, taken and settled by and by."""
    found: list[bytes] = []
    while taken := link.take(most, 0.0):
        assert len(taken) <= most
        found += bodies(taken)
        link.settle(taken)
    return found


def test_what_was_given_out_and_not_settled_comes_first_and_says_so(made: Made, server: Valkey) -> None:
    """D-02: a process that died left four; they come again, before what nobody had."""
    sent = [b"m%d" % one for one in range(9)]
    dead = made()
    server.puts(*sent)
    dead.take(4, 0.0)
    dead.close()
    link = made()
    first = link.take(3, 0.0)
    assert [one.again for one in first] == [True] * 3
    link.settle(first)
    assert bodies(first) + drained(link) == sent
    assert server.left() == 0


def test_what_is_in_hand_is_given_out_once_while_it_is_waited_for(made: Made, server: Valkey) -> None:
    """Taken but not settled, it does not come again on the same connection."""
    link = made()
    server.puts(b"a", b"b", b"c")
    assert bodies(link.take(2, 0.0)) == [b"a", b"b"]
    assert bodies(link.take(2, 0.0)) == [b"c"]
    assert not link.take(2, 0.0)


def test_what_was_removed_from_the_stream_before_it_was_settled_is_passed_over(made: Made, server: Valkey) -> None:
    """Its sender trimmed it away: nothing is left to read, and it must not lie in the list for ever."""
    dead = made()
    ids = server.puts(b"a", b"b", b"c")
    dead.take(3, 0.0)
    server.client.xdel(STREAM, ids[1])
    dead.close()
    assert drained(made()) == [b"a", b"c"]
    assert server.left() == 0


def test_what_a_dead_consumer_had_becomes_ours_and_comes_in_order(made: Made, server: Valkey) -> None:
    """Of another name, for longer than `claim_after`; what it had for less stays its own."""
    other = made(consumer="before")
    server.puts(b"a", b"b", b"c")
    old = other.take(2, 0.0)
    server.client.xclaim(STREAM, GROUP, "before", 0, [one.tag[1] for one in old], idle=400_000, justid=True)  # type: ignore[index]
    other.take(1, 0.0)
    server.puts(b"d")
    link = made(claim_after="5m")
    assert drained(link) == [b"a", b"b", b"d"]
    assert server.left() == 1


def test_of_two_gateways_one_reads_until_its_turn_is_over(made: Made, server: Valkey, clock: SetClock) -> None:
    """A stream is not spread over both; who takes over begins with what the other did not settle."""
    names: dict[str, tuple[str, Millis]] = {}
    one, two = made(Notes("one", names, clock)), made(Notes("two", names, clock))
    server.puts(b"a", b"b", b"c")
    assert bodies(one.take(2, 0.0)) == [b"a", b"b"]
    assert not two.take(2, 0.0)
    clock.set(clock.now() + 16_000)
    assert drained(two) == [b"a", b"b", b"c"]
    assert not one.take(2, 0.0)
    two.close()
    server.puts(b"d")
    assert bodies(one.take(2, 0.0)) == [b"d"]


def test_while_the_database_is_away_nobody_reads_once_the_turn_is_over(
    made: Made, server: Valkey, clock: SetClock
) -> None:
    """Another may have it by then."""
    notes = Notes("one", {}, clock)
    link = made(notes)
    server.puts(b"a", b"b")
    assert bodies(link.take(1, 0.0)) == [b"a"]
    notes.away = True
    clock.set(clock.now() + 8_000)
    assert bodies(link.take(1, 0.0)) == [b"b"]
    server.puts(b"c")
    clock.set(clock.now() + 4_000)
    assert not link.take(1, 0.0)


def test_several_streams_have_their_turns_and_each_its_order(made: Made, server: Valkey) -> None:
    """No more is taken than asked for, and none starves."""
    streams = ["a", "b", "c"]
    link = made(streams=streams)
    for number in range(4):
        for one in streams:
            server.puts(b"%s%d" % (one.encode(), number), stream=one)
    found = drained(link, most=2)
    assert sorted(found) == sorted(b"%s%d" % (one.encode(), at) for one in streams for at in range(4))
    for one in streams:
        assert [body for body in found if body.startswith(one.encode())] == [b"%s%d" % (one.encode(), at) for at in range(4)]  # fmt: skip
    assert {body[:1] for body in found[:4]} == {b"a", b"b", b"c"}


def test_with_trim_what_is_settled_leaves_the_stream(made: Made, server: Valkey) -> None:
    """And nothing else does."""
    link = made(trim=True)
    server.puts(b"a", b"b", b"c")
    link.settle(link.take(2, 0.0))
    assert server.client.xlen(STREAM) == 1


def test_how_much_waits_and_since_when(made: Made, server: Valkey) -> None:
    """Given out and not settled, and not given out, together; the oldest by its id."""
    link = made()
    assert link.waiting() is not None
    server.client.xadd(STREAM, {"body": b"a"}, id="1772463600123-0")
    server.puts(b"b", b"c")
    told = link.waiting()
    assert (told.messages, told.since) == (3, 1_772_463_600_123)  # type: ignore[union-attr]
    taken: Sequence[Delivery] = link.take(2, 0.0)
    assert link.waiting() == told
    link.settle(taken)
    assert link.waiting().messages == 1  # type: ignore[union-attr]


def test_an_entry_without_the_field_is_for_a_person(made: Made, server: Valkey) -> None:
    """It is no sign of life: what it holds is kept with the reason."""
    link = made()
    server.client.xadd(STREAM, {"payload": b"MSH|..."})
    (one,) = link.take(2, 0.0)
    assert (one.problem, one.body) == (NO_FIELD, b"payload=MSH|...")


def test_the_fields_tell_what_the_payload_is(made: Made, server: Valkey) -> None:
    """Under whatever names."""
    link = made(field="data", content_type="mime")
    server.client.xadd(STREAM, {"data": b"x", "mime": "application/fhir+json", "content_encoding": "gzip"})
    (one,) = link.take(2, 0.0)
    assert (one.body, one.content_type, one.encoding) == (b"x", "application/fhir+json", "gzip")


def test_a_group_that_is_not_there_is_made_only_where_that_is_said(made: Made, server: Valkey) -> None:
    """Else a name written wrongly would look like a feed that is silent."""
    with pytest.raises(Missing, match=f"{STREAM}.*declare"):
        made(declare=False)
    server.puts(b"a")
    with pytest.raises(Missing, match=f"{STREAM}.*declare"):
        made(declare=False)
    assert drained(made()) == [b"a"]
    server.client.xgroup_destroy(STREAM, GROUP)
    link = made(declare=True)
    server.client.delete(STREAM)
    with pytest.raises(Missing):
        link.take(1, 0.0)


def test_what_is_no_stream_and_who_is_not_there_are_told_apart(made: Made, server: Valkey) -> None:
    """For a person, and for later."""
    server.client.set(STREAM, "x")
    with pytest.raises(Unusable, match="no stream"):
        made()
    with pytest.raises(Busy):
        made(url="redis://127.0.0.1:1")


def test_a_consumer_whose_name_is_no_text_stops_nobody(server: Valkey, made: Made) -> None:
    """Whoever may read with our group may call itself anything, and what it leaves becomes ours all the same."""
    link = made(claim_after=1)
    server.client.xadd(STREAM, {"body": b"MSH|1"})
    server.client.xreadgroup(GROUP, b"\xff\xfe", {STREAM: ">"})
    server.client.xadd(STREAM, {"body": b"MSH|2"})
    assert drained(link) == [b"MSH|2"]
    time.sleep(1.1)
    link._claim_at = 0.0
    assert drained(link) == [b"MSH|1"]
