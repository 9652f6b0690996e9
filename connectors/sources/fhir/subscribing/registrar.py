"""One subscription at its server: made, looked at, renewed, brought back; 201 is not "working", active is (S-01 to S-04)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from connectors.sources.fhir.client.resources import Resource, members, text_of
from connectors.sources.fhir.client.server import FhirServer, Reply
from connectors.sources.fhir.client.waiting import back_off
from connectors.sources.fhir.subscribing import standing as notes_of
from connectors.sources.fhir.subscribing.options import SubscribeOptions, SubscriptionOptions
from connectors.sources.fhir.subscribing.resources import Secret, subscription_of
from connectors.sources.fhir.subscribing.standing import Standing
from connectors.sources.tally import Tally
from gateway.model.errors import Missing, Unusable
from gateway.model.event import Release
from gateway.model.when import Millis
from gateway.ports import Clock, Notes

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_WORDS = frozenset({"requested", "active", "error", "off", "entered-in-error"})
_PATIENT = 300.0  # seconds between two looks at what does not become active


class Registrar:
    """All of one source. `secrets`: by name what its notifications must show. Calls raise ServerError and StoreError."""

    def __init__(
        self,
        server: FhirServer,
        notes: Notes,
        options: SubscribeOptions,
        *,
        release: Release,
        secrets: Mapping[str, Secret],
        clock: Clock,
        tally: Tally,
    ) -> None:
        self.options = options
        self._server = server
        self._notes = notes
        self._release = release
        self._secrets = secrets
        self._clock = clock
        self._tally = tally

    def standing(self, name: str) -> Standing | None:
        """What is noted of one of them."""
        return notes_of.read(self._notes, name)

    def keep(self, name: str, standing: Standing | None) -> None:
        """Note it."""
        notes_of.write(self._notes, name, standing)

    def resource(self, name: str) -> dict[str, object]:
        """What is sent to the server."""
        told = self._told(name)
        return subscription_of(
            told,
            self._release,
            endpoint=self.endpoint(name),
            secret=self._secrets.get(name),
            end=self._clock.now() + int(1000 * told.lasts),
        )

    def endpoint(self, name: str) -> str:
        """Where it posts to."""
        return f"{(self.options.endpoint or '').rstrip('/')}/{name}"

    def register(self, name: str) -> Standing:
        """Make it, or ask anew for the one that we made; noted when this returns. `good` stays what it was."""
        before = self.standing(name)
        if before is not None:
            with suppress(Missing):
                return self._request(name, before)
        return self._create(name, before)

    def look(self, name: str, standing: Standing) -> tuple[str, Millis | None]:
        """Its status at the server ("gone" where it is not there), and the server's clock."""
        try:
            if self._told(name).topic is not None and (seen := self._asked_status(standing)) is not None:
                return seen
            reply = self._server.get(f"Subscription/{standing.id}")
        except Missing:
            return "gone", None
        return _status(reply.resource), reply.date

    def renew(self, name: str, standing: Standing) -> Standing:
        """Move its end, when two thirds of its time have passed (S-04)."""
        left = standing.end - self._clock.now()
        if left > 1000 * self._told(name).lasts / 3:
            return standing
        return self._request(name, standing)

    def revive(self, name: str, standing: Standing) -> Standing:
        """Bring back what is in error, off or gone: ask for it again, or make a new one; less and less often (S-03)."""
        self._tally.tell("fhir.subscription-down", name=name)
        now = self._clock.now()
        wait = max(back_off(standing.failed), self.options.every) if standing.failed else self.options.every
        found = replace(standing, failed=standing.failed + 1, next=now + int(1000 * min(wait, _PATIENT * 12)))
        self.keep(name, found)
        if standing.status == "error":
            return self._request(name, found)
        with suppress(Missing, Unusable):  # the server drops what it has given up; it need not be there
            self._server.ask("DELETE", self._server.base.at(f"Subscription/{standing.id}"))
        return self._create(name, found)

    def unregister(self, name: str) -> bool:
        """Take it back; whether there was one."""
        standing = self.standing(name)
        if standing is None:
            return False
        with suppress(Missing):
            self._server.ask("DELETE", self._server.base.at(f"Subscription/{standing.id}"))
        self.keep(name, None)
        return True

    def _create(self, name: str, before: Standing | None) -> Standing:
        # a second try after a lost answer finds the first one by where it posts to (R4 http conditional create)
        headers = {"If-None-Exist": self._server.base.at("", (("url", self.endpoint(name)),)).query.decode()}
        resource = self.resource(name)
        reply = self._server.ask("POST", self._server.base.at("Subscription"), resource=resource, headers=headers)
        found = replace(
            before or Standing(id="", made=reply.date, good=reply.date),
            id=_id_of(reply),
            status=_status(reply.resource),
            end=self._end(name),
        )
        self.keep(name, found)
        return found

    def _request(self, name: str, standing: Standing) -> Standing:
        """PUT it as requested, with a new end; a client may submit no other status but off (S-01)."""
        resource = {**self.resource(name), "id": standing.id}
        reply = self._server.ask("PUT", self._server.base.at(f"Subscription/{standing.id}"), resource=resource)
        found = replace(standing, status=_status(reply.resource), end=self._end(name))
        self.keep(name, found)
        return found

    def _asked_status(self, standing: Standing) -> tuple[str, Millis | None] | None:
        """By `$status` (S-17, S-24); None where the server has no such operation."""
        try:
            reply = self._server.get(f"Subscription/{standing.id}/$status")
        except (Missing, Unusable):
            return None
        found = [_told_status(one.get("resource")) for one in members(reply.resource or {}, "entry")]
        return next(((one, reply.date) for one in found if one is not None), None)

    def _end(self, name: str) -> Millis:
        return self._clock.now() + int(1000 * self._told(name).lasts)

    def _told(self, name: str) -> SubscriptionOptions:
        return self.options.subscriptions[name]


def _status(resource: Resource | None) -> str:
    """R4 ValueSet subscription-status; a server that answers without a body has taken it as requested."""
    told = resource.get("status") if resource is not None else None
    return told if isinstance(told, str) and told in _WORDS else "requested"


def _told_status(resource: object) -> str | None:
    """The status in a SubscriptionStatus, or in R4's Parameters."""
    if not isinstance(resource, Mapping):
        return None
    told = resource.get("status")
    for one in members(resource, "parameter"):
        if one.get("name") == "status":
            told = next((value for key, value in one.items() if key.startswith("value")), None)
    return told if isinstance(told, str) and told in _WORDS else None


def _id_of(reply: Reply) -> str:
    """The logical id, from the body or where the server says the resource is (R4 http create)."""
    told = text_of(reply.resource, "id") if reply.resource is not None else None
    location = reply.headers.get("location", "").partition("/_history")[0].rpartition("/")[2]
    found = told or location
    if not _ID.fullmatch(found):
        raise Unusable("the server does not say which id it gave the subscription", reply.status)
    return found
