"""Every subscription is looked at in turn: what is down is brought back, and while it is down its server is searched (S-02 to S-04)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from connectors.sources.fhir.client.pages import Expired
from connectors.sources.fhir.client.resources import dumped
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.polling.changes import Changes
from connectors.sources.fhir.subscribing.registrar import Registrar
from connectors.sources.fhir.subscribing.standing import Standing
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Missing, ServerError, StoreError, Unusable
from gateway.model.when import DAY, Millis
from gateway.ports import Clock, Notes
from gateway.telemetry import log

_AGAIN = 3  # searches that begin anew when a paging link is no longer good


class Watcher:
    """Looks after the subscriptions of one source, and mends what they missed. Calls may come from several threads.

    A subscription is named as in caregate.yaml, or by the server's id of it. One that somebody else made is about
    `others`: ("Appointment?service-category=8", …). `active` is told the name of each that is. Calls raise ServerError and StoreError.
    """

    def __init__(
        self,
        server: FhirServer,
        registrar: Registrar,
        changes: Changes,
        notes: Notes,
        *,
        clock: Clock,
        tally: Tally,
        others: Sequence[str] = (),
        active: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._registrar = registrar
        self._changes = changes
        self._notes = notes
        self._clock = clock
        self._tally = tally
        self._others = tuple(others)
        self._active = active
        self._searching = threading.Lock()  # of one source one search at a time

    # -- what the endpoint asks for

    def events(self, subscription: str, since: int, until: int) -> list[bytes] | None:
        """The Bundles of `$events` from number `since` to `until`, both included (S-19, S-24); None: the server cannot."""
        identity = self._id_of(subscription)
        asked = (("eventsSinceNumber", str(since)), ("eventsUntilNumber", str(until)))
        try:
            reply = self._server.get(f"Subscription/{identity}/$events", asked)
        except (Missing, Unusable):
            return None
        if reply.resource is None or reply.resource.get("resourceType") != "Bundle":
            return None
        return [dumped(reply.resource)]

    def search(self, subscription: str, since: Millis | None) -> None:
        """Receive what one ("": each) is about as far as it changed since then (None: its beginning), committed (S-20)."""
        name = self._name_of(subscription)
        known = self._registrar.options.subscriptions
        names = [name] if name is not None else [] if subscription else list(known)
        with self._searching:
            for one in names:
                standing = self._registrar.standing(one)
                self._search(known[one].lookups, (standing.made if standing else None) if since is None else since)
            if name is None and (subscription or not known):
                self._search(self._foreign(), since)

    def status(self, subscription: str) -> None:
        """It was silent for too long: look now."""
        name = self._name_of(subscription)
        standing = None if name is None else self._registrar.standing(name)
        if name is not None and standing is not None:
            self.look(name, replace(standing, next=0))

    # -- the watch

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop; of several processes one does."""
        every = self._registrar.options.every
        while not stopping.is_set():
            try:
                if self._notes.hold("subscriptions", self._clock.now() + int(1000 * (10 * every + 600))):
                    self.round()
            except StoreError as error:
                self._tally.tell("fhir.subscriptions-unseen", error=error)
            stopping.wait(every)

    def round(self) -> None:
        """One look at each of those that were subscribed."""
        for name in self._registrar.options.subscriptions:
            standing = self._registrar.standing(name)
            if standing is None or self._server.stopping.is_set():
                continue
            try:
                self.look(name, standing)
            except ServerError as error:
                self._tally.tell("fhir.subscription-unseen", name=name, error=error, code=error.status)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it says may quote a resource
                log().error("fhir.subscription-crashed", name=name, error=error)

    def look(self, name: str, standing: Standing) -> Standing:
        """Look at one and do what its status asks for."""
        status, date = self._registrar.look(name, standing)
        if status == "active":
            found = self._fine(name, replace(standing, status=status), date)
        elif status == "requested":
            found = self._waiting(name, replace(standing, status=status))
        else:
            found = self._down(name, replace(standing, status=status))
        if found != self._registrar.standing(name):
            self._registrar.keep(name, found)
        return found

    def _fine(self, name: str, standing: Standing, date: Millis | None) -> Standing:
        """What was missed while it was down is searched for, the last time."""
        self._active(name)
        if standing.lost is not None:
            self.search(name, standing.lost)
            self._tally.tell("fhir.subscription-back", name=name)
        seen = replace(standing, lost=None, failed=0, next=0, good=self._later(standing.good, date))
        return self._registrar.renew(name, seen)

    def _waiting(self, name: str, standing: Standing) -> Standing:
        """Asked for and not active yet (S-02): until it is, it notifies of nothing; at the second look it is down like any other."""
        lost = standing.lost if standing.lost is not None else standing.good
        if standing.failed:
            self._tally.tell("fhir.subscription-down", name=name)
            self.search(name, lost)
        return replace(standing, lost=lost, failed=standing.failed + 1)

    def _down(self, name: str, standing: Standing) -> Standing:
        found = replace(standing, lost=standing.lost if standing.lost is not None else standing.good)
        if found.next <= self._clock.now():
            found = self._registrar.revive(name, found)
        self.search(name, found.lost)
        return found

    def _later(self, before: Millis | None, date: Millis | None) -> Millis | None:
        """The note moves in steps: it is only where a search would begin."""
        step = 1000 * self._registrar.options.overlap
        return before if date is None or (before is not None and date - before < step) else date

    def _search(self, lookups: Sequence[str], since: Millis | None) -> None:
        """Since a day ago where nobody knows since when."""
        since = (self._clock.now() - DAY if since is None else since) - int(1000 * self._registrar.options.overlap)
        for lookup in lookups:
            kind, _, search = lookup.partition("?")
            self._again(partial(self._changes.since, kind, search, since))

    def _foreign(self) -> Sequence[str]:
        if not self._others:
            raise Unusable("what this subscription is about is told neither under `subscribe` nor under `poll`")
        return self._others

    def _again(self, search: Callable[[], object]) -> None:
        for _ in range(_AGAIN):
            try:
                search()
            except Expired:
                continue
            return
        raise Busy("the server's paging links end before they can be followed")

    def _name_of(self, subscription: str) -> str | None:
        """The name of one that is ours; None of one that somebody else made."""
        known = self._registrar.options.subscriptions
        if subscription in known:
            return subscription
        standings = ((name, self._registrar.standing(name)) for name in known)
        return next((name for name, one in standings if one is not None and one.id == subscription), None)

    def _id_of(self, subscription: str) -> str:
        standing = (
            self._registrar.standing(subscription) if subscription in self._registrar.options.subscriptions else None
        )
        return standing.id if standing is not None else subscription
