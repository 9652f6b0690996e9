"""Who may post: address and secret are judged before a byte of the body is read, a signature before any of it is parsed (S-32)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from connectors.networks import admits
from connectors.sources.doors import digest, fitting
from connectors.sources.exchange import Request
from connectors.sources.fhir.options import FhirOptions, KeyOptions, SignatureOptions, TokenOptions
from connectors.sources.fhir.signatures import Replays, stamp_of, verifies
from connectors.sources.fhir.tokens import Issuer
from gateway.model.when import Millis

_AUTHORIZATION = b"authorization"
_BEARER = b"bearer "


class Judgement(StrEnum):
    """Why a caller is turned away, or not heard yet."""

    STRANGER = "stranger"  # its address is not listed: 403
    UNPROVEN = "unproven"  # it shows nothing: 401
    WRONG = "wrong"  # it shows what is wrong: 401
    REPLAYED = "replayed"  # it was signed for another time: 401
    SIGNED = "signed"  # its body must be read first
    TOKEN = "token"  # noqa: S105  # its issuer's keys may have to be fetched first


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may post. Empty sets: about every subscription and topic of the source.

    `stamp`: what makes its signed call this one; None where nothing does. `bare`: it signed the body, not the path and head.
    """

    subscriptions: frozenset[str] = frozenset()
    topics: frozenset[str] = frozenset()
    stamp: bytes | None = None
    bare: bool = False

    def stands_for(self, subscription: str, topic: str) -> bool:
        """Whether it may speak of them (S-35); what is not told ("") is not judged."""
        return _within(subscription, self.subscriptions) and _within(topic.partition("|")[0], self.topics)


ANYBODY = Caller()


class Access:
    """Judges callers by the options of one source. Comparisons take the same time whatever differs."""

    def __init__(self, options: FhirOptions) -> None:
        self._options = options
        self._keys: dict[bytes, tuple[list[bytes], list[Caller]]] = {}
        for key in options.keys:
            digests, callers = self._keys.setdefault(key.header.lower().encode(), ([], []))
            digests.append(digest(key.secret.get_secret_value().encode()))
            callers.append(_caller(key))
        self._signers = [(one, replace(_caller(one), bare=True)) for one in options.signatures]
        self._issuers = [(Issuer(one), _caller(one)) for one in options.tokens]
        self._replays = Replays(int(2_000 * options.signed_within))

    def judge(self, request: Request) -> Caller | Judgement:
        """By the head alone."""
        if not admits(self._options.allow, request.host):
            return Judgement.STRANGER
        if not self._options.authenticates:
            return ANYBODY
        for header, (digests, callers) in self._keys.items():
            if shown := request.all(header):
                fits = fitting(digest(_bare(header, shown[0])), digests) if len(shown) == 1 else None
                if fits is not None:
                    return callers[fits]
                if header != _AUTHORIZATION or not self._issuers:
                    return Judgement.WRONG
        if self._issuers and len(request.all(_AUTHORIZATION)) == 1:
            return Judgement.TOKEN
        return (
            Judgement.SIGNED if any(stamp_of(one.scheme, request) for one, _ in self._signers) else Judgement.UNPROVEN
        )

    def believe(self, request: Request) -> Caller | Judgement:
        """By the token it shows. Blocks, at worst while keys are fetched."""
        token = _bare(_AUTHORIZATION, request.all(_AUTHORIZATION)[0])
        return next((caller for issuer, caller in self._issuers if issuer.believes(token)), Judgement.WRONG)

    def verify(self, request: Request, body: bytes, now: Millis) -> Caller | Judgement:
        """By the signature over the bytes as they came. A call that proves to be this very one is taken once."""
        for signer, caller in self._signers:
            stamp = stamp_of(signer.scheme, request)
            if stamp is None or not verifies(signer.scheme, signer.secret.get_secret_value(), request, body):
                continue
            if stamp.at is None:
                return caller
            if abs(now - stamp.at) > 1_000 * self._options.signed_within or not self._replays.first(stamp.mark, now):
                return Judgement.REPLAYED
            return replace(caller, stamp=stamp.mark)
        return Judgement.WRONG

    def unanswered(self, caller: Caller) -> None:
        """It was not told that its call arrived, and may repeat it as it is."""
        if caller.stamp is not None:
            self._replays.forget(caller.stamp)

    def knows(self, subscription: str) -> bool:
        """Whether any secret of this source stands for a subscription: else there is none of that name (S-35)."""
        options = self._options
        told = [*options.keys, *options.signatures, *options.tokens]
        return not told or any(_within(subscription, frozenset(one.subscriptions)) for one in told)


def _caller(limited: KeyOptions | SignatureOptions | TokenOptions) -> Caller:
    return Caller(frozenset(limited.subscriptions), frozenset(limited.topics))


def _within(told: str, allowed: frozenset[str]) -> bool:
    return not allowed or not told or told in allowed


def _bare(header: bytes, value: bytes) -> bytes:
    """The secret of a header: of Authorization what stands behind Bearer (RFC 6750)."""
    if header != _AUTHORIZATION:
        return value.strip()
    return value[len(_BEARER) :].strip() if value[: len(_BEARER)].lower() == _BEARER else b""
