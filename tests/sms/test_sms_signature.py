"""A webhook is the provider's or nobody's: our verifier and the provider's own library say the same of every call."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sms_parts import TOKEN
from twilio.request_validator import RequestValidator

from connectors.channels.sms.signature import covers_body, is_signed, signature

# 5.4 of the conformance list: twilio-python's public vector, recomputed
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FORM = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_the_published_vector() -> None:
    """SM-04; 5.4."""
    assert signature("12345", URL, list(FORM.items())) == SIGNED
    assert is_signed(SIGNED, ("12345",), URL, list(FORM.items()))
    assert RequestValidator("12345").validate(URL, FORM, SIGNED)


@pytest.mark.parametrize("name", FORM)
def test_a_parameter_dropped_or_changed_is_refused(name: str) -> None:
    """SM-04; 5.4: by both."""
    for form in (
        {key: value for key, value in FORM.items() if key != name},
        {**FORM, name: FORM[name][:-1]},
        {**FORM, name: FORM[name] + " "},
        {**FORM, name.lower(): FORM[name]},
        {**FORM, "New": ""},
    ):
        assert not is_signed(SIGNED, ("12345",), URL, list(form.items()))
        assert not RequestValidator("12345").validate(URL, form, SIGNED)


@pytest.mark.parametrize(
    "url",
    [
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        "https://mycompany.com/myapp.php?bar=2&foo=1",
        "https://mycompany.com/myapp.php",
        "https://mycompany.com/MyApp.php?foo=1&bar=2",
        "https://evil.example/myapp.php?foo=1&bar=2",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    """SM-04; 5.4: scheme, order of the query, path, host."""
    assert not is_signed(SIGNED, ("12345",), url, list(FORM.items()))


def test_a_signature_is_not_trimmed_and_must_be_whole() -> None:
    """SM-04."""
    for shown in ("", SIGNED + " ", " " + SIGNED, SIGNED[:-1], SIGNED.lower(), "ß", SIGNED + "\n"):
        assert not is_signed(shown, ("12345",), URL, list(FORM.items()))


def test_the_port_may_be_in_the_signed_url_or_not() -> None:
    """SM-04: the provider does now this, now that; also for the port that is told."""
    pairs = list(FORM.items())
    for plain, ported in (
        ("https://gw.example/sms/x/status?c=1", "https://gw.example:443/sms/x/status?c=1"),
        ("http://127.0.0.1/s", "http://127.0.0.1:80/s"),
        ("https://gw.example/s", "https://gw.example:443/s"),
        ("https://[2001:db8::1]/s", "https://[2001:db8::1]:443/s"),
    ):
        for shown in (signature(TOKEN, plain, pairs), signature(TOKEN, ported, pairs)):
            assert is_signed(shown, (TOKEN,), plain, pairs)
            assert is_signed(shown, (TOKEN,), ported, pairs)
    assert is_signed(signature(TOKEN, "https://gw.example/s", pairs), (TOKEN,), "https://gw.example:8443/s", pairs)


def test_two_tokens_while_one_is_changed() -> None:
    """The old one is believed as long as it is configured."""
    shown = signature("old-token-0123456789", URL, ())
    assert is_signed(shown, (TOKEN, "old-token-0123456789"), URL, ())
    assert not is_signed(shown, (TOKEN,), URL, ())


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(st.dictionaries(_TEXT.filter(bool), _TEXT, max_size=6), st.booleans())
def test_what_the_provider_s_library_signs_we_accept_and_the_other_way_round(
    form: dict[str, str], ported: bool
) -> None:
    """SM-04: unknown parameters, empty ones, any letters."""
    url = "https://gw.example:443/sms/x/inbound" if ported else "https://gw.example/sms/x/inbound"
    theirs = RequestValidator(TOKEN).compute_signature(url, form)
    ours = signature(TOKEN, url, list(form.items()))
    assert ours == theirs
    assert is_signed(theirs, (TOKEN,), url, list(form.items()))
    assert RequestValidator(TOKEN).validate(url, form, ours)
    tampered = {**form, "Body": form.get("Body", "") + "!"}
    assert not is_signed(theirs, (TOKEN,), url, list(tampered.items()))
    assert not RequestValidator(TOKEN).validate(url, tampered, theirs)


def test_a_name_told_twice_is_signed_as_the_library_does() -> None:
    """SM-04: both values, each once, in order."""

    class Several(dict[str, list[str]]):
        def getlist(self, name: str) -> list[str]:
            return self[name]

    theirs = RequestValidator(TOKEN).compute_signature(URL, Several({"B": ["2", "1", "2"], "A": ["x"]}))
    assert signature(TOKEN, URL, [("B", "2"), ("A", "x"), ("B", "1"), ("B", "2")]) == theirs


BODY = json.dumps({"Marisol": "é"}).encode()


def test_a_json_body_is_covered_by_its_digest_in_the_url() -> None:
    """SM-05: as the provider's library has it."""
    url = f"https://gw.example/s?bodySHA256={hashlib.sha256(BODY).hexdigest()}"
    shown = signature(TOKEN, url, ())
    assert covers_body(url, BODY)
    assert RequestValidator(TOKEN).validate(url, BODY.decode(), shown)
    assert not covers_body(url, BODY + b" ")
    assert not RequestValidator(TOKEN).validate(url, BODY.decode() + " ", shown)


@pytest.mark.parametrize(
    "query", ["", "?bodySHA256=", "?bodySHA256=0", "?bodysha256={0}", "?bodySHA256={0}&bodySHA256={0}"]
)
def test_a_json_body_that_nothing_covers_is_refused(query: str) -> None:
    """SM-05: there the library accepts without `bodySHA256`, we do not."""
    url = "https://gw.example/s" + query.format(hashlib.sha256(BODY).hexdigest())
    assert not covers_body(url, BODY)
    if not urlsplit(url).query:
        assert RequestValidator(TOKEN).validate(url, {}, signature(TOKEN, url, ()))
