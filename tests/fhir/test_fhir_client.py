"""The client: what a server's answers mean, whom it asks, and how much it takes."""

from __future__ import annotations

import gzip
import threading
import time
from typing import Any

import pytest
from fhir_there import Asked, Said, bundle, client, outcome, patient, there

from connectors.sources.fhir.client import ClientOptions
from connectors.sources.fhir.client.addresses import Base, safe_url
from connectors.sources.fhir.client.pages import Expired, pages
from connectors.sources.fhir.client.resources import dumped, loaded
from connectors.sources.fhir.client.server import elements_of
from connectors.sources.fhir.client.waiting import Pace, back_off, patiently, retry_after
from connectors.sources.fhir.notices import Reference
from connectors.sources.tally import Tally
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable


def test_a_resource_is_read_with_the_static_token_and_the_elements_that_are_needed() -> None:
    """`_elements` keeps id and meta; the answer is asked for as FHIR JSON, packed."""
    proof = {"bearer": {"token": "a-static-token"}}
    with there(lambda _: Said(body=patient("1"))) as ehr, client(ehr.base, proof) as server:
        reply = server.get("Patient/1", elements_of(("name", "birthDate")))
    asked = ehr.asked[0]
    assert reply.resource == patient("1")
    assert asked.query == {"_elements": "id,meta,implicitRules,modifierExtension,name,birthDate"}
    assert (asked.headers["authorization"], asked.headers["accept"]) == (
        "Bearer a-static-token",
        "application/fhir+json",
    )
    assert asked.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, None, Missing),
        (410, None, Missing),
        (401, outcome("login"), Denied),
        (403, outcome("forbidden"), Denied),
        (403, outcome("throttled"), Busy),
        (400, outcome("invalid"), Unusable),
        (422, outcome("processing"), Unusable),
        (301, None, Unusable),
        (429, None, Busy),
        (503, None, Busy),
        (500, None, Busy),
        (500, outcome("transient"), Busy),
        (500, outcome("processing"), Unusable),
        (200, b"<html>", Unusable),
        (200, b'{"a":1}', Unusable),
    ],
)
def test_an_operation_outcome_is_told_apart_from_trouble(status: int, body: Any, expected: type[ServerError]) -> None:
    """Q-08: what passes is Busy; its words are never repeated."""
    with there(lambda _: Said(status, body)) as ehr, client(ehr.base) as server, pytest.raises(expected) as caught:
        server.get("Patient/1")
    assert type(caught.value) is expected
    assert "Zephyrine" not in str(caught.value)


def test_nothing_is_followed_to_another_host_and_no_token_goes_there() -> None:
    """S-33, Q-03: another host, port, scheme or a name in the URL."""
    base = Base("https://fhir.lakeside.example/r4")
    for link in (
        "https://evil.example/r4/Patient/1",
        "https://fhir.lakeside.example:8443/r4/Patient/1",
        "http://fhir.lakeside.example/r4/Patient/1",
        "https://fhir.lakeside.example@evil.example/r4",
        "https://user:word@fhir.lakeside.example/r4",
        "//evil.example/r4",
    ):
        with pytest.raises(Unusable):
            base.link(link)
    assert str(base.link("?page=2")) == "https://fhir.lakeside.example/r4/?page=2"
    assert str(base.link("https://fhir.lakeside.example:443/other?_getpages=a%2Bb")).endswith("/other?_getpages=a%2Bb")


def test_a_redirect_to_another_host_is_not_followed() -> None:
    """S-33: nothing is asked there."""
    with there(lambda _: Said(body=patient("1"))) as elsewhere:
        away = {"Location": f"{elsewhere.base}/Patient/1"}
        with there(lambda _: Said(307, None, away)) as ehr, client(ehr.base) as server, pytest.raises(Unusable):
            server.get("Patient/1")
    assert elsewhere.asked == []


def test_references_are_read_as_servers_write_them() -> None:
    """HAPI writes Type/Type/id; an absolute one is ours only below our base."""
    base = Base("https://fhir.lakeside.example/r4")
    assert base.reference("Patient/12/_history/3") == Reference("Patient", "12", "3")
    assert base.reference("Patient/Patient/12") == Reference("Patient", "12", None)
    assert base.reference("https://fhir.lakeside.example/r4/Patient/12") == Reference("Patient", "12", None)
    for strange in ("https://evil.example/Patient/12", "Patient/12?x", "Patient/../12", "urn:uuid:12", "#p1", ""):
        assert base.reference(strange) is None


def test_a_plus_in_a_date_is_encoded() -> None:
    """Q-10: else it would arrive as a blank."""
    url = Base("https://fhir.lakeside.example/r4").at("Patient", (("_lastUpdated", "ge2026-03-02T14:00:00+05:00"),))
    assert "%2B05" in str(url)


@pytest.mark.parametrize("told", ["http://fhir.lakeside.example", "ftp://x", "https://u:p@x", "", "https://"])
def test_secrets_travel_by_tls_only(told: str) -> None:
    """Plain http is for this machine."""
    with pytest.raises(ValueError, match="must be"):
        safe_url(told)


def test_decimals_come_through_as_they_are_written() -> None:
    """S-37: 1.10 is not 1.1, and the order of keys stays."""
    told = b'{"resourceType":"Observation","valueQuantity":{"value":1.10,"unit":"mg"},"id":"1"}'
    assert dumped(loaded(told)) == told


def test_a_packed_answer_is_unpacked_and_a_bomb_is_not() -> None:
    """Packed or not, within `max_body`; a stream that ends early is a lost connection."""
    packed = gzip.compress(dumped(patient("1")))
    with there(lambda _: Said(body=packed, headers={"Content-Encoding": "gzip"})) as ehr, client(ehr.base) as server:
        assert server.get("Patient/1").resource == patient("1")
        ehr.answer = lambda _: Said(body=gzip.compress(b" " * 50_000_000), headers={"Content-Encoding": "gzip"})
        with pytest.raises(Unusable, match="larger"):
            server.get("Patient/1")
        ehr.answer = lambda _: Said(body=packed[:-9], headers={"Content-Encoding": "gzip"})
        with pytest.raises(Busy):
            server.get("Patient/1")
        ehr.answer = lambda _: Said(body=b"no gzip", headers={"Content-Encoding": "gzip"})
        with pytest.raises(Unusable):
            server.get("Patient/1")
        ehr.answer = lambda _: Said(body=b"x", headers={"Content-Encoding": "br"})
        with pytest.raises(Unusable):
            server.get("Patient/1")


def test_a_cut_connection_and_a_silent_server_are_trouble_that_passes() -> None:
    """Nothing was answered, so nothing is concluded."""
    with there(lambda _: Said(body=patient("1"), cut=True)) as ehr, client(ehr.base, {"timeout": "300ms"}) as server:
        with pytest.raises(Busy, match="lost"):
            server.get("Patient/1")
        ehr.answer = lambda _: time.sleep(1) or Said(body=patient("1"))  # type: ignore[func-returns-value]
        with pytest.raises(Busy, match="in time"):
            server.get("Patient/1")
    with client("http://127.0.0.1:1/fhir") as nobody, pytest.raises(Busy, match="no connection"):
        nobody.get("Patient/1")


def test_retry_after_is_read_as_seconds_and_as_a_date_of_the_server_s_clock() -> None:
    """Q-08: our own clock may be wrong."""
    assert retry_after("7", None, 0) == 7
    assert retry_after("Mon, 02 Mar 2026 15:00:30 GMT", 1_772_463_600_000, 0) == 30
    assert retry_after("Mon, 02 Mar 2026 15:00:30 GMT", None, 1_772_463_600_000) == 30
    assert retry_after("soon", None, 0) is None
    assert retry_after(None, None, 0) is None


def test_all_threads_rest_when_the_server_asks_for_it() -> None:
    """Q-08: after 429 with Retry-After nobody asks again before."""
    with there(lambda _: Said(429, None, {"Retry-After": "60"})) as ehr, client(ehr.base) as server:
        for _ in range(3):
            with pytest.raises(Busy) as caught:
                server.get("Patient/1")
            assert caught.value.after is not None
            assert caught.value.after > 50
    assert len(ehr.asked) == 1


def test_waiting_grows_and_differs() -> None:
    """Q-08: exponential, with jitter, an hour at most."""
    assert {0.5 <= back_off(0) <= 1, 16 <= back_off(5) <= 32, 1800 <= back_off(99) <= 3600} == {True}
    assert len({back_off(3) for _ in range(5)}) > 1


def test_patience_ends() -> None:
    """Who is Busy for longer than we wait is told so; stopping ends it at once."""
    tries: list[int] = []

    def busy() -> None:
        tries.append(1)
        raise Busy("not now", 0.01)

    with pytest.raises(Busy):
        patiently(busy, threading.Event(), 0.1)
    assert len(tries) > 2
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(Busy):
        patiently(busy, stopping, 60)
    with pytest.raises(Busy):
        Pace(1, stopping).turn()


def _read(ehr_base: str, patience: str = "10s") -> list[str]:
    with client(ehr_base, {"patience": patience}) as server:
        told = pages(server, "Patient", (("_count", "1"),), headers={}, tally=Tally("ehr"))
        return [str(one["id"]) for page in told for one in page.matches]


def test_pages_are_followed_as_told_and_an_empty_one_may_have_a_next() -> None:
    """Q-03: `next` is opaque; Q-05: outcomes and includes are no matches."""

    def answer(asked: Asked) -> Said:
        step = asked.query.get("_getpages")
        if step is None:
            return Said(body=bundle(patient("1"), links={"next": f"{ehr.base}?_getpages=a%2Bb"}))
        if step == "a+b":
            return Said(body=bundle(links={"next": f"{ehr.base}?_getpages=c"}))
        included = {"resource": patient("9"), "search": {"mode": "include"}}
        warning = {"resource": outcome("informational"), "search": {"mode": "outcome"}}
        return Said(body=bundle(included, warning, patient("2")))

    with there(answer) as ehr:
        assert _read(ehr.base) == ["1", "2"]


@pytest.mark.parametrize("fault", ["circle", "foreign", "gone", "no bundle"])
def test_a_bad_link_ends_the_search(fault: str) -> None:
    """Q-03: loop guard and foreign host; Q-08: 410 on a paging link asks for a new beginning."""

    def answer(asked: Asked) -> Said:
        links = {"foreign": "https://evil.example/next", "no bundle": f"{ehr.base}?x=1"}
        if asked.query.get("x") and fault == "no bundle":
            return Said(body=patient("1"))
        if asked.query.get("_getpages") and fault == "gone":
            return Said(410)
        return Said(body=bundle(patient("1"), links={"next": links.get(fault, f"{ehr.base}?_getpages=a")}))

    with there(answer) as ehr, pytest.raises(Expired if fault == "gone" else Unusable):
        _read(ehr.base)
    assert len(ehr.asked) <= 3


def test_a_page_whose_meaning_is_changed_is_not_read() -> None:
    """S-37: neither the whole nor the one entry, and the watermark stays where it is."""
    for told in ({"implicitRules": "urn:x"}, {"entry": [{"resource": patient("1"), "modifierExtension": [{}]}]}):
        with there(lambda _, told=told: Said(body=bundle(patient("2")) | told)) as ehr, pytest.raises(Unusable):
            _read(ehr.base)


def test_a_cut_or_busy_page_is_asked_again() -> None:
    """A network that fails in the middle of paging costs a second try, not a resource."""
    faults = [Said(503, None, {"Retry-After": "0"}), Said(body=bundle(patient("2")), cut=True)]

    def answer(asked: Asked) -> Said:
        if not asked.query.get("_getpages"):
            return Said(body=bundle(patient("1"), links={"next": f"{ehr.base}?_getpages=a"}))
        return faults.pop(0) if faults else Said(body=bundle(patient("2")))

    with there(answer) as ehr:
        assert _read(ehr.base) == ["1", "2"]


def test_one_of_two_proofs_is_chosen() -> None:
    """A token and SMART at once are a mistake."""
    with pytest.raises(ValueError, match="choose one"):
        ClientOptions.model_validate({"bearer": {"token": "12345678"}, "smart": _smart()})


def _smart() -> dict[str, Any]:
    from fhir_there import smart

    found: dict[str, Any] = smart()["smart"]
    return found
