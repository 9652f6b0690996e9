"""A TLS link: who has not proved who it is says nothing, and what it proved decides for whom it may speak."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import threading
import time

import pytest
from mllp_certificates import Authority

from connectors.sources.mllp import MllpSource
from connectors.sources.mllp.client import MllpClient
from connectors.sources.mllp.codec import frame
from connectors.sources.mllp.options import read_options
from connectors.sources.mllp.tls import Credentials
from gateway.model.errors import ConfigError, Unavailable, Unknown
from gateway.ports import SetClock, SystemClock


@pytest.fixture
def hospital(authority):
    """The sender's certificate."""
    return authority.issue("ehr.hospital.test")


def refused(here, context) -> None:
    """A sender with this context gets no acknowledgement, and nothing of it is stored."""
    message = b"MSH|^~\\&|EHR|HOSP|GW|HOSP|20260301||ADT^A04^ADT_A01|1|P|2.5.1\r"
    with pytest.raises((Unavailable, Unknown)), here.client(context=context) as client:
        client.send(message)  # TLS 1.3: only reading tells a client that its certificate was refused
    assert here.intake.stored == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_registration_comes_over_mutual_tls(listening, secured, authority, hospital, admission, read, version):
    """TL-01, F-10: TLS 1.2 and 1.3, several messages in one write, answered in order."""
    here = listening(tls=secured())
    context = authority.context(hospital)
    context.maximum_version = version
    client = here.client(context=context)
    assert read(client.send(admission))["MSA"][1:3] == ["AA", "0001"]
    client.write(b"".join(frame(admission.replace(b"|0001|", b"|%04d|" % n)) for n in range(20)))
    assert [read(client.receive())["MSA"][2] for _ in range(20)] == [f"{n:04d}" for n in range(20)]


def test_a_message_in_the_very_first_flight_is_not_lost(listening, secured, authority, hospital, numbered, read):
    """F-02, TL-01: the first bytes may be decrypted in the same turn as the handshake ends; a large one too."""
    here = listening(tls=secured())
    for number in range(10):
        with MllpClient("127.0.0.1", here.source.port, context=authority.context(hospital)) as client:
            big = numbered(number) + b"OBX|1|ED|PDF||" + b"A" * 300_000 + b"\r"
            assert read(client.send(big))["MSA"][1:3] == ["AA", f"{number:04d}"]
    assert len(here.intake.stored) == 10


def test_plain_hl7_on_a_tls_port_is_refused(listening, secured, admission):
    """TL-04: before any HL7 byte is read."""
    here = listening(tls=secured())
    raw = here.socket()
    raw.sendall(frame(admission))
    raw.settimeout(5)
    try:
        while chunk := raw.recv(1_000):
            assert b"MSA" not in chunk
    except ConnectionResetError:
        pass
    here.told("mllp.tls-refused")
    assert here.intake.stored == []


def test_a_sender_without_certificate_is_refused(listening, secured, authority):
    """TL-01, TL-04: a server that does not ask for one is not ITI-19."""
    here = listening(tls=secured())
    refused(here, authority.context(None))
    here.told("mllp.tls-refused")


def test_an_unknown_an_expired_and_a_future_certificate_are_refused(listening, secured, authority, tmp_path):
    """TL-04."""
    here = listening(tls=secured())
    stranger = Authority(tmp_path, "Another authority").issue("ehr.hospital.test")
    refused(here, authority.context(stranger))
    refused(here, authority.context(authority.issue("ehr.hospital.test", days=-1, file="expired")))
    here.told("mllp.tls-refused", 2)


def test_tls_before_1_2_is_refused(listening, secured, authority, hospital):
    """TL-01, TL-04: BCP 195's floor; and 1.2 where the link asks for 1.3."""
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old = authority.context(hospital, most=ssl.TLSVersion.TLSv1_1)
    refused(listening(tls=secured()), old)
    recent = authority.context(hospital)
    recent.maximum_version = ssl.TLSVersion.TLSv1_2
    refused(listening(tls=secured(minimum="1.3")), recent)


def test_listed_certificates_are_trusted_themselves_and_nothing_they_sign(
    listening, secured, authority, hospital, tmp_path, admission, read
):
    """TL-02: direct comparison; an authority in the list lets in nobody it has signed."""
    here = listening(tls=secured(client_certificates=[str(hospital.certificate)]))
    assert read(here.client(context=authority.context(hospital)).send(admission))["MSA"][1] == "AA"
    other = listening(tls=secured(client_certificates=str(authority.path)))
    refused(other, authority.context(hospital))
    other.told("mllp.certificate-refused")
    refused(other, authority.context(authority.issue("other.test")))


@pytest.mark.parametrize("by", ["name", "fingerprint", "colons"])
def test_a_certificate_speaks_only_for_its_own_application(
    listening, secured, authority, hospital, admission, read, by
):
    """TL-03: MSH-3/4 of somebody else is AR 199 on MSH-3, nothing is stored, and the right one is accepted."""
    pairs = [hospital.fingerprint[n : n + 2].upper() for n in range(0, 64, 2)]
    told = {"name": "EHR.hospital.test", "fingerprint": hospital.fingerprint, "colons": "sha256:" + ":".join(pairs)}
    peers = [{"certificate": told[by], "applications": ["EHR|HOSP", "LAB"]}]
    here = listening(tls=secured(peers=peers))
    client = here.client(context=authority.context(hospital))
    for old, new in ((b"|EHR|", b"|RIS|"), (b"|EHR|HOSP|", b"|EHR|ELSEWHERE|")):
        ack = read(client.send(admission.replace(old, new)))
        assert ack["MSA"][1:3] == ["AR", "0001"]
        assert ack["ERR"][2:4] == ["MSH^1^3", "199^Other HL7 error^HL70357"]
    assert read(client.send(b"no header"))["MSA"][1] == "AR"
    assert here.intake.stored == []
    here.told("mllp.sender-refused", 3)
    for new in (b"|EHR|HOSP|", b"|EHR^1.2.3^ISO|HOSP^9^ISO|", b"|LAB|ANYWHERE|"):
        assert read(client.send(admission.replace(b"|EHR|HOSP|", new)))["MSA"][1] == "AA"


def test_a_certificate_bound_to_no_feed_is_refused(listening, secured, authority, hospital):
    """TL-03, TL-04: signed by the right authority, and still not this link's."""
    here = listening(tls=secured(peers=[{"certificate": "lab.hospital.test"}]))
    refused(here, authority.context(hospital))
    here.told("mllp.certificate-refused")
    other = listening(tls=secured(peers=[{"certificate": "ehr.hospital.test"}]))
    refused_by_none = other.client(context=authority.context(hospital))
    refused_by_none.write(frame(b"MSH|^~\\&|ANY|WHERE|||||ADT^A04|1|P|2.5.1\r"))
    assert b"MSA|AA" in refused_by_none.receive()


def test_a_silent_caller_does_not_keep_its_place(listening, secured, authority, hospital, admission, read):
    """F-12, TL-04: the handshake has a time limit, and counts under the connection cap."""
    here = listening(tls=secured(handshake_timeout="0.3"), max_connections="1")
    silent = here.socket()
    here.until(lambda: bool(here.source._listener._connections))
    refused(here, authority.context(hospital))
    here.told("mllp.connection-refused")
    here.told("mllp.tls-refused")
    assert silent.recv(10) == b""
    here.until(lambda: not here.source._listener._connections)
    assert read(here.client(context=authority.context(hospital)).send(admission))["MSA"][1] == "AA"


def test_stopping_does_not_wait_for_a_handshake(listening, secured, authority, hospital, admission):
    """F-16: who has not proved anything is not waited for; a message in hand is answered over TLS."""
    here = listening(tls=secured())
    silent = here.socket()
    here.intake.gate.clear()
    client = here.client(context=authority.context(hospital))
    client.write(frame(admission))
    listener = here.source._listener
    here.until(lambda: any(connection._unanswered for connection in listener._connections))
    begun = time.monotonic()
    stopped = threading.Thread(target=here.run, args=(here.source.stop(),))
    stopped.start()
    time.sleep(0.05)
    here.intake.gate.set()
    assert b"MSA|AA|0001" in client.receive()
    client.close()
    stopped.join(8)
    assert not stopped.is_alive()
    assert time.monotonic() - begun < 6
    assert silent.recv(10) == b""


def test_a_new_certificate_serves_the_next_connection_and_drops_none(
    listening, authority, hospital, tmp_path, admission, read
):
    """TL-05: files replaced in place; new and old senders accepted at once; a broken file changes nothing."""
    first, second = (authority.issue("gateway.test", file=f"gateway-{n}") for n in (1, 2))
    certificate, key, trusted = tmp_path / "gateway.pem", tmp_path / "gateway.key", tmp_path / "trusted.pem"
    shutil.copy(first.certificate, certificate)
    shutil.copy(first.key, key)
    shutil.copy(hospital.certificate, trusted)
    tls = {"certificate": str(certificate), "key": str(key), "client_certificates": str(trusted), "reload": "0.05"}
    here = listening(tls=tls)

    def shown(pair) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", here.source.port)) as raw,
            authority.context(pair).wrap_socket(raw, server_hostname="gateway.test") as secure,
        ):
            return secure.getpeercert(binary_form=True)

    standing = here.client(context=authority.context(hospital))
    assert read(standing.send(admission))["MSA"][1] == "AA"
    assert shown(hospital) == first.der
    key.write_bytes(b"not a key")
    os.utime(key, (1, 1))
    time.sleep(0.2)
    assert shown(hospital) == first.der
    newcomer = authority.issue("ehr.hospital.test", file="renewed")
    trusted.write_bytes(hospital.certificate.read_bytes() + newcomer.certificate.read_bytes())
    shutil.copy(second.key, key)
    shutil.copy(second.certificate, certificate)
    here.until(lambda: shown(hospital) == second.der)
    assert shown(newcomer) == second.der
    assert read(standing.send(admission))["MSA"][1] == "AA"
    assert read(here.client(context=authority.context(newcomer)).send(admission))["MSA"][1] == "AA"


def test_the_end_of_a_certificate_is_told_thirty_days_ahead(listening, authority, hospital, admission, read):
    """TL-05: ours when it is loaded, the sender's when it connects."""
    soon, later = authority.issue("gateway.test", days=29, file="soon"), authority.issue("gateway.test", days=40)
    section = {"client_ca": str(authority.path)}
    for pair, told in ((soon, [soon.certificate]), (later, [])):
        options = read_options("main", {"tls": {"certificate": pair.certificate, "key": pair.key, **section}})
        assert Credentials("main", options.tls, SystemClock()).warn() == told
    here = listening(tls={"certificate": str(later.certificate), "key": str(later.key), **section})
    here.source._listener._credentials._clock = SystemClock()
    assert read(here.client(context=authority.context(hospital)).send(admission))["MSA"][1] == "AA"
    assert "mllp.peer-certificate-expiring" not in here.source.counts
    ending = authority.context(authority.issue("ehr.hospital.test", days=3, file="ending"))
    assert read(here.client(context=ending).send(admission))["MSA"][1] == "AA"
    here.told("mllp.peer-certificate-expiring")


def test_an_encrypted_key_needs_its_passphrase(listening, authority, hospital, admission, read):
    """TL-01: never asked for at a terminal, never quoted."""
    ours = authority.issue("gateway.test", passphrase=b"a long secret", file="sealed")
    tls = {"certificate": str(ours.certificate), "key": str(ours.key), "client_ca": str(authority.path)}
    here = listening(tls={**tls, "passphrase": "a long secret"})
    assert read(here.client(context=authority.context(hospital)).send(admission))["MSA"][1] == "AA"
    for wrong in ({}, {"passphrase": "hunter2"}):
        with pytest.raises(ConfigError, match="tls: key: it is not the certificate's key") as caught:
            MllpSource("main", {"tls": {**tls, **wrong}}, SetClock(0))
        assert "hunter2" not in str(caught.value)
    assert "a long secret" not in repr(here.source.options)


def test_certificates_that_cannot_be_used_are_named(authority, hospital, tmp_path):
    """TL-01: told at the start, by setting."""
    ours, other = authority.issue("gateway.test"), authority.issue("other.test")
    good = {"certificate": str(ours.certificate), "key": str(ours.key), "client_ca": str(authority.path)}
    text = tmp_path / "text.pem"
    text.write_text("hello")
    for change, words in (
        ({"certificate": str(tmp_path / "absent.pem")}, "the file cannot be read"),
        ({"certificate": str(text)}, "holds no certificate"),
        ({"client_ca": str(text)}, "holds no certificate"),
        ({"key": str(other.key)}, "not the certificate's key"),
    ):
        with pytest.raises(ConfigError, match=words):
            MllpSource("main", {"tls": {**good, **change}}, SetClock(0))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bind": "0.0.0.0"}, "beyond loopback a link needs tls"),
        ({"bind": "10.1.0.5", "plaintext": "yes"}, "beyond loopback"),
        ({"bind": "10.1.0.5", "allow": ["10.1.0.0/16"]}, "beyond loopback"),
        ({"tls": {"certificate": "a", "key": "b"}}, "either client_ca or client_certificates"),
        ({"tls": {"certificate": "a", "key": "b", "client_ca": "c", "client_certificates": "d"}}, "either client_ca"),
        ({"tls": {"certificate": "a", "key": "b", "client_ca": "c", "cipher": "x"}}, "known are certificate"),
        ({"tls": {"certificate": "a", "key": "b", "client_ca": "c"}, "plaintext": "yes"}, "either tls or plaintext"),
        ({"tls": {"certificate": "a", "key": "b", "client_ca": "c", "minimum": "1.1"}}, "tls.minimum"),
        ({"app_ack_channel": "separate"}, "needs ack_mode: enhanced and app_ack_to"),
        ({"app_ack_to": "10.1.0.9:2576"}, "only for app_ack_channel: separate"),
        ({"app_ack_to": "10.1.0.9"}, "host:port"),
        ({"release": "3"}, "release"),
    ],
)
def test_a_link_that_would_be_open_is_not_opened(options, words):
    """TL-01, TL-06: plain text beyond loopback only where the link says so and names its senders."""
    with pytest.raises(ConfigError, match=words):
        read_options("main", options)


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_loopback_needs_no_leave(bind):
    """TL-06: a tunnel's or sidecar's end on this very host."""
    assert read_options("main", {"bind": bind}).tls is None
    assert read_options("main", {"bind": "10.1.0.5", "plaintext": "yes", "allow": "10.1.0.0/16"}).plaintext
