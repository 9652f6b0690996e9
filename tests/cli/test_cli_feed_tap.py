"""What arrives at a feed is seen as it happens, with what became of it, and nothing of what was said."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.app import assemble
from gateway.model.event import Format, RawMessage
from gateway.pipeline.inspect import Tap
from gateway.settings import load


@pytest.fixture
def opened(site, tmp_path):
    """The site's gateway, and a way to have it receive at its feed."""
    gateway = assemble(load(tmp_path / "lakeside" / "caregate.yaml"), activates=True)

    def hears(*messages, source="ehr"):
        now = gateway.clock.now()
        bodies = [RawMessage(source=source, format=Format.HL7V2, body=one, received=now) for one in messages]
        return gateway.receiver.receive(bodies)

    gateway_and = gateway, hears
    yield gateway_and
    gateway.close()


def test_each_message_is_seen_once_with_what_became_of_it(opened, feed):
    """Taken, ignored, refused, repeated; events, sends with rule, step and reason, and the ids to go on with."""
    gateway, hears = opened
    tap = Tap(gateway, "ehr")
    assert list(tap.new()) == []
    booked = feed.booked()
    kept = hears(feed.registered(), booked, feed.broken())
    registered, visit, broken = tap.new()
    assert (registered.result, registered.type, registered.message) == ("accepted", "ADT^A28", kept[0].message)
    assert (visit.result, visit.events) == ("accepted", ("appointment.booked",))
    sends = {(one.what, one.step) for one in visit.became}
    assert {("planned", "7d"), ("planned", "1d")} <= sends
    assert all(one.rule and one.request for one in visit.became if one.what == "planned")
    assert (broken.result, broken.reason, broken.became) == ("quarantined", "the PID segment is missing", ())
    assert list(tap.new()) == []
    hears(booked)
    (again,) = tap.new()
    assert (again.result, again.message) == ("duplicate", kept[1].message)
    assert [one.message for one in Tap(gateway, "ehr").last(2)] == [broken.message, again.message]


def test_what_another_gateway_commits_late_is_seen(opened, feed, tmp_path):
    """Its ids are lower than what was seen meanwhile."""
    gateway, hears = opened
    other = assemble(load(tmp_path / "lakeside" / "caregate.yaml"))
    try:
        tap = Tap(gateway, "ehr")
        with other.store.begin("receive") as uow:
            early = uow.new_id()
        hears(feed.registered())
        assert len(list(tap.new())) == 1
        with other.store.begin("receive") as uow:
            uow.audit([("message.ignored", "late", {"source": "ehr", "type": "ADT^A20"})], id=early)
            uow.commit()
        assert [one.reason for one in tap.new()] == ["late"]
        assert list(tap.new()) == []
    finally:
        other.close()


def test_the_command_shows_no_content_and_ends_in_time(site, feed, write):
    """Nothing that could name anybody; a name that is not there is told."""
    site("load", write(feed.registered(), feed.booked(), feed.broken()))
    shown = site("feeds", "tap", "ehr", "--last", "5", "--for", "0s")
    assert shown.code == 0
    for word in ("Ada", "Brook", "50001", "mail.example"):
        assert word not in shown.out
    assert "appointment.booked" in shown.out
    assert "planned" in shown.out
    assert shown.out.splitlines()[0].split("\t")[1:4] == ["ADT^A28", "accepted", "-"]  # cut and awk can be used
    assert "\\x" not in shown.out
    assert "Ctrl-C" in shown.err
    lines = site("feeds", "tap", "ehr", "--last", "5", "--for", "0s", "--json").lines
    assert [one["result"] for one in lines] == ["accepted", "accepted", "quarantined"]
    assert all(isinstance(one["message"], str) for one in lines)
    assert "there is no source `lab`" in site("feeds", "tap", "lab").err
    assert site("feeds", "tap", "ehr", "--for", "soon").code == 2


def test_it_is_live_beside_a_gateway_and_ends_at_ctrl_c(site, feed, write, tmp_path):
    """Another process receives; the tap tells within a second, and Ctrl-C is no error."""
    config = tmp_path / "lakeside" / "caregate.yaml"
    words = ["feeds", "tap", "ehr", "--json", "--config", str(config)]
    heeded = signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs us in the background ignores it
    tapped = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    )
    signal.signal(signal.SIGINT, heeded)
    assert tapped.stdout is not None
    seen: list[str] = []
    reading = threading.Thread(target=lambda: seen.extend(tapped.stdout), daemon=True)
    reading.start()
    try:
        end = time.monotonic() + 60
        while not seen and time.monotonic() < end:
            site("load", write(feed.registered(number=str(time.monotonic_ns()))))
        assert seen
    finally:
        tapped.send_signal(signal.SIGINT)
        assert tapped.wait(20) == 0
        reading.join(5)
        tapped.stdout.close()
