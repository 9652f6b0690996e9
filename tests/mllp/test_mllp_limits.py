"""Sizes, timers, caps and stopping: no sender can make the gateway hold, wait or lose more than agreed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time

import pytest

from connectors.sources.mllp import MllpSource
from connectors.sources.mllp.codec import frame
from gateway.model.audit import NodeFailure
from gateway.model.errors import CommandError, Unknown
from gateway.ports import SetClock


def closed(raw) -> bool:
    raw.settimeout(5)
    try:
        return raw.recv(100) == b""
    except ConnectionResetError:
        return True


def test_a_document_of_several_megabytes_is_received(listening, admission, read):
    """F-11: OBX-5 with an embedded document is ordinary."""
    here = listening()
    big = admission + b"OBX|1|ED|PDF||" + b"A" * (3 << 20) + b"\r"
    assert read(here.client().send(big))["MSA"][1:3] == ["AA", "0001"]
    assert here.intake.stored[0].body == big


def test_a_message_over_the_limit_is_refused_while_it_is_read(listening, admission, numbered, read):
    """F-11: AE with its control id, nothing stored but that it was refused, the next message is fine."""
    here = listening(max_frame="4KiB")
    client = here.client()
    ack = read(client.send(admission + b"x" * 1_000_000))
    assert ack["MSA"][1:3] == ["AE", "0001"]
    assert ack["ERR"][3].startswith("199^")
    assert here.intake.stored == []
    here.told("mllp.frame-too-large")
    assert here.intake.witnessed == [("main", NodeFailure.BODY_TOO_LARGE, "127.0.0.1")]
    assert read(client.send(numbered(2)))["MSA"][1] == "AA"


def test_a_sender_that_floods_is_not_read_ahead_of_its_answers(listening, admission):
    """F-12: while one message is unanswered, at most a read of the next is held."""
    here = listening(max_frame="1MiB")
    here.intake.gate.clear()
    raw = here.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
    raw.sendall(frame(admission) + b"\x0b")
    raw.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        for _ in range(2_000):
            sent += raw.send(b"x" * 65_000)
    assert sent < 30 << 20
    (connection,) = here.source._listener._connections
    assert connection._paused
    assert connection._decoder.held <= 65_536 + 262_144
    assert not connection._waiting


def test_a_sender_that_does_not_read_its_answers_is_not_read_either(listening, numbered):
    """F-12: unread replies stop the reading instead of filling our memory."""
    here = listening(stop_timeout="0.1")
    here.intake.commit = 0
    raw = here.socket(receive_buffer=4_096)
    here.until(lambda: bool(here.source._listener._connections))
    (connection,) = here.source._listener._connections
    connection._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    raw.settimeout(0.1)
    deadline = time.monotonic() + 20
    while not connection._congested:
        assert time.monotonic() < deadline
        with contextlib.suppress(TimeoutError):
            raw.sendall(frame(numbered(1)) * 20)
    here.until(lambda: not connection._unanswered)
    stored = len(here.intake.stored)
    assert connection._paused
    assert connection._transport.get_write_buffer_size() < 1 << 20
    time.sleep(0.1)
    assert len(here.intake.stored) == stored


def test_a_frame_that_does_not_end_is_given_up(listening, admission):
    """F-06, F-14: no acknowledgement, closed, not stored; the idle timer is another."""
    here = listening(frame_timeout="0.2")
    raw = here.socket()
    raw.sendall(frame(admission)[:-2])
    assert closed(raw)
    here.told("mllp.frame-late")
    assert here.intake.stored == []


def test_slow_frames_in_a_row_each_have_their_own_time(listening, numbered, read):
    """F-14: the timer runs from 0B to 1C 0D and starts again with the next frame."""
    here = listening(frame_timeout="0.6")
    client = here.client()
    client.write(frame(numbered(1))[:30])
    for number in (1, 2, 3):
        time.sleep(0.3)
        client.write(frame(numbered(number))[30:] + frame(numbered(number + 1))[:30])
        assert read(client.receive())["MSA"][2] == f"{number:04d}"


def test_waiting_for_our_own_commit_does_not_count_against_the_sender(listening, numbered, read):
    """F-14: reading is paused then, so the sender cannot finish its frame."""
    here = listening(frame_timeout="0.2")
    here.intake.gate.clear()
    client = here.client()
    client.write(frame(numbered(1)) + frame(numbered(2)) + frame(numbered(3))[:40])
    time.sleep(0.5)
    here.intake.gate.set()
    client.write(frame(numbered(3))[40:])
    assert [read(client.receive())["MSA"][2] for _ in range(3)] == ["0001", "0002", "0003"]


def test_an_idle_connection_stays_open_unless_configured(listening, admission, read):
    """F-13, X-01: silence is ordinary; TCP keepalive and no delay are on."""
    here = listening()
    client = here.client()
    assert read(client.send(admission))["MSA"][1] == "AA"
    (connection,) = here.source._listener._connections
    raw = connection._transport.get_extra_info("socket")
    assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 180
    time.sleep(0.3)
    assert read(client.send(admission))["MSA"][1] == "AA"


def test_an_idle_timeout_closes_a_silent_connection_only(listening, admission, read):
    """F-13: what was said last counts, and a message in hand is answered first."""
    here = listening(idle_timeout="0.4")
    client = here.client()
    for _ in range(3):
        time.sleep(0.25)
        assert read(client.send(admission))["MSA"][1] == "AA"
    here.intake.gate.clear()
    client.write(frame(admission))
    time.sleep(0.6)
    here.intake.gate.set()
    assert read(client.receive())["MSA"][1] == "AA"
    with pytest.raises(Unknown, match="closed"):
        client.receive(5)
    here.told("mllp.idle-closed")


def test_a_second_connection_of_the_same_feed_is_accepted(listening, numbered, read):
    """F-18: the first may be half-open."""
    here = listening()
    first, second = here.client(), here.client()
    assert read(second.send(numbered(2)))["MSA"][2] == "0002"
    assert read(first.send(numbered(1)))["MSA"][2] == "0001"


def test_connections_are_capped_and_the_place_is_free_again(listening, admission, read):
    """F-12."""
    here = listening(max_connections="2")
    first, second = here.client(), here.client()
    assert read(first.send(admission))["MSA"][1] == "AA"
    assert read(second.send(admission))["MSA"][1] == "AA"
    assert closed(here.socket())
    here.told("mllp.connection-refused")
    first.close()
    here.until(lambda: len(here.source._listener._connections) == 1)
    assert read(here.client().send(admission))["MSA"][1] == "AA"


def test_only_listed_addresses_may_connect(listening, admission, read):
    """TL-06: a source address list."""
    stranger = listening(allow=["10.1.0.0/16", "fd00::/8"])
    assert closed(stranger.socket())
    stranger.told("mllp.address-refused")
    assert read(listening(allow="127.0.0.0/8").client().send(admission))["MSA"][1] == "AA"


def test_a_sender_that_closes_its_writing_half_still_gets_its_answer(listening, admission):
    """F-06, F-09: the end of its stream is not the end of our duty."""
    here = listening()
    raw = here.socket()
    raw.sendall(frame(admission))
    raw.shutdown(socket.SHUT_WR)
    raw.settimeout(5)
    answer = b""
    while chunk := raw.recv(4_096):
        answer += chunk
    assert b"MSA|AA|0001" in answer
    assert answer.endswith(b"\r\x1c\r")


def test_a_sender_that_is_gone_before_the_commit_costs_nothing(listening, numbered, read):
    """D-02 wire side: stored once; the reply is dropped and the next sender is served."""
    here = listening()
    here.intake.gate.clear()
    with here.socket() as raw:
        raw.sendall(frame(numbered(1)))
        here.until(lambda: any(connection._unanswered for connection in here.source._listener._connections))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a reset
    here.until(lambda: not here.source._listener._connections)
    here.told("mllp.connection-broken")
    here.intake.gate.set()
    assert read(here.client().send(numbered(3)))["MSA"][2] == "0003"
    assert len(here.intake.stored) == 2


def test_stopping_answers_the_message_in_hand_and_takes_no_other(listening, numbered, read):
    """F-16: finished, acknowledged, closed; what only waited was never ours."""
    here = listening()
    here.intake.gate.clear()
    client, silent = here.client(), here.socket()
    client.write(frame(numbered(1)) + frame(numbered(2)) + frame(numbered(3))[:50])
    listener = here.source._listener
    here.until(lambda: any(connection._unanswered for connection in listener._connections))
    stopped = threading.Thread(target=here.run, args=(here.source.stop(),))
    stopped.start()
    assert closed(silent)
    here.intake.gate.set()
    assert read(client.receive())["MSA"][1:3] == ["AA", "0001"]
    with pytest.raises(Unknown, match="closed"):
        client.receive()
    stopped.join(5)
    assert len(here.intake.stored) == 1
    with pytest.raises(OSError, match="refused"):
        here.socket()


def test_stopping_does_not_wait_for_ever(listening, admission):
    """F-16: after `stop_timeout` the connection ends without an acknowledgement, so the sender will ask again."""
    here = listening(stop_timeout="0.2")
    here.intake.gate.clear()
    raw = here.socket()
    raw.sendall(frame(admission))
    here.until(lambda: any(connection._unanswered for connection in here.source._listener._connections))
    here.run(here.source.stop())
    assert closed(raw)
    here.told("mllp.stopped-unanswered")
    here.intake.gate.set()
    here.until(lambda: len(here.intake.stored) == 1)
    here.run(here.source.stop())


def test_replies_after_the_loop_is_gone_are_dropped_quietly(listening, admission):
    """F-16, D-02: the intake thread must not fail because the listener's loop has ended."""
    here = listening()
    here.intake.gate.clear()
    raw = here.socket()
    raw.sendall(frame(admission))
    listener = here.source._listener
    here.until(lambda: any(connection._unanswered for connection in listener._connections))
    loop, ended = listener.loop, asyncio.new_event_loop()
    ended.close()
    listener.loop = ended
    here.intake.gate.set()
    here.until(lambda: len(here.intake.stored) == 1)
    listener.loop = loop
    for connection in list(listener._connections):
        loop.call_soon_threadsafe(connection.abort)


def test_a_busy_port_is_one_sentence(listening):
    """A busy port is a CommandError that says what to do."""
    here = listening()
    other = MllpSource("second", {"port": here.source.port}, SetClock(0))
    with pytest.raises(CommandError) as caught:
        here.run(other.start(here.intake))
    assert str(caught.value) == (
        f"port {here.source.port} on 127.0.0.1 is in use; "
        "choose another `port:` for source second or stop what listens there"
    )
    assert other.counts == {}
    here.run(other.stop())


def test_an_address_this_host_does_not_have_is_one_sentence(listening):
    """A wrong `bind:` is a CommandError too."""
    here = listening()
    inside = {"plaintext": "yes", "allow": ["10.0.0.0/8"]}
    for bind, words in (("192.0.2.1", "has no address"), ("not a host", "check its `bind:`")):
        with pytest.raises(CommandError, match=words):
            here.run(MllpSource("second", {"port": 0, "bind": bind, **inside}, SetClock(0)).start(here.intake))
