"""What an evil or broken FHIR server may answer: we are neither stopped, nor led elsewhere, nor blinded by it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fhir_site import MemoryFetches, MemoryIntake, MemoryNotes
from fhir_there import Asked, Said, There, appointment, bundle, client, smart, there

from connectors.sources.fhir.bulk.files import _target
from connectors.sources.fhir.bulk.manifest import File
from connectors.sources.fhir.client.addresses import Base
from connectors.sources.fhir.client.line import Answer
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.client.waiting import retry_after
from connectors.sources.fhir.polling.fetcher import everything
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.options import PollOptions
from connectors.sources.fhir.polling.poller import Poller
from connectors.sources.fhir.polling.watermarks import read
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Unusable
from gateway.ports import SystemClock

FAR = "9999-12-31T23:59:59Z"


@contextmanager
def _polled(
    answer: Callable[[Asked], Said], **options: Any
) -> Iterator[tuple[There, Poller, MemoryNotes, MemoryIntake]]:
    with there(answer) as ehr, client(ehr.base) as server, _polling(server, **options) as polling:
        yield ehr, *polling


@contextmanager
def _polling(server: FhirServer, **options: Any) -> Iterator[tuple[Poller, MemoryNotes, MemoryIntake]]:
    intake, notes, clock = MemoryIntake(), MemoryNotes(), SystemClock()
    told = PollOptions.model_validate({"resources": ["Appointment"], "deletes": False, **options})
    poller = Poller(
        server,
        notes,
        MemoryFetches(notes),
        Handing(intake, server.stopping),
        Maker(source="ehr", clock=clock),
        options=told,
        elements=everything,
        clock=clock,
        tally=Tally("ehr"),
    )
    try:
        yield poller, notes, intake
    finally:
        intake.close()


@pytest.mark.parametrize("date", ["", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_resource_dated_ahead_of_all_clocks_hides_nothing_that_comes_later(date: str) -> None:
    """Q-02: neither where the server tells no time, nor where its own clock is that far ahead."""
    said = Said(body=bundle(appointment("1", at=FAR)), headers={"Date": date})
    with _polled(lambda _: said) as (ehr, poller, notes, _):
        assert [poller.once(), poller.once()] == [True, True]
        mark = read(notes, "Appointment")
    assert mark is not None
    assert mark.changed is not None
    assert mark.changed <= SystemClock().now()
    assert ehr.of("Appointment")[1].query["_lastUpdated"] < "ge2100"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_resource_dated_before_all_time_stops_no_round(at: str) -> None:
    """Q-02: what a server's library writes where it knows no time."""
    said = Said(body=bundle(appointment("1", at=at)), headers={"Date": ""})
    with _polled(lambda _: said) as (ehr, poller, _, _):
        assert [poller.once(), poller.once()] == [True, True]
    assert len(ehr.of("Appointment")) == 2


def test_deletions_are_looked_for_whatever_time_the_server_tells() -> None:
    """Q-06: a mark that lies ahead would pass over all of them."""
    ahead = {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}
    with _polled(lambda _: Said(body=bundle(), headers=ahead), deletes=True) as (ehr, poller, _, _):
        assert [poller.once(), poller.once()] == [True, True]
    assert ehr.of("Appointment/_history")[0].query["_since"] < "2100"


def test_one_broken_text_does_not_keep_all_others_back() -> None:
    """S-37: half a character, as JavaScript cuts a name in two; the rest of its page is read."""
    page = b'{"resourceType":"Bundle","type":"searchset","entry":['
    page += b'{"resource":{"resourceType":"Appointment","id":"1","description":"a\\ud83d \\ud83d\\ude00 \\\\ud83d"}},'
    page += b'{"resource":{"resourceType":"Appointment","id":"2"}}]}'
    with _polled(lambda _: Said(body=page)) as (_, poller, _, intake):
        assert poller.once()
        told = [one.body.decode() for one in intake.stored.values()]
    assert len(told) == 2
    assert '"a\N{REPLACEMENT CHARACTER} \N{GRINNING FACE} \\\\ud83d"' in told[0]


def test_nobody_is_left_alone_for_ever() -> None:
    """Q-08: a day at most, whether it is told in seconds or as a date."""
    for told in ("Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999"):
        assert retry_after(told, None, 0) == 86_400.0


@pytest.mark.parametrize("token", ["CANARY\u2603 token", "CANARY\r\nX-Evil: 1", "CANARY\u0000", " ", "C" * 20_000])
def test_a_token_that_is_none_is_neither_shown_nor_quoted(token: str) -> None:
    """O-04: RFC 6750 says what a token is made of."""

    def answer(asked: Asked) -> Said:
        if "smart-configuration" in asked.path:
            return Said(body={"token_endpoint": f"{ehr.base}/token"})
        if asked.path.endswith("/token"):
            return Said(body={"access_token": token, "token_type": "bearer", "expires_in": 300})
        return Said(body=appointment("1"))

    with there(answer) as ehr, client(ehr.base, smart()) as server, pytest.raises(Unusable) as caught:
        server.get("Appointment/1")
    assert "CANARY" not in str(caught.value)
    assert ehr.of("Appointment/1") == []


@pytest.mark.parametrize(
    "told", ["http://127.0.0.1:8500/v1/kv", "https://localhost/x", "https://[::1]/", "https://169.254.169.254/latest"]
)
def test_no_answer_leads_us_to_this_machine(told: str) -> None:
    """S-33, K-05: a token endpoint or a file may lie elsewhere, and never here where it is a remote server's word."""
    base = Base("https://fhir.lakeside.example/r4")
    with pytest.raises(Unusable):
        base.elsewhere(told)
    with client("https://fhir.lakeside.example/r4") as server, pytest.raises(Unusable):
        _target(server, File(url=told, type=None, count=None), token=False)
    assert str(base.elsewhere("https://store.example/file?sig=1")) == "https://store.example/file?sig=1"
    assert str(Base("http://127.0.0.1:1/r4").elsewhere("http://127.0.0.1:2/t")) == "http://127.0.0.1:2/t"


def test_a_discovered_token_endpoint_on_this_machine_is_not_posted_to() -> None:
    """O-01: the same in the whole of it."""
    with client("https://fhir.lakeside.example/r4", smart()) as server:
        tokens: Any = server._tokens
        tokens._line = _Told({"token_endpoint": "http://127.0.0.1:9/token"})
        with pytest.raises(Unusable):
            server.get("Patient/1")
        assert len(tokens._line.asked) == 1


class _Told:
    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.asked: list[str] = []

    def ask(self, method: str, url: Any, headers: Any, body: bytes = b"") -> Any:
        self.asked.append(f"{method} {url}")
        return Answer(status=200, headers={}, body=json.dumps(self.body).encode())


@pytest.mark.parametrize("path", ["Subscription/..", "Subscription/../$status", "Patient/.", "../Patient/1"])
def test_an_id_of_dots_leads_nowhere_else(path: str) -> None:
    """S-33: `..` is an id by FHIR's own rule, and another resource by that of URLs."""
    with pytest.raises(Unusable):
        Base("https://fhir.lakeside.example/r4").at(path)


@contextmanager
def _dripping(write: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes each request and answers with whatever `write` sends, until its caller goes away."""
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            while True:
                link, _ = door.accept()
                with link:
                    link.recv(65_536)
                    write(link)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}/fhir"
    finally:
        door.close()


def _slowly(first: bytes, drop: bytes, pause: float) -> Callable[[socket.socket], None]:
    def write(link: socket.socket) -> None:
        try:
            link.sendall(first)
            for _ in range(2_000):
                link.sendall(drop)
                time.sleep(pause)
        except OSError:
            return

    return write


@pytest.mark.parametrize(
    ("first", "drop", "pause"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a", 0.05),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.002),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a", 0.05),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", 0.05),
    ],
    ids=["head", "interim", "chunk", "body"],
)
def test_an_answer_that_never_ends_is_not_waited_for(first: bytes, drop: bytes, pause: float) -> None:
    """Q-08: `timeout` is of one exchange as a whole, whatever of it is slow."""
    with _dripping(_slowly(first, drop, pause)) as base, client(base, {"timeout": "500ms"}) as server:
        begun = time.monotonic()
        with pytest.raises(Busy):
            server.get("Patient/1")
        assert time.monotonic() - begun < 2
