"""Topic notifications of R4, R4B and R5: handshake, heartbeat, numbers, gaps and resets, from a publisher and as real ones are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest
from fhir_site import KEY, MemoryNotes, issue_of
from publisher import TOPIC, Publisher

from connectors.sources.fhir.bundles import notice_of

FOLDER = Path(os.environ.get("CAREGATE_TESTDATA", "../shared/testdata")) / "fhir"
DIALECTS = ("r4", "r4b", "r5")


@pytest.fixture(params=DIALECTS)
def server(request):
    """A server of each release."""
    with Publisher(request.param) as made:
        yield made


@pytest.fixture
def counting():
    """Where the release does not matter."""
    with Publisher("r5") as made:
        yield made


def _visit(number, **more):
    return {"resourceType": "Appointment", "id": str(number), "status": "booked"} | more


def _listening(site, server, **options):
    release = {"r4": "R4", "r4b": "R4B", "r5": "R5"}[server.dialect]
    return site(base=server.base, release=release, keys=[{"secret": KEY}], **options)


def _subscribed(ehr, server, content="full-resource"):
    return server.subscribe(ehr.url + "/visits", content=content, **{"X-Gateway-Key": KEY})


def test_a_subscription_is_shaken_on_and_then_tells(site, server):
    """S-11 to S-13, S-15, S-18, S-30: every release, the whole resource."""
    ehr = _listening(site, server)
    one = _subscribed(ehr, server)
    assert (one.state, ehr.intake.alive) == ("active", 1)
    server.put(_visit(1))
    server.put(_visit(1))
    assert ehr.intake.order == ["Appointment/1/_history/1", "Appointment/1/_history/2"]
    assert server.answers == [200, 200, 200]


def test_a_handshake_that_is_not_proven_leaves_the_subscription_in_error(site, server):
    """S-15, S-32."""
    ehr = _listening(site, server)
    assert server.subscribe(ehr.url).state == "error"
    assert ehr.intake.alive == 0


def test_what_is_told_by_reference_is_wanted_before_the_answer(site, server):
    """S-22: id-only; one reference an event."""
    ehr = _listening(site, server)
    _subscribed(ehr, server, "id-only")
    server.put(_visit(1))
    assert ehr.fetches.wanted == [("Appointment/1", None)]
    ehr.notes.away = True
    server.put(_visit(2))
    assert server.answers[-1] == 503
    assert ehr.fetches.wanted == [("Appointment/1", None)]


def test_what_is_not_named_is_searched_for(site, server):
    """S-22: empty."""
    ehr = _listening(site, server)
    _subscribed(ehr, server, "empty")
    server.put(_visit(1))
    ehr.until(lambda: bool(ehr.repair.searched))
    assert ehr.repair.searched[0][0] == "visits"


@pytest.mark.parametrize("content", ["full-resource", "id-only"])
def test_a_deletion_is_told(site, server, content):
    """S-22: by its request alone, at either content level."""
    ehr = _listening(site, server)
    _subscribed(ehr, server, content)
    server.put(_visit(1))
    server.delete("Appointment/1")
    entry = json.loads(list(ehr.intake.stored.values())[-1].body)["entry"][0]
    assert entry["request"] == {"method": "DELETE", "url": "Appointment/1"}


def test_a_heartbeat_is_answered_and_keeps_the_feed_alive(site, server):
    """S-17: it is no event."""
    ehr = _listening(site, server)
    one = _subscribed(ehr, server)
    server.put(_visit(1))
    server.heartbeat(one)
    assert (ehr.intake.alive, len(ehr.intake.stored), server.answers[-1]) == (2, 1, 200)


def test_several_events_of_one_notification_are_all_taken(site, server):
    """S-18: max-count."""
    ehr = _listening(site, server)
    one = _subscribed(ehr, server)
    for number in range(4):
        server.put(_visit(number), only=True)
    server.flush(one, one.events)
    assert len(ehr.intake.stored) == 4


def test_a_notification_once_more_has_no_second_effect(site, counting):
    """S-36: the very Bundle again, before and after others."""
    ehr = _listening(site, counting)
    one = _subscribed(ehr, counting, "id-only")
    counting.put(_visit(1))
    first = counting.bundle(one, "event-notification", one.events[:1])
    for _ in range(3):
        assert ehr.send(first, "/visits", x_gateway_key=KEY).status_code == 200
    counting.put(_visit(2))
    assert ehr.send(first, "/visits", x_gateway_key=KEY).status_code == 200
    assert ehr.fetches.wanted.count(("Appointment/1", None)) <= 2
    assert ehr.source.counts.get("fhir.events-missing", 0) == 0


def test_a_lost_event_is_asked_for_by_number(site, server):
    """S-19, S-24: `$events` with both ends included, once it had its time to come by itself."""
    ehr = _listening(site, server)
    one = _subscribed(ehr, server)

    def events(_subscription, since, until):
        url = f"{server.base}/Subscription/{one.id}/$events?eventsSinceNumber={since}&eventsUntilNumber={until}"
        return [httpx.get(url, trust_env=False).content]

    ehr.repair.bundles = events
    server.put(_visit(1))
    for number in (2, 3):
        server.put(_visit(number), lose=True)
    server.put(_visit(4))
    ehr.until(lambda: ehr.source._known.of("visits").numbers.missing is None)
    assert (ehr.repair.asked, ehr.repair.searched) == ([("visits", 2, 3)], [])
    assert sorted(ehr.intake.stored) == [f"Appointment/{number}/_history/1" for number in (1, 2, 3, 4)]
    assert ehr.source.counts["fhir.events-missing"] == 2


def test_an_answer_that_is_no_bundle_is_followed_by_a_search(site, counting):
    """S-19: nor is one that lacks what was asked for."""
    for answer in (b"CANARY", b'{"resourceType":"Bundle","type":"history"}'):
        ehr = _listening(site, counting)
        _subscribed(ehr, counting)
        ehr.repair.bundles = lambda *_, answer=answer: [answer]
        counting.put(_visit(1), lose=True)
        counting.put(_visit(2))
        ehr.until(lambda ehr=ehr: bool(ehr.repair.searched))
        ehr.until(lambda ehr=ehr: ehr.source._known.of("visits").numbers.missing is None)
        counting.subscriptions.clear()


def test_where_a_server_does_not_keep_events_a_search_finds_them(site, counting):
    """S-19: from when nothing was missing last; trouble is gone through again."""
    ehr = _listening(site, counting)
    _subscribed(ehr, counting)
    counting.put(_visit(1))
    whole = ehr.source._known.of("visits").numbers.whole
    counting.put(_visit(2), lose=True)
    counting.put(_visit(3))
    ehr.until(lambda: bool(ehr.repair.searched))
    assert ehr.repair.asked == [("visits", 2, 2)]
    assert ehr.repair.searched[0][0] == "visits"
    assert 0 <= ehr.repair.searched[0][1] - whole < 5_000
    ehr.until(lambda: ehr.source._known.of("visits").numbers.missing is None)


def test_events_that_overtake_each_other_are_not_missed(site, counting):
    """S-19, S-21: the gap closes by itself."""
    ehr = _listening(site, counting, gap_wait=30)
    one = _subscribed(ehr, counting)
    for number in (1, 2):
        counting.put(_visit(number), only=True)
    first = counting.bundle(one, "event-notification", one.events[:1])
    second = counting.bundle(one, "event-notification", one.events[1:])
    for told in (second, first):
        assert ehr.send(told, "/visits", x_gateway_key=KEY).status_code == 200
    assert len(ehr.intake.stored) == 2
    assert ehr.source._known.of("visits").numbers.missing is None
    assert ehr.source._known.of("visits").numbers.epoch == 1


def test_the_last_events_lost_are_seen_by_the_next_heartbeat(site, counting):
    """S-17, S-19: its count is higher than what came."""
    ehr = _listening(site, counting)
    one = _subscribed(ehr, counting)
    counting.put(_visit(1))
    counting.put(_visit(2), lose=True)
    counting.heartbeat(one)
    ehr.until(lambda: bool(ehr.repair.asked))
    assert ehr.repair.asked == [("visits", 2, 2)]


def test_a_server_that_counts_anew_is_searched_whole(site, counting):
    """S-20: and nothing is passed over for a duplicate."""
    ehr = _listening(site, counting)
    _subscribed(ehr, counting, "id-only")
    for number in range(3):
        counting.put(_visit(number))
    counting.restart()
    counting.put(_visit(9))
    assert ehr.fetches.wanted[-1] == ("Appointment/9", None)
    ehr.until(lambda: bool(ehr.repair.searched))
    assert ehr.repair.searched == [("visits", None)]
    assert ehr.source._known.of("visits").numbers.epoch == 2


def test_after_a_restart_of_ours_the_numbers_go_on(site, counting):
    """S-19: what was lost while nobody listened is a gap like any other."""
    notes = MemoryNotes()
    ehr = _listening(site, counting, notes=notes)
    one = _subscribed(ehr, counting)
    counting.put(_visit(1))
    ehr.stop()
    counting.put(_visit(2))
    assert counting.answers[-1] == 503
    again = _listening(site, counting, notes=notes)
    one.endpoint, one.state = again.url + "/visits", "active"
    counting.put(_visit(3))
    again.until(lambda: bool(again.repair.asked))
    assert again.repair.asked == [("visits", 2, 2)]


def test_a_debt_outlives_a_restart(site, counting):
    """S-20, S-30: what was answered is owed until it is paid."""
    notes = MemoryNotes()
    ehr = _listening(site, counting, notes=notes)
    ehr.repair.trouble = 1_000
    _subscribed(ehr, counting, "empty")
    counting.put(_visit(1))
    ehr.stop()
    again = _listening(site, counting, notes=notes)
    again.until(lambda: bool(again.repair.searched))


def test_a_silent_subscription_is_looked_into(site, counting):
    """S-17: three heartbeats that did not come."""
    ehr = _listening(site, counting, heartbeat="100ms")
    _subscribed(ehr, counting)
    ehr.until(lambda: bool(ehr.repair.looked))
    assert (ehr.repair.looked[0], ehr.source.counts["fhir.subscription-silent"]) == ("visits", 1)


def test_a_foreign_reference_is_never_wanted(site, server):
    """S-33: 422, nothing read, nothing asked; but a server may go by several names."""
    for also, status, wanted in ((), 422, []), ("https://evil.example/fhir", 200, [("Appointment/1", None)]):
        ehr = _listening(site, server, **({"also": also} if also else {}))
        one = _subscribed(ehr, server, "id-only")
        server.put(_visit(1), only=True)
        told = json.dumps(server.bundle(one, "event-notification", one.events[-1:]))
        told = told.replace(f"{server.base}/Appointment", "https://evil.example/fhir/Appointment")
        assert ehr.send(told.encode(), "/visits", x_gateway_key=KEY).status_code == status
        assert ehr.fetches.wanted == wanted


def test_what_a_key_does_not_stand_for_is_refused(site, counting):
    """S-35: another subscription, another topic; witnessed, and nothing is taken."""
    keys = [
        {"secret": KEY, "subscriptions": ["visits"], "topics": [TOPIC]},
        {"secret": KEY + "2", "subscriptions": ["labs"]},
    ]
    ehr = site(base=counting.base, release=counting.dialect.upper(), keys=keys)
    one = _subscribed(ehr, counting)
    assert one.state == "active"
    counting.put(_visit(1), only=True)
    told = counting.bundle(one, "event-notification", one.events)
    assert ehr.send(told, "/labs", x_gateway_key=KEY).status_code == 403
    answer = ehr.send(told, "/others", x_gateway_key=KEY)
    assert (answer.status_code, issue_of(answer)["code"]) == (404, "not-found")
    other = json.loads(json.dumps(told).replace(TOPIC, "http://lakeside.example/SubscriptionTopic/labs"))
    assert ehr.send(other, "/visits", x_gateway_key=KEY).status_code == 403
    assert [one.value for one in ehr.failures] == ["not-entitled"] * 3
    assert not ehr.intake.stored


@pytest.mark.parametrize("bundle", ["history", "subscription-notification", "transaction"])
@pytest.mark.parametrize(
    "number", [{"valueString": "3"}, {"valueInteger": 3}, {"valueUnsignedInt": 3}, {"valueDecimal": 3.0}]
)
def test_a_notification_as_hapi_writes_it_is_understood(site, number, bundle):
    """S-11, S-13, S-14, S-16, S-23: any type of Bundle and of count, dates for instants, the type twice, no handshake, unknown parameters."""
    ehr = site(base="https://fhir.lakeside.example/r4")
    event = [
        {"name": "event-number", **number},
        {"name": "timestamp", "valueDate": "2026-03-01"},
        {"name": "focus", "valueReference": {"reference": "Appointment/Appointment/7"}},
        {"name": "additional-context", "valueReference": {"reference": "Practitioner/9"}},
        {"name": "related-query", "part": [{"name": "query", "valueString": "Encounter?patient=1"}]},
    ]
    status = [
        {"name": "subscription", "valueReference": {"reference": "Subscription/visits"}},
        {"name": "type", "valueCode": "event-notification"},
        {"name": "events-since-subscription-start", **number},
        {"name": "authorization-hint", "part": [{"name": "authorizationType", "valueCode": "x"}]},
        {"name": "notification-event", "part": event},
    ]
    told = {
        "resourceType": "Bundle",
        "type": bundle,
        "entry": [{"resource": {"resourceType": "Parameters", "parameter": status}}],
    }
    assert ehr.send(told).status_code == 200
    assert ehr.fetches.wanted == [("Appointment/7", None)]
    known = ehr.source._known.of("visits").numbers
    assert known.through == 3 or known.ahead == {3}


def _shape(told):
    """Names of elements and, of parameters, of what they are called; values aside."""
    if isinstance(told, dict):
        name = {told["name"]} if isinstance(told.get("name"), str) else set()
        return {f"{key}.{deep}".rstrip(".") for key, value in told.items() for deep in (_shape(value) or {""})} | name
    return {deep for one in told for deep in _shape(one)} if isinstance(told, list) else set()


@pytest.mark.parametrize(
    ("dialect", "content", "kind", "file"),
    [
        ("r4", "empty", "event-notification", "r4/notification/*r4-notification-empty.json"),
        ("r4", "id-only", "event-notification", "r4/notification/*r4-notification-id-only.json"),
        ("r4", "empty", "handshake", "r4/notification/*r4-notification-handshake.json"),
        ("r4", "empty", "heartbeat", "r4/notification/*r4-notification-heartbeat.json"),
        ("r4b", "id-only", "event-notification", "r4b/notification/*r4b-notification-id-only.json"),
        ("r4b", "empty", "heartbeat", "r4b/notification/*r4b-notification-heartbeat.json"),
        ("r5", "empty", "heartbeat", "r5/notification/*3d20ea4b*.json"),
        ("r5", "empty", "handshake", "r5/notification/*54f808cf*.json"),
    ],
)
def test_the_publisher_writes_what_real_servers_write(dialect, content, kind, file):
    """S-11 to S-13: whatever a real notification has, but for its narrative, ours has too."""
    found = list(FOLDER.glob(file))
    if not found:
        pytest.skip("the real notifications are not there")
    real = json.loads(found[0].read_text("utf-8"))
    with Publisher(dialect) as server:
        one = server.subscribe("http://127.0.0.1:9/x", content=content)
        server.put(_visit(1), only=True)
        ours = server.bundle(one, kind, one.events if kind == "event-notification" else ())
    named = {path for path in _shape(real) if ".text." not in path and "meta." not in path}
    assert named <= _shape(ours)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("r*/notification/*.json")), ids=lambda one: one.name[-40:])
def test_every_real_notification_is_answered(site, file):
    """S-11 to S-24: with 200 and its subscription's number, or, of another vendor's own resources, as the list demands."""
    told = json.loads(file.read_text("utf-8"))
    release = "R5" if "/r5/" in str(file) else "R4"
    ehr = site(base="https://example.org/fhir", also=["http://example.org/FHIR/R5"], release=release)
    answer = ehr.send(json.dumps(told).encode())
    assert answer.status_code == 200, answer.text
    notice = notice_of(file.read_bytes(), ("https://example.org/fhir", "http://example.org/FHIR/R5"), at="")
    taken = len(ehr.intake.stored) + len(ehr.fetches.wanted)
    assert taken == len(notice.changes)
    assert notice.subscription
    if notice.numbers:
        known = ehr.source._known.of(notice.subscription).numbers  # a search may have covered the gap meanwhile
        assert known.ahead | set(range(known.through + 1)) >= set(notice.numbers)
