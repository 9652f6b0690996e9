"""An opt-out entered while a send is being decided wins or loses cleanly, for everyone who shares the address, never both."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from crash_mail import PostOffice
from crash_parts import Child, House, wall
from crash_spans import CLEARED, Span, Spans, assert_strictly_ordered, span_of

from connectors.channels.recording import Answer, RecordingChannel
from gateway.app.assembly import deliverer_of
from gateway.model.consent import ChannelKind
from gateway.model.event import AckCode, Format, RawMessage
from gateway.model.when import SECOND
from gateway.pipeline import inspect
from gateway.pipeline.deliver import Deliverer
from gateway.ports import Envelope, Handover
from gateway.store import tables

pytestmark = pytest.mark.slow

VISIT, REMINDED = "2026-03-20 09:30", wall("2026-03-13 09:30") + SECOND
SHARING = 3
ROUNDS = 40  # of each kind, on each database
REFUSED = {"opted-out", "consent-denied"}
CLERK = "os:clerk"
WHO_SAYS_NO = ["one who is written to", "one who shares the address", "the address itself"]


@dataclass
class Home:
    """People who share one address, and their reminders. `address` is its row's id."""

    handles: list[str]
    value: str
    address: int = 0
    requests: list[int] = field(default_factory=list)


class Town:
    """Homes full of people with reminders that are due, and a gateway whose channel only remembers."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.channel = RecordingChannel(clock=house.clock)

    def fills(self, homes: int, sharing: int) -> list[Home]:
        """People with an appointment each, received in batches; the clock is where their first reminder is due."""
        made = [Home([f"H{n}P{m}" for m in range(sharing)], f"home{n}@patients.example") for n in range(homes)]
        for home in made:
            for handle in home.handles:
                self.house.person(handle, email=home.value)
        self.books([handle for home in made for handle in home.handles], VISIT)
        self.house.now = REMINDED
        self.house.clock.set(REMINDED)
        for home in made:
            self.finds(home)
        return made

    def books(self, handles: Sequence[str], start: str, appointment: str = "A") -> None:
        """An appointment for each of them."""
        for at in range(0, len(handles), 60):
            some = [self.house.booking(one, start, appointment=f"{appointment}{one}") for one in handles[at : at + 60]]
            raw = [RawMessage(source="ehr", format=Format.HL7V2, body=one, received=self.house.now) for one in some]
            outcomes = self.house.gateway.receiver.receive(raw)
            assert {one.ack for one in outcomes} == {AckCode.AA}

    def finds(self, home: Home) -> None:
        """Look up the address and the first reminders of a home."""
        tokens = [self.house.token(handle) for handle in home.handles]
        points = self.house.rows(tables.contact_point, ("address", "system"), "patient", tokens)
        (home.address,) = {one["address"] for one in points if one["system"] == "email"}
        wanted = self.house.rows(tables.request, ("id", "step", "patient"), "patient", tokens)
        home.requests = [one["id"] for one in wanted if one["step"] == "7d"]
        assert len(home.requests) == len(tokens)

    def deliverer(self) -> Deliverer:
        """One that hands over to the remembering channel."""
        self.house.gateway.channels[ChannelKind.EMAIL] = self.channel  # type: ignore[index]  # a test's own
        return deliverer_of(self.house.gateway)

    def says_no(self, who: str, home: Home) -> None:
        """Opt out of e-mail, in one of three ways; the last of the home is never written to meanwhile."""
        if who == "the address itself":
            inspect.consents.opt_out_address(
                self.house.gateway, home.value.upper(), channel=ChannelKind.EMAIL, evidence="reply 4", account=CLERK
            )
            return
        handle = home.handles[0 if who == "one who is written to" else -1]
        inspect.consent_add(
            self.house.gateway,
            self.house.identifier(handle),
            permit=False,
            channel="email",
            evidence="call 7",
            account=CLERK,
        )

    def written_to(self) -> dict[int, int]:
        """Request → messages handed over."""
        attempts = {one["id"]: one["request"] for one in self.house.every(tables.communication, "id", "request")}
        found = dict.fromkeys(attempts.values(), 0)
        for envelope in self.channel.envelopes:
            found[attempts[envelope.communication]] += 1
        return found

    def assert_never_both(self, requests: Sequence[int]) -> int:
        """Each was sent and completed, or refused and never tried; returns how many were sent."""
        tried = {
            one["request"]: one
            for one in self.house.rows(tables.communication, ("request", "status"), "request", requests)
        }
        handed = self.written_to()
        for one in self.house.rows(tables.request, ("id", "state", "reason"), "id", requests):
            if one["state"] == "completed":
                assert tried[one["id"]]["status"] == "completed"
                assert handed[one["id"]] == 1
            else:
                assert (one["state"], one["reason"] in REFUSED) == ("revoked", True), one
                assert one["id"] not in tried
        return len(tried)

    def assert_silence_from_now_on(self, homes: Sequence[Home], deliverer: Deliverer) -> None:
        """A later appointment of everybody is received as any other, and nobody is written to about it."""
        before = len(self.channel.offered)
        everybody = [handle for home in homes for handle in home.handles]
        self.books(everybody, "2026-03-30 09:30", appointment="B")
        self.house.clock.set(wall("2026-03-23 09:31"))
        for handle in everybody:
            for one in self.house.rows(tables.request, ("id", "state"), "patient", [self.house.token(handle)]):
                if one["state"] == "active":
                    deliverer.deliver(one["id"])
        assert len(self.channel.offered) == before


@pytest.fixture
def town(tmp_path: Path, house: House) -> Town:
    """On each database, without a limit to how often one address is written to."""
    policy = tmp_path / "rules" / "policy.yaml"
    text = policy.read_text()
    assert "{per: address, at_most: 12, within: 1d}" in text
    policy.write_text(
        text.replace("{per: address, at_most: 12, within: 1d}", "{per: address, at_most: 5000, within: 1d}")
    )
    return Town(house)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """The order in which addresses were decided about."""
    made = Spans()
    made.watch(monkeypatch.setattr)
    return made


@pytest.fixture
def together() -> Iterator[Callable[..., None]]:
    """Runs calls at the same moment, each in a thread of its own; raises what any of them raised."""
    with ThreadPoolExecutor(16) as pool:

        def _run(*calls: Callable[[], object]) -> None:
            gate = threading.Barrier(len(calls))

            def go(call: Callable[[], object]) -> None:
                gate.wait(30)
                call()

            waiting: list[Future[None]] = [pool.submit(go, call) for call in calls]
            for one in waiting:
                one.result(60)

        yield _run


def _after(seconds: float, call: Callable[[], object]) -> Callable[[], object]:
    def later() -> None:
        time.sleep(seconds)
        call()

    return later


def _delays(round_: int, spread: float, chance: random.Random) -> tuple[float, float]:
    """(senders', opt-out's) head start in seconds: each tenth round the one, then the other, comes surely first."""
    match round_ % 10:
        case 0:
            return 5 * spread, 0.0
        case 1:
            return 0.0, 5 * spread
    return 0.0, chance.uniform(0, spread)


@pytest.mark.parametrize("who", WHO_SAYS_NO)
def test_an_opt_out_and_the_sends_to_an_address_are_strictly_ordered(
    town: Town, spans: Spans, together: Callable[..., None], who: str
) -> None:
    """The issue's point 4; SM-14; 5.5 case 12: in threads of one process, by the locks held and by audit ids."""
    homes = town.fills(ROUNDS, SHARING)
    deliverer, chance = town.deliverer(), random.Random(who)
    spread, sent, refused = 0.02, 0, 0
    for number, home in enumerate(homes):
        spans.taken()
        wanted = home.requests if who == "one who is written to" else home.requests[:-1]
        ahead, behind = _delays(number, spread, chance)
        calls = [_after(ahead, lambda one=one: deliverer.deliver(one)) for one in wanted]  # type: ignore[misc]
        together(*calls, _after(behind, lambda home=home: town.says_no(who, home)))  # type: ignore[misc]
        seen = spans.taken()
        said = assert_strictly_ordered(seen, home.address, sends=len(wanted))
        _assert_audit_tells_the_same_order(seen, said)
        left = town.assert_never_both(wanted)
        sent, refused = sent + left, refused + len(wanted) - left
    assert sent
    assert refused
    town.assert_silence_from_now_on(homes, deliverer)


def _assert_audit_tells_the_same_order(spans: Sequence[Span], said: Span) -> None:
    """Within one process ids grow: whoever reads the log in order reads what happened."""
    moment = min(row for row, _ in said.entries)
    for one in spans:
        for row, action in one.entries:
            if one is not said:
                assert (row < moment) == (action == CLEARED), (one, said)


def test_an_opt_out_in_the_middle_stops_the_rest_of_a_crowded_address(
    town: Town, spans: Spans, together: Callable[..., None]
) -> None:
    """SM-14: sixty people at one address, four deliverers; what was not cleared before the opt-out is refused after it."""
    (home,) = town.fills(1, 60)
    deliverer = town.deliverer()
    waiting = list(home.requests)
    said_no = threading.Event()

    def work() -> None:
        while True:
            if len(waiting) <= 5:  # however late the clerk gets a turn, somebody comes after them
                assert said_no.wait(60)
            try:
                one = waiting.pop()
            except IndexError:
                return
            deliverer.deliver(one)

    def opt_out() -> None:
        while len(waiting) > 40:
            time.sleep(0.001)
        town.says_no("one who is written to", home)
        said_no.set()

    together(work, work, work, work, opt_out)
    said = assert_strictly_ordered(spans.taken(), home.address, sends=len(home.requests))
    assert said.actor == CLERK
    left = town.assert_never_both(home.requests)
    assert 0 < left < 60
    town.assert_silence_from_now_on([home], deliverer)


def test_an_opt_out_of_an_address_nobody_has_yet_binds_whoever_comes_with_it_at_that_moment(
    town: Town, together: Callable[..., None]
) -> None:
    """SM-14: the address row is made by the opt-out or by the message, once; the person is never written to."""
    homes = [Home([f"N{number}"], f"new{number}@patients.example") for number in range(25)]
    for home in homes:
        town.house.person(home.handles[0], email=home.value)
        together(
            lambda home=home: town.books(home.handles, VISIT),  # type: ignore[misc]
            lambda home=home: town.says_no("the address itself", home),  # type: ignore[misc]
        )
    town.house.clock.set(REMINDED)
    deliverer = town.deliverer()
    for home in homes:
        town.finds(home)
        deliverer.deliver(home.requests[0])
        assert town.assert_never_both(home.requests) == 0


def test_a_cancellation_and_a_send_are_strictly_ordered(town: Town, together: Callable[..., None]) -> None:
    """PH-10; 5.5 case 1: the visit is cancelled while its reminder is decided: sent before, or withdrawn; both answered."""
    homes = town.fills(ROUNDS, 1)
    deliverer, chance = town.deliverer(), random.Random(3)
    ends = set()
    for number, home in enumerate(homes):
        (handle,), (request,) = home.handles, home.requests
        cancelled = town.house.booking(handle, VISIT, appointment=f"A{handle}", trigger="S15", status="Cancelled")
        raw = [RawMessage(source="ehr", format=Format.HL7V2, body=cancelled, received=town.house.now)]
        acks: list[AckCode] = []
        ahead, behind = _delays(number, 0.02, chance)
        together(
            _after(ahead, lambda request=request: deliverer.deliver(request)),  # type: ignore[misc]
            _after(behind, lambda raw=raw, acks=acks: acks.append(town.house.gateway.receiver.receive(raw)[0].ack)),  # type: ignore[misc]
        )
        assert acks == [AckCode.AA]
        ((state, reason),) = [
            (one["state"], one["reason"])
            for one in town.house.rows(tables.request, ("id", "state", "reason"), "id", [request])
        ]
        sent = town.written_to().get(request, 0)
        assert (state, reason, sent) in [
            ("completed", None, 1),
            ("revoked", "cancelled", 0),
            ("revoked", "cancelled", 1),
        ]
        ends.add(state)
    assert ends == {"completed", "revoked"}


def test_a_send_that_fails_while_its_visit_is_cancelled_stays_withdrawn(town: Town) -> None:
    """PH-10: the outcome of an attempt never brings back what a message withdrew meanwhile."""
    (home,) = town.fills(1, 1)
    (handle,), (request,) = home.handles, home.requests
    cancelled = town.house.booking(handle, VISIT, appointment=f"A{handle}", trigger="S15", status="Cancelled")
    send = town.channel.send

    def send_while_cancelled(envelope: Envelope) -> Handover:
        raw = RawMessage(source="ehr", format=Format.HL7V2, body=cancelled, received=town.house.now)
        assert town.house.gateway.receiver.receive([raw])[0].ack is AckCode.AA
        return send(envelope)

    town.channel.send = send_while_cancelled  # type: ignore[method-assign]
    town.channel.will(Answer.UNAVAILABLE)
    town.deliverer().deliver(request)
    told = town.house.rows(tables.request, ("state", "reason"), "id", [request])
    assert told == [{"state": "revoked", "reason": "cancelled"}]
    assert town.written_to() == {request: 0}
    assert town.house.verified().ok


# -- two processes


@pytest.fixture
def postgres_town(make_house: Callable[..., House], postgres_url: str) -> Town:
    """On PostgreSQL, where the second process has a connection of its own."""
    from gateway.store.migrations import migrate

    migrate(postgres_url)
    return Town(make_house(postgres_url))


@pytest.mark.parametrize("who", WHO_SAYS_NO)
def test_an_opt_out_in_one_process_and_the_sends_of_another_are_strictly_ordered(
    postgres_town: Town, spans: Spans, post_office: PostOffice, who: str
) -> None:
    """The issue's point 4: by row locks alone; the mail server has exactly what was cleared before the opt-out."""
    town, house = postgres_town, postgres_town.house
    homes = town.fills(ROUNDS // 2, SHARING)
    other = house.starts(roles=())
    chance = random.Random(who)
    sent = refused = 0
    for number, home in enumerate(homes):
        wanted = home.requests if who == "one who is written to" else home.requests[:-1]
        theirs = _race(town, other, home, wanted, who, _delays(number, 0.03, chance))
        mine = [one for one in spans.taken() if one.actor == CLERK]
        assert_strictly_ordered([*theirs, *mine], home.address, sends=len(wanted))
        mails = house.mails()
        for one in house.rows(tables.request, ("id", "state", "reason"), "id", wanted):
            assert (one["state"] == "completed") == (mails[one["id"]] == 1)
            assert one["state"] == "completed" or (one["state"] == "revoked" and one["reason"] in REFUSED)
            sent, refused = sent + (one["state"] == "completed"), refused + (one["state"] == "revoked")
    assert sent == len(post_office.taken) > 0
    assert refused
    town.assert_silence_from_now_on(homes, town.deliverer())


def _race(town: Town, other: Child, home: Home, wanted: list[int], who: str, delays: tuple[float, float]) -> list[Span]:
    """The other process sends to all of them while this one records the opt-out; what the other held and when."""
    ahead, behind = delays
    start = time.monotonic() + 0.005
    other.tell(deliver=wanted, at=start + ahead)
    time.sleep(max(0.0, start + behind - time.monotonic()))
    town.says_no(who, home)
    told = other.answer()
    assert told is not None
    assert told["failed"] == []
    return [span_of(one) for one in told["spans"]]
