"""What a clinic's messages are signed with, and that the signature stands only for what was signed."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from email_parts import NOW, Post, channel, envelope, free_port, relay

from connectors.channels.email import EmailChannel
from gateway.model.errors import ConfigError, Unavailable
from gateway.ports import SetClock

URL = "https://portal.lakeside.example/u/Zk3yGq0-_x"


def pem(path: Path, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """The key as a file; its name."""
    kind, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, clear))
    return str(path)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """RSA with 2048 bits."""
    return rsa.generate_private_key(65537, 2048)


def dns_of(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    """The TXT record that publishes it."""
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if isinstance(key, rsa.RSAPrivateKey):
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(raw)


def options(path: str, domain: str = "lakeside.example") -> dict[str, object]:
    """One signing domain."""
    return {"dkim": [{"domain": domain, "selector": "cg1", "key": path}]}


def sent(told: dict[str, object], **changes: object) -> bytes:
    """What the relay got of one envelope."""
    with relay(post := Post()) as port, channel(port, **told) as mail:
        mail.send(envelope(**changes))
    return bytes(post.taken[0].content)


def verified(content: bytes, key: rsa.RSAPrivateKey) -> bool:
    """By dkimpy, as a receiver would."""

    def txt(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"cg1._domainkey.lakeside.example."
        return dns_of(key)

    return bool(dkim.verify(content, dnsfunc=txt))


def test_a_message_is_signed_and_what_somebody_changes_is_not(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-20, EM-21: dkimpy verifies; both RFC 8058 headers are covered; a changed word, link or a second From breaks it."""
    content = sent(options(pem(tmp_path / "k.pem", key)), unsubscribe=URL)
    assert verified(content, key)
    signature = content[: content.index(b"Message-ID:")].lower()
    assert b"list-unsubscribe" in signature
    assert b"list-unsubscribe-post" in signature
    assert f"List-Unsubscribe: <{URL}>\r\n".encode() in content
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in content
    for changed in (
        content.replace(b"Marisol", b"Carlota"),
        content.replace(b"portal.lakeside", b"portal.evilside"),
        content.replace(b"=One-Click", b"=Two-Click"),
        content.replace(b"Subject: Your visit", b"Subject: Your fate"),
        b"From: else@evil.example\r\n" + content,
        b"Subject: Other\r\n" + content,
    ):
        assert changed != content
        assert not verified(changed, key)


def test_a_message_without_a_link_cannot_be_given_one(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-21: the absence of List-Unsubscribe is signed too."""
    content = sent(options(pem(tmp_path / "k.pem", key)))
    assert b"List-Unsubscribe" not in content
    assert verified(content, key)
    assert not verified(b"List-Unsubscribe: <https://evil.example/>\r\n" + content, key)


def test_ed25519_signatures_follow_the_standard(tmp_path: Path) -> None:
    """RFC 8463: over SHA-256 of the headers; verified here with the public key alone."""
    key = ed25519.Ed25519PrivateKey.generate()
    content = sent(options(pem(tmp_path / "k.pem", key)))
    assert content.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256;")

    work = dkim.DKIM(content)
    sig, include, headers = work.verify_headerprep()
    canon = dkim.CanonicalizationPolicy.from_c_value(sig[b"c"])
    through = dkim.HashThrough(dkim.HASH_ALGORITHMS[b"ed25519-sha256"](), False)
    dkim.hash_headers(through, canon, canon.canonicalize_headers(work.headers), include, headers[0], sig)
    key.public_key().verify(base64.b64decode(b"".join(sig[b"b"].split())), through.digest())


def test_a_retry_is_the_same_bytes_hours_later(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-13: signature, date, boundary and id included, though the clock went on and the attempt is another one."""
    told = {
        **options(pem(tmp_path / "k.pem", key)),
        "bounces": {"address": "bounces@lakeside.example", "secret": "x" * 40},
    }
    first = envelope(at=NOW - 1000, unsubscribe=URL)
    contents = []
    for attempt, hours in enumerate((0, 3)):
        with relay(post := Post()) as port:
            made = EmailChannel(
                "email",
                {"host": "127.0.0.1", "port": port, "tls": "off", "relay_enforces_tls": True, **told},
                SetClock(NOW + hours * 3_600_000),
            )
            made.send(replace(first, communication=100 + attempt))
            made.close()
        contents.append(post.taken[0].content)
        assert post.taken[0].mail_from.startswith("bounces+")
    assert contents[0] == contents[1]
    assert verified(contents[0], key)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rsa1024", "2048 bits"),
        ("ec", "RSA or an Ed25519"),
        ("nonsense", "unencrypted private key"),
        ("none", "private key"),
    ],
)
def test_a_weak_or_broken_key_stops_the_start(tmp_path: Path, text: str, said: str) -> None:
    """EM-20, RFC 8301: and nothing of the key is in the words."""
    path = tmp_path / "k.pem"
    if text == "rsa1024":
        pem(path, rsa.generate_private_key(65537, 1024))
    elif text == "ec":
        pem(path, ec.generate_private_key(ec.SECP256R1()))
    elif text == "nonsense":
        path.write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match=said) as refused:
        EmailChannel("email", {"host": "localhost", **options(str(path))}, SetClock(NOW))
    assert "channels.email.dkim.0.key" in str(refused.value)
    assert "c2Vj" not in str(refused.value)


def test_a_sender_no_key_is_aligned_with_stops_the_start(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-20, DMARC: From must be of a signing domain or below one."""
    told = {"host": "localhost", **options(pem(tmp_path / "k.pem", key))}
    mail = EmailChannel("email", told, SetClock(NOW))
    mail.vouch(["no-reply@lakeside.example", "care@north.lakeside.example"])
    with pytest.raises(ConfigError, match=r"channels\.email\.dkim: .*riverside\.example"):
        mail.vouch(["no-reply@lakeside.example", "care@riverside.example", "a@notlakeside.example"])
    mail.close()
    EmailChannel("email", {"host": "localhost"}, SetClock(NOW)).vouch(["care@riverside.example"])


def test_a_message_of_a_domain_without_a_key_waits(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """What the start would have told is at least not sent unsigned."""
    told = options(pem(tmp_path / "k.pem", key), "riverside.example")
    with channel(free_port(), **told) as mail, pytest.raises(Unavailable, match="DKIM"):
        mail.send(envelope())


def test_the_nearest_domain_signs(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """Several organisations, one gateway."""
    path = pem(tmp_path / "k.pem", key)
    both = [{"domain": one, "selector": "cg1", "key": path} for one in ("lakeside.example", "north.lakeside.example")]
    assert b" d=north.lakeside.example;" in sent({"dkim": both}, sender_address="care@north.lakeside.example")
    assert b" d=lakeside.example;" in sent({"dkim": both}, sender_address="care@south.lakeside.example")


def test_opendkim_agrees(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-20: a second, independent verifier, with its key from a file instead of DNS."""
    program = shutil.which("opendkim") or "/usr/sbin/opendkim"
    if not Path(program).exists():
        pytest.skip("opendkim is not available: apt install opendkim")
    content = sent(options(pem(tmp_path / "k.pem", key)), unsubscribe=URL, at=int(time.time() * 1000))
    (tmp_path / "keys").write_text(f"cg1._domainkey.lakeside.example {dns_of(key).decode()}\n")
    (tmp_path / "conf").write_text(f"TestPublicKeys {tmp_path / 'keys'}\nMode v\nSyslog no\n")
    for name, body, good in (("good", content, True), ("bad", content.replace(b"Marisol", b"Carlota"), False)):
        (tmp_path / name).write_bytes(body)
        ran = subprocess.run(
            [program, "-x", str(tmp_path / "conf"), "-t", str(tmp_path / name)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ("verification (s=cg1, d=lakeside.example, 2048-bit key) succeeded" in ran.stdout + ran.stderr) is good


def test_lint_tells_of_a_sender_that_no_key_is_aligned_with(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """EM-20: not only the start; at the very option."""
    from gateway.app.upkeep import wrong_sections
    from gateway.settings import examine

    pem(tmp_path / "k.pem", key)
    (tmp_path / "caregate.yaml").write_text(
        "environment: production\nkeys: k.json\n"
        "organizations:\n"
        "  riverside: {name: Riverside, zone: America/Chicago, sender_name: Riverside,"
        " sender_email: care@riverside.example, callback: 312-555-0100}\n"
        "channels:\n"
        "  email:\n"
        "    kind: email\n"
        "    host: localhost\n"
        "    dkim:\n"
        "      - {domain: lakeside.example, selector: cg1, key: k.pem}\n"
    )
    seen = examine(tmp_path / "caregate.yaml")
    told = wrong_sections(seen.sections, seen.time_limit, seen.senders)
    assert [one.rpartition("caregate.yaml:")[2] for one in told] == [
        "10:7: channels.email.dkim: no domain here is, or is above, riverside.example"
    ]
    assert wrong_sections(seen.sections, seen.time_limit, ["care@lakeside.example"]) == []
