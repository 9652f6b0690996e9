"""Enhanced mode on the wire: a sender that waits for CA gets CA, and the application's word when it asked for it."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from connectors.sources.mllp.codec import Decoder, Frame, frame
from connectors.sources.mllp.outbound import AckSender
from gateway.model.errors import Unknown
from gateway.model.event import AckCode, Fault, Outcome, Place, Result


@pytest.fixture
def asking(admission) -> Callable[..., bytes]:
    """M with MSH-15 and MSH-16."""
    return lambda accept, application, body=admission: body.replace(
        b"|2.5.1\r", b"|2.5.1|||%s|%s\r" % (accept.encode(), application.encode()), 1
    )


def quiet(client, seconds: float = 0.15) -> bool:
    with pytest.raises(Unknown, match="in time"):
        client.receive(seconds)
    return True


def test_a_stored_message_is_ca_and_nothing_more(listening, asking, read):
    """5.1 case 13; A-10 to A-12."""
    here = listening(ack_mode="enhanced")
    client = here.client()
    ack = client.send(asking("AL", "NE"))
    assert read(ack)["MSA"] == ["MSA", "CA", "0001"]
    assert len(read(ack)["MSH"]) == 13  # MSH-15 and 16 are empty
    assert quiet(client)


def test_only_errors_are_answered_where_only_they_are_asked_for(listening, asking, read):
    """5.1 case 13; A-10, A-11: ER with a good message is silence, with version 9.9 CR and ERR 203."""
    here = listening(ack_mode="enhanced")
    client = here.client()
    client.write(frame(asking("ER", "NE")))
    here.until(lambda: len(here.intake.stored) == 1)
    assert quiet(client)
    ack = read(client.send(asking("ER", "NE").replace(b"|2.5.1|", b"|9.9|")))
    assert ack["MSA"][1:3] == ["CR", "0001"]
    assert ack["ERR"][3].startswith("203^")


def test_ne_ne_is_silence(listening, asking):
    """5.1 case 12; A-16."""
    here = listening(ack_mode="enhanced")
    client = here.client()
    client.write(frame(asking("NE", "NE")))
    here.until(lambda: len(here.intake.stored) == 1)
    assert quiet(client)


def test_the_application_s_word_follows_on_the_same_connection(listening, asking, admission, read):
    """A-13, A-14: CA, then AE with a control id of its own, in order also for a pipelining sender."""
    here = listening(ack_mode="enhanced")
    fault = Fault(code=101, rule="the patient identifier is missing", place=Place("PID", 1, 3))
    here.intake.outcome = lambda _: Outcome(result=Result.QUARANTINED, ack=AckCode.AE, faults=(fault,))
    client = here.client()
    second = asking("NE", "AL", admission.replace(b"|0001|", b"|0002|"))
    client.write(frame(asking("AL", "AL")) + frame(second))
    answers = [read(client.receive()) for _ in range(3)]
    assert [one["MSA"][1:3] for one in answers] == [["CA", "0001"], ["AE", "0001"], ["AE", "0002"]]
    assert "ERR" not in answers[0]
    assert len({one["MSH"][10] for one in answers}) == 3
    assert quiet(client)


def test_one_of_msh_15_and_16_alone_is_remarked(listening, asking, read):
    """A-15."""
    here = listening(ack_mode="enhanced")
    assert read(here.client().send(asking("AL", "")))["MSA"][1] == "CA"
    here.told("mllp.ack-type-missing")


def test_trouble_of_ours_is_ce_and_never_ca(listening, asking, read):
    """A-04, A-11: not stored, so the sender keeps the duty to send again."""
    here = listening(ack_mode="enhanced")
    here.intake.open = False
    ack = read(here.client().send(asking("AL", "AL")))
    assert ack["MSA"][1:3] == ["CE", "0001"]
    assert ack["ERR"][3].startswith("207^")


def test_an_acknowledgement_that_comes_in_is_told_and_not_answered(listening, admission, read):
    """A-17."""
    here = listening(ack_mode="enhanced")
    client = here.client()
    reply = b"MSH|^~\\&|EHR|HOSP|GW|HOSP|||ACK^A04^ACK|9|P|2.5.1|||AL|AL\rMSA|CA|X\r"
    client.write(frame(reply) + frame(admission))
    assert read(client.receive())["MSA"][1:3] == ["AA", "0001"]
    here.told("mllp.acknowledgement-received")


class Hearer:
    """The sender's own listener for application acknowledgements; what it answers is a test's choice."""

    def __init__(self) -> None:
        self.heard: queue.Queue[bytes] = queue.Queue()
        self.context: ssl.SSLContext | None = None
        self._open: socket.socket | None = None
        self.answer: Callable[[str], list[bytes]] = lambda control_id: [accepted("CA", control_id)]
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):  # the other side may leave at any point, in a handshake too
                if self.context is not None:
                    connection = self.context.wrap_socket(connection, server_side=True)
                self._open = connection
                with connection:
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        decoder = Decoder(1 << 20)
        while True:
            try:
                chunk = connection.recv(65_536)
            except OSError:
                return
            if not chunk:
                return
            for event in decoder.feed(chunk):
                assert isinstance(event, Frame)
                self.heard.put(event.body)
                answers = self.answer(event.body.split(b"|")[9].decode())
                if not answers:
                    return
                connection.sendall(b"".join(map(frame, answers)))

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        if self._open is not None:
            with contextlib.suppress(OSError):
                self._open.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self._thread.join(5)


def accepted(code: str, control_id: str) -> bytes:
    return f"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ACK|8|P|2.5.1\rMSA|{code}|{control_id}\r".encode()


@pytest.fixture
def hearer() -> Iterator[Hearer]:
    """A listener of the sender's."""
    one = Hearer()
    yield one
    one.close()


def test_an_application_acknowledgement_travels_on_its_own_connection(listening, hearer, asking, read):
    """A-13, A-14: CA here; there an exchange of its own, MSH-15 AL, MSH-16 NE, MSA-2 the original control id."""
    here = listening(ack_mode="enhanced", app_ack_channel="separate", app_ack_to=f"127.0.0.1:{hearer.port}")
    client = here.client()
    assert read(client.send(asking("AL", "AL")))["MSA"][1:3] == ["CA", "0001"]
    told = read(hearer.heard.get(timeout=5))
    assert told["MSA"][1:3] == ["AA", "0001"]
    assert told["MSH"][15:17] == ["AL", "NE"]
    assert told["MSH"][10] != "0001"
    client.write(frame(asking("NE", "AL")))
    assert read(hearer.heard.get(timeout=5))["MSA"][1:3] == ["AA", "0001"]
    assert quiet(client)
    assert hearer.heard.empty()


def test_it_travels_over_tls_where_the_link_does(listening, hearer, secured, authority, asking, read):
    """TL-01, TL-02: with the link's own certificate, and to nobody whose name is not the configured one."""
    ehr = authority.issue("ehr.hospital.test")
    hearer.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    hearer.context.load_cert_chain(ehr.certificate, ehr.key)
    hearer.context.load_verify_locations(authority.path)
    hearer.context.verify_mode = ssl.CERT_REQUIRED
    # the hearer ends before the listener: what it did not acknowledge by then is given up soon
    way = {"ack_mode": "enhanced", "app_ack_channel": "separate", "stop_timeout": 1}
    way["app_ack_to"] = f"127.0.0.1:{hearer.port}"
    here = listening(tls=secured(), **way)
    client = here.client(context=authority.context(ehr))
    assert read(client.send(asking("AL", "AL")))["MSA"][1] == "CA"
    assert read(hearer.heard.get(timeout=5))["MSA"][1:3] == ["AA", "0001"]


def test_it_is_repeated_with_the_same_control_id_until_it_is_acknowledged(hearer, read):
    """A-13, A-28, A-29: no answer, somebody else's answer, a closed connection: the same again."""
    replies = [[], [accepted("CA", "another")], []]
    hearer.answer = lambda control_id: replies.pop(0) if replies else [accepted("CA", control_id)]
    sender = AckSender("main", "127.0.0.1", hearer.port, context=None, timeout=0.3, first_pause=0.02)
    sender.start()
    sender.offer(b"MSH|^~\\&|GW|HOSP|EHR|HOSP|20260301||ACK^A04^ACK|OURS1|P|2.5.1|||AL|NE\rMSA|AA|0001\r")
    sender.offer(b"MSH|^~\\&|GW|HOSP|EHR|HOSP|20260301||ACK^A04^ACK|OURS2|P|2.5.1|||AL|NE\rMSA|AA|0002\r")
    heard = [read(hearer.heard.get(timeout=5))["MSH"][10] for _ in range(5)]
    assert heard == ["OURS1"] * 4 + ["OURS2"]
    sender.stop(2)
    assert hearer.heard.empty()


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_of_it_is_an_answer_too(hearer, read, code):
    """A-05, A-13: whichever it is, it would be refused for ever, and what waits behind it must not."""
    hearer.answer = lambda control_id: [accepted(code if control_id == "OURS1" else "CA", control_id)]
    sender = AckSender("main", "127.0.0.1", hearer.port, context=None, timeout=1, first_pause=0.02)
    sender.start()
    for number in (1, 2):
        sender.offer(b"MSH|^~\\&|GW|H|EHR|H|20260301||ACK|OURS%d|P|2.5.1|||AL|NE\rMSA|AA|1\r" % number)
    assert [read(hearer.heard.get(timeout=5))["MSH"][10] for _ in range(2)] == ["OURS1", "OURS2"]
    sender.stop(2)


def test_stopping_sends_what_waits_and_does_not_wait_for_ever(hearer):
    """F-16: what could not be sent is counted as lost; the sender that repeats its message gets it again."""
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    lost = AckSender("main", "127.0.0.1", port, context=None, timeout=0.2, first_pause=30)
    lost.start()
    lost.offer(b"MSH|^~\\&|GW|H|EHR|H|20260301||ACK|OURS1|P|2.5.1|||AL|NE\rMSA|AA|1\r")
    lost.stop(0.2)
    assert len(lost._waiting) == 1
    sender = AckSender("main", "127.0.0.1", hearer.port, context=None, timeout=1)
    for number in range(20):
        sender.offer(b"MSH|^~\\&|GW|H|EHR|H|20260301||ACK|OURS%d|P|2.5.1|||AL|NE\rMSA|AA|1\r" % number)
    sender.start()
    sender.stop(5)
    assert hearer.heard.qsize() == 20
