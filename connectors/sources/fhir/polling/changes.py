"""What changed of one type since a mark: every page offered and committed before the next is asked for (Q-01 to Q-05)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from connectors.sources.fhir.client.addresses import Parameters, told_parameters
from connectors.sources.fhir.client.pages import Page, pages
from connectors.sources.fhir.client.resources import Resource, subsetted, text_of, whole
from connectors.sources.fhir.client.server import FhirServer, elements_of
from connectors.sources.fhir.notices import instant
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.fhir.polling.messages import Maker, updated, version_key
from connectors.sources.fhir.polling.watermarks import Seen
from connectors.sources.tally import Tally
from gateway.model.when import Millis
from gateway.ports import BASELINE, NOTIFIED, ElementsOf, Fetches

STRICT = {"Prefer": "handling=strict"}  # R4 search: what the server does not know is an error, not passed over


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one search came to. `begun`: the server's clock at its first page. `newest`: lastUpdated of the newest match."""

    begun: Millis | None = None
    newest: Millis | None = None
    offered: int = 0


@dataclass(slots=True, kw_only=True)
class Changes:
    """Searches of one source. `alive` is called before every page: it keeps the lease, or raises Busy."""

    server: FhirServer
    fetches: Fetches
    handing: Handing
    make: Maker
    seen: Seen
    elements: ElementsOf
    tally: Tally
    alive: Callable[[], None]
    count: int = 100

    def since(self, kind: str, search: str, since: Millis | None, *, baseline: bool = False) -> Found:
        """Offer what matches `search` ("service-type=57") and changed at or after `since` (None: all there is).

        Raises ServerError (Expired: ask the whole again), StoreError.
        """
        elements = elements_of(self.elements(kind))
        found = Found()
        for page in pages(
            self.server, kind, (*self._asked(search, since), *elements), headers=STRICT, tally=self.tally
        ):
            self.alive()
            if found.begun is None:
                self._check(page, since)
            offered = self._offer(page, baseline=baseline, asked_whole=not elements)
            found = Found(
                begun=found.begun or page.date,
                newest=max((at for at in (found.newest, *map(updated, page.matches)) if at is not None), default=None),
                offered=found.offered + offered,
            )
        return found

    def _asked(self, search: str, since: Millis | None) -> Parameters:
        told = told_parameters(search)
        changed = [] if since is None else [("_lastUpdated", f"ge{instant(since)}")]
        return (*told, *changed, ("_sort", "_lastUpdated"), ("_count", str(self.count)))

    def _offer(self, page: Page, *, baseline: bool, asked_whole: bool) -> int:
        """Oldest first, patients before the others (Q-07); what is not whole (K-10) or not clear is asked for by itself."""
        fresh = [one for one in (*page.related, *page.matches) if version_key(one) not in self.seen]
        cut = [one for one in fresh if not page.clear or (asked_whole and subsetted(one))]
        if cut:
            self.tally.tell("fhir.subsetted" if page.clear else "fhir.page-unclear", len(cut))
            why = BASELINE if baseline else NOTIFIED
            self.fetches.want([(_reference(one), None) for one in cut], why)
        fresh = sorted((one for one in fresh if one not in cut), key=_order)
        self.handing.all([self.make.of(one if asked_whole else whole(one), baseline=baseline) for one in fresh])
        for one in fresh:
            self.seen.add(version_key(one))
        return len(fresh)

    def _check(self, page: Page, since: Millis | None) -> None:
        """What link `self` does not show was not honoured: then everything comes, every time (Q-04)."""
        if since is None or page.itself is None:
            return
        if "_lastUpdated" not in dict(parse_qsl(urlsplit(page.itself).query, keep_blank_values=True)):
            self.tally.tell("fhir.last-updated-ignored")


def _order(resource: Resource) -> tuple[bool, Millis]:
    return resource.get("resourceType") != "Patient", updated(resource) or 0


def _reference(resource: Resource) -> str:
    return f"{text_of(resource, 'resourceType')}/{text_of(resource, 'id')}"


def kinds(resources: Sequence[str]) -> list[str]:
    """The types of a round in their order: patients before what refers to them."""
    return sorted(resources, key=lambda kind: kind != "Patient")
