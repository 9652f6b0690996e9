"""The drill (45 CFR 164.308(a)(7)): a clinic that lost its database sends nothing twice, brings nobody back, and goes on when told."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sms_parts
from clinic_dsl import Answer, Clinic, OpenClinic, Postbox

from gateway.app import assemble, backups
from gateway.model.comingback import Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError, Erased, KeyringError, Unavailable
from gateway.model.when import MINUTE
from gateway.pipeline import brakes, inspect, restoring
from gateway.pipeline.rights.erasing import erase_tokens
from gateway.ports import Handover, Inbox
from gateway.settings import Settings
from gateway.store import backup, datakeys, erasures, heads, seal, tables
from gateway.store.keyring import Keyring

FIRST, WEEK, DAY_BEFORE = "2026-03-20 09:30", "2026-03-13 09:30", "2026-03-19 09:30"


@pytest.fixture
def store_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """An embedded database: PostgreSQL has its own tools, tried further down."""
    shutil.copy(_sqlite_template, tmp_path / "caregate.db")
    return f"sqlite:///{tmp_path}/caregate.db"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Where signed heads are told, on another disk so to speak."""
    (tmp_path / "elsewhere").mkdir()
    return tmp_path / "elsewhere" / "heads"


@pytest.fixture
def booked(open_clinic: OpenClinic) -> Clinic:
    """Ann and Ben, who said yes to mail, are booked for Friday 2026-03-20."""
    clinic = open_clinic()
    for handle in ("Ann", "Ben"):
        clinic.enrols(handle)
        clinic.books(handle, on=FIRST)
    return clinic


class Drill:
    """Backup, loss, restore; `settings` name the outside heads."""

    def __init__(self, clinic: Clinic, outside: Path, folder: Path) -> None:
        self.clinic, self.outside, self.folder = clinic, outside, folder
        self.settings: Settings = replace(clinic.gateway.settings, audit_heads=outside)

    def seals(self) -> None:
        """As every few seconds."""
        seal.seal(self.clinic.gateway.store, heads_file=self.outside)
        erasures.publish(self.clinic.gateway.store, erasures.beside(self.outside))

    def backs_up(self, name: str = "backup") -> Path:
        """Into a folder of its own."""
        gateway = self.clinic.gateway
        gateway.settings = self.settings
        backups.make(gateway, self.folder / name, progress=lambda *_told: None)
        return self.folder / name

    def loses(self) -> None:
        """The disk is gone."""
        self.clinic.closes()
        for one in self.folder.glob("caregate.db*"):
            one.unlink()

    def restores(
        self, name: str = "backup", *, accept_loss: bool = True, keys: Path | None = None
    ) -> restoring.Restored:
        """From the folder, and the clinic opens again."""
        done = backups.restore(self.settings, self.folder / name, keys=keys, accept_loss=accept_loss)
        self.clinic._opens()
        self.clinic.gateway.settings = self.settings
        return done

    def releases(self) -> tuple[int, int]:
        """A person says so."""
        told = backups.release(self.clinic.gateway, reason="worklist done")
        self.clinic.looks()
        return told


@pytest.fixture
def drill(booked: Clinic, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Drill:
    """Backup, loss, restore. The restoring process reads the clinic's clock."""
    monkeypatch.setattr("gateway.app.assembly.SystemClock", lambda: booked.clock)
    monkeypatch.setattr("gateway.app.backups.SystemClock", lambda: booked.clock)
    return Drill(booked, outside, tmp_path)


def test_a_restored_clinic_sends_nothing_until_a_person_says_so(drill: Drill) -> None:
    """Everything is stopped; what fell due meanwhile is a doubt; what lies ahead leaves at its time, once."""
    clinic = drill.clinic
    drill.backs_up()
    clinic.until("2026-03-13 10:00")
    assert len(clinic.mails()) == 2
    drill.seals()
    drill.loses()
    done = drill.restores()
    assert (done.doubted, done.erased, done.lost is not None) == (2, 0, True)
    assert clinic.waiting("Ann") == ["outcome-unknown"]
    clinic.until("2026-03-19 12:00")
    assert len(clinic.mails()) == 2
    assert sorted(clinic.waiting("Ann")) == ["outcome-unknown", "stopped"]
    assert drill.releases() == (2, 0)
    assert len(clinic.mails()) == 4
    assert clinic.waiting("Ann") == ["outcome-unknown"]
    kinds = [one.kind for one in inspect.worklist(clinic.gateway)]
    assert kinds == ["outcome-unknown"] * 2
    with pytest.raises(CommandError, match="no restore has stopped anything"):
        drill.releases()


def test_the_worklist_says_how_a_restore_ends(drill: Drill) -> None:
    """Not with the everyday word."""
    drill.backs_up()
    drill.loses()
    drill.restores()
    commands = [one.command for one in inspect.worklist(drill.clinic.gateway) if one.kind == "stopped"]
    assert commands == ["caregate restore --release --reason '…'"]


def test_a_backup_older_than_what_was_witnessed_is_refused_unless_accepted(drill: Drill) -> None:
    """The signed heads outside prove what is lost; accepted, that is said outside, and the log verifies again."""
    from gateway.app.upkeep import verify_audit

    clinic = drill.clinic
    drill.backs_up()
    clinic.books("Ann", on="2026-03-25 10:00", appointment="A7")
    drill.seals()
    drill.loses()
    with pytest.raises(CommandError, match="accept-loss"):
        drill.restores(accept_loss=False)
    assert not (drill.folder / "caregate.db").exists()
    done = drill.restores()
    assert done.lost is not None
    assert done.lost.known == done.lost.size + 1
    drill.seals()
    report = verify_audit(clinic.gateway)
    assert report.ok, report.verdict
    assert f"restores gave up blocks {done.lost.known} to {done.lost.known}" in report.verdict
    assert backups.restoring.behind(clinic.gateway.store, drill.outside) is None


def test_what_left_while_the_lost_clock_was_ahead_does_not_leave_again(drill: Drill) -> None:
    """The heads outside tell the latest it ever showed, also when it was set back before the end."""
    clinic = drill.clinic
    drill.backs_up()
    told = clinic.clock.now()
    clinic.until("2026-03-13 10:00")
    assert len(clinic.mails()) == 2
    drill.seals()
    clinic.clock.set(told + MINUTE)
    clinic.books("Ann", on="2026-03-25 10:00", appointment="A7")
    drill.seals()
    drill.loses()
    assert drill.restores().doubted == 2
    drill.releases()
    clinic.until("2026-03-13 12:00")
    assert len(clinic.mails()) == 2


def test_what_was_held_and_due_may_have_been_let_go_and_left(drill: Drill) -> None:
    """A brake that stood when the backup was made was lifted before the database was lost."""
    clinic = drill.clinic
    everything = brakes.Stop(scope=brakes.Scope.EVERYTHING)
    brakes.stop(clinic.gateway.store, everything, why="drill", account="os:clerk")
    clinic.until("2026-03-13 10:00")
    drill.backs_up()
    brakes.resume(clinic.gateway.store, clinic.gateway.site, everything, why="over", account="os:clerk")
    clinic.looks()
    assert len(clinic.mails()) == 2
    drill.seals()
    drill.loses()
    drill.restores()
    assert clinic.waiting("Ann") == ["outcome-unknown"]
    drill.releases()
    brakes.resume(clinic.gateway.store, clinic.gateway.site, everything, why="over", account="os:clerk")
    clinic.passes("2h")
    assert len(clinic.mails()) == 2


def test_nothing_is_lost_when_nothing_was_witnessed_since(drill: Drill) -> None:
    """A backup as new as the last head needs nobody's acceptance."""
    drill.backs_up()
    drill.loses()
    assert drill.restores(accept_loss=False).lost is None


def test_a_database_restored_behind_our_back_does_not_start(drill: Drill, outside: Path) -> None:
    """Its heads outside are ahead: a snapshot was rolled back; the command that adopts it is named."""
    clinic = drill.clinic
    drill.seals()
    clinic.gateway.store._closers[0]()  # no checkpoint in between
    shutil.copy(drill.folder / "caregate.db", drill.folder / "snapshot.db")
    for end in ("-wal",):
        shutil.copy(drill.folder / f"caregate.db{end}", drill.folder / f"snapshot.db{end}")
    clinic.books("Ann", on="2026-03-25 10:00", appointment="A7")
    drill.seals()
    drill.loses()
    for end in ("", "-wal"):
        (drill.folder / f"snapshot.db{end}").rename(drill.folder / f"caregate.db{end}")
    clinic._opens()
    with pytest.raises(CommandError, match="database-already-restored"):
        restoring.refuse_if_older(clinic.gateway.store, outside)
    clinic.closes()
    done = backups.adopt(drill.settings, accept_loss=True)
    assert done.lost is not None
    clinic._opens()
    restoring.refuse_if_older(clinic.gateway.store, outside)
    assert [one.kind for one in inspect.worklist(clinic.gateway)] == ["stopped"]


def _erase(clinic: Clinic, handle: str) -> int:
    """As `caregate patient erase`: the key is destroyed, the erasure recorded."""
    token = clinic.token(handle)
    with clinic.gateway.store.database.shredding(), clinic.gateway.store.begin("os:officer") as uow:
        erase_tokens(uow, [token], reason="asked by letter")
        uow.commit()
    return token


def test_a_restore_brings_nobody_back_who_was_erased_since(drill: Drill) -> None:
    """The outside file of erasures names the token and the time, nothing else; signed, so that nobody else can add one."""
    clinic = drill.clinic
    drill.backs_up()
    token = _erase(clinic, "Ann")
    drill.seals()
    (line,) = erasures.beside(drill.outside).read_text().splitlines()
    assert set(json.loads(line)) == {"erased", "at", "key", "signature"}
    drill.seals()
    assert len(erasures.beside(drill.outside).read_text().splitlines()) == 1
    drill.loses()
    assert drill.restores().erased == 1
    with clinic.gateway.store.read() as unit:
        ((key,),) = unit.lookup(tables.patient, ("key",), "token", [token])
        with pytest.raises(Erased):
            datakeys.open_key(unit, key)
        states = {state for (state,) in unit.lookup(tables.request, ("state",), "patient", [token])}
    assert states == {"revoked"}
    drill.releases()
    clinic.passes("18d")
    assert clinic.arrivals("Ann") == []
    assert clinic.arrivals("Ben") != []
    del clinic.people["Ann"]  # her key is gone: nothing of hers can be looked for any more


def test_an_erasure_that_nobody_of_ours_signed_erases_nobody(drill: Drill) -> None:
    """A line added by hand stops the restore; the database is not there."""
    drill.backs_up()
    token = drill.clinic.token("Ann")
    told = {"erased": str(token), "at": 1, "key": "sign-1", "signature": "00" * 64}
    erasures.beside(drill.outside).write_text(json.dumps(told) + "\n")
    drill.loses()
    with pytest.raises(CommandError, match="none of our keys signed"):
        drill.restores()
    assert not (drill.folder / "caregate.db").exists()
    erasures.beside(drill.outside).unlink()
    drill.restores()


def test_the_keys_of_a_later_backup_leave_those_erased_who_were_erased_by_then(drill: Drill) -> None:
    """Wrapped keys are kept apart and briefly: an old database with new keys tells nothing of Ann."""
    clinic = drill.clinic
    old = drill.backs_up("old")
    token = _erase(clinic, "Ann")
    new = drill.backs_up("new")
    (old / backup.KEYS).unlink()
    drill.loses()
    with pytest.raises(CommandError, match="keys-from"):
        drill.restores("old")
    drill.restores("old", keys=new)
    with clinic.gateway.store.read() as unit:
        ((key,),) = unit.lookup(tables.patient, ("key",), "token", [token])
        with pytest.raises(Erased):
            datakeys.open_key(unit, key)
    del clinic.people["Ann"]
    drill.releases()
    clinic.until("2026-03-13 10:00")
    assert len(clinic.arrivals("Ben")) == 1


# -- what providers know


class Provider(Postbox):
    """A relay that can be asked what it has, and what came back."""

    away = False

    def look_up(self, communication: int, since: int) -> Handover | None:
        """What it has."""
        if self.away:
            raise Unavailable("away")
        known = {one.communication for one in self.envelopes}
        return Handover(provider_id=f"p{communication}") if communication in known else None

    def retell(self, since: int, inbox: Inbox) -> int:
        """Ben said stop there."""
        if self.away:
            raise Unavailable("away")
        inbox.reply(
            Reply(
                channel=ChannelKind.EMAIL, event="M1", at=since, sender=self.stopped, to="us@lakeside.example",
                text="stop writing to me",
            )
        )  # fmt: skip
        return 1

    stopped = ""


@pytest.fixture
def provider(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The clinic's mail leaves by it, also in the process that restores."""
    made = Provider(drill.clinic.clock)
    drill.clinic.post = made
    drill.clinic.gateway.channels[ChannelKind.EMAIL] = made  # type: ignore[index]

    def assembled(*told, **more):
        gateway = assemble(*told, **more)
        gateway.channels[ChannelKind.EMAIL] = made
        return gateway

    monkeypatch.setattr("gateway.app.backups.assemble", assembled)
    made.stopped = drill.clinic.person("Ben").email
    return made


def _interrupted(drill: Drill, *, arrives: bool) -> None:
    """The backup is made while Ann's reminder is on its way; Ben's is not due yet."""
    clinic = drill.clinic
    clinic.reschedules("Ben", to="2026-03-27 09:30")
    if not arrives:
        clinic.post.will(Answer.UNAVAILABLE)
    clinic.post.before = lambda _envelope: (drill.backs_up(), setattr(clinic.post, "before", None))
    clinic.until("2026-03-13 09:30")


@pytest.mark.parametrize(("arrives", "state"), [(True, "completed"), (False, "on-hold")])
def test_the_provider_is_asked_about_what_was_on_its_way(
    drill: Drill, provider: Provider, arrives: bool, state: str
) -> None:
    """It has it: done. It never had it: what is lost may hold another try, so it waits for a person, and leaves once."""
    clinic = drill.clinic
    _interrupted(drill, arrives=arrives)
    drill.loses()
    done = drill.restores()
    assert (done.doubted, done.arrived, done.absent) == (1, int(arrives), int(not arrives))
    assert clinic.requests("Ann")[0].state == state
    assert done.retold == 1
    drill.releases()
    if not arrives:
        assert clinic.waiting("Ann") == ["outcome-unknown"]
        (held,) = (one for one in inspect.holds(clinic.gateway) if one.reason == "outcome-unknown")
        inspect.release_request(clinic.gateway, held.request, reason="the provider never had it", account="os:clerk")
    clinic.passes("30d")
    assert len([one for one in clinic.arrivals("Ann") if one < "2026-03-14"]) == 1
    assert clinic.arrivals("Ben") == []
    assert "opted-out" in clinic.reasons("Ben") or "consent-denied" in clinic.reasons("Ben")


def test_what_never_came_may_have_left_by_another_try_that_is_lost(drill: Drill, provider: Provider) -> None:
    """The last seconds before a loss are sealed by nobody: no head outside proves that nothing happened."""
    clinic = drill.clinic
    _interrupted(drill, arrives=False)
    clinic.until("2026-03-13 14:00")
    left = clinic.arrivals("Ann")
    assert len(left) == 1
    drill.loses()
    assert drill.restores().absent == 1
    drill.releases()
    clinic.until("2026-03-18 12:00")  # the next reminder is the day after
    assert clinic.arrivals("Ann") == left
    assert clinic.waiting("Ann") == ["outcome-unknown"]


def test_a_provider_that_does_not_answer_leaves_the_doubt(drill: Drill, provider: Provider) -> None:
    """And the command says so."""
    _interrupted(drill, arrives=True)
    drill.loses()
    provider.away = True
    done = drill.restores()
    assert (done.arrived, done.absent, done.retold, done.asked_in_vain) == (0, 0, 0, ("email",))
    assert drill.clinic.waiting("Ann") == ["outcome-unknown"]


@pytest.fixture
def texting(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> Iterator[sms_parts.Provider]:
    """Ann's reminders leave by text, through a provider on a socket, also in the process that restores."""
    clinic = drill.clinic
    with (
        sms_parts.provider(now=clinic.clock.now) as there,
        sms_parts.channel(there.port, clinic.clock) as sms,
    ):

        def assembled(*told, **more):
            gateway = assemble(*told, **more)
            gateway.channels[ChannelKind.SMS] = sms
            return gateway

        monkeypatch.setattr("gateway.app.backups.assemble", assembled)
        clinic.gateway.channels[ChannelKind.SMS] = sms  # type: ignore[index]
        clinic.person("Ann", pid={13: "^PRS^CP^^1^312^2012345"})
        clinic.adds("Ann")
        clinic.consents("Ann", to="sms")
        clinic.reschedules("Ann", to="2026-03-20 09:30")
        yield there


def test_who_wrote_stop_after_the_backup_is_written_to_no_more(drill: Drill, texting: sms_parts.Provider) -> None:
    """SM-14: the provider still lists what they wrote; it is known before anything leaves, in its order, once."""
    clinic = drill.clinic
    clinic.until("2026-03-13 12:00")
    assert len(texting.stored) == 1
    drill.backs_up()
    for text in ("where do I park?", "Please stop writing to me"):
        clinic.passes("1m")
        texting.keep(sms_parts.MARISOL, text)
    drill.loses()
    done = drill.restores()
    assert (done.retold, done.asked_in_vain) == (2, ())
    drill.releases()
    clinic.gateway.channels[ChannelKind.SMS] = Postbox(clinic.clock)  # type: ignore[index]
    clinic.until("2026-03-20 08:00")
    assert clinic.gateway.channels[ChannelKind.SMS].envelopes == []  # type: ignore[attr-defined]
    assert "opted-out" in clinic.reasons("Ann") or "consent-denied" in clinic.reasons("Ann")
    with clinic.gateway.store.read() as unit:
        states = dict(unit.lookup(tables.inbound, ("meaning", "state"), "channel", ["sms"]))
    assert states == {"free-text": "open", "stop": "done"}


def test_a_text_whose_end_nobody_knew_is_recognised_by_the_process_that_restores(
    drill: Drill, texting: sms_parts.Provider
) -> None:
    """SM-07: it made no attempt itself; what was sealed with the attempt tells the provider's list which it is."""
    clinic = drill.clinic
    texting.will(sms_parts.Failure(drops=True, accepts=True))
    clinic.until("2026-03-13 12:00")
    assert clinic.waiting("Ann") == ["outcome-unknown"]
    drill.backs_up()
    drill.loses()
    assert drill.restores().arrived == 1
    assert clinic.waiting("Ann") == []
    assert len(texting.stored) == 1


# -- a backup is whole, or it is none


def test_a_backup_names_nobody_and_holds_no_key(drill: Drill) -> None:
    """Wrapped keys lie apart; without that file nothing can be opened; only its owner can read any of it."""
    clinic = drill.clinic
    folder = drill.backs_up()
    database = (folder / backup.DATABASE).read_bytes()
    lines = [json.loads(line) for line in (folder / backup.KEYS).read_text().splitlines()]
    assert len(lines) >= 3
    assert all(bytes.fromhex(one["wrapped"]) not in database for one in lines)
    assert clinic.person("Ann").email.encode() not in database
    with closing(sqlite3.connect(folder / backup.DATABASE)) as link:
        assert link.execute(
            "SELECT count(*) FROM data_key WHERE wrapped IS NOT NULL AND kind <> 'check'"
        ).fetchone() == (0,)
    assert {path.stat().st_mode & 0o077 for path in [folder, folder / backup.DATABASE, folder / backup.KEYS]} == {0}
    with pytest.raises(CommandError, match="there is something at"):
        drill.backs_up()


@pytest.mark.parametrize("name", [backup.DATABASE, backup.KEYS, backup.MANIFEST])
@pytest.mark.parametrize("how", ["changed", "missing"])
def test_a_backup_that_was_changed_is_not_restored(drill: Drill, name: str, how: str) -> None:
    """Every byte counts; the database is not there afterwards."""
    folder = drill.backs_up()
    if how == "missing":
        (folder / name).unlink()
    elif name == backup.MANIFEST:
        told = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**told, "made": told["made"] + 1}))
    else:
        with (folder / name).open("r+b") as file:
            file.seek(-3, 2)
            file.write(b"\x01")
    drill.loses()
    with pytest.raises(CommandError):
        drill.restores()
    assert not list(drill.folder.glob("caregate.db"))
    drill.clinic.people.clear()


def test_a_restore_overwrites_nothing(drill: Drill) -> None:
    """Neither a database nor the log of one, which SQLite would take for its own."""
    drill.backs_up()
    drill.clinic.closes()
    with pytest.raises(CommandError, match="is there"):
        drill.restores()
    drill.loses()
    (drill.folder / "caregate.db-wal").write_bytes(b"x")
    with pytest.raises(CommandError, match="-wal is there"):
        drill.restores()
    (drill.folder / "caregate.db-wal").unlink()
    drill.restores()


def test_a_backup_needs_its_own_key_file(drill: Drill, tmp_path: Path) -> None:
    """Another deployment's cannot even prove it."""
    drill.backs_up()
    drill.loses()
    Keyring.create(tmp_path / "other.json")
    drill.settings = replace(drill.settings, keys=tmp_path / "other.json")
    with pytest.raises((KeyringError, CommandError)):
        drill.restores()
    drill.settings = replace(drill.settings, keys=tmp_path / "keys.json")
    drill.restores()


def test_a_backup_is_one_moment_while_messages_come_in(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed during the copy is not in it, or in it whole; the log in it verifies."""
    clinic = drill.clinic
    monkeypatch.setattr(backup, "_PAGES", 5)
    told: list[int] = []

    def busy(_what: str, done: int, _whole: int) -> None:
        if len(told) < 6:
            told.append(done)
            clinic.books("Ann", on=f"2026-03-2{len(told)} 10:00", appointment=f"B{len(told)}")

    gateway = clinic.gateway
    gateway.settings = drill.settings
    backups.make(gateway, drill.folder / "backup", progress=busy)
    before = clinic.count("raw")
    assert len(told) == 6
    drill.loses()
    drill.restores()
    assert clinic.count("raw") == before - 6


# -- on PostgreSQL the database's own tools copy it


@pytest.fixture
def adopted(open_clinic: OpenClinic, outside: Path) -> Callable[..., tuple[Clinic, restoring.Restored]]:
    """Adopts the clinic's own database as if pg_restore had just put it there."""
    clinic = open_clinic()
    clinic.enrols("Ann")
    clinic.books("Ann", on=FIRST)
    settings = replace(clinic.gateway.settings, audit_heads=outside)
    seal.seal(clinic.gateway.store, heads_file=outside)

    def _adopt(*, accept_loss: bool = False) -> tuple[Clinic, restoring.Restored]:
        clinic.closes()
        done = backups.adopt(settings, accept_loss=accept_loss)
        clinic._opens()
        return clinic, done

    return _adopt


class TestPostgres:
    """The same, where the database is a server."""

    @pytest.fixture
    def store_url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        """A database on it."""
        from gateway.store.migrations import migrate

        url: str = request.getfixturevalue("postgres_url")
        migrate(url)
        return url

    def test_a_restored_postgresql_database_is_stopped_and_reconciled(
        self, adopted, outside, clock, monkeypatch
    ) -> None:
        """Older than its heads outside: refused, accepted, stopped; said again it changes nothing."""
        monkeypatch.setattr("gateway.app.assembly.SystemClock", lambda: clock)
        known = heads.read(outside)[-1]
        keyring = Keyring.load(outside.parent.parent / "keys.json")
        ahead = heads.sign(keyring, known.size + 3, known.last + 9, b"h" * 32, known.at + MINUTE)
        heads.append(outside, ahead)
        with pytest.raises(CommandError, match="accept-loss"):
            adopted()
        clinic, done = adopted(accept_loss=True)
        assert done.lost is not None
        assert (done.lost.size, done.lost.known) == (known.size, known.size + 3)
        assert [one.kind for one in inspect.worklist(clinic.gateway)] == ["stopped"]
        clinic, again = adopted()
        assert again.lost is None
        assert clinic.count("brake") == 1
        clinic.until("2026-03-13 10:00")
        assert clinic.mails() == []
        assert backups.release(clinic.gateway, reason="done") == (1, 0)
        clinic.looks()
        assert len(clinic.mails()) == 1

    def test_backup_and_restore_name_the_tools_of_postgresql(self, open_clinic, tmp_path) -> None:
        """One sentence, and where it is written down."""
        clinic = open_clinic()
        with pytest.raises(CommandError, match="pg_dump"):
            backups.make(clinic.gateway, tmp_path / "backup", progress=lambda *_told: None)
        with pytest.raises(CommandError, match="pg_restore"):
            backups.restore(clinic.gateway.settings, tmp_path, keys=None, accept_loss=False)

    def test_a_head_of_another_log_is_no_loss_to_accept(self, adopted, outside, monkeypatch, clock) -> None:
        """Same size, other hash: this is not the same database."""
        monkeypatch.setattr("gateway.app.assembly.SystemClock", lambda: clock)
        known = heads.read(outside)[-1]
        keyring = Keyring.load(outside.parent.parent / "keys.json")
        outside.write_text(heads.sign(keyring, known.size, known.last, b"x" * 32, known.at).line() + "\n")
        with pytest.raises(CommandError, match="not the same database"):
            adopted(accept_loss=True)
