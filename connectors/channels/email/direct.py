"""Delivery to the recipient's own servers: TLS is verified at each connection, or is opportunistic for what may go in clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from connectors.channels.email.compose import Composed
from connectors.channels.email.connection import Deadline, Deferred
from connectors.channels.email.hop import Hop, tls_context, unverified_context
from connectors.channels.email.limits import Limits
from connectors.channels.email.mtasts import Mode
from connectors.channels.email.names import Names
from connectors.channels.email.options import EmailOptions, Tls
from connectors.channels.email.policies import Policies
from connectors.channels.email.routes import Route, Routes
from connectors.channels.email.smtp import Pool
from gateway.model.errors import DeliveryError, Insecure, Unavailable
from gateway.telemetry import log

_AT_A_TIME = 4  # conversations with one domain, unless told


class Direct:
    """DNS, MTA-STS and the servers' own answers decide; what was seen before is only advice (EM-08). Raises ConfigError."""

    def __init__(self, options: EmailOptions, routes: Routes | None = None) -> None:
        self._options = options
        verified = tls_context(options)
        self._verified = Hop(
            host="", port=options.at_port, tls=Tls.REQUIRED, context=lambda: verified, hello=options.hello,
            timeout=options.timeout, messages=options.messages_per_connection, strict=True,
        )  # fmt: skip
        anybody = unverified_context()
        self._unverified = replace(self._verified, context=lambda: anybody)
        self._names = Names(options.nameservers, private=options.private_servers)
        self._routes = routes or Routes(self._names, Policies(self._names, verified), options.partners)
        self._pool = Pool(options.connections, options.timeout)
        self._limits = Limits(
            at_a_time=options.domain_connections or _AT_A_TIME,
            per_minute=options.domain_per_minute,
            patience=options.timeout / 2,
        )

    def carry(self, message: Composed, *, open_allowed: bool) -> str | None:
        """Hand one message over within the options' timeout; returns the server's queue id if it told one.

        Raises Insecure when servers answer and none can prove inside TLS that it is the domain's; Refused, Unavailable
        or Unknown as `Connection.carry` says. The servers are tried in turn until one has answered to the message.
        """
        deadline = Deadline(self._options.timeout)
        with self._limits.turn(message.domain), self._pool.slot():
            route = self._routes.of(message.domain, deadline)
            if not open_allowed:
                return self._walk(route, message, deadline, self._strictly)
            if route.mode is Mode.ENFORCE:
                return self._enforced(route, message, deadline)
            return self._walk(route, message, deadline, self._as_well_as_can_be)

    def close(self) -> None:
        """Give back connections."""
        self._pool.close()

    def _enforced(self, route: Route, message: Composed, deadline: Deadline) -> str | None:
        """It could go in clear, but the domain forbids it: tried again later, never in clear (RFC 8461 §5)."""
        try:
            return self._walk(route, message, deadline, self._strictly)
        except Insecure as error:
            raise Unavailable(str(error)) from None

    def _walk(
        self, route: Route, message: Composed, deadline: Deadline, hops: Callable[[Route, str], Iterator[Hop]]
    ) -> str | None:
        """Server by server, and for each from the safest way down; whoever answers to the message decides."""
        failed: list[DeliveryError] = []
        for tried, host in enumerate(route.hosts):
            patience = deadline.left_or_none() / (len(route.hosts) - tried)
            try:
                return self._at(route, host, message, deadline, patience, hops)
            except (Insecure, Unavailable) as error:
                failed.append(error)
        # one that could be trusted and only waits is worth a wait; else what nobody can protect goes another way
        raise min(failed, key=lambda one: (not isinstance(one, Deferred), not isinstance(one, Insecure)))

    def _at(
        self,
        route: Route,
        host: str,
        message: Composed,
        deadline: Deadline,
        patience: float,
        hops: Callable[[Route, str], Iterator[Hop]],
    ) -> str | None:
        insecure = Insecure("the recipient's server is not known to be the domain's")
        addresses: tuple[str, ...] = ()
        for hop in hops(route, host):
            addresses = addresses or self._names.addresses(host, deadline)
            try:
                return self._pool.carry(replace(hop, host=host, addresses=addresses), message, deadline, patience)
            except Insecure as error:
                insecure = error
                if route.mode is not None:
                    log().warning("email.sts-not-kept")  # never the domain: it may be one person's
        raise insecure

    def _strictly(self, route: Route, host: str) -> Iterator[Hop]:
        """Verified, under a name that is known to be the domain's, or not at all (EM-03, EM-04)."""
        if route.vouched(host):
            yield self._verified

    def _as_well_as_can_be(self, route: Route, host: str) -> Iterator[Hop]:
        """For what may go in clear: verified where the domain tries MTA-STS, TLS with whoever answers, else none (RFC 7435)."""
        if route.mode is Mode.TESTING:
            yield from self._strictly(route, host)
        yield self._unverified
        yield self._unverified.in_clear()
