"""The EHR is told what became of the messages its resources led to, once each, in order, and no send waits for it."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from clinic_dsl import Answer, Clinic, OpenClinic
from clinic_ehr import FEED, Ehr, KilledError, refusal

from gateway.app.telling import tell_providers, tell_servers
from gateway.model.comingback import Receipt, ReceiptStatus
from gateway.model.consent import ChannelKind
from gateway.model.errors import Busy, CommandError, ConfigError, Denied, StoreError
from gateway.pipeline import inspect
from gateway.pipeline.alone import alone
from gateway.pipeline.comingback import Settler
from gateway.pipeline.ledger import Entry, append
from gateway.pipeline.optouts import ServerTarget
from gateway.pipeline.retention import purge_writebacks
from gateway.pipeline.revoking import Revoking
from gateway.pipeline.rights.erasing import erase
from gateway.store import tables

FIRST = "2026-03-20 09:30"


@pytest.fixture
def ehr(open_clinic: OpenClinic) -> Ehr:
    """Ann is known to the EHR, which booked her appointment; her reminders leave a week and a day ahead."""
    clinic = open_clinic(feeds=FEED)
    clinic.enrols("Ann")
    found = Ehr(clinic)
    found.rounds.once()
    found.knows("Ann")
    found.books("Ann", on=FIRST)
    return found


def receives(clinic: Clinic, status: ReceiptStatus, handle: str = "Ann") -> None:
    """The mail system tells of somebody's newest message."""
    gateway = clinic.gateway
    with gateway.store.read() as unit:
        rows = unit.lookup(tables.communication, ("id",), "patient", [clinic.token(handle)])
    told = Receipt(
        channel=ChannelKind.EMAIL, event=str(status), status=status, at=clinic.clock.now(), communication=max(rows)[0]
    )
    settler = Settler(store=gateway.store, site=gateway.site, rules=gateway.rules, ring=clinic.rung.extend)
    assert settler.receipt(told)


def states(clinic: Clinic) -> list[tuple[str, int]]:
    """State and tries in vain of everything that is to be told."""
    with clinic.gateway.store.read() as unit:
        source = clinic.gateway.site.sources["fhir"].id
        return sorted(unit.lookup(tables.writeback, ("state", "tries"), "source", [source]))


def test_a_reminder_is_written_into_the_record_it_came_from(ehr: Ehr) -> None:
    """W-01: subject, recipient, what it is about, the hand-over, and the template's name instead of the text."""
    ehr.clinic.until("2026-03-13 12:00")
    assert ehr.looks() == 1
    ((told,),) = ehr.told()
    assert (told["status"], told["subject"], told["about"]) == (
        "completed",
        {"reference": "Patient/p-ann"},
        [{"reference": "Appointment/a1"}],
    )
    assert told["recipient"] == [{"reference": "Patient/p-ann"}]
    assert told["payload"] == [{"contentString": "appointment_reminder"}]
    assert told["sent"].startswith("2026-03-13T")
    assert "received" not in told
    assert ehr.looks("1h") == 0
    assert any("told" in line for line in ehr.clinic.story("Ann"))


def test_a_receipt_says_that_it_was_received_and_a_bounce_that_it_was_not(ehr: Ehr) -> None:
    """W-01: received only with a delivery receipt; statuses follow one another."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.looks()
    receives(ehr.clinic, ReceiptStatus.DELIVERED)
    assert ehr.looks("4h") == 1
    assert "received" in ehr.told()[0][-1]
    ehr.clinic.until("2026-03-19 12:00")
    ehr.looks()
    receives(ehr.clinic, ReceiptStatus.BOUNCED)
    ehr.looks("4h")
    assert ehr.statuses() == [["completed", "completed"], ["completed", "stopped"]]
    assert ehr.told()[1][-1]["statusReason"]["coding"][-1]["code"] == "bounced"


def test_a_message_that_is_tried_again_stays_one_communication(ehr: Ehr) -> None:
    """W-01, W-03: not-done with its reason, then completed."""
    ehr.clinic.post.will(Answer.UNAVAILABLE)
    ehr.clinic.until("2026-03-13 09:30")
    ehr.rounds.once()
    ehr.clinic.until("2026-03-13 12:00")
    ehr.looks()
    assert ehr.statuses() == [["not-done", "completed"]]
    assert ehr.told()[0][0]["statusReason"]["coding"][0]["code"] == "system-error"


def test_an_unknown_end_is_told_and_so_is_what_becomes_of_it(ehr: Ehr) -> None:
    """W-01: unknown is a status, and the send's doubt is not ours to end."""
    ehr.clinic.post.will(Answer.KEEP_SILENT)
    ehr.clinic.until("2026-03-13 12:00")
    ehr.looks()
    assert ehr.statuses() == [["unknown"]]
    receives(ehr.clinic, ReceiptStatus.DELIVERED)
    ehr.looks("12h")
    assert ehr.statuses() == [["unknown", "completed"]]


def test_what_was_told_before_a_crash_is_told_again_and_made_once(ehr: Ehr) -> None:
    """W-03: killed between the server's answer and our commit; another process waits until the lease is over."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.dies_after = True
    with pytest.raises(KilledError):
        ehr.looks()
    ehr.dies_after = False
    ehr.rounds = ehr.another()
    assert ehr.looks() == 0
    assert ehr.looks("6m") == 1
    assert (ehr.made, ehr.statuses()) == (1, [["completed", "completed"]])


def test_a_server_that_is_away_is_asked_again_and_holds_nothing_up(ehr: Ehr) -> None:
    """W-01: retried with pauses; the reminder left on time."""
    ehr.answers = [Busy("away"), Busy("away", 600.0)]
    ehr.clinic.until("2026-03-13 12:00")
    assert (ehr.looks(), len(ehr.clinic.arrivals("Ann"))) == (0, 1)
    assert states(ehr.clinic) == [("open", 1)]
    assert (ehr.looks("2m"), states(ehr.clinic)) == (0, [("open", 2)])
    assert ehr.looks("5m") == 0
    assert (ehr.looks("6m"), states(ehr.clinic)) == (1, [("open", 0)])


def test_what_a_server_refuses_or_never_takes_waits_for_a_person(ehr: Ehr) -> None:
    """Law 6: nothing is dropped in silence."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.answers = [refusal()]
    ehr.looks()
    assert states(ehr.clinic) == [("refused", 0)]
    ehr.clinic.until("2026-03-19 12:00")
    ehr.answers = [Busy("away")] * 60
    for _ in range(60):
        ehr.looks("7h")
    assert states(ehr.clinic) == [("given-up", 35), ("refused", 0)]


def test_a_server_that_denies_us_is_left_alone_for_this_round(ehr: Ehr) -> None:
    """A credential that ended does not put every message before a person at once."""
    ehr.books("Ann", on="2026-03-20 15:30", id_="a2")
    ehr.clinic.until("2026-03-13 18:00")
    ehr.answers = [Denied("no", 401)]
    ehr.looks()
    assert states(ehr.clinic) == [("open", 0), ("refused", 0)]


def test_what_another_feed_led_to_is_none_of_its_business(ehr: Ehr) -> None:
    """W-01: the server is told of its own resources; of one that both feeds told, it is."""
    ehr.clinic.books("Ann", on="2026-03-20 15:00")
    ehr.clinic.until("2026-03-13 18:00")
    ehr.looks()
    assert len(ehr.clinic.arrivals("Ann")) == 2
    assert [versions[-1]["about"] for versions in ehr.told()] == [[{"reference": "Appointment/a1"}]]


def test_what_left_before_it_was_switched_on_is_not_told(open_clinic: OpenClinic) -> None:
    """Nobody expects a year of messages in the record at once."""
    clinic = open_clinic(feeds=FEED)
    clinic.enrols("Ann")
    ehr = Ehr(clinic)
    ehr.knows("Ann")
    ehr.books("Ann", on=FIRST)
    clinic.until("2026-03-13 12:00")
    assert (ehr.looks(), ehr.looks(), states(clinic)) == (0, 0, [])


def test_what_changes_no_more_is_forgotten_in_time(ehr: Ehr) -> None:
    """Law 5: after the receipts' time nothing is looked at, and later the row goes."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.looks()
    ehr.clinic.until("2026-03-19 12:00")
    ehr.looks()
    ehr.clinic.until("2026-04-01 12:00")
    ehr.looks()
    assert states(ehr.clinic) == [("told", 0), ("told", 0)]
    ehr.clinic.until("2026-05-03 12:00")
    assert purge_writebacks(ehr.clinic.gateway.store) == 2
    assert states(ehr.clinic) == []


# -- opt-outs


def servers(ehr: Ehr) -> Revoking:
    """The rounds that tell the EHR."""
    gateway = ehr.clinic.gateway
    entry = gateway.site.sources["fhir"]
    target = ServerTarget(gateway.store, entry, ehr, lambda: gateway.rules.current().ruleset.policy)
    return Revoking(gateway.store, [target], elsewhere=None)


def pushes(ehr: Ehr) -> list[str]:
    """How each push stands, the newest first."""
    return [one.state for one in inspect.revocations(ehr.clinic.gateway)]


def test_an_opt_out_is_told_to_the_server_that_knows_the_patient(ehr: Ehr) -> None:
    """CN-01; 47 CFR 64.1200(a)(10): as a Consent that denies, acknowledged within the legal time."""
    ehr.clinic.opts_out("Ann")
    ehr.answers = [Busy("away"), Busy("away")]
    rounds = servers(ehr)
    assert (rounds.once(), pushes(ehr)) == (0, ["open", "open"])
    ehr.clinic.passes("2m")
    assert (rounds.once(), servers(ehr).once()) == (2, 0)
    assert pushes(ehr) == ["acknowledged", "acknowledged"]  # the person's entry, and the one of their address
    ((told, _),) = ehr.told("Consent")
    assert (told["status"], told["patient"], told["provision"]["type"]) == (
        "active",
        {"reference": "Patient/p-ann"},
        "deny",
    )


def _says(ehr: Ehr, *, permit: bool, purpose: str = "*") -> list[str]:
    """A word about everything by e-mail, told to the EHR; the statuses that its Consents went through."""
    ehr.clinic.consents("Ann", purpose=purpose, permit=permit)
    ehr.clinic.passes("2m")
    servers(ehr).once()
    return [one["status"] for versions in ehr.told("Consent") for one in versions]


def test_a_later_yes_ends_the_opt_out_in_the_record(ehr: Ehr) -> None:
    """CN-01, W-03: the same Consent becomes inactive, and active again with the next no."""
    assert set(_says(ehr, permit=False)) == {"active"}
    assert _says(ehr, permit=True, purpose="TREAT")[-1] == "active"  # a yes to something lifts no no to everything
    assert _says(ehr, permit=True)[-1] == "inactive"
    assert _replies(ehr, permit=False) == "active"
    assert _replies(ehr, permit=True) == "inactive"
    assert (ehr.made, len(ehr.told("Consent"))) == (1, 1)


def _replies(ehr: Ehr, *, permit: bool) -> str:
    """STOP or START from the address, told to the EHR; the status its Consent has then."""
    clinic, ann = ehr.clinic, ehr.clinic.token("Ann")
    clinic.passes("1m")
    with clinic.gateway.store.begin("test") as uow:
        address = min(uow.lookup(tables.contact_point, ("address",), "patient", [ann]))[0]
        said = Entry(patient=None, address=address, scope=("*", "email", "*"), permit=permit, evidence="reply")
        append(uow, [said])
        uow.commit()
    clinic.passes("2m")
    servers(ehr).once()
    return str(ehr.told("Consent")[0][-1]["status"])


def test_a_yes_of_somebody_who_never_refused_is_not_told(ehr: Ehr) -> None:
    """45 CFR 164.502(b): the server has nothing of ours to end."""
    assert _says(ehr, permit=True) == []
    assert pushes(ehr) == []


def test_an_opt_out_of_somebody_the_server_does_not_know_is_none_of_its_business(ehr: Ehr) -> None:
    """45 CFR 164.502(b): a patient known to that server only."""
    ehr.clinic.enrols("Bea")
    ehr.clinic.opts_out("Bea")
    servers(ehr).once()
    assert (pushes(ehr), ehr.told("Consent")) == (["moot", "moot"], [])


def test_what_the_server_said_itself_is_not_said_to_it(ehr: Ehr) -> None:
    """CN-04: its own Consent would come back as ours."""
    assert ehr.opts_out("Ann").events == ("patient.updated",)
    servers(ehr).once()
    assert (pushes(ehr), ehr.told("Consent")) == (["moot"], [])


def test_an_opt_out_the_server_refuses_is_for_a_person_and_leaves_others_alone(ehr: Ehr) -> None:
    """Law 6; the threads of channels and of servers do not take each other's."""
    ehr.clinic.opts_out("Ann")
    ehr.answers = [Busy("away"), refusal()]
    servers(ehr).once()
    assert sorted(pushes(ehr)) == ["failed", "open"]
    ehr.clinic.passes("2m")
    assert Revoking(ehr.clinic.gateway.store, [], elsewhere=["fhir"]).once() == 0
    assert sorted(pushes(ehr)) == ["failed", "open"]
    Revoking(ehr.clinic.gateway.store, []).once()  # nobody has that name any more
    assert pushes(ehr) == ["failed", "failed"]


def test_a_server_that_is_new_has_a_day_for_old_opt_outs(ehr: Ehr) -> None:
    """47 CFR 64.1200(a)(10): the ten days were over before it was configured; one answer of "not now" fails nothing."""
    ehr.clinic.opts_out("Ann")
    ehr.clinic.passes("20d")
    ehr.answers = [Busy("away"), Busy("away")]
    rounds = servers(ehr)
    rounds.once()
    assert pushes(ehr) == ["open", "open"]
    ehr.clinic.passes("2m")
    assert rounds.once() == 2


def test_two_processes_do_not_tell_at_the_same_time(ehr: Ehr) -> None:
    """W-03: a server may make two of what two ask for at once."""
    store = ehr.clinic.gateway.store
    ehr.clinic.until("2026-03-13 12:00")
    with alone(store, "write-back", "write-back:fhir") as held:
        assert held is not None
        assert ehr.rounds.once() == 0
        with pytest.raises(StoreError), alone(store, "write-back", "write-back:other"):
            raise StoreError("away")
    assert ehr.rounds.once() == 1


# -- what people do about it


def test_what_failed_is_listed_and_told_again_or_dropped(ehr: Ehr) -> None:
    """Law 6: on the worklist with the command that settles it."""
    gateway = ehr.clinic.gateway
    ehr.clinic.until("2026-03-13 12:00")
    ehr.answers = [refusal()]
    ehr.looks()
    ((line,), (item,)) = inspect.writebacks(gateway), inspect.worklist(gateway, kinds=["writeback"])
    assert (line.source, line.state, line.count) == ("fhir", "refused", 1)
    assert item.command == "caregate writebacks again --source fhir --reason '…' (or drop)"
    assert "writebacks" in inspect.status(gateway).attention
    told = {"reason": "the scope is there now", "account": "os:clerk"}
    assert inspect.writebacks_again(gateway, "fhir", **told) == 1
    assert (ehr.looks(), ehr.statuses()) == (1, [["completed"]])
    ehr.clinic.until("2026-03-19 12:00")
    ehr.answers = [refusal()]
    ehr.looks()
    assert inspect.writebacks_drop(gateway, "fhir", **told) == 1
    assert inspect.writebacks(gateway) == []
    with pytest.raises(CommandError):
        inspect.writebacks_drop(gateway, "nobody", **told)


def test_a_server_that_is_away_for_long_is_listed(ehr: Ehr) -> None:
    """It is asked again by itself; a person should know."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.answers = [Busy("away")] * 5
    for _ in range(5):
        ehr.looks("1h")
    assert [one.state for one in inspect.writebacks(ehr.clinic.gateway)] == ["open"]


def test_of_who_was_erased_no_server_is_told(ehr: Ehr) -> None:
    """45 CFR 164.526 apart: what is erased here is not kept to be told elsewhere."""
    ehr.clinic.until("2026-03-13 12:00")
    ehr.looks()
    gateway = ehr.clinic.gateway
    erase(gateway, ehr.clinic.identifier("Ann"), reason="asked", account="os:clerk")
    assert (states(ehr.clinic), ehr.looks("1h")) == ([], 0)


def test_a_message_to_a_representative_names_no_recipient(ehr: Ehr) -> None:
    """W-01: the patient is whom it is about, and did not get it."""
    clinic = ehr.clinic
    clinic.until("2026-03-13 12:00")
    ann = clinic.token("Ann")
    with clinic.gateway.store.begin("test") as uow:
        uow.delete(tables.contact_point, "patient", [ann])
        uow.audit([("test",)])
        uow.commit()
    ehr.looks()
    assert "recipient" not in ehr.told()[0][0]


# -- as it is put together


class Listening:
    """A source that is told nothing else."""

    def __init__(self, ehr: Ehr) -> None:
        self.name, self.write = "fhir", ehr.write

    async def start(self, intake: object) -> None:
        """Nothing comes."""

    async def stop(self) -> None:
        """Nothing is in hand."""


class Deaf:
    """One whose server cannot be written to."""

    name = "fhir"
    start, stop = Listening.start, Listening.stop


def test_the_process_that_listens_tells_its_servers(ehr: Ehr) -> None:
    """Both of messages and of opt-outs; the threads end with it."""
    with ExitStack() as stack:
        tell_servers(ehr.clinic.gateway, [Listening(ehr)], stack)
        tell_providers(ehr.clinic.gateway, stack)
        names = {one.name for one in threading.enumerate()}
        assert {"caregate-writeback-fhir", "caregate-revoking"} <= names
    assert not any(one.name.startswith("caregate-writeback") for one in threading.enumerate())


def test_a_source_that_cannot_write_is_an_error_at_its_line(ehr: Ehr) -> None:
    """What is configured and cannot be done is not left undone in silence."""
    with ExitStack() as stack, pytest.raises(ConfigError, match="nothing can be written back by a source of kind mllp"):
        tell_servers(ehr.clinic.gateway, [Deaf()], stack)


@pytest.mark.parametrize("wrong", ["base: https://ehr.lakeside.example/r4\n    ", "format: fhir\n    "])
def test_writing_back_needs_a_server_that_speaks_fhir(open_clinic: OpenClinic, wrong: str) -> None:
    """Told where it stands, before anything runs."""
    feed = f"  fhir:\n    kind: mllp\n    organization: lakeside\n    port: 2577\n    {wrong}write_back: {{consents: yes}}\n"
    with pytest.raises(ConfigError, match="is for a source of FHIR with `base`"):
        open_clinic(feeds=feed)
