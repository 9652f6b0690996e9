"""DNS as mail needs it, within a deadline: what is not there, what is not told now, and what must not get mail are three things."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from connectors.channels.email.connection import Deadline, Lost
from connectors.channels.email.options import nameserver
from gateway.model.errors import ConfigError, Refused, Unavailable

_MOST = 8  # servers of one domain that are tried
_CACHED = 20_000  # answers, each for its own time to live


class Names:
    """Asks `nameservers`, else those of the host's configuration. Raises ConfigError when there is none.

    Not `private`: whoever owns a domain writes what its servers' addresses are, and must not have us talk to servers
    behind our own walls.
    """

    def __init__(self, nameservers: Sequence[str], *, private: bool = False) -> None:
        self._private = private
        try:
            self._resolver = dns.resolver.Resolver(configure=not nameservers)
        except dns.exception.DNSException:
            raise ConfigError("channels: nameservers: this host's configuration names none") from None
        if nameservers:
            servers = [nameserver(one) for one in nameservers]
            self._resolver.nameservers = [address for address, _ in servers]
            self._resolver.nameserver_ports = dict(servers)
        self._resolver.cache = dns.resolver.LRUCache(_CACHED)

    def exchanges(self, domain: str, deadline: Deadline) -> tuple[str, ...]:
        """The mail servers of a domain, the preferred first; itself if it names none (RFC 5321 §5.1).

        Raises Refused when there is no such domain or it takes no mail (RFC 7505), Unavailable when nobody tells.
        """
        try:
            found = sorted(
                (one.preference, one.exchange.to_text(omit_final_dot=True).lower())
                for one in self._ask(domain, "MX", deadline)
            )
        except dns.resolver.NXDOMAIN:
            raise Refused("the domain does not exist") from None
        if not found:
            return (domain,)
        if found[0][1] in (".", "@", ""):
            raise Refused("the domain takes no mail")
        return tuple(dict.fromkeys(host for _, host in found))[:_MOST]

    def addresses(self, host: str, deadline: Deadline) -> tuple[str, ...]:
        """The IPv4 and IPv6 addresses of a host. Raises Unavailable, also when it has none that may be used: others may."""
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                found += [one.to_text() for one in self._ask(host, kind, deadline)]
            except dns.resolver.NXDOMAIN:
                break
            except Unavailable:
                if not found:
                    raise
        if not found:
            raise Unavailable("the recipient's server has no address")
        usable = tuple(one for one in found if self._private or ip_address(one).is_global)
        if not usable:
            raise Unavailable("the recipient's server has no public address; see private_servers")
        return usable

    def texts(self, name: str, deadline: Deadline) -> tuple[str, ...]:
        """The TXT records of a name, none when there are none. Raises Unavailable when nobody tells."""
        try:
            found = self._ask(name, "TXT", deadline)
        except dns.resolver.NXDOMAIN:
            return ()
        return tuple(b"".join(one.strings).decode("ascii", "replace") for one in found)

    def _ask(self, name: str, kind: str, deadline: Deadline) -> list[Any]:
        """The records, none when the name has none of that kind. Raises NXDOMAIN, Unavailable."""
        try:
            answer = self._resolver.resolve(
                dns.name.from_text(name),
                dns.rdatatype.from_text(kind),
                raise_on_no_answer=False,
                lifetime=deadline.left(),
            )
        except dns.resolver.NXDOMAIN:
            raise
        except (dns.exception.DNSException, Lost, ValueError, OSError):  # their texts name the domain
            raise Unavailable("DNS did not answer") from None
        return list(answer.rrset or ())
