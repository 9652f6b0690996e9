"""MLLP release 2, where a link says so: the commit byte says whether it is stored, and nothing about the content."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from connectors.sources.mllp.client import MllpClient
from connectors.sources.mllp.codec import Decoder, Frame, frame
from gateway.model.errors import Unavailable, Unknown

ACK, NAK = b"\x06", b"\x15"


def nothing_more(client, seconds: float = 0.15) -> bool:
    with pytest.raises(Unknown, match="in time"):
        client.receive(seconds)
    return True


def test_06_comes_only_after_the_commit_and_the_hl7_ack_behind_it(listening, admission, read):
    """M2-01, M2-02."""
    here = listening(release="2")
    here.intake.gate.clear()
    client = here.client()
    client.write(frame(admission))
    assert nothing_more(client)
    here.intake.gate.set()
    assert client.receive() == ACK
    assert read(client.receive())["MSA"][1:3] == ["AA", "0001"]
    client.write(frame(ACK))
    assert nothing_more(client)


def test_15_says_that_it_is_not_stored(listening, admission):
    """M2-02: and no HL7 block follows, for nothing was taken; the resend is."""
    here = listening(release="2", max_frame="1KiB")
    here.intake.open = False
    client = here.client()
    client.write(frame(admission))
    assert client.receive() == NAK
    client.write(frame(admission + b"x" * 2_000))
    assert client.receive() == NAK
    assert nothing_more(client)
    here.intake.open = True
    client.write(frame(admission))
    assert client.receive() == ACK


def test_what_is_malformed_and_stored_is_06_all_the_same(listening, read):
    """M2-03: the HL7 refusal is a block of its own."""
    here = listening(release="2")
    client = here.client()
    client.write(frame(b"hello"))
    assert client.receive() == ACK
    assert read(client.receive())["MSA"][1] == "AR"
    assert len(here.intake.stored) == 1


def test_our_block_is_repeated_until_it_is_committed_and_none_goes_beside_it(listening, numbered, read):
    """M2-04: on 15 and on silence; the commits of what comes in go on meanwhile."""
    here = listening(release="2", commit_timeout="0.3", commit_retries="2")
    client = here.client()
    client.write(frame(numbered(1)) + frame(numbered(2)))
    assert client.receive() == ACK
    assert read(client.receive())["MSA"][2] == "0001"
    assert client.receive() == ACK
    client.write(frame(NAK))
    assert read(client.receive())["MSA"][2] == "0001"
    assert read(client.receive())["MSA"][2] == "0001"  # nothing said for a while
    client.write(frame(ACK))
    assert read(client.receive())["MSA"][2] == "0002"
    client.write(frame(ACK))
    assert nothing_more(client, 0.5)


def test_a_sender_that_never_commits_does_not_stop_its_own_feed(listening, numbered, read):
    """M2-04: the block is given up and told; what it acknowledged is stored."""
    here = listening(release="2", commit_timeout="0.05", commit_retries="1")
    client = here.client()
    for number in (1, 2):
        client.write(frame(numbered(number)))
        assert client.receive() == ACK
        assert [read(client.receive())["MSA"][2] for _ in range(2)] == [f"{number:04d}"] * 2
        here.told("mllp.reply-uncommitted", number)


def test_a_flood_without_commits_is_bounded(listening, numbered):
    """F-12, M2-04: at most 64 blocks are kept for a sender that commits none."""
    here = listening(release="2", commit_timeout="30")
    here.intake.commit = 0
    client = here.client()
    for number in range(80):
        client.write(frame(numbered(number)))
    here.until(lambda: len(here.intake.stored) == 80)
    here.told("mllp.reply-uncommitted", 80 - 64)


def test_stopping_writes_what_waits_and_closes(listening, numbered, read):
    """F-16, M2-04: no commit is waited for then."""
    here = listening(release="2")
    client = here.client()
    client.write(frame(numbered(1)) + frame(numbered(2)))
    here.until(lambda: len(here.intake.stored) == 2)
    assert [client.receive() == ACK, read(client.receive())["MSA"][2], client.receive() == ACK] == [True, "0001", True]
    here.run(here.source.stop())
    assert read(client.receive())["MSA"][2] == "0002"
    with pytest.raises(Unknown, match="closed"):
        client.receive()


def test_a_commit_of_nothing_is_counted(listening, admission):
    """M2-05, M2-06."""
    here = listening(release="2")
    client = here.client()
    client.write(frame(ACK) + frame(admission))
    assert client.receive() == ACK
    here.told("mllp.release-two-byte")


def test_our_sender_and_our_listener_speak_release_2_with_each_other(listening, numbered, read):
    """M2-01 to M2-05, A-30; enhanced mode above it too."""
    here = listening(release="2", ack_mode="enhanced")
    client = here.client(release=2)
    assert [read(client.send(numbered(n)))["MSA"][2] for n in range(20)] == [f"{n:04d}" for n in range(20)]
    both = numbered(21).replace(b"|2.5.1\r", b"|2.5.1|||AL|AL\r")
    assert read(client.send(both))["MSA"][1:3] == ["CA", "0021"]
    assert read(client.receive())["MSA"][1:3] == ["AA", "0021"]
    assert "mllp.reply-uncommitted" not in here.source.counts


MESSAGE = b"MSH|^~\\&|GW|HOSP|EHR|HOSP|20260301||ORU^R01^ORU_R01|42|P|2.5.1\r"
HL7_ACK = b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ACK|9|P|2.5.1\rMSA|AA|42\r"


@pytest.fixture
def receiver() -> Iterator[Callable[..., tuple[int, list[bytes]]]]:
    """`receiver(*answers)`: the n-th block it gets is answered with the n-th list; returns port and what it got."""
    server = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def run(answers: list[list[bytes]], got: list[bytes]) -> None:
        connection, _ = server.accept()
        with connection:
            decoder = Decoder(1 << 20)
            while chunk := connection.recv(65_536):
                for event in decoder.feed(chunk):
                    assert isinstance(event, Frame)
                    got.append(event.body)
                    connection.sendall(b"".join(map(frame, answers.pop(0) if answers else [])))

    def start(*answers: list[bytes]) -> tuple[int, list[bytes]]:
        got: list[bytes] = []
        threads.append(threading.Thread(target=run, args=(list(answers), got)))
        threads[-1].start()
        return server.getsockname()[1], got

    yield start
    for thread in threads:
        thread.join(5)
    server.close()


def test_our_sender_repeats_the_same_block_until_it_is_committed(receiver):
    """M2-04: after 15, and after silence."""
    port, got = receiver([NAK], [], [ACK, HL7_ACK])
    with MllpClient("127.0.0.1", port, release=2, timeout=0.2) as client:
        assert client.send(MESSAGE) == HL7_ACK
    assert got[:3] == [MESSAGE] * 3


def test_an_hl7_block_that_comes_before_the_commit_is_kept(receiver):
    """M2-05: it is no commit; the sender keeps waiting and then reads it."""
    port, got = receiver([HL7_ACK, ACK])
    with MllpClient("127.0.0.1", port, release=2, timeout=1) as client:
        assert client.send(MESSAGE) == HL7_ACK
    assert got[0] == MESSAGE


@pytest.mark.parametrize(("answers", "error"), [([[NAK]] * 3, Unavailable), ([], Unknown)])
def test_after_the_last_repetition_it_is_told_upward(receiver, answers, error):
    """M2-04: not stored for certain, or nobody knows."""
    port, got = receiver(*answers)
    with MllpClient("127.0.0.1", port, release=2, timeout=0.1) as client, pytest.raises(error):
        client.send(MESSAGE)
    assert set(got) == {MESSAGE}
