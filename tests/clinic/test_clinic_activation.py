"""Other rules come into force while messages flow: at once, in every process, and nothing is decided by the old ones after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from pathlib import Path

import msgspec
import pytest
from clinic_dsl import Clinic
from clinic_site import shipped_policy, shipped_rule, write_rules

from gateway.model.errors import CommandError, ConfigError, StoreError
from gateway.pipeline import bundles, inspect, rules
from gateway.ruleset.load import read_files
from gateway.store import tables

REMINDER = "appointment-reminder"


@pytest.fixture
def put(tmp_path, open_store):
    """Put rules in force as another process would, by a store of its own."""
    count = iter(range(100))

    def put(how=rules.ACTIVATED, **told):
        folder = write_rules(tmp_path / f"rules{next(count)}", told)
        return rules.activate(open_store("another"), read_files(folder), folder, account="os:ann", how=how)

    return put


def later(days="3d"):
    return {REMINDER: shipped_rule(REMINDER, ("by: [7d, 1d]", f"by: [{days}]"))}


def test_the_next_booking_is_planned_by_the_new_rules(clinic: Clinic, put):
    """Without a restart, and the audit names the new activation."""
    clinic.enrols("ann")
    clinic.books("ann", "2026-03-20 09:30", appointment="A1")
    made = put(**later())
    clinic.books("ann", "2026-03-25 09:30", appointment="A2")
    assert {one.step for one in clinic.requests("ann")} == {"7d", "1d", "3d"}
    assert clinic.gateway.rules.current().id == made.id


def test_a_message_is_read_for_the_facts_that_the_new_rules_ask(clinic: Clinic, put):
    """Also the one by which the change is noticed: it was read for the old rules first (law 5)."""
    clinic.enrols("ann")
    asked = shipped_rule(REMINDER, ("  where:\n", "  where:\n    appointment.duration: {at_least: 1}\n"))
    before = clinic.gateway.rules.current().ruleset.facts_used
    put(**{REMINDER: asked})
    clinic.books("ann", "2026-03-20 09:30", sch={9: "30", 10: "MIN"})
    assert "appointment.duration" in clinic.gateway.rules.current().ruleset.facts_used - before
    assert [one.step for one in clinic.requests("ann")] == ["7d", "1d"]


def test_what_is_due_is_judged_by_the_new_rules(clinic: Clinic, put):
    """A rule that is gone sends nothing more."""
    clinic.enrols("ann")
    clinic.books("ann", "2026-03-20 09:30")
    put(**later())
    clinic.until("2026-03-14 09:00")
    assert clinic.mailbox("ann") == []
    assert "rule-retired" in clinic.reasons("ann")


def test_a_hold_ends_when_the_new_policy_says(clinic: Clinic, open_store, tmp_path):
    """Also where nothing is received and nothing delivered meanwhile: the dispatcher asks for what is in force."""
    clinic.enrols("ann")
    clinic.books("ann", "2026-06-20 09:30")
    token = clinic.token("ann")
    with clinic.gateway.store.begin("test") as uow:
        rows = uow.lookup(tables.request, ("id",), "patient", [token])
        uow.update(tables.request, ("id",), ("state",), [("on-hold", row[0]) for row in rows])
        uow.audit([("test",)])
        uow.commit()
    policy = shipped_policy(("hold_expires: 30d ", "hold_expires: 2d "))
    folder = write_rules(tmp_path / "strict", {REMINDER: shipped_rule(REMINDER)}, policy=policy)
    rules.activate(open_store("other"), read_files(folder), folder, account="os:ann", how=rules.ACTIVATED)
    clinic.until("2026-06-16 12:00")
    assert [one.state for one in clinic.requests("ann")] == ["revoked", "on-hold"]


def test_nothing_known_is_planned_by_rules_that_were_replaced_meanwhile(clinic: Clinic, put):
    """`plan --open` is told so, like any unit that plans: it is asked again."""
    clinic.enrols("ann")
    clinic.books("ann", "2026-03-20 09:30")
    put(**later())
    with pytest.raises(rules.Superseded):
        inspect.plan_open(clinic.gateway, dry_run=False, account="os:ann")
    assert {one.step for one in clinic.requests("ann")} == {"7d", "1d"}
    clinic.gateway.rules.renew()
    inspect.plan_open(clinic.gateway, dry_run=False, account="os:ann")
    assert "3d" in {one.step for one in clinic.requests("ann")}


def test_the_old_rules_are_back_in_one_step(clinic: Clinic, put, open_store):
    """And a start that finds the folder they replaced leaves them there; another folder is taken."""
    first = clinic.gateway.rules.current()
    put(**later())
    store = open_store("third")
    back = rules.restore(store, first.id, first.ruleset.folder, account="os:ann")
    clinic.enrols("ann")
    clinic.books("ann", "2026-03-20 09:30")
    assert [one.step for one in clinic.requests("ann")] == ["7d", "1d"]
    assert clinic.gateway.rules.current().id == back.id
    assert put(how=rules.FOLDER, **later()).ruleset.digest == first.ruleset.digest
    assert put(how=rules.FOLDER, **later("2d")).ruleset.digest != first.ruleset.digest


def test_an_activation_waits_for_what_is_being_decided(clinic: Clinic, put):
    """Whoever began under the old rules ends first; whoever begins afterwards finds the new ones."""
    active, store = clinic.gateway.rules.current(), clinic.gateway.store
    with store.begin("receive") as uow:
        clinic.gateway.rules.confirm(uow, active)
        thread = threading.Thread(target=put, kwargs=later())
        thread.start()
        thread.join(0.4)
        assert thread.is_alive()
        uow.audit([("test",)])
        uow.commit()
    thread.join(20)
    assert not thread.is_alive()
    with store.begin("receive") as uow, pytest.raises(rules.Superseded):
        clinic.gateway.rules.confirm(uow, active)


def test_two_people_who_activate_at_once_both_do(clinic: Clinic, put):
    """One after the other; the last row is what counts, for everybody."""
    threads = [threading.Thread(target=put, kwargs=later(f"{days}d")) for days in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    clinic.enrols("ann")
    with clinic.gateway.store.read() as unit:
        rows = rules.activations(unit, 10)
    assert len(rows) == 3
    assert clinic.gateway.rules.current().id == rows[0].id


def test_rules_that_cannot_be_read_decide_nothing(clinic: Clinic, put):
    """The message is refused and comes again; nothing of it is stored (A-04)."""
    made = put(**later())
    with clinic.gateway.store.begin("test") as uow:
        uow.update(tables.rule_bundle, ("digest",), ("files",), [(b"damaged", made.ruleset.digest)])
        uow.audit([("test",)])
        uow.commit()
    with pytest.raises(StoreError, match="damaged"):
        clinic.gateway.rules.renew()
    before = clinic.count("raw")
    outcome = clinic.hears(b"MSH|^~\\&|EHR|L|C|L|20260302||ADT^A08^ADT_A01|1|P|2.5.1\rPID|1||1^^^LAKESIDE^MR\r")
    assert (outcome.result, clinic.count("raw")) == ("failed", before)


def changed(clinic, table, key, **columns):
    """Whoever may write SQL changes a row."""
    with clinic.gateway.store.begin("test") as uow:
        uow.update(table, (next(iter(key)),), tuple(columns), [(*columns.values(), *key.values())])
        uow.audit([("test",)])
        uow.commit()


@pytest.mark.parametrize("name", ["../outside.yaml", "/outside.yaml", "templates/./a.txt", "templates//a.txt", ""])
def test_stored_files_never_leave_their_folder(clinic: Clinic, put, name):
    """`caregate rules show --out DIR` writes them where their names say."""
    made = put(**later())
    files = {"policy.yaml": b"x", name: b"x"}
    blob = zlib.compress(msgspec.msgpack.encode(files))
    changed(clinic, tables.rule_bundle, {"digest": made.ruleset.digest}, files=blob)
    with clinic.gateway.store.read() as unit, pytest.raises(StoreError, match="damaged"):
        rules.files_of(unit, rules.activation(unit, made.id))


def test_stored_files_are_what_their_digest_says_also_when_only_looked_at(clinic: Clinic, put):
    """What `show` and `replay` read is what was signed, or nothing."""
    made = put(**later())
    changed(clinic, tables.rule_bundle, {"digest": made.ruleset.digest}, files=bundles.pack({"policy.yaml": b"x"}))
    with clinic.gateway.store.read() as unit, pytest.raises(StoreError, match="not what its digest says"):
        rules.files_of(unit, rules.activation(unit, made.id))
    with pytest.raises(StoreError, match="not what its digest says"):
        clinic.gateway.rules.renew()


def test_stored_files_are_bounded_before_they_are_unpacked(clinic: Clinic, put, monkeypatch):
    """A kilobyte that would become a gigabyte does not; and nothing is stored that could not be read again."""
    monkeypatch.setattr(bundles, "LARGEST", 10_000)
    with pytest.raises(StoreError, match="damaged"):
        bundles.unpack(zlib.compress(msgspec.msgpack.encode({"a": b"0" * 1_000_000})), "0" * 64)
    with pytest.raises(ConfigError, match="more than 10000 bytes"):
        put(**later())


def test_rules_put_in_force_again_mend_what_was_stored_of_them(clinic: Clinic, put):
    """The folder is right, the database is not: one command puts it right."""
    made = put(**later())
    changed(clinic, tables.rule_bundle, {"digest": made.ruleset.digest}, files=b"damaged")
    again = put(**later())
    assert clinic.gateway.rules.renew().id == again.id
    changed(clinic, tables.rule_bundle, {"digest": made.ruleset.digest}, files=b"damaged")
    started = put(how=rules.FOLDER, **later())
    assert clinic.gateway.rules.renew().id == started.id != again.id
    assert put(how=rules.FOLDER, **later()).id == started.id


def test_evidence_that_cannot_be_read_is_the_databases_trouble(clinic: Clinic, put):
    """Nothing is put on hold for it, request by request: whatever is due waits until it is mended."""
    made = put(**later())
    changed(clinic, tables.ruleset, {"id": made.id}, evidence="{")
    with clinic.gateway.store.read() as unit, pytest.raises(StoreError, match="evidence is damaged"):
        rules.check_approved(rules.activation(unit, made.id), {})


def test_an_activation_by_a_slow_clock_is_the_newest_all_the_same(clinic: Clinic, put):
    """The host of the one before was days ahead: what counts is who came last."""
    before = put(**later())
    ahead = before.id + (5 * 86_400_000 << 22)
    changed(clinic, tables.ruleset, {"id": before.id}, id=ahead)
    made = put(**later("2d"))
    assert made.id > ahead
    assert clinic.gateway.rules.renew().ruleset.digest == made.ruleset.digest


def test_rules_that_nobody_approved_any_more_are_told_in_the_audit(clinic: Clinic, put):
    """The configuration says `approval: none` by now: whoever reads the log sees the very row."""
    made = put(**later())
    changed(clinic, tables.ruleset, {"id": made.id}, approver="ben")
    put(**later("2d"))
    with clinic.gateway.store.read() as unit:
        told = sorted(unit.lookup(tables.audit, ("id", "entries"), "actor", ["os:ann"]))
    assert ["approval" in entries for _, entries in told] == [False, True]


def test_a_report_that_compares_with_other_rules_activates_nothing(clinic: Clinic, put, tmp_path, open_store):
    """They were replaced between the look at the report and the activation: judged inside the unit."""
    folder = write_rules(tmp_path / "late", later("4d"))
    put(**later())
    with pytest.raises(CommandError, match="no longer in force"):
        rules.activate(
            open_store("late"), read_files(folder), folder, account="os:ann", how=rules.ACTIVATED, against="0" * 64
        )


CHILD = """
import sys, time
from pathlib import Path
from gateway.pipeline import rules
from gateway.ports import SystemClock
from gateway.ruleset.load import read_files
from gateway.store.engine import Store
from gateway.store.keyring import Keyring
from gateway.store.uow import UnitOfWork

commit = UnitOfWork.commit
def slow(uow):
    if uow.actor == "os:bob":
        uow._write_audit()
        print("ready", flush=True)
        time.sleep(60)
    commit(uow)
UnitOfWork.commit = slow
url, keys, folder = sys.argv[1:]
store = Store.open(url, Keyring.load(Path(keys)), SystemClock(), holder="child")
rules.activate(store, read_files(Path(folder)), Path(folder), account="os:bob", how=rules.ACTIVATED)
"""


def test_an_activation_that_is_killed_never_was(clinic: Clinic, put, tmp_path, store_url):
    """Kill -9 with everything written and nothing committed: the old rules stay, and others can be put in force."""
    before = clinic.gateway.rules.current()
    folder = write_rules(tmp_path / "killed", later("5d"))
    words = [sys.executable, "-c", textwrap.dedent(CHILD), store_url, str(tmp_path / "keys.json"), str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(Path.cwd())}) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:  # the server notices within moments
        try:
            clinic.enrols("ann")
            break
        except AssertionError:
            time.sleep(0.2)
    assert clinic.gateway.rules.current().id == before.id
    made = put(**later())
    clinic.books("ann", "2026-03-20 09:30")
    assert clinic.gateway.rules.current().id == made.id
