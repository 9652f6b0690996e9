"""What was deleted: searches do not show it, histories do (Q-06, Q-07); what was made again since is not deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sources.fhir.client.addresses import Base
from connectors.sources.fhir.client.pages import pages
from connectors.sources.fhir.client.resources import Resource, text_of
from connectors.sources.fhir.client.server import FhirServer
from connectors.sources.fhir.notices import Reference, instant, instant_of
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker
from connectors.sources.fhir.polling.watermarks import Seen
from connectors.sources.tally import Tally
from gateway.model.errors import Denied, Missing, Unusable
from gateway.model.when import Millis

_NOT_OFFERED = frozenset({400, 403, 405, 422, 501})  # 403: our scope is for searches alone (O-08)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Last:
    """The newest entry of one resource."""

    reference: str
    at: Millis
    deleted: bool
    response: object


@dataclass(slots=True, kw_only=True)
class Deletions:
    """Asks the histories of one source. `alive` is called before every page."""

    server: FhirServer
    handing: Handing
    make: Maker
    seen: Seen
    tally: Tally
    alive: Callable[[], None]
    count: int = 100

    def since(self, kind: str, since: Millis) -> Millis | None:
        """Offer the deletions at or after `since`; the server's clock when that was asked.

        Raises ServerError, StoreError; Unusable with status 501 where the server has no history of a type.
        """
        last: dict[str, _Last] = {}
        begun: Millis | None = None
        asked = (("_since", instant(since)), ("_count", str(self.count)))
        try:
            for page in pages(self.server, f"{kind}/_history", asked, headers={}, tally=self.tally):
                self.alive()
                begun = begun or page.date
                for one in (_last(self.server.base, entry) for entry in page.entries):
                    if one is not None and (one.reference not in last or one.at > last[one.reference].at):
                        last[one.reference] = one  # newest first: of equal times the first is the later
        except (Missing, Denied, Unusable) as error:
            if not isinstance(error, Missing) and error.status not in _NOT_OFFERED:
                raise
            raise Unusable("the server has no history of this type", 501) from None
        self._offer([one for one in reversed(last.values()) if one.deleted])
        return begun

    def _offer(self, gone: list[_Last]) -> None:
        """Oldest first."""
        fresh = [one for one in sorted(gone, key=lambda one: one.at) if _key(one) not in self.seen]
        self.handing.all([self.make.deletion(one.reference, response=one.response) for one in fresh])
        for one in fresh:
            self.seen.add(_key(one))


def _last(base: Base, entry: Resource) -> _Last | None:
    method = text_of(entry, "request", "method")
    named = base.reference(text_of(entry, "request", "url")) or base.reference(text_of(entry, "fullUrl"))
    kind, number = text_of(entry, "resource", "resourceType"), text_of(entry, "resource", "id")
    named = named or (Reference(kind, number, None) if kind and number else None)
    if named is None:
        return None
    at = instant_of(text_of(entry, "response", "lastModified")) or instant_of(
        text_of(entry, "resource", "meta", "lastUpdated")
    )
    return _Last(
        reference=named.literal,
        at=at or 0,
        deleted=method == "DELETE",
        response=entry.get("response"),
    )


def _key(one: _Last) -> str:
    return f"{one.reference}/deleted/{one.at}"
