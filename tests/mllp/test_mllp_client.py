"""The small sender tells outcomes apart: accepted, refused, and unknown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from connectors.sources.mllp.client import MllpClient
from connectors.sources.mllp.codec import frame
from gateway.model.errors import Unavailable, Unknown

MESSAGE = b"MSH|^~\\&|GW|HOSP|EHR|HOSP|20260301||ORU^R01^ORU_R01|42|P|2.5.1\r"


def ack(control_id: str) -> bytes:
    return f"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ACK|9|P|2.5.1\rMSA|AA|{control_id}\r".encode()


@pytest.fixture
def peer() -> Iterator[Callable[..., int]]:
    """`peer(*writes)` is a receiver that answers the first message with these writes, then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threads = []

        def answer(writes: tuple[bytes, ...], hold: threading.Event) -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for write in writes:
                    connection.sendall(write)
                hold.wait(5)

        holds: list[threading.Event] = []

        def start(*writes: bytes, stay: bool = False) -> int:
            holds.append(threading.Event())
            if not stay:
                holds[-1].set()
            threads.append(threading.Thread(target=answer, args=(writes, holds[-1])))
            threads[-1].start()
            return int(server.getsockname()[1])

        yield start
        for hold in holds:
            hold.set()
        for thread in threads:
            thread.join(5)


def test_the_acknowledgement_of_another_message_is_passed_over(peer):
    """A-28: MSA-2 must be our MSH-10, byte for byte."""
    port = peer(frame(ack("41")) + frame(ack("042"))[:20], frame(ack("042"))[20:] + frame(ack("42")))
    with MllpClient("127.0.0.1", port) as client:
        assert client.send(MESSAGE) == ack("42")


@pytest.mark.parametrize("reply", [ack(""), b"not HL7", b"MSH|^~\\&|A|B|C|D|||ACK|1|P|2.3\r"])
def test_a_reply_that_names_no_message_is_the_caller_s_to_judge(peer, reply):
    """A-07, A-28."""
    with MllpClient("127.0.0.1", peer(frame(reply))) as client:
        assert client.send(MESSAGE) == reply
    with MllpClient("127.0.0.1", peer(frame(reply))) as client:
        assert client.send(b"no header of ours") == reply


def test_no_answer_in_time_is_unknown(peer):
    """A-29: it may have been taken."""
    port = peer(frame(ack("41")), stay=True)
    with MllpClient("127.0.0.1", port, timeout=0.2) as client, pytest.raises(Unknown, match="in time"):
        client.send(MESSAGE)


def test_a_closed_connection_is_unknown(peer):
    """A-29."""
    with MllpClient("127.0.0.1", peer()) as client:
        with pytest.raises(Unknown, match=r"closed|broke"):
            client.send(MESSAGE)
        client.close()
        with pytest.raises(Unknown):
            client.write(MESSAGE)
        with pytest.raises(Unknown):
            client.receive()


def test_nobody_listening_is_unavailable():
    """A-29: nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unavailable):
        MllpClient("127.0.0.1", port)
