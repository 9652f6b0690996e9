"""Outcomes in a stream, read back by a consumer group: in order, whole batches, the same ids when told again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.sinks.redis_stream import RedisStreamSink
from gateway.model.errors import ConfigError, Refused, Unavailable
from gateway.model.outcome import OutcomeKind, SinkRow
from gateway.ports import SystemClock
from tests.queues.redis_there import Valkey, valkey

SENT = SinkRow(id="7-sent", kind=OutcomeKind.SENT, at=1_772_460_000_123, patient="42", source="cdp", row_key="u-1")
STREAM = "outcomes"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path / "valkey") as made:
        yield made


def sink(server: Valkey, **told: Any) -> RedisStreamSink:
    return RedisStreamSink("back", {"url": server.url, "stream": STREAM, "declare": True, **told}, SystemClock())


def told(server: Valkey) -> list[dict[str, str]]:
    """Every entry's fields, oldest first."""
    found: Any = server.client.xrange(STREAM)
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in found]


def test_outcomes_are_entries_in_their_order(server: Valkey) -> None:
    """SN-39: what a reader filters by stands beside the event; nothing of the person."""
    rows = [replace(SENT, id=f"{number}-sent") for number in range(500)]
    back = sink(server)
    back.write(rows)
    back.close()
    found = told(server)
    assert [one["id"] for one in found] == [one.id for one in rows]
    assert found[0].keys() == {"id", "type", "patient", "content_type", "body"}
    event = json.loads(found[0]["body"])
    assert (event["id"], event["type"], event["subject"]) == ("0-sent", found[0]["type"], found[0]["patient"])


def test_a_batch_told_again_has_the_ids_it_had(server: Valkey) -> None:
    """A stream keeps both: a reader knows by `id` what it had."""
    back = sink(server)
    back.write([SENT])
    back.write([SENT])
    one, two = told(server)
    assert one == two
    back.close()


def test_a_stream_that_nobody_made_is_not_made_unless_that_is_said(server: Valkey) -> None:
    """A name written wrongly would fill a memory that nobody reads."""
    back = sink(server, declare=False)
    with pytest.raises(Refused, match="declare"):
        back.write([SENT])
    assert not server.client.exists(STREAM)
    server.client.xadd(STREAM, {"id": "0"})
    back.write([SENT])
    assert len(told(server)) == 2
    back.close()


def test_a_stream_may_be_kept_short(server: Valkey) -> None:
    """About `most`: Redis drops whole nodes."""
    back = sink(server, most=1_000)
    for first in range(0, 3_000, 500):
        back.write([replace(SENT, id=f"{first + number}-sent") for number in range(500)])
    assert 1_000 <= server.client.xlen(STREAM) < 1_200
    back.close()


def test_a_server_that_is_away_is_for_later_and_connected_again(server: Valkey) -> None:
    """Nothing of a batch is there when not all of it is."""
    back = sink(server)
    back.write([SENT])
    server.kill()
    with pytest.raises(Unavailable):
        back.write([replace(SENT, id="8-sent")])
    server.start()
    back.write([replace(SENT, id="8-sent")])
    assert [one["id"] for one in told(server)] == ["7-sent", "8-sent"]
    back.close()


def test_a_full_memory_takes_nothing_of_a_batch(server: Valkey) -> None:
    """It is one transaction: half a batch is never there."""
    back = sink(server)
    back.write([SENT])
    server.client.config_set("maxmemory", "1")
    with pytest.raises(Unavailable):
        back.write([replace(SENT, id=f"{number}-sent") for number in range(100)])
    server.client.config_set("maxmemory", "0")
    assert len(told(server)) == 1
    back.close()


def test_who_may_not_is_refused_without_a_word_of_the_secret(server: Valkey) -> None:
    """A person must look."""
    with pytest.raises(Refused) as caught:
        sink(server, user="caregate", password="wrong-staple-8").write([SENT])
    assert "staple" not in str(caught.value)
    with pytest.raises(ConfigError, match="stream"):
        RedisStreamSink("back", {"url": server.url}, SystemClock())
