"""Where a domain's mail goes, and which servers' names are known to be its own by more than DNS (EM-04)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.channels.email.connection import Deadline
from connectors.channels.email.mtasts import Mode, matches
from connectors.channels.email.names import Names
from connectors.channels.email.policies import Policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The servers, the preferred first. `mode`: what the domain asks of every sender, None when it asks nothing."""

    domain: str
    hosts: tuple[str, ...]
    patterns: tuple[str, ...] | None
    mode: Mode | None

    def vouched(self, host: str) -> bool:
        """Whether a server's name may be trusted: by the site's or the domain's own list, else by lying in the domain.

        DNS alone could name anybody's server, with a valid certificate of its own (RFC 8461 §2, RFC 7672 §1.3.2).
        """
        if self.patterns is not None:
            return matches(self.patterns, host)
        return host == self.domain or host.endswith(f".{self.domain}")


class Routes:
    """`partners`: domain → names of its servers, as the site has agreed with them; they go before what a domain tells."""

    def __init__(self, names: Names, policies: Policies, partners: Mapping[str, tuple[str, ...]]) -> None:
        self._names = names
        self._policies = policies
        self._partners = partners

    def of(self, domain: str, deadline: Deadline) -> Route:
        """Raises Refused when the domain takes no mail, Unavailable when nobody tells."""
        policy = self._policies.of(domain, deadline)
        hosts = self._names.exchanges(domain, deadline)
        patterns = self._partners.get(domain) or (policy.patterns if policy else None)
        return Route(domain=domain, hosts=hosts, patterns=patterns, mode=policy.mode if policy else None)
