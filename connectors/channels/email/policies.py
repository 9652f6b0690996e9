"""The MTA-STS policies of domains, kept as long as they say and no longer than is safe; losing the TXT record loses none (EM-05)."""

from __future__ import annotations

import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from connectors.channels.email.connection import Deadline
from connectors.channels.email.mtasts import Mode, StsPolicy, fetch, parse_policy, policy_id
from connectors.channels.email.names import Names
from gateway.model.errors import Refused, Unavailable

FRESH = 86_400.0  # seconds until a policy is fetched again though its id is the same (EM-08, RFC 8461 §3.3)
AGAIN = 300.0  # seconds until one that could not be had is asked for again (§3.3)
_FETCHING = 10.0  # seconds
_DOMAINS = 20_000


@dataclass(frozen=True, slots=True)
class _Kept:
    policy: StsPolicy | None
    id: str | None
    fetched: float
    failed: float | None = None  # when a newer one was last asked for in vain

    def stands(self, now: float) -> bool:
        return self.policy is not None and now < self.fetched + self.policy.max_age


class Policies:
    """Thread-safe; `port` and `clock` (seconds) are those of the world but for tests."""

    def __init__(
        self, names: Names, context: ssl.SSLContext, *, port: int = 443, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._names = names
        self._context = context
        self._port = port
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def of(self, domain: str, deadline: Deadline) -> StsPolicy | None:
        """The policy in force, None when there is none (`mode: none` is none). Never raises for what a domain does."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(domain)
        told = self._told(domain, deadline)
        if told is not None and self._wants(kept, told, now):
            kept = self._renewed(domain, kept, told, now, deadline)
        if kept is None or not kept.stands(now):
            return None
        return None if kept.policy is None or kept.policy.mode is Mode.NONE else kept.policy

    def _told(self, domain: str, deadline: Deadline) -> str | None:
        try:
            return policy_id(self._names.texts(f"_mta-sts.{domain}", deadline))
        except Unavailable:
            return None

    def _wants(self, kept: _Kept | None, told: str, now: float) -> bool:
        if kept is None:
            return True
        if kept.failed is not None and now < kept.failed + AGAIN:
            return False
        return kept.id != told or now >= kept.fetched + FRESH or not kept.stands(now)

    def _renewed(self, domain: str, kept: _Kept | None, told: str, now: float, deadline: Deadline) -> _Kept:
        policy = self._fetched(domain, deadline.within(min(_FETCHING, deadline.left_or_none() / 2)))
        if policy is not None:
            renewed = _Kept(policy, told, now)
        elif kept is not None:  # what was told before stands until its time is over (§5.1)
            renewed = _Kept(kept.policy, kept.id, kept.fetched, failed=now)
        else:
            renewed = _Kept(None, None, now, failed=now)
        with self._lock:
            self._kept[domain] = renewed
            self._kept.move_to_end(domain)
            while len(self._kept) > _DOMAINS:
                self._kept.popitem(last=False)
        return renewed

    def _fetched(self, domain: str, deadline: Deadline) -> StsPolicy | None:
        host = f"mta-sts.{domain}"
        try:
            addresses = self._names.addresses(host, deadline)
        except (Unavailable, Refused):
            return None
        body = fetch(host, addresses, self._port, self._context, deadline)
        return None if body is None else parse_policy(body)
