"""The shipped pack, and a reader that takes messages a line a segment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mapping_messages import FEED, RECEIVED, ROOT, message

from gateway.mapping.feed import Feed
from gateway.mapping.hl7v2 import Hl7v2Reader
from gateway.mapping.pack import Pack, load_pack
from gateway.model.event import Format, PatientEvent, RawMessage, Reading

Read = Callable[..., Reading]


@pytest.fixture(scope="session")
def pack() -> Pack:
    """The shipped mappings."""
    return load_pack([ROOT / "mappings"])


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Other people's messages, where they are."""
    folder = Path(os.environ.get("CAREGATE_TESTDATA", ROOT.parent / "shared" / "testdata")) / "hl7v2"
    if not folder.is_dir():
        pytest.skip(f"no HL7 v2 test data at {folder}: set CAREGATE_TESTDATA")
    return folder


@pytest.fixture(scope="session")
def read(pack: Pack) -> Read:
    """Read a message given as segments (or as bytes) with our feed, or with another."""
    usual = Hl7v2Reader(pack, FEED)

    def reading(*segments: str | bytes, feed: Feed = FEED, facts: frozenset[str] | None = None) -> Reading:
        first = segments[0]
        body = first if isinstance(first, bytes) else message(*(str(one) for one in segments))
        raw = RawMessage(source=feed.name, format=Format.HL7V2, body=body, received=RECEIVED)
        reader = usual if feed is FEED and facts is None else Hl7v2Reader(pack, feed, facts=facts)
        return reader(raw)

    return reading


@pytest.fixture(scope="session")
def event(read: Read) -> Callable[..., PatientEvent]:
    """The one event of a message."""

    def only(*segments: str, feed: Feed = FEED) -> PatientEvent:
        reading = read(*segments, feed=feed)
        assert len(reading.events) == 1, (reading.ignored, reading.faults)
        return reading.events[0]

    return only
