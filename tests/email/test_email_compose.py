"""A composed message has the headers we wrote and no others, whatever a patient or a clinic is called."""

from __future__ import annotations

import email
import email.policy
from email.header import decode_header
from email.message import EmailMessage
from typing import cast

from email_parts import NOW, envelope, to
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.channels.email.compose import compose
from gateway.model.errors import Refused

_HEADERS = {
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
}


def _read(content: bytes) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(content, policy=email.policy.default))


def _decoded(content: bytes, header: str) -> str:
    raw = str(email.message_from_bytes(content)[header]).replace("\r\n", "")
    return "".join(
        part if isinstance(part, str) else part.decode(codec or "ascii") for part, codec in decode_header(raw)
    )


def test_a_message_says_that_a_machine_wrote_it_and_in_which_language() -> None:
    """EM-27, RFC 3834, RFC 3282."""
    message = _read(compose(envelope(), now=NOW).content)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "en-US"
    assert message["Date"] == "Tue, 03 Mar 2026 19:30:00 +0000"
    assert message["From"] == "Lakeside Health <no-reply@lakeside.example>"
    assert set(message.keys()) == _HEADERS


def test_a_resend_is_the_same_bytes() -> None:
    """EM-13: same envelope, same instant, same bytes."""
    assert compose(envelope(), now=NOW) == compose(envelope(), now=NOW)


def test_a_message_without_html_is_plain() -> None:
    """One part needs no boundary."""
    message = _read(compose(envelope(html=None), now=NOW).content)
    assert message.get_content_type() == "text/plain"
    assert message["Content-Language"] == "en-US"


def test_a_repr_shows_no_address_and_no_word() -> None:
    """No PHI in a repr."""
    assert "marisol" not in repr(compose(envelope(), now=NOW)).lower()


@settings(deadline=None, max_examples=300)
@given(subject=st.text(max_size=150), name=st.text(max_size=80))
def test_no_subject_or_name_adds_a_header_or_a_recipient(subject: str, name: str) -> None:
    """EM-14: any text is written as it is, or refused; read back it is the same."""
    try:
        content = compose(envelope(subject=subject, sender_name=name), now=NOW).content
    except Refused:
        return
    message = _read(content)
    assert set(message.keys()) == _HEADERS
    assert len(message.keys()) == len(_HEADERS)
    assert [one.addr_spec for one in message["From"].addresses] == ["no-reply@lakeside.example"]
    assert [one.addr_spec for one in message["To"].addresses] == ["marisol@patients.example"]
    assert _decoded(content, "Subject").strip(" ") == subject.strip(" ")
    assert content.isascii()


@settings(deadline=None, max_examples=150)
@given(text=st.text(), html=st.none() | st.text())
def test_any_text_travels_in_short_lines_and_arrives_whole(text: str, html: str | None) -> None:
    """RFC 5322 §2.1.1: no line over 998 octets, no bare CR or LF; the words arrive."""
    try:
        content = compose(envelope(text=text, html=html), now=NOW).content
    except Refused:
        return
    assert all(len(line) <= 998 and b"\r" not in line and b"\n" not in line for line in content.split(b"\r\n"))
    body = _read(content).get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == text.splitlines() or body.get_content().split() == text.split()


@settings(deadline=None, max_examples=300)
@given(address=st.text(max_size=60) | st.emails())
def test_an_address_is_one_address_or_refused(address: str) -> None:
    """EM-14: whatever a feed calls an address, at most one recipient comes of it, without blanks or brackets."""
    try:
        message = compose(envelope(to=to(address)), now=NOW)
    except Refused:
        return
    assert message.recipient.count("@") == 1
    assert not set(message.recipient) & set(' <>,;:\r\n\t"()')
    assert message.recipient.partition("@")[2].isascii()
