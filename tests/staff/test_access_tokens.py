"""Bearer tokens of an identity provider: the good one opens, and every forgery that is known does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from staff_site import NOW

from gateway.api.oidc import LONGEST_TOKEN, Provider, Tokens
from gateway.model.access import Caller, Refusal, Role
from gateway.model.errors import ConfigError, StoreUnavailable
from gateway.model.when import MINUTE
from gateway.ports import SetClock

ISSUER, AUDIENCE = "https://id.lakeside.example", "caregate"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)
CURVE = ec.generate_private_key(ec.SECP256R1())


def _published(key, kid, **more):
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}


class Away(OSError):
    """The provider does not answer."""


class FakeProvider:
    """What the provider publishes, and how often it was asked."""

    def __init__(self):
        self.keys = [_published(RSA, "r1"), _published(CURVE, "e1"), _published(WEAK, "w1")]
        self.asked = 0
        self.away = False
        self.issuer = ISSUER

    def __call__(self, url):
        self.asked += 1
        if self.away:
            raise Away
        if url.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": self.issuer, "jwks_uri": f"{ISSUER}/keys"}).encode()
        assert url == f"{ISSUER}/keys"
        return json.dumps({"keys": self.keys}).encode()


@pytest.fixture
def clock():
    return SetClock(NOW)


@pytest.fixture
def provider():
    return FakeProvider()


@pytest.fixture
def tokens(clock, provider):
    told = Provider(
        issuer=ISSUER, audience=AUDIENCE, roles_claim="groups", roles={"caregate-privacy": Role.PRIVACY_OFFICER}
    )
    return Tokens(told, clock, provider)


def claims(**more):
    seconds = NOW // 1000
    told = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "maria", "jti": "j-1", "iat": seconds, "nbf": seconds,
        "exp": seconds + 300, "groups": ["caregate-privacy", "everybody"], **more,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def signed(key=RSA, algorithm="RS256", kid="r1", headers=None, **more):
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers={"kid": kid, **(headers or {})})


def _part(told):
    return base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("key", "algorithm", "kid"), [(RSA, "RS256", "r1"), (CURVE, "ES256", "e1")])
def test_a_token_of_the_provider_opens_with_the_role_its_claim_gives(tokens, key, algorithm, kid):
    """AU-03: the account is sub, iss and jti; of the token itself nothing."""
    found = tokens.check(signed(key, algorithm, kid))
    assert isinstance(found, Caller)
    assert found.roles == {Role.PRIVACY_OFFICER}
    assert found.account == f"oidc:maria iss={ISSUER} jti=j-1"


def test_roles_may_be_words_of_one_claim_and_the_audience_one_of_several(tokens):
    """OIDC Core 2: aud may be a list; a claim of roles is often a text."""
    assert isinstance(tokens.check(signed(groups="everybody caregate-privacy", aud=["other", AUDIENCE])), Caller)


def _none():
    return f"{_part({'alg': 'none', 'kid': 'r1'})}.{_part(claims())}."


def _hs256_with_the_public_key():
    """The key everybody may read taken for a shared secret (RFC 8725 §2.1)."""
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = f"{_part({'alg': 'HS256', 'kid': 'r1'})}.{_part(claims())}"
    mac = base64.urlsafe_b64encode(hmac.new(pem, text.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
    return f"{text}.{mac}"


def _changed():
    head, _, mac = signed().split(".")
    return f"{head}.{_part(claims(sub='root'))}.{mac}"


_SECONDS = NOW // 1000
FORGED = {
    "algorithm none": _none,
    "algorithm None": lambda: f"{_part({'alg': 'None', 'kid': 'r1'})}.{_part(claims())}.",
    "HS256 with the public key": _hs256_with_the_public_key,
    "claims changed": _changed,
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "another's key under our kid": lambda: signed(OTHER),
    "unknown kid": lambda: signed(kid="nope"),
    "no kid": lambda: jwt.encode(claims(), RSA, algorithm="RS256"),
    "a path for a kid": lambda: signed(kid="../../../dev/null"),
    "kid of the other kind": lambda: signed(kid="e1"),
    "RS512": lambda: signed(algorithm="RS512"),
    "PS256": lambda: signed(algorithm="PS256"),
    "its own key in the header": lambda: signed(OTHER, headers={"jwk": _published(OTHER, "r1")}),
    "keys from elsewhere": lambda: signed(OTHER, headers={"jku": "https://evil.example/keys"}),
    "a critical extension": lambda: signed(headers={"crit": ["b64"], "b64": False}),
    "wrong audience": lambda: signed(aud="another"),
    "no audience": lambda: signed(aud=None),
    "wrong issuer": lambda: signed(iss="https://evil.example"),
    "issuer with a slash more": lambda: signed(iss=f"{ISSUER}/"),
    "no subject": lambda: signed(sub=None),
    "a subject that breaks lines": lambda: signed(sub="maria\nroot"),
    "a subject of spaces": lambda: signed(sub="maria iss=x"),
    "a huge subject": lambda: signed(sub="x" * 300),
    "no end": lambda: signed(exp=None),
    "not yet": lambda: signed(nbf=_SECONDS + 3600),
    "issued in the future": lambda: signed(iat=_SECONDS + 3600),
    "an end that is text": lambda: signed(exp="never"),
    "an end that is infinite": lambda: signed(exp=float("inf")),
    "a huge token": lambda: signed(junk="x" * LONGEST_TOKEN),
    "not JSON": lambda: "e30.e30",
    "dots": lambda: "..",
    "deep": lambda: f"{base64.urlsafe_b64encode(b'[' * 5_000).decode()}.e30.e30",
}


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED)
def test_a_forged_token_opens_nothing(tokens, make):
    """RFC 8725: algorithm confusion, unknown keys, other people's tokens, times, sizes; one answer to all."""
    assert tokens.check(make()) is Refusal.TOKEN_INVALID


def test_a_weak_key_is_not_taken_even_if_the_provider_publishes_it(tokens):
    """RFC 7518 §3.3: RSA from 2048 bits."""
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(WEAK, kid="w1")
    assert tokens.check(token) is Refusal.TOKEN_INVALID


def test_an_expired_token_is_refused_by_our_own_clock(tokens, clock):
    """A minute is allowed for clocks that differ (RFC 7519 §4.1.4)."""
    token = signed()
    assert isinstance(tokens.check(token), Caller)
    clock.set(NOW + 5 * MINUTE + 59_000)
    assert isinstance(tokens.check(token), Caller)
    clock.set(NOW + 6 * MINUTE)
    assert tokens.check(token) is Refusal.TOKEN_EXPIRED


@pytest.mark.parametrize("groups", [None, [], ["everybody"], {"caregate-privacy": True}, "privacy-officer", 7])
def test_whoever_has_no_role_here_may_do_nothing(tokens, groups):
    """A claim that names none of the configured values gives none of ours."""
    assert tokens.check(signed(groups=groups)) is Refusal.NO_ROLE


def test_keys_are_fetched_once_and_unknown_ones_do_not_make_us_ask_all_the_time(tokens, provider, clock):
    """Nobody can have us flood the provider; a new key is found within half a minute."""
    for _ in range(5):
        assert isinstance(tokens.check(signed()), Caller)
    assert provider.asked == 2
    clock.set(NOW + 31_000)
    for number in range(50):
        assert tokens.check(signed(OTHER, kid=f"guess{number}")) is Refusal.TOKEN_INVALID
    assert provider.asked == 4
    provider.keys.append(_published(OTHER, "r2"))
    clock.set(NOW + 62_000)
    assert isinstance(tokens.check(signed(OTHER, kid="r2")), Caller)


def test_a_made_up_key_id_keeps_nobody_waiting_but_who_made_it_up(tokens, provider, clock):
    """While the provider is slow to answer a stranger's key id, everybody else signs in as before."""
    assert isinstance(tokens.check(signed()), Caller)
    clock.set(NOW + 31_000)
    asked, answers = threading.Event(), threading.Event()

    class Slow(FakeProvider):
        def __call__(self, url):
            asked.set()
            answers.wait(10)
            return super().__call__(url)

    provider.__class__ = Slow
    with ThreadPoolExecutor(2) as elsewhere:
        stranger = elsewhere.submit(tokens.check, signed(OTHER, kid="guess"))
        assert asked.wait(10)
        colleague = elsewhere.submit(tokens.check, signed())
        try:
            assert isinstance(colleague.result(timeout=5), Caller)
        finally:
            answers.set()
        assert stranger.result() is Refusal.TOKEN_INVALID


def test_a_key_that_is_withdrawn_opens_nothing_after_ten_minutes(tokens, provider, clock):
    """The provider's word counts."""
    assert isinstance(tokens.check(signed(exp=NOW // 1000 + 9000)), Caller)
    provider.keys = [_published(CURVE, "e1")]
    clock.set(NOW + 11 * MINUTE)
    assert tokens.check(signed(exp=NOW // 1000 + 9000)) is Refusal.TOKEN_INVALID


def test_a_provider_that_is_away_lets_nobody_new_in_and_its_last_word_lasts_an_hour(tokens, provider, clock):
    """Fail closed, and say that it is not the caller's fault."""
    provider.away = True
    with pytest.raises(StoreUnavailable):
        tokens.check(signed())
    with pytest.raises(StoreUnavailable):
        tokens.check(signed())
    assert provider.asked == 1
    provider.away = False
    clock.set(NOW + MINUTE)
    assert isinstance(tokens.check(signed(exp=NOW // 1000 + 90_000)), Caller)
    provider.away = True
    clock.set(NOW + 30 * MINUTE)
    assert isinstance(tokens.check(signed(exp=NOW // 1000 + 90_000)), Caller)
    clock.set(NOW + 62 * MINUTE)
    with pytest.raises(StoreUnavailable):
        tokens.check(signed(exp=NOW // 1000 + 90_000))


def test_the_description_must_be_of_the_very_provider_that_was_asked(tokens, provider):
    """OIDC Discovery 4.3."""
    provider.issuer = "https://evil.example"
    with pytest.raises(StoreUnavailable):
        tokens.check(signed())


@pytest.mark.parametrize("issuer", ["http://id.lakeside.example", "file:///etc/passwd", "id.lakeside.example"])
def test_keys_are_never_fetched_in_the_clear(clock, issuer):
    """Whoever sits between could publish a key of their own."""
    with pytest.raises(ConfigError, match=r"api\.oidc"):
        Tokens(Provider(issuer=issuer, audience="a", roles_claim="r", roles={}), clock)
