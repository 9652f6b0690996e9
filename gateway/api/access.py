"""Who calls is known before anything of a request is read, and what each route asks for is one right of one table."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.api.dryruns import DryRuns
from gateway.api.oidc import Tokens
from gateway.api.pace import Bucket, caller_of
from gateway.model.access import Caller, Refusal, Right
from gateway.pipeline import inspect
from gateway.ports import Clock

RATE, BURST = 20.0, 100.0  # requests a second of one caller, and how many at once after a pause
DOOR_RATE, DOOR_BURST = 100.0, 400.0  # of one address, whoever calls from there
LONGEST_CREDENTIAL = 8_192


class Denied(Exception):
    """Turned away. `status` 401, 403 or 429; `why` goes to the audit log and, in its closed word, to the caller."""

    def __init__(self, status: int, why: Refusal) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Access:
    """All that is asked before a request is let in: rate, credentials, right. Every refusal is witnessed."""

    gateway: inspect.Inspectable
    tokens: Tokens | None
    refusals: inspect.Refusals
    callers: Bucket
    doors: Bucket
    dry_runs: DryRuns

    @classmethod
    def of(cls, gateway: inspect.Inspectable, clock: Clock, tokens: Tokens | None) -> Access:
        """For one server."""
        return cls(
            gateway,
            tokens,
            inspect.Refusals(gateway.store),
            Bucket(clock, RATE, BURST),
            Bucket(clock, DOOR_RATE, DOOR_BURST),
            DryRuns(gateway),
        )

    def bearer(self, header: str | None, host: str, route: str) -> Caller:
        """Who an Authorization header is of (RFC 6750 §2.1; nowhere else is a token taken). Raises Denied, StoreError."""
        self.door(host, route)
        found = self._known(header)
        if isinstance(found, Refusal):
            raise self.denied(403 if found is Refusal.NO_ROLE else 401, found, host, route)
        return found

    def _known(self, header: str | None) -> Caller | Refusal:
        scheme, _, credential = (header or "").partition(" ")
        credential = credential.strip()
        if scheme.lower() != "bearer" or not credential:
            return Refusal.NO_CREDENTIALS
        return self.credential(credential)

    def credential(self, credential: str) -> Caller | Refusal:
        """Who has this API key or token. Raises StoreError."""
        if len(credential) > LONGEST_CREDENTIAL or not credential.isascii():
            return Refusal.TOKEN_INVALID
        if credential.count(".") != 2:  # three parts: a JWT (RFC 7515 §3.1)
            return inspect.access_find(self.gateway.store, credential)
        return Refusal.TOKEN_INVALID if self.tokens is None else self.tokens.check(credential)

    def door(self, host: str, route: str) -> None:
        """Raises Denied when too much comes from an address."""
        if not self.doors.take(caller_of(host)):
            raise self.denied(429, Refusal.TOO_MANY, host, route)

    def allow(self, caller: Caller, right: Right, route: str) -> None:
        """Raises Denied unless the caller may, and is not too fast."""
        if not self.callers.take(caller.account):
            raise self.denied(429, Refusal.TOO_MANY, caller.account, route)
        if not caller.may(right):
            raise self.denied(403, Refusal.NOT_ALLOWED, caller.account, route)

    def denied(self, status: int, why: Refusal, who: str, route: str) -> Denied:
        """What to raise; it is in the audit log by then."""
        self.refusals(who, why, route)
        return Denied(status, why)
