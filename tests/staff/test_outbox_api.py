"""The outbox and the worklist over the API and on the pages: the same hand on the same tap as the command line's."""

from __future__ import annotations

import json

import httpx
import pytest
from staff_site import PERSON

from gateway.pipeline import brakes, inspect
from gateway.store import tables


def _entries(site, word):
    return [(actor, entry) for actor, text in site.audit() for entry in json.loads(text) if entry[0] == word]


def _states(site):
    return {state for (state,) in site.rows(tables.request.c.state)}


def test_what_waits_is_listed_counted_and_paged(caller, site):
    """By rule, by facility's day, by person, by reason; ids are strings, nobody is named."""
    operator = caller("operator")
    told = operator.get("/outbox", params={"limit": 1}).json()
    assert told["total"] == 2
    assert len(told["items"]) == 1
    rest = operator.get("/outbox", params={"limit": 1, "cursor": told["next"]}).json()
    assert rest["next"] is None
    assert {one["step"] for one in (*told["items"], *rest["items"])} == {"7d", "1d"}
    assert isinstance(told["items"][0]["request"], str)
    day = {"facility": "main", "date": "2026-03-12"}
    assert operator.get("/outbox", params=day).json()["total"] == 2
    assert operator.get("/outbox", params={**day, "date": "2026-03-13"}).json()["total"] == 0
    assert operator.get("/outbox", params={"facility": "nowhere"}).status_code == 404
    officer = caller("privacy-officer")
    assert officer.post("/outbox/search", json={"identifier": PERSON}).json()["total"] == 2
    assert operator.post("/outbox/search", json={"identifier": PERSON}).status_code == 403


def test_requests_are_held_released_and_withdrawn_with_a_reason(caller, site):
    """The audit names the key and the reason; what nobody narrowed is not touched by mistake."""
    operator = caller("operator")
    assert operator.post("/outbox/hold", json={}).status_code == 409
    assert operator.post("/outbox/hold", json={"rule": "appointment-reminder", "everything": True}).status_code == 409
    assert operator.post("/outbox/hold", json={"rule": "appointment-reminder"}).json()["done"] == 2
    assert _states(site) == {"on-hold"}
    work = operator.get("/worklist").json()["items"]
    assert any(one["kind"] == "held" and one["count"] == 2 for one in work)
    first = str(site.rows(tables.request.c.id)[0][0])
    assert operator.post("/outbox/release", json={"request": first}).json() == {"done": 1, "withdrawn": 0}
    assert operator.post("/outbox/release", json={"request": "12"}).status_code == 404
    assert operator.post("/outbox/release", json={"everything": True}).json()["done"] == 1
    assert operator.post("/outbox/withdraw", json={"facility": "main", "date": "2026-03-12"}).json()["done"] == 2
    assert _states(site) == {"revoked"}
    actor, entry = _entries(site, "request.withdrawn")[0]
    assert actor.startswith("key:operator#")
    assert entry[-1] == "ticket 88"


@pytest.mark.parametrize(
    "what",
    [
        {"everything": True},
        {"channel": "sms"},
        {"rule": "appointment-reminder"},
        {"facility": "main", "date": "2026-03-12"},
    ],
    ids=str,
)
def test_the_tap_is_closed_and_opened_again(caller, site, what):
    """The big red button, whole or in part; on every worker at the next clearance."""
    operator = caller("operator")
    told = operator.post("/outbox/stop", json=what)
    assert told.status_code == 200
    with site.gateway.store.read() as unit:
        assert [str(one.id) for one in brakes.on(unit)] == [told.json()["id"]]
    assert len(operator.get("/outbox").json()["stopped"]) == 1
    assert operator.get("/worklist").json()["items"][0]["kind"] == "stopped"
    assert operator.post("/outbox/resume", json=what).json()["still_stopped"] == []


@pytest.mark.parametrize(
    "what",
    [
        {}, {"everything": False}, {"everything": True, "rule": "recall"}, {"channel": "fax"}, {"rule": "no-such"},
        {"facility": "main"}, {"date": "2026-03-12"}, {"facility": "main", "date": "soon"}, {"rule": "a", "channel": "sms"},
    ],
    ids=str,
)  # fmt: skip
def test_a_stop_that_is_not_clear_stops_nothing(caller, site, what):
    """Nobody stops a whole hospital by an empty body."""
    answer = caller("operator").post("/outbox/stop", json=what)
    assert answer.status_code in (404, 409)
    assert not site.rows(tables.brake.c.id)


def test_the_red_button_on_the_page_asks_twice(site, address):
    """Once pressed it shows what it would do; only the second press stops."""
    with httpx.Client(base_url=f"{address}/staff", trust_env=False, timeout=20) as client:
        client.post("/sign-in", data={"key": site.key("operator")})
        form = {"token": inspect.form_token(client.cookies["caregate-staff"]), "reason": "wrong texts"}
        page = client.post("/outbox/stop", data={**form, "what": "everything"})
        assert "Stop everything?" in page.text
        assert not site.rows(tables.brake.c.id)
        assert client.post("/outbox/stop", data={**form, "what": "everything", "sure": "yes"}).status_code == 303
        ((number, why),) = site.rows(tables.brake.c.id, tables.brake.c.why)
        assert why == "wrong texts"
        assert "wrong texts" in client.get("/outbox").text
        assert client.post("/outbox/resume", data={**form, "brake": number}).status_code == 303
        assert client.post("/outbox/resume", data={**form, "brake": number}).status_code == 409
        day = {"what": "facility", "facility": "main", "date": "2026-03-12", "sure": "yes", "rule": "recall"}
        assert client.post("/outbox/stop", data={**form, **day}).status_code == 303
        assert client.post("/outbox/stop", data={**form, "what": "nothing"}).status_code == 409
        request = site.rows(tables.request.c.id)[0][0]
        assert client.post("/outbox/hold", data={**form, "request": request}).status_code == 303
        assert client.post("/outbox/hold", data={**form, "request": request}).status_code == 409
        assert (
            client.post("/patients/lift", data={**form, "patient": 1, "hold": "identity-conflict"}).status_code == 409
        )


def test_the_red_button_in_a_browser(site, tab):
    """Without a script: the page, the question, and back; looked at."""
    from test_staff_browser import _shot, _sign_in

    for width in (1280, 390):
        page = tab(width)
        _sign_in(page, site.key("operator"))
        page.get_by_role("link", name="Outbox").click()
        _shot(page, "outbox", width)
        form = page.locator("form.danger")
        form.get_by_label("Reason").fill("wrong texts")
        form.get_by_role("button", name="Stop everything").click()
        _shot(page, "sure", width)
        page.get_by_role("button", name="Yes, stop everything").click()
        page.get_by_role("heading", name="Stopped").wait_for()
        _shot(page, "stopped", width)
        page.get_by_label("Reason to resume everything").fill("texts are right")
        page.get_by_role("button", name="Let it go again").click()
        page.get_by_role("heading", name="Outbox").wait_for()
        assert page.get_by_role("heading", name="Stopped").count() == 0
