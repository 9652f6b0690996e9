"""Campaigns and tables over the API and on the pages: planned, read, approved with the number typed, stopped, and believed."""

from __future__ import annotations

import json
import re
import time
from shutil import copytree

import httpx
import pytest
from staff_site import MRN, PERSON, StaffSite, booked

from gateway.packs import shipped
from gateway.pipeline import inspect
from gateway.store import tables

RULE = "appointment-reminder"


@pytest.fixture
def site(tmp_path):
    """A site whose reminder is a campaign, with one person booked."""
    rules = copytree(shipped("rules"), tmp_path / "rules")
    file = rules / f"{RULE}.yaml"
    file.write_text(file.read_text() + "\ncampaign: {holdout: 0, daily: 40}\n")
    made = StaffSite(tmp_path, rules=rules)
    made.receive(booked())
    yield made
    made.gateway.close()


@pytest.fixture
def page(site, address):
    """`page("operator")`: what posts and gets as somebody signed in."""
    made = []

    def _page(role):
        client = httpx.Client(base_url=f"{address}/staff", trust_env=False, timeout=20)
        made.append(client)
        client.post("/sign-in", data={"key": site.key(role)})
        form = {"token": inspect.form_token(client.cookies["caregate-staff"]), "rule": RULE, "reason": "ticket 12"}
        return client.get, lambda path, **more: client.post(path, data={**form, **more})

    yield _page
    for one in made:
        one.close()


def planned(caller):
    """The campaign once the dry run that was begun is through."""
    for _ in range(200):
        told = caller.get(f"/campaigns/{RULE}").json()
        if told["planning"] is None or told["planning"]["failed"]:
            return told
        time.sleep(0.05)
    raise AssertionError("it never ends")


def entries(site, word):
    """(actor, entry) of the audit log."""
    return [(actor, entry) for actor, text in site.audit() for entry in json.loads(text) if entry[0] == word]


def test_a_campaign_is_planned_approved_stopped_resumed_and_ended_over_the_api(caller, site):
    """As `caregate campaign`, each step audited under the key's own name with its reason."""
    officer = caller("privacy-officer")
    line = next(one for one in officer.get("/campaigns").json()["items"] if one["rule"] == RULE)
    assert (line["state"], line["command"]) == ("unapproved", f"caregate campaign plan {RULE}")
    assert officer.post(f"/campaigns/{RULE}/plan").status_code == 202
    whole = planned(officer)
    (run,) = whole["runs"]
    assert (run["people"], run["forecast"]["judged"], run["state"]) == (1, 2, "forecast")
    assert (whole["bounds"]["daily"], whole["bounds"]["stop_when"]["complained"], whole["health"]) == (40, 0.3, None)
    assert whole["waits"] == [{"state": "active", "reason": "", "count": 2}]
    refused = officer.post(f"/campaigns/{RULE}/approve", json={"run": run["id"], "people": 2})
    assert (refused.status_code, "counted 1 people, not 2" in refused.text) == (409, True)
    assert officer.post(f"/campaigns/{RULE}/approve", json={"run": run["id"], "people": 1}).status_code == 200
    assert officer.post(f"/campaigns/{RULE}/stop").json() == {"done": True}
    assert officer.post(f"/campaigns/{RULE}/stop").status_code == 409
    assert officer.post(f"/campaigns/{RULE}/resume").status_code == 200
    assert officer.get(f"/campaigns/{RULE}").json()["campaign"]["said"] == "runs"
    assert officer.post(f"/campaigns/{RULE}/end").status_code == 200
    assert officer.get(f"/campaigns/{RULE}").json()["campaign"]["state"] == "over"
    ((actor, entry),) = entries(site, "campaign.approved")
    assert actor.startswith("key:privacy-officer#")
    assert entry[-1] == "ticket 88"


def test_an_approval_said_twice_under_one_key_is_done_once(caller, site):
    """draft-ietf-httpapi-idempotency-key-header: the answer comes again, the deed does not."""
    officer = caller("privacy-officer")
    officer.post(f"/campaigns/{RULE}/plan")
    said = {"json": {"run": planned(officer)["runs"][0]["id"], "people": 1}, "headers": {"Idempotency-Key": "k1"}}
    first, second = (officer.post(f"/campaigns/{RULE}/approve", **said) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["idempotency-replayed"] == "true"
    assert len(entries(site, "campaign.approved")) == 1


def test_who_may_stop_a_campaign_may_not_let_it_leave(caller, site):
    """45 CFR 164.308(a)(4): an operator plans and stops; to approve and to resume is another right."""
    operator, officer = caller("operator"), caller("privacy-officer")
    assert operator.post(f"/campaigns/{RULE}/plan").status_code == 202
    said = {"run": planned(operator)["runs"][0]["id"], "people": 1}
    assert operator.post(f"/campaigns/{RULE}/approve", json=said).status_code == 403
    assert officer.post(f"/campaigns/{RULE}/approve", json=said).status_code == 200
    assert operator.post(f"/campaigns/{RULE}/stop").status_code == 200
    assert operator.post(f"/campaigns/{RULE}/resume").status_code == 403


def test_a_dry_run_that_comes_to_nothing_says_why(caller):
    """Nobody is planned for the shipped offer; it can be begun again."""
    operator = caller("operator")
    path = "/campaigns/new-product-offer"
    for _ in range(2):
        assert operator.post(f"{path}/plan").status_code == 202
        for _ in range(200):
            told = operator.get(path).json()["planning"]
            if told["failed"]:
                break
            time.sleep(0.05)
        assert told["failed"].startswith("nothing of new-product-offer is planned: there is nobody to write to")


def test_a_dry_run_is_not_approved_in_place_of_the_one_that_was_read(caller, page, site):
    """Who may plan and not approve swaps the wording and plans again: the same number of people, and nobody has read it."""
    operator, officer = caller("operator"), caller("privacy-officer")
    operator.post(f"/campaigns/{RULE}/plan")
    read = planned(officer)["runs"][0]
    get, post = page("privacy-officer")
    shown = re.search(r'name="run" value="(\d+)"', get("/campaigns/show", params={"rule": RULE}).text)[1]
    assert shown == read["id"]
    operator.post(f"/campaigns/{RULE}/plan")
    newer = planned(operator)["runs"][0]
    assert (newer["people"], newer["id"] == read["id"]) == (read["people"], False)
    answer = officer.post(f"/campaigns/{RULE}/approve", json={"run": read["id"], "people": read["people"]})
    assert (answer.status_code, "another dry run was made since" in answer.text) == (409, True)
    assert post("/campaigns/approve", people=str(read["people"]), run=shown).status_code == 409
    assert post("/campaigns/approve", people=str(read["people"])).status_code == 409
    assert officer.post(f"/campaigns/{RULE}/approve", json={"people": read["people"]}).status_code == 422
    assert entries(site, "campaign.approved") == []


@pytest.mark.parametrize("path", [f"/campaigns/{MRN}", "/campaigns/visit-aftercare"])
def test_what_is_no_campaign_is_not_there_and_not_repeated(caller, path):
    """Nothing of a URL stands in an answer."""
    officer = caller("privacy-officer")
    answers = [
        officer.get(path),
        officer.post(f"{path}/plan"),
        officer.post(f"{path}/approve", json={"run": "1", "people": 1}),
        *(officer.post(f"{path}/{word}") for word in ("stop", "resume", "end")),
        officer.post(f"/tables/{MRN}/believe"),
        officer.post(f"/tables/{MRN}/give-up"),
    ]
    assert [one.status_code for one in answers] == [404] * len(answers)
    assert not any(MRN in one.text or "aftercare" in one.text for one in answers)


def test_a_campaign_is_read_and_approved_on_its_page(page, caller):
    """What the dry run counted stands there; the number is typed, and the button is not for everybody."""
    get, post = page("privacy-officer")
    assert "was never approved" in get("/campaigns").text
    show = {"rule": RULE}
    assert post("/campaigns/plan").status_code == 303
    planned(caller("operator"))
    text = get("/campaigns/show", params=show).text
    assert "1 people</h2>" in text
    assert "<td>2</td><td>be refused</td><td>channel-not-configured</td>" in text
    assert "no bound" in text
    looks, _ = page("operator")
    assert "Let it leave" not in looks("/campaigns/show", params=show).text
    run = re.search(r'name="run" value="(\d+)"', text)[1]
    assert post("/campaigns/approve", people="2", run=run).status_code == 409
    assert post("/campaigns/approve", run=run).status_code == 409
    assert post("/campaigns/approve", people="1", run=run).status_code == 303
    text = get("/campaigns/show", params=show).text
    assert "It runs." in text
    assert "Let it leave" not in text
    for path, then in (("stop", "is stopped"), ("resume", "It runs."), ("end", "It is over.")):
        assert post(f"/campaigns/{path}").status_code == 303
        assert then in get("/campaigns/show", params=show).text
    assert post("/campaigns/stop", reason="x").status_code == 409
    assert get("/campaigns/show", params={"rule": MRN}).status_code == 409


def test_an_extract_nobody_believes_is_believed_or_given_up(page, caller, site):
    """SN-03: by a person with a reason; once."""
    get, post = page("privacy-officer")
    assert "No table was read yet" in get("/tables").text
    site.stopped_extract()
    ((source, state),) = [(one["source"], one["state"]) for one in caller("auditor").get("/tables").json()["items"]]
    assert (source, state) == ("ehr", "stopped")
    assert "It is right" in get("/tables").text
    assert "It is right" not in page("operator")[0]("/tables").text
    assert post("/tables/believe", source="ehr").status_code == 303
    assert post("/tables/believe", source="ehr").status_code == 409
    assert "It is right" not in get("/tables").text
    assert post("/tables/give-up", source="ehr").status_code == 303
    assert caller("operator").post("/tables/ehr/give-up").status_code == 409
    assert [state for (state,) in site.rows(tables.table_extract.c.state)] == ["given-up"]
    assert PERSON["value"] not in get("/tables").text
