"""Every route, every role and nobody: who gets in is one table, and what it says is what happens on the socket."""

from __future__ import annotations

import httpx
import pytest
from staff_site import PERSON, ROLES

from gateway.api.staff.application import PAGES
from gateway.api.v1.application import ROUTERS
from gateway.model.access import GRANTS, Right, Role
from gateway.pipeline import inspect

ABOUT = {"identifier": PERSON}
ROUTES = [
    ("GET", "/openapi.json", None, "description.read"),
    ("GET", "/worklist", None, "worklist.read"),
    ("GET", "/outbox", None, "outbox.read"),
    ("POST", "/outbox/search", ABOUT, "person.read"),
    ("POST", "/outbox/hold", {"rule": "appointment-reminder"}, "outbox.control"),
    ("POST", "/outbox/release", {"rule": "appointment-reminder"}, "outbox.control"),
    ("POST", "/outbox/stop", {"channel": "sms"}, "outbox.control"),
    ("POST", "/outbox/resume", {"channel": "sms"}, "outbox.control"),
    ("POST", "/outbox/withdraw", {"rule": "appointment-reminder"}, "outbox.control"),
    ("POST", "/unread/{communication}/seen", None, "outbox.control"),
    ("POST", "/consents/search", ABOUT, "person.read"),
    ("POST", "/consents", {**ABOUT, "permit": True, "channel": "email", "evidence": "form 12"}, "consent.write"),
    ("POST", "/consents/revoke", {**ABOUT, "channel": "email", "evidence": "call 5"}, "consent.write"),
    ("POST", "/preferences/search", ABOUT, "person.read"),
    ("POST", "/people/story/search", ABOUT, "person.read"),
    ("GET", "/messages/{message}/story", None, "story.read"),
    ("GET", "/requests/{request}/story", None, "story.read"),
    ("GET", "/requests/{request}/receipts", None, "story.read"),
    ("GET", "/suppression", None, "suppression.read"),
    ("POST", "/suppression/search", ABOUT, "person.read"),
    ("POST", "/suppression/{address}/restore", None, "suppression.write"),
    ("GET", "/revocations", None, "worklist.read"),
    ("POST", "/revocations/{revocation}/told", None, "consent.write"),
    ("GET", "/campaigns", None, "outbox.read"),
    ("GET", "/campaigns/{rule}", None, "outbox.read"),
    ("POST", "/campaigns/{rule}/approve", {"run": "1", "people": 1}, "campaign.approve"),
    ("POST", "/campaigns/{rule}/stop", None, "outbox.control"),
    ("POST", "/campaigns/{rule}/resume", None, "campaign.approve"),
    ("POST", "/campaigns/{rule}/end", None, "outbox.control"),
    ("POST", "/campaigns/{rule}/plan", None, "outbox.control"),
    ("GET", "/tables", None, "worklist.read"),
    ("POST", "/tables/{source}/believe", None, "campaign.approve"),
    ("POST", "/tables/{source}/give-up", None, "outbox.control"),
    ("GET", "/replies", None, "worklist.read"),
    ("GET", "/replies/{reply}", None, "reply.read"),
    ("POST", "/replies/{reply}/decision", {"decision": "done"}, "reply.decide"),
]
MAY = {
    "analyst": {"description.read", "worklist.read", "outbox.read", "story.read"},
    "operator": {
        *("description.read", "worklist.read", "outbox.read", "story.read", "outbox.control", "suppression.read"),
        *("reply.read", "reply.decide"),
    },
    "privacy-officer": {one.value for one in Right},
    "auditor": {"description.read", "worklist.read", "outbox.read", "story.read", "person.read", "suppression.read"},
}


def test_the_table_of_rights_is_the_one_that_was_agreed():
    """45 CFR 164.312(a)(1), regulation 19: nobody has a right by default."""
    assert {role.value: {one.value for one in rights} for role, rights in GRANTS.items()} == MAY
    assert set(GRANTS) == set(Role)


def test_every_route_of_the_api_is_in_this_table():
    """A route somebody adds tomorrow is tried too."""
    found = {(method, one.path) for router in ROUTERS for one in router.routes for method in one.methods}
    assert found | {("GET", "/openapi.json")} == {(method, path) for method, path, _, _ in ROUTES}


@pytest.mark.parametrize("role", [*ROLES, None], ids=str)
def test_each_role_gets_what_is_its_own_and_nothing_else(site, reply, caller, role):
    """AU-01, regulation 19: 2xx where the table says so, 403 else, 401 for nobody; nothing of it depends on the body."""
    addresses = site.suppress()
    numbers = {
        "message": min(one for (one,) in site.rows(_raw_id())),
        "request": min(one for (one,) in site.rows(_request_id())),
        "address": addresses[0],
        "reply": reply,
        "revocation": site.untold(),
        "communication": site.unread(),
        "rule": "new-product-offer",
        "source": "ehr",
    }
    run = site.campaign("new-product-offer")
    site.stopped_extract()
    somebody = caller(role) if role else caller()
    for method, path, told, right in ROUTES:
        body = told | {"run": str(run)} if told and "run" in told else told
        answer = somebody.request(method, path.format(**numbers), json=body)
        allowed = role is not None and right in MAY[role]
        expected = 401 if role is None else 403
        assert (answer.status_code < 300) if allowed else (answer.status_code == expected), (path, answer.text)
        unfit = somebody.request(
            method, path.format(**numbers), content=b"{", headers={"content-type": "application/json"}
        )
        assert allowed or unfit.status_code == expected, path  # who may not is told nothing about the body
        if role is None:
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("role", [*ROLES, None], ids=str)
def test_each_role_sees_its_own_pages_and_no_others(site, reply, address, role):
    """The same for the staff pages; whoever is nobody is sent to the sign-in, whatever they asked for."""
    with httpx.Client(base_url=f"{address}/staff", timeout=20, trust_env=False) as browser:
        token = ""
        if role:
            assert browser.post("/sign-in", data={"key": site.key(role)}).status_code == 303
            token = inspect.form_token(browser.cookies["caregate-staff"])
        for page in PAGES:
            form = {"token": token, "reason": "ticket 88", "number": "1", "what": "request"}
            answer = browser.request(page.method, page.path, data=form if page.method == "POST" else None)
            if role is None:
                assert (answer.status_code, answer.headers["location"]) == (303, "/staff/sign-in"), page
            elif page.right.value in MAY[role]:
                assert answer.status_code in (200, 303, 409), (page, answer.text)
            else:
                assert answer.status_code == 403, page


def _raw_id():
    from gateway.store import tables

    return tables.raw.c.id


def _request_id():
    from gateway.store import tables

    return tables.request.c.id
