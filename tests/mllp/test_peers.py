"""Other people's MLLP programs at the other end: what they send is understood, and what we answer they understand."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from connectors.sources.mllp.client import MllpClient
from connectors.sources.mllp.codec import Decoder, Frame, frame

NODE = os.environ.get("CAREGATE_TEST_NODE", "")
needs_node = pytest.mark.skipif(
    not (NODE and shutil.which("node")), reason="CAREGATE_TEST_NODE names no folder with the npm packages of .ci/run"
)
PEERS = str(Path(__file__).with_name("peers.cjs"))


def sent(**told: object) -> list[str]:
    """The acknowledgements a sender of somebody else was given; AssertionError with its error's name if none."""
    done = subprocess.run(
        ["node", PEERS, json.dumps({"act": "send", **told})], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout, "it ended without an acknowledgement"
    return json.loads(done.stdout)


@pytest.fixture
def served() -> Iterator[Callable[..., tuple[int, subprocess.Popen[str]]]]:
    """`served(library, …)` starts a receiver of somebody else; returns its port and the process."""
    running: list[subprocess.Popen[str]] = []

    def start(library: str, **told: object) -> tuple[int, subprocess.Popen[str]]:
        process = subprocess.Popen(
            ["node", PEERS, json.dumps({"act": "serve", "library": library, **told})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        running.append(process)
        return json.loads(process.stdout.readline())["port"], process

    yield start
    for process in running:
        process.communicate(timeout=10)


@pytest.fixture
def messages(numbered) -> list[str]:
    """Five registrations."""
    return [numbered(number).decode() for number in range(1, 6)]


def msa(ack: str | bytes) -> list[str]:
    text = ack.decode() if isinstance(ack, bytes) else ack
    return next(line for line in text.split("\r") if line.startswith("MSA")).split("|")[1:3]


def certificates(authority, pair) -> dict[str, str]:
    paths = {"ca": authority.path, "cert": pair.certificate, "key": pair.key}
    return {**{name: str(path) for name, path in paths.items()}, "name": "gateway.test"}


def test_python_hl7_s_client_is_answered(listening, messages):
    """F-01, A-22: an independent client and an independent reader of the acknowledgement."""
    here = listening()
    with MLLPClient("127.0.0.1", here.source.port) as client:
        for number, message in enumerate(messages, 1):
            answer = client.send_message(message)
            ack = hl7.parse(answer.decode().strip("\x0b\x1c\r") + "\r")
            assert str(ack.segment("MSA")[1]) == "AA"
            assert str(ack.segment("MSA")[2]) == f"{number:04d}"
            assert str(ack.segment("MSH")[9]) == "ACK^A04^ACK"
    assert [one.body.decode() for one in here.intake.stored] == messages


def test_python_hl7_s_client_is_answered_over_tls(listening, secured, authority, messages):
    """TL-01: its socket wrapped, as its users do."""
    here = listening(tls=secured())
    client = MLLPClient("127.0.0.1", here.source.port)
    client.close()
    context = authority.context(authority.issue("ehr.hospital.test"))
    raw = socket.create_connection(("127.0.0.1", here.source.port), 5)
    client.socket = context.wrap_socket(raw, server_hostname="gateway.test")
    with client:
        assert [msa(client.send_message(message))[0] for message in messages] == ["AA"] * 5


@needs_node
@pytest.mark.parametrize("library", ["nodehl7", "medplum", "simple"])
def test_three_senders_of_others_hold_a_conversation(listening, messages, library):
    """F-01, F-09, A-22: five messages on one connection, each with its own acknowledgement."""
    here = listening()
    answers = sent(library=library, port=here.source.port, messages=messages)
    assert [msa(one) for one in answers] == [["AA", f"{number:04d}"] for number in range(1, 6)]
    assert len(here.intake.stored) == 5
    assert here.source.counts == {}


@needs_node
def test_nodehl7_over_mutual_tls(listening, secured, authority, messages):
    """TL-01, TL-03: bound to its application; with a stranger's certificate nothing comes through."""
    peers = [{"certificate": "ehr.hospital.test", "applications": "EHR|HOSP"}]
    here = listening(tls=secured(peers=peers))
    right = certificates(authority, authority.issue("ehr.hospital.test"))
    answers = sent(library="nodehl7", port=here.source.port, messages=messages, tls=right)
    assert [msa(one)[0] for one in answers] == ["AA"] * 5
    answers = sent(
        library="nodehl7", port=here.source.port, messages=[messages[0].replace("|EHR|", "|LAB|")], tls=right
    )
    assert msa(answers[0]) == ["AR", "0001"]
    wrong = certificates(authority, authority.issue("lab.hospital.test"))
    with pytest.raises(AssertionError):
        sent(library="nodehl7", port=here.source.port, messages=messages[:1], tls=wrong)
    assert len(here.intake.stored) == 5


@needs_node
def test_medplum_s_sender_gets_its_commit_accept(listening, messages):
    """A-10, A-11: MSH-15 AL, MSH-16 NE in enhanced mode."""
    here = listening(ack_mode="enhanced")
    asking = [message.replace("|2.5.1\r", "|2.5.1|||AL|NE\r") for message in messages]
    answers = sent(library="medplum", port=here.source.port, messages=asking)
    assert [msa(one) for one in answers] == [["CA", f"{number:04d}"] for number in range(1, 6)]


@needs_node
def test_our_sender_speaks_to_nodehl7_s_receiver(served, authority, messages):
    """A-28 to A-30, TL-02: plain, and over mutual TLS with its name checked."""
    gateway, theirs = authority.issue("gateway.test"), authority.issue("ehr.hospital.test")
    for tls in (None, certificates(authority, theirs)):
        port, _ = served("nodehl7", tls=tls)
        context = authority.context(gateway) if tls else None
        with MllpClient("127.0.0.1", port, context=context) as client:
            assert [msa(client.send(message.encode()))[1] for message in messages] == [f"000{n}" for n in range(1, 6)]


@needs_node
def test_the_first_acknowledgement_repeated_is_not_the_second_message_s(served, messages):
    """A-28: node-hl7-server 2.5.0 answers the second message with the first one's acknowledgement first."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    served("faulty", port=port)
    with MllpClient("127.0.0.1", port) as client:
        assert msa(client.send(messages[0].encode())) == ["AA", "0001"]
        assert msa(client.send(messages[1].encode())) == ["AA", "0002"]
    with socket.create_connection(("127.0.0.1", port), 5) as raw:  # that it is faulty, seen without our client
        decoder, seen = Decoder(1 << 20), list[bytes]()
        for number in (0, 1):
            raw.sendall(frame(messages[number].encode()))
            while len(seen) <= number:
                seen += [event.body for event in decoder.feed(raw.recv(65_536)) if isinstance(event, Frame)]
    assert [msa(one)[1] for one in seen][:2] == ["0001", "0001"]
