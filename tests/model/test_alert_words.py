"""What staff read: one sentence and one line in closed words, the same id for one condition however often it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.alert import Alert, AlertKind, AlertWord

ALERT = Alert(
    kind=AlertKind.FEED_SILENT,
    word=AlertWord.RAISED,
    source="ehr",
    environment="production",
    since=1_772_463_600_000,
    at=1_772_467_200_000,
    count=0,
    host="",
)


def test_a_silent_feed_is_one_sentence_and_one_line() -> None:
    """Feed watch: which feed, what it means, since when."""
    assert ALERT.subject == "production: feed-silent ehr: raised"
    assert ALERT.text == (
        "ehr: the feed is silent against its own habit; what depends on it is held until it speaks again, "
        "since 2026-03-02 15:00 UTC"
    )


def test_what_is_over_says_so() -> None:
    """Feed watch: nobody reads half a sentence at night and drives in."""
    assert replace(ALERT, word=AlertWord.RESOLVED).text.startswith("ehr: no longer so: the feed is silent")


@pytest.mark.parametrize(
    ("source", "host", "begins"),
    [("ehr", "gw1", "ehr on gw1: "), ("", "gw1", "gw1: "), ("", "", "the disk"), ("ehr", "", "ehr: ")],
)
def test_the_sentence_begins_with_whom_it_is_about(source: str, host: str, begins: str) -> None:
    """A feed, a machine, a feed on a machine, or the gateway as a whole; a count where there is one."""
    alert = replace(ALERT, kind=AlertKind.DISK_NEARLY_FULL, source=source, host=host, count=4)
    assert alert.text.startswith(begins)
    assert "nearly full (4), since" in alert.text


def test_one_condition_has_one_id() -> None:
    """So that the other side can put the tellings together, and apart from the next time."""
    assert ALERT.id == "feed-silent:ehr:1772463600000"
    assert replace(ALERT, word=AlertWord.RESOLVED, at=ALERT.at + 1, count=7).id == ALERT.id
    assert replace(ALERT, since=ALERT.since + 1).id != ALERT.id


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_has_its_sentence(kind: AlertKind) -> None:
    """A closed list."""
    assert replace(ALERT, kind=kind).text
