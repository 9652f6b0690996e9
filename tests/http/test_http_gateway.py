"""The whole gateway with feeds over HTTP and in a folder: one role, one server, the same receive as any feed."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from http_server import ER7, lines
from sqlalchemy import select

from gateway.app import assemble
from gateway.model.audit import Action
from gateway.model.errors import ConfigError
from gateway.model.event import Result
from gateway.packs import shipped
from gateway.pipeline import inspect
from gateway.ports import SetClock
from gateway.settings import loads
from gateway.store import tables
from gateway.store.keyring import Keyring
from gateway.store.statement import Statement

NOW = 1_772_463_600_000
CONFIG = """\
environment: test
allowed_recipients: []
organizations:
  lakeside:
    name: Lakeside Health
    zone: America/Chicago
    sender_name: Lakeside Health
    sender_email: care@lakeside.example
    callback: '+1 312 555 0100'
sources:
  lab: {{kind: http, organization: lakeside, authority: LAKESIDE, {lab}}}
  drop: {{kind: folder, organization: lakeside, authority: LAKESIDE, path: inbox, interval: 50ms, settle: 50ms}}
  {more}
keys: keys.json
rules: '{rules}'
api: {{port: 0, {api}}}
"""
MESSAGE = (
    "MSH|^~\\&|EHR|LAKESIDE|CAREGATE|LAKESIDE|20260302090500-0600||ADT^A28^ADT_A05|{control}|P|2.5.1\r"
    "EVN|A28|20260302090500-0600\rPID|1||{mrn}^^^LAKESIDE^MR||{name}^Ada||19580314|F\rPV1|1|N\r"
)


def _message(control="1", mrn="50001", name="Brook"):
    return MESSAGE.format(control=control, mrn=mrn, name=name).encode()


@pytest.fixture
def settings(tmp_path):
    """`settings(lab=…, api=…)` of a site in this test's folder."""
    Keyring.create(tmp_path / "keys.json")
    (tmp_path / "inbox").mkdir()

    def _settings(lab="bearer: []", api="bind: 127.0.0.1", more="", **environ):
        text = CONFIG.format(lab=lab, api=api, more=more, rules=shipped("rules"))
        return loads(text, tmp_path / "caregate.yaml", environ=environ)

    return _settings


@contextmanager
def _running(settings, roles=("listen",)):
    """(gateway, address of its API) while it runs."""
    gateway = assemble(settings, clock=SetClock(NOW))
    opened, ready, stop, failed = {}, threading.Event(), threading.Event(), []

    def run():
        try:
            gateway.run(roles, ready=lambda told: (opened.update(told), ready.set()), stop=stop)
        except Exception as error:
            failed.append(error)
            ready.set()

    running = threading.Thread(target=run)
    running.start()
    try:
        assert ready.wait(20)
        if failed:
            raise failed[0]
        yield gateway, f"http://127.0.0.1:{opened['api']}"
    finally:
        stop.set()
        running.join(30)
        gateway.close()


def _post(address, body, kind=ER7, **headers):
    with httpx.Client(timeout=15, trust_env=False) as client:
        return client.post(f"{address}/hl7/lab", content=body, headers={"content-type": kind, **headers})


def _every(gateway, *columns):
    statement = Statement("test.http", select(*columns))
    with gateway.store.read() as unit:
        return list(unit.all(statement))


def test_a_process_that_only_listens_serves_its_feeds_over_http(settings):
    """H-01, H-02, H-07: received as any other feed is, health beside it."""
    with _running(settings()) as (gateway, address):
        assert lines(_post(address, _message()).content, "MSA") == ["MSA|AA|1"]
        assert lines(_post(address, _message()).content, "MSA") == ["MSA|AA|1"]
        assert [result for (result,) in _every(gateway, tables.raw.c.result)] == [Result.ACCEPTED]
        assert httpx.get(f"{address}/health/live", trust_env=False).status_code == 200
        batch = b"BHS|^~\\&|LAB|X|GW|X|||||B1\r" + _message("2", "50002") + _message("3", "50003") + b"BTS|2\r"
        assert [line[:8] for line in lines(_post(address, batch).content, "MSA")] == ["MSA|AA|2", "MSA|AA|3"]


def test_parts_are_one_message_though_only_one_of_them_has_letters_beyond_ascii(settings):
    """B-07, H-03: a part that is ASCII is in whatever character set the others are."""
    head, event, *rest = _message(name="Mu\N{LATIN SMALL LETTER N WITH TILDE}oz").decode().split("\r")
    first = f"{head}\r{event}\rDSC|P1|F\r".encode()
    last = "\r".join([head.replace("|1|P|2.5.1", "|2|P|2.5.1||P1"), *rest]).encode()
    with _running(settings()) as (gateway, address):
        assert [lines(_post(address, one).content, "MSA") for one in (first, last)] == [["MSA|AA|1"], ["MSA|AA|2"]]
        assert [result for (result,) in _every(gateway, tables.raw.c.result)] == [Result.INCOMPLETE, Result.ACCEPTED]
        assert _every(gateway, tables.quarantine.c.raw) == []


def test_a_folder_feeds_the_same_gateway(settings, tmp_path):
    """B-01, A-01: the path is told relative to caregate.yaml."""
    with _running(settings()) as (gateway, _):
        (tmp_path / "inbox" / "day.hl7").write_bytes(_message("1") + _message("2", "50002"))
        report = tmp_path / "inbox" / "done" / "day.hl7.report.json"
        until = time.monotonic() + 20
        while not report.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        assert len(_every(gateway, tables.raw.c.id)) == 2


def test_a_wrong_token_is_audited(settings):
    """H-06, TL-04: by the peer's address, and never what was shown."""
    environ = {"LAB_TOKEN": "0123456789abcdef"}
    with _running(settings(lab="bearer: [{token: 'env:LAB_TOKEN'}]", **environ)) as (gateway, address):
        assert _post(address, _message(), authorization="Bearer 0123456789abcdef").status_code == 200
        assert _post(address, _message("2"), authorization="Bearer CANARY").status_code == 401
    gateway = assemble(settings(lab="bearer: [{token: 'env:LAB_TOKEN'}]", **environ), clock=SetClock(NOW))
    try:
        entries = "".join(str(entries) for (entries,) in _every(gateway, tables.audit.c.entries))
    finally:
        gateway.close()
    assert Action.NODE_REFUSED in entries
    assert "127.0.0.1" in entries
    assert "CANARY" not in entries


def test_a_message_of_a_told_charset_is_read_again_in_it(settings):
    """H-03: from the quarantine too, where it lies because somebody corrected nothing but the sender."""
    body = _message(mrn="50009", name="M\u00fcller").decode().encode("latin-1")
    broken = body.replace(b"PID|1||50009", b"PID|1||")
    with _running(settings()) as (gateway, address):
        assert lines(_post(address, broken, f"{ER7}; charset=iso-8859-1").content, "MSA")[0].startswith("MSA|AE")
        (line,) = inspect.quarantine_list(gateway)
        assert inspect.quarantine_show(gateway, line.message, reason="test", account="os:test") == broken
        again = inspect.quarantine_replay(gateway, line.message, account="os:test")
        # what is wrong is still the identifier, and not the charset
        assert {fault.place.segment for fault in again.faults if fault.place} == {"PID"}


@pytest.mark.parametrize(
    ("lab", "api", "words"),
    [
        ("bearer: []", "bind: 0.0.0.0", r"caregate\.yaml:11:\d+: .*it needs `api\.tls`"),
        (
            "path: /hl7/other",
            "bind: 127.0.0.1",
            r"caregate\.yaml:\d+:\d+: another connector has the path /hl7/other already",
        ),
    ],
)
def test_an_unsafe_door_or_a_path_told_twice_is_told_at_its_line(settings, lab, api, words):
    """H-06: the gateway does not start."""
    more = "other: {kind: http, organization: lakeside}"
    with pytest.raises(ConfigError, match=words), _running(settings(lab=lab, api=api, more=more)):
        pass


def test_tls_files_are_named_relative_to_the_configuration_and_must_be_usable(settings, tmp_path):
    """H-06."""
    (tmp_path / "junk.pem").write_text("CANARY")
    told = settings(api="tls: {certificate: junk.pem, key: junk.pem}")
    assert told.api.tls.certificate == tmp_path / "junk.pem"
    with pytest.raises(ConfigError, match=r"api\.tls\.key") as problem, _running(told):
        pass
    assert "CANARY" not in str(problem.value)
