"""A relay that takes commands together gets them in one breath; whose message it then was not, never reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from email_parts import channel, envelope, script

from gateway.model.errors import DeliveryError, Refused, Unavailable

_OFFER = b"250-relay\r\n250 PIPELINING\r\n"


def _relay(calls: list[list[bytes]], answers: Callable[[bytes], bytes]) -> Callable[[Any, Any], None]:
    """Notes, per connection, what came in each piece; answers a piece as a whole, a message with 250."""

    def play(_reader: Any, sock: Any) -> None:
        calls.append(heard := [])
        sock.sendall(b"220 hello\r\n")
        while piece := sock.recv(65536):
            heard.append(piece)
            if piece[:4].upper() == b"EHLO":
                sock.sendall(_OFFER)
            elif piece.startswith((b"MAIL", b"RSET")):
                sock.sendall(answers(piece))
            elif piece.endswith(b".\r\n"):
                sock.sendall(b"250 OK\r\n")

    return play


def _verbs(heard: list[bytes]) -> list[list[bytes]]:
    return [[line[:4] for line in piece.splitlines()] for piece in heard if piece[:4] in (b"ehlo", b"MAIL", b"RSET")]


def test_a_relay_that_pipelines_gets_the_envelope_in_one_piece() -> None:
    """RFC 2920 §3.1: MAIL, RCPT and DATA travel together, DATA last; the message waits for 354."""
    calls: list[list[bytes]] = []
    with script(_relay(calls, lambda _: b"250 OK\r\n250 OK\r\n354 go on\r\n")) as port, channel(port) as mail:
        mail.send(envelope())
    assert _verbs(calls[0]) == [[b"ehlo"], [b"MAIL", b"RCPT", b"DATA"]]
    assert any(b"Hello Marisol" in piece for piece in calls[0])


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (b"250 OK\r\n550 nobody\r\n554 no recipients\r\n", Refused),
        (b"550 not from you\r\n503 no\r\n503 no\r\n", Refused),
        (b"250 OK\r\n250 OK\r\n554 no\r\n", Refused),
        (b"250 OK\r\n450 later\r\n354 go on\r\n", Unavailable),
        (b"250 OK\r\n550 nobody\r\n354 go on\r\n", Refused),
    ],
)
def test_who_was_refused_is_not_written_to_though_the_relay_asks_for_it(
    answers: bytes, outcome: type[DeliveryError]
) -> None:
    """RFC 2920 §3.1, EM-13: the first answer against it decides, and of the message nothing is sent."""
    calls: list[list[bytes]] = []
    with script(_relay(calls, lambda _: answers)) as port, channel(port) as mail, pytest.raises(outcome):
        mail.send(envelope())
    assert not any(b"Hello" in piece for heard in calls for piece in heard)


def test_after_a_refusal_the_answers_of_the_next_message_are_its_own() -> None:
    """What was answered to the refused one is read before the next begins; a relay that waits for its body is left."""
    calls: list[list[bytes]] = []
    told = iter([b"250 OK\r\n550 nobody\r\n554 none\r\n", b"250 reset\r\n", b"250 OK\r\n550 nobody\r\n354 go on\r\n"])
    well = b"250 OK\r\n250 OK\r\n354 go on\r\n"
    with script(_relay(calls, lambda _: next(told, well))) as port, channel(port) as mail:
        for _ in range(2):
            with pytest.raises(Refused):
                mail.send(envelope())
        mail.send(envelope())
    assert [_verbs(heard) for heard in calls] == [
        [[b"ehlo"], [b"MAIL", b"RCPT", b"DATA"], [b"RSET"], [b"MAIL", b"RCPT", b"DATA"]],
        [[b"ehlo"], [b"MAIL", b"RCPT", b"DATA"]],
    ]
