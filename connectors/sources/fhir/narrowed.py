"""A search narrowed by a status no longer finds what was called off, and its reminder leaves all the same: that is told at the start (Q-11)."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.client.addresses import told_parameters
from connectors.sources.fhir.polling.options import PollOptions
from connectors.sources.fhir.subscribing.options import SubscribeOptions

_WRONG = "entered-in-error"  # every resource with a status has this one (R4 valueset-*-status)
_ENDS = frozenset({_WRONG, "cancelled", "noshow", "revoked", "stopped", "inactive"})


def narrowed(poll: PollOptions | None, subscribe: SubscribeOptions, export: ExportOptions) -> Iterator[str]:
    """The types of which an end would not be told."""
    every = [f"{kind}?{search}" for kind, search in poll.resources.items()] if poll is not None else []
    for one in subscribe.subscriptions.values():
        every += [*one.lookups, *one.filters]
    for told in dict.fromkeys((*every, *export.filters)):
        kind, _, search = told.partition("?")
        if hides_ends(search):
            yield kind


def hides_ends(search: str) -> bool:
    """Whether a search leaves out what has come to an end, such as `status=booked`."""
    return any(_hides(name, frozenset(value.split(","))) for name, value in told_parameters(search))


def _hides(name: str, values: frozenset[str]) -> bool:
    parameter, _, modifier = name.partition(":")
    if parameter != "status":
        return False
    return bool(values & _ENDS) if modifier == "not" else _WRONG not in values
