"""How often one caller may come: counted in this process, and what is remembered is bounded whatever is told."""

from __future__ import annotations

import ipaddress
import threading

from gateway.ports import Clock

_MOST = 10_000  # callers remembered


class Bucket:
    """A bucket for each name: `burst` at once after a pause, then `rate` a second. Thread-safe."""

    def __init__(self, clock: Clock, rate: float, burst: float, *, most: int = _MOST) -> None:
        self._clock, self._rate, self._burst, self._most = clock, rate, burst, most
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, int]] = {}

    def take(self, name: str) -> bool:
        """Whether one more may come now."""
        with self._lock:
            now = self._clock.now()
            left, at = self._left.pop(name, (self._burst, now))
            left = min(self._burst, left + max(now - at, 0) / 1000 * self._rate)
            if len(self._left) >= self._most:
                self._left.pop(next(iter(self._left)))  # whoever was quiet longest
            self._left[name] = (left - 1 if left >= 1 else left, now)
            return left >= 1


def caller_of(host: str) -> str:
    """Whom an address is counted as: of IPv6 its /64, which is what one customer has at the least (RFC 6177)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def is_shared(host: str) -> bool:
    """Whether everybody may come from it: a proxy on this machine, say, which then has to tell them apart."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
