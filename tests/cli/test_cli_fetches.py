"""What could not be read from a server, as an operator handles it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import assemble
from gateway.model.when import MINUTE
from gateway.pipeline.fetching import FetchList
from gateway.ports import SystemClock
from gateway.settings import load


@pytest.fixture
def refused(site, feed, write):
    """A site whose only source was refused two resources."""
    site("load", write(feed.registered()))
    gateway = assemble(load(Path("caregate.yaml"), environ={}), clock=SystemClock())
    try:
        (source,) = gateway.site.sources.values()
        fetches = FetchList(gateway.store, source)
        fetches.want([("Appointment/1", None), ("Appointment/2", None)], "notified")
        for one in fetches.take(2, MINUTE):
            fetches.done(one, "refused")
    finally:
        gateway.close()
    site.source = source.name
    return site


def test_what_was_refused_is_listed_and_asked_for_again(refused):
    """The keys are a promise to programs; the worklist names the command."""
    (line,) = refused("fetches", "list", "--json").lines
    assert list(line) == ["source", "state", "count", "since"]
    assert (line["state"], line["count"]) == ("refused", 2)
    assert "needs a person: resources could not be read" in refused("status").out
    assert "caregate fetches again --source" in refused("worklist").out
    assert refused("fetches", "again", "--source", refused.source).code == 2  # without a reason
    ran = refused("fetches", "again", "--source", refused.source, "--reason", "scope granted")
    assert ran.out == "2 resources are asked for again\n"
    (line,) = refused("fetches", "list", "--json").lines
    assert (line["state"], line["count"]) == ("open", 2)  # its server has not answered yet: that is told, too


def test_what_was_refused_is_dropped(refused):
    """Of a source nobody configured there is nothing to drop."""
    ran = refused("fetches", "drop", "--source", refused.source, "--reason", "gone")
    assert ran.out == "2 resources are asked for no more\n"
    assert refused("fetches", "drop", "--source", "nobody", "--reason", "gone").code == 2
