"""Who may post to a feed over HTTP, and on which doors a feed may stand open."""

from __future__ import annotations

import base64
import socket
import ssl
import warnings

import httpx
import pytest
from http_server import ER7, Feed, admission, context

from connectors.sources.http import HttpSource
from gateway.api.certificates import Certificates
from gateway.model.audit import NodeFailure
from gateway.model.errors import ConfigError
from gateway.ports import Door, SetClock

TOKEN, OTHER = "0123456789abcdef-one", "0123456789abcdef-two"
BEARER = {"bearer": [{"token": TOKEN}, {"token": OTHER}]}
BASIC = {"basic": [{"username": "lab", "password": "päss:wörd"}]}


def _basic(username, password):
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.mark.parametrize("told", [f"Bearer {TOKEN}", f"bearer {OTHER}", _basic("lab", "päss:wörd")])
def test_who_shows_the_right_credentials_is_heard(feed, told):
    """H-06: a token among several, or a password."""
    assert feed(**BEARER, **BASIC).post(admission(1), authorization=told).status_code == 200


@pytest.mark.parametrize(
    "told", [f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", _basic("lab", "wrong"), "Basic !!!", "Digest x", TOKEN],
)  # fmt: skip
def test_who_shows_the_wrong_ones_is_not_and_that_is_witnessed(feed, told):
    """H-06: 401 without any HL7, and never what was shown."""
    lab = feed(**BEARER, **BASIC)
    answer = lab.post(admission(1), authorization=told)
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == ['Bearer realm="caregate"', 'Basic realm="caregate", charset="UTF-8"']  # fmt: skip
    assert answer.headers["content-type"] == "application/problem+json"
    assert lab.intake.taken == 0
    assert lab.intake.witnessed == [("lab", NodeFailure.CREDENTIALS_WRONG, "127.0.0.1")]
    assert lab.source.counts["http.credentials-wrong"] == 1


def test_who_shows_none_is_asked_for_them(feed):
    """H-06: clients try without first; that is no attack."""
    lab = feed(**BASIC)
    assert lab.post(admission(1)).status_code == 401
    assert lab.intake.witnessed == []


def test_two_authorizations_are_as_wrong_as_none(feed):
    """H-06: which one was meant cannot be known."""
    lab = feed(**BEARER)
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x"), ("content-type", ER7)]
    assert lab.client().post(lab.url, content=admission(1), headers=headers).status_code == 401


def test_an_address_that_is_not_listed_is_turned_away_whatever_it_tells(feed):
    """TL-06 over HTTP: a forwarded address is only a header."""
    lab = feed(allow=["10.1.0.0/16"], **BEARER)
    answer = lab.post(admission(1), authorization=f"Bearer {TOKEN}", x_forwarded_for="10.1.2.3")
    assert answer.status_code == 403
    assert lab.intake.witnessed == [("lab", NodeFailure.ADDRESS_UNKNOWN, "127.0.0.1")]
    assert feed(allow="127.0.0.1").post(admission(1)).status_code == 200


@pytest.mark.parametrize(
    ("options", "door", "words"),
    [
        ({}, Door(loopback=False), "it needs `api.tls`"),
        (BEARER, Door(loopback=False), "it needs `api.tls`"),
        ({}, Door(loopback=False, tls=True), "prove who they are"),
        ({"plaintext": "yes"}, Door(loopback=False), "name the addresses of the proxy"),
        ({"plaintext": "yes", "allow": "10.0.0.1"}, Door(loopback=False, tls=True), "remove one of the two"),
    ],
)
def test_a_door_that_is_not_safe_enough_is_not_opened(options, door, words):
    """H-06: beyond loopback TLS and authentication, or a proxy that has both."""
    with pytest.raises(ConfigError, match=words):
        HttpSource("lab", options, SetClock(0)).routes(door)


@pytest.mark.parametrize(
    ("options", "door"),
    [
        ({}, Door(loopback=True)),
        (BEARER, Door(loopback=False, tls=True)),
        ({}, Door(loopback=False, tls=True, certificates=True)),
        ({"plaintext": "yes", "allow": "10.0.0.1"}, Door(loopback=False)),
    ],
)
def test_a_door_that_is_safe_enough_is(options, door):
    """H-06."""
    assert [one.path for one in HttpSource("lab", options, SetClock(0)).routes(door)] == ["/hl7/lab"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bearer": [{"token": "SHORTCANARY"}]}, "bearer.0.token"),
        ({"basic": [{"username": "a:CANARY", "password": "x"}]}, "basic.0.username"),
        ({"path": "CANARY"}, "path: write a path"),
        ({"path": "/a/../CANARY"}, "path: write a path"),
        ({"path": "/metrics"}, "path: this path is taken"),
        ({"ack_mode": "CANARY"}, "ack_mode"),
        ({"tokens": "CANARY"}, "there is no such setting"),
        ({"allow": "CANARY"}, "allow: write addresses"),
    ],
)
def test_a_wrong_setting_is_named_and_never_quoted(options, words):
    """A secret least of all."""
    with pytest.raises(ConfigError, match=words) as told:
        HttpSource("lab", options, SetClock(0))
    assert "CANARY" not in str(told.value)


def test_the_path_may_be_chosen(feed):
    """One path a feed."""
    lab = feed(path="/feeds/v2/lab")
    assert lab.url.endswith("/feeds/v2/lab")
    assert lab.post(admission(1)).status_code == 200
    assert lab.client().post(f"{lab.url}/more", content=b"x").status_code == 404


# -- TLS of the server it is mounted on


def _served(authority, *, client_ca=False, name="gateway.test"):
    ours = authority.issue(name)
    return Certificates(ours.certificate, ours.key, authority.path if client_ca else None)


def test_a_feed_speaks_tls(feed, authority):
    """H-06: and nothing else."""
    lab = feed(tls=_served(authority), **BEARER)
    headers = {"content-type": ER7, "authorization": f"Bearer {TOKEN}"}
    answer = lab.client(verify=context(authority)).post(lab.url, content=admission(1), headers=headers)
    assert answer.status_code == 200
    with pytest.raises(httpx.HTTPError):
        lab.client().post(lab.url.replace("https", "http"), content=admission(1), headers=headers)
    assert len(lab.intake.stored) == 1


def test_where_certificates_are_asked_for_nobody_is_heard_without_one(feed, authority):
    """H-06: mutual TLS; the connection ends before any HL7."""
    lab = feed(tls=_served(authority, client_ca=True))
    headers = {"content-type": ER7}
    shown = context(authority, authority.issue("lab.test"))
    assert lab.client(verify=shown).post(lab.url, content=admission(1), headers=headers).status_code == 200
    with pytest.raises(httpx.HTTPError):
        lab.client(verify=context(authority)).post(lab.url, content=admission(2), headers=headers)
    assert len(lab.intake.stored) == 1


def test_tls_before_1_2_is_refused(feed, authority):
    """TL-04 over HTTP."""
    lab = feed(tls=_served(authority))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", lab.server.port), 5) as raw, pytest.raises(OSError):
        old.wrap_socket(raw)


def _shown(feed: Feed, authority) -> bytes:
    with socket.create_connection(("127.0.0.1", feed.server.port), 5) as raw:
        link = context(authority).wrap_socket(raw)
        found = link.getpeercert(binary_form=True)
        link.close()
    assert found
    return found


def test_a_renewed_certificate_serves_the_next_connection(feed, authority, capfd):
    """TL-05 over HTTP: without a restart; files that cannot be used change nothing and are told."""
    first = authority.issue("gateway.test", file="served")
    lab = feed(tls=Certificates(first.certificate, first.key))
    assert _shown(lab, authority) == first.der
    second = authority.issue("gateway.test", file="served")
    assert _shown(lab, authority) == second.der
    first.key.write_text("no key")
    assert _shown(lab, authority) == second.der
    assert "api.certificate-not-loaded" in capfd.readouterr().err


def test_files_that_are_no_certificates_are_a_configuration_error(authority, tmp_path):
    """And are never quoted."""
    ours = authority.issue("gateway.test")
    junk = tmp_path / "junk.pem"
    junk.write_text("CANARY")
    for files in ((junk, ours.key, None), (ours.certificate, junk, None), (ours.certificate, ours.key, junk), (tmp_path / "no", ours.key, None)):  # fmt: skip
        with pytest.raises(ConfigError, match=r"api\.tls") as told:
            Certificates(*files)
        assert "CANARY" not in str(told.value)


def test_a_stranger_has_nothing_of_its_request_read(feed, monkeypatch):
    """H-06: what it says costs us nothing."""

    def read(_value):
        raise AssertionError

    monkeypatch.setattr("connectors.sources.http.endpoint.media_of", read)
    lab = feed(bearer=[{"token": "a-token-of-sixteen-characters"}])
    assert lab.post(admission(1)).status_code == 401
