"""Lines of an export go through the same intake as everything; what became of them is counted, never quoted (K-06 to K-10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.sources.fhir.bulk.files import Window
from connectors.sources.fhir.client.resources import loaded, members, subsetted, text_of
from connectors.sources.fhir.polling.handing import Handing
from connectors.sources.tally import Tally
from gateway.fhirfile import deletion, resources_of
from gateway.fhirscan import Found
from gateway.model.errors import Unusable
from gateway.model.event import Format, Outcome, RawMessage, Result
from gateway.ports import BASELINE, NOTIFIED, Clock, Fetches

_SEVERITIES = frozenset({"fatal", "error", "warning", "information"})  # R4 ValueSet issue-severity
_NOT_TAKEN = frozenset({Result.REJECTED, Result.QUARANTINED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """Takes lines of one export through. `whole`: all elements were asked for, so that what is cut is not the server's word."""

    source: str
    handing: Handing
    fetches: Fetches
    clock: Clock
    tally: Tally
    whole: bool
    baseline: bool

    def resources(self, window: Window) -> Counter[str]:
        """Committed when it returns: by result how many resources; `unread`: lines that were not even offered."""
        bodies = [body for one in window.found if one.body is not None for body in resources_of(one.body)]
        cut = [body for body in bodies if self.whole and b'"SUBSETTED"' in body and _cut(body)]
        if cut:
            self.tally.tell("fhir.subsetted", len(cut))
            self.fetches.want([(_reference(body), None) for body in cut], BASELINE if self.baseline else NOTIFIED)
        return self._handed([body for body in bodies if body not in cut] if cut else bodies) + self._unread(
            window.found
        )

    def deleted(self, window: Window, at: str) -> Counter[str]:
        """Likewise of Bundles of deletions (K-08). `at`: when the export was made, where they do not say when they were."""
        bodies: list[bytes] = []
        for one in window.found:
            bodies += _deletions(one, at)
        return self._handed(bodies) + self._unread(window.found)

    def _handed(self, bodies: Sequence[bytes]) -> Counter[str]:
        outcomes = self.handing.all(map(self._message, bodies))
        refused = sum(_refused(one) for one in outcomes)
        if refused:
            self.tally.tell("fhir.export-refused", refused)
        return Counter(one.result.value for one in outcomes)

    def _unread(self, found: Sequence[Found]) -> Counter[str]:
        unread = sum(one.body is None for one in found)
        if unread:
            self.tally.tell("fhir.export-unread", unread)
        return Counter({"unread": unread})

    def _message(self, body: bytes) -> RawMessage:
        now = self.clock.now()
        return RawMessage(source=self.source, format=Format.FHIR, body=body, received=now, baseline=self.baseline)


def severities(window: Window) -> Counter[str]:
    """By severity the issues of a file of OperationOutcomes (K-07); a line that is none counts as an error."""
    counts: Counter[str] = Counter()
    for one in window.found:
        try:
            told = loaded(one.body or b"")
        except Unusable:
            counts["error"] += 1
            continue
        for issue in members(told, "issue"):
            severity = issue.get("severity")
            counts[severity if isinstance(severity, str) and severity in _SEVERITIES else "error"] += 1
    return counts


def _deletions(one: Found, at: str) -> Iterator[bytes]:
    for body in resources_of(one.body) if one.body is not None else ():
        url = _deleted(body)
        yield body if url is None else deletion(url, at=at)


def _deleted(body: bytes) -> str | None:
    """Which resource a body tells to be gone; None: it does not, and is taken for what it is, if anything (K-06)."""
    try:
        told = loaded(body)
    except Unusable:
        return None
    request = next((entry.get("request") for entry in members(told, "entry")), None)
    url = request.get("url") if isinstance(request, dict) else None
    return url if isinstance(url, str) else None


def _refused(outcome: Outcome) -> bool:
    return outcome.result in _NOT_TAKEN


def _cut(body: bytes) -> bool:
    try:
        return subsetted(loaded(body))
    except Unusable:
        return False


def _reference(body: bytes) -> str:
    told = loaded(body)
    return f"{text_of(told, 'resourceType')}/{text_of(told, 'id')}"
