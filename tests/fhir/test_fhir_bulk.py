"""Bulk Data: an export is asked for once, read to its last line whatever happens on the way, and forgotten at the server."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from bulk_there import AT, Bulk, exporter, exporting, turns
from fhir_memory import Memory
from fhir_there import Asked, Said, appointment, outcome, patient, there

from connectors.sources.fhir.bulk.options import ExportOptions
from connectors.sources.fhir.client.server import FhirServer
from gateway.model.errors import Busy, Denied, Unusable
from gateway.model.event import Result
from gateway.ports import ExportStep

_TWO = {"Appointment.1": [appointment("7"), appointment("8")], "Patient.1": [patient("1")]}


def _status(asked: Asked) -> bool:
    return bool(asked.path.startswith("/fhir/job/")) and asked.method == "GET"


def test_a_first_load_is_stored_and_the_next_asks_only_for_what_changed() -> None:
    """K-01, K-04, K-13, K-16. Patients come first, the server's time is the next `_since`, the export is deleted there."""
    bulk, memory, steps = Bulk(dict(_TWO), waits=2), Memory(), list[ExportStep]()
    with exporting(bulk) as server:
        made = exporter(
            server,
            memory,
            steps,
            types=["Patient", "Appointment"],
            filters=["Appointment?date=ge2026-03-02T14:00:00+05:00"],
        )
        first = made.once()
        second = made.once()
    asked = [one for one in bulk.there.asked if one.path.endswith("$export")]
    assert memory.names == ["Patient/1", "Appointment/7", "Appointment/8"] * 2
    assert [one.baseline for one in memory.messages] == [True] * 3 + [False] * 3
    assert (first.baseline, second.since, first.counts) == (True, AT, {"accepted": 3})
    assert asked[0].headers["prefer"] == "respond-async"
    assert asked[0].headers["accept"] == "application/fhir+json"
    assert asked[0].query == {
        "_type": "Patient,Appointment",
        "_typeFilter": "Appointment?date=ge2026-03-02T14:00:00%2B05:00",
    }
    assert asked[1].query["_since"] == AT
    assert bulk.deleted == 2
    assert "export:job" in memory.notes
    assert not memory.notes["export:job"]
    assert [one.percent for one in steps if one.stage == "waiting"] == [40, 40]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"level": "group", "group": "g1"}, "Group/g1/$export"),
        ({"level": "patient"}, "Patient/$export"),
        ({}, "$export"),
    ],
)
def test_each_level_has_its_place(options: dict[str, Any], path: str) -> None:
    """K-01. By POST too, with Parameters."""
    bulk, memory = Bulk({}), Memory()
    with exporting(bulk) as server:
        exporter(server, memory, post=True, types=["Patient"], elements=["name"], **options).once(since=AT)
    (asked,) = bulk.there.of(path)
    assert asked.method == "POST"
    assert b'"valueInstant":"' + AT.encode() in asked.body
    assert b'{"name":"_elements","valueString":"name"}' in asked.body


def test_a_level_without_its_group_is_refused() -> None:
    """K-01."""
    with pytest.raises(ValueError, match="belong together"):
        ExportOptions.model_validate({"level": "group"})


def test_what_the_server_refuses_is_told_and_no_export_is_under_way() -> None:
    """K-02. 4xx: an outcome; 429: it may be asked again, when it says."""
    bulk, memory = Bulk({}), Memory()
    with exporting(bulk) as server:
        bulk.before = lambda _: Said(400, outcome("not-supported"))
        with pytest.raises(Unusable, match=r"400 \(not-supported\)"):
            exporter(server, memory).once()
        bulk.before = lambda _: Said(200, patient("1"))
        with pytest.raises(Unusable, match="does not export"):
            exporter(server, memory).once()
        bulk.before = lambda _: Said(429, outcome("throttled"), headers={"Retry-After": "1"})
        with pytest.raises(Busy) as told:
            exporter(server, memory).once()
    assert told.value.after == 1
    assert not memory.notes.get("export:job")


def test_a_server_that_is_away_for_a_while_is_asked_again() -> None:
    """K-03. `transient` is no failure of the export; another 500 is, and then it is given up there."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    said = [Said(503), Said(500, outcome("transient"), {"Retry-After": "0"}), Said(429, headers={"Retry-After": "0"})]
    bulk.before = lambda asked: said.pop() if said and _status(asked) else None
    with exporting(bulk) as server:
        assert exporter(server, memory).once().advanced
        bulk.before = lambda asked: Said(500, outcome("exception")) if _status(asked) else None
        with pytest.raises(Unusable, match=r"failed: the server answered 500 \(exception\)"):
            exporter(server, memory).once()
    assert bulk.deleted == 2


def test_a_status_in_a_header_is_read_where_it_was_asked_for() -> None:
    """K-03. 3.0.0 separate-export-status."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    said = [Said(200, headers={"X-Export-Status": "202", "Retry-After": "0"})]
    bulk.before = lambda asked: said.pop() if said and _status(asked) else None
    with exporting(bulk) as server:
        assert exporter(server, memory, separate_status=True).once().advanced
    assert "separate-export-status" in bulk.there.asked[0].headers["prefer"]


def test_our_token_is_shown_only_where_the_manifest_wants_it() -> None:
    """K-05. A signed URL at another host never sees it; with a token no other host is asked."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    other = Bulk({"Patient.1": [patient("1")]})
    with exporting(bulk) as server, there(other.answer) as elsewhere:
        exporter(server, memory).once()
        assert {one.headers.get("authorization") for one in bulk.there.asked} == {"Bearer lakeside-token"}
        output = [{"type": "Patient", "url": f"{elsewhere.base}/Patient.1"}]
        bulk.manifest = {"requiresAccessToken": False, "output": output}
        exporter(server, memory).once()
        assert [one.headers.get("authorization") for one in elsewhere.asked] == [None]
        bulk.manifest = {"requiresAccessToken": True, "output": output}
        with pytest.raises(Unusable, match="another host"):
            exporter(server, memory).once()
        bulk.manifest = {"requiresAccessToken": False, "output": [{"type": "Patient", "url": "http://10.0.0.9/f"}]}
        with pytest.raises(Unusable, match="not https"):
            exporter(server, memory).once()
    assert len(elsewhere.asked) == 1


def test_a_bad_line_is_kept_and_a_wrong_count_is_told() -> None:
    """K-06."""
    bulk, memory = Bulk({"Patient.1": [patient("1"), b"\n", b'{"resourceType":"Patient",\n', patient("2")]}), Memory()
    memory.result = lambda one: Result.QUARANTINED if not one.body.endswith(b"}") else Result.ACCEPTED
    with exporting(bulk) as server:
        bulk.manifest = {"output": [{"type": "Patient", "url": bulk.url("Patient.1"), "count": 9}]}
        told = exporter(server, memory, max_resource=1024).once()
    assert [one.body[:30] for one in memory.messages][1] == b'{"resourceType":"Patient",'
    assert (told.counts, told.mismatches, told.advanced) == ({"accepted": 2, "quarantined": 1}, 1, True)


def test_errors_of_the_server_are_reported_and_the_mark_stays() -> None:
    """K-07. Warnings move it; `outcome` is what the ballot calls them."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    with exporting(bulk) as server:
        bulk.files["errors-1"] = [outcome("exception"), b"nonsense\n"]
        bulk.manifest = {"error": [{"type": "OperationOutcome", "url": bulk.url("errors-1")}]}
        told = exporter(server, memory).once()
        assert (told.issues, told.advanced) == ({"error": 2}, False)
        assert exporter(server, memory).plan().since is None
        warning = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "informational"}]}
        bulk.files["errors-1"] = [warning]
        bulk.manifest = {"outcome": [{"type": "OperationOutcome", "url": bulk.url("errors-1")}]}
        told = exporter(server, memory).once()
        assert (told.issues, told.advanced) == ({"warning": 1}, True)
        assert exporter(server, memory).plan().since == AT
    assert "OperationOutcome" not in {one["resourceType"] for one in memory.told}


def test_deletions_are_applied_after_everything_else() -> None:
    """K-08. Each is a message of its own, dated by the export where nothing else dates it."""
    gone = {"entry": [{"request": {"method": "DELETE", "url": f"Appointment/{one}"}} for one in "78"]}
    bulk, memory = Bulk(dict(_TWO)), Memory()
    with exporting(bulk) as server:
        bulk.files["gone-1"] = [{"resourceType": "Bundle", "type": "transaction", **gone}]
        bulk.manifest = {"deleted": [{"type": "Bundle", "url": bulk.url("gone-1")}]}
        exporter(server, memory).once()
    assert memory.names[-2:] == ["-Appointment/7", "-Appointment/8"]
    assert memory.told[-1]["timestamp"] == AT


def test_a_deletion_that_cannot_be_read_keeps_back_no_other() -> None:
    """K-06, K-08: it goes into quarantine as it is, and the mark moves."""
    gone = {"entry": [{"request": {"method": "DELETE", "url": "Appointment/7"}}]}
    bulk, memory = Bulk(dict(_TWO)), Memory()
    with exporting(bulk) as server:
        bulk.files["gone-1"] = [{"no": "resource"}, {"resourceType": "Bundle", "type": "transaction", **gone}]
        bulk.manifest = {"deleted": [{"type": "Bundle", "url": bulk.url("gone-1")}]}
        assert exporter(server, memory).once().advanced
    assert memory.messages[-2].body == b'{"no":"resource"}'
    assert b'"Appointment/7"' in memory.messages[-1].body


def test_what_is_cut_does_not_replace_the_whole() -> None:
    """K-10. It is fetched by itself, unless we asked for no more."""
    cut = patient("1", meta={"tag": [{"code": "SUBSETTED"}]})
    bulk, memory = Bulk({"Patient.1": [cut, patient("2")]}), Memory()
    with exporting(bulk) as server:
        exporter(server, memory).once()
        assert memory.names == ["Patient/2"]
        assert [one.reference for one in memory.wanted] == ["Patient/1"]
        exporter(server, memory, elements=["name"]).once()
    assert memory.names == ["Patient/2", "Patient/1", "Patient/2"]


def test_a_file_that_is_gone_is_looked_for_in_a_new_manifest_then_in_a_new_export() -> None:
    """K-11."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    gone = [Said(403), Said(404)]
    bulk.before = lambda asked: gone.pop() if gone and asked.path.endswith("Patient.1") else None
    with exporting(bulk) as server:
        exporter(server, memory).once()
        assert bulk.kicked == 1
        gone += [Said(410)] * 3
        exporter(server, memory).once()
        assert bulk.kicked == 3
        bulk.before = lambda asked: Said(404) if _status(asked) else None
        with pytest.raises(Busy, match="forgets"):
            exporter(server, memory).once()


@pytest.mark.parametrize("packed", [False, True])
def test_a_dropped_line_begins_the_file_again_past_what_was_taken(packed: bool) -> None:
    """K-12. Nothing is lost, and what was committed is not offered a second time unless the file is another one."""
    many = [patient(str(one), name=[{"family": f"{one:>60}"}]) for one in range(3_000)]
    bulk, memory, steps = Bulk({"Patient.1": many}, packed=packed), Memory(), list[ExportStep]()
    cuts = [True, True]

    def cut(asked: Asked) -> Said | None:
        if not asked.path.endswith("Patient.1") or not cuts:
            return None
        cuts.pop()
        told = bulk._file("Patient.1", asked)
        return Said(told.status, told.body, told.headers, cut=True)

    bulk.before = cut
    with exporting(bulk) as server:
        told = exporter(server, memory, steps).once()
    assert memory.names == [f"Patient/{one}" for one in range(3_000)]
    assert told.counts == {"accepted": 3_000}
    assert len(bulk.there.of("Patient.1")) == 3


class _Stops(list[ExportStep]):
    """Stops the source when a file is half through."""

    def __init__(self, server: FhirServer) -> None:
        super().__init__()
        self._server = server

    def append(self, step: ExportStep) -> None:
        if step.lines == 1_024:
            self._server.stopping.set()


def test_a_restart_goes_on_with_the_export_that_was_begun() -> None:
    """K-17. No second kick-off; and files that were through are not read again."""
    many = [appointment(str(one)) for one in range(1_500)]
    bulk, memory = Bulk({"Patient.1": [patient("1")], "Appointment.1": many}, waits=1), Memory()
    with exporting(bulk) as server:
        with pytest.raises(Busy, match="stopping"):
            exporter(server, memory, _Stops(server)).once()
        server.stopping.clear()
        assert exporter(server, memory).plan().under_way
        told = exporter(server, memory).once()
    assert (bulk.kicked, bulk.deleted) == (1, 1)
    assert memory.names == ["Patient/1", *(f"Appointment/{one}" for one in range(1_500))]
    assert (told.baseline, told.counts) == (True, {"accepted": 476})
    assert len(bulk.there.of("Patient.1")) == 1


def test_a_manifest_of_several_pages_and_types_is_read_whole() -> None:
    """K-14, K-15. Headers of a file by patient are no resources."""
    bulk, memory = Bulk({"a-1": [patient("1")], "b-1": [{"resourceType": "Parameters"}, appointment("7")]}), Memory()
    with exporting(bulk) as server:
        pages = [
            {"transactionTime": AT, "requiresAccessToken": True, "output": [{"url": bulk.url("b-1")}], "extension": []},
            {
                "transactionTime": AT,
                "requiresAccessToken": True,
                "manifestType": "x",
                "output": [{"type": "Patient", "url": bulk.url("a-1")}],
                "link": [{"relation": "next", "url": bulk.url("job/1?page=2")}],
            },
        ]
        bulk.before = lambda asked: Said(200, pages.pop()) if _status(asked) else None
        exporter(server, memory).once()
    assert memory.names == ["Patient/1", "Appointment/7"]


@pytest.mark.parametrize(
    "told",
    [
        b"<html>",
        {},
        {"transactionTime": AT},
        {"transactionTime": AT, "output": [{"type": "Patient"}]},
        {"transactionTime": AT, "output": [], "deleted": {}},
        {"output": []},
    ],
)
def test_a_manifest_that_says_too_little_is_no_manifest(told: Any) -> None:
    """K-15."""
    bulk = Bulk({})
    bulk.before = lambda asked: Said(200, told) if _status(asked) else None
    with exporting(bulk) as server, pytest.raises(Unusable, match="manifest"):
        exporter(server, Memory()).once()


def test_less_asked_for_by_hand_leaves_the_mark_alone() -> None:
    """K-04. What changed between the mark and `since` is still to come."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    with exporting(bulk) as server:
        made = exporter(server, memory)
        assert made.once().advanced
        bulk.manifest = {"transactionTime": "2026-03-09T14:00:00Z"}
        assert not made.once(since="2026-03-05T00:00:00Z").advanced
        assert made.plan().since == AT
        assert made.once(since="2026-03-01T00:00:00Z").advanced
        assert made.plan().since == "2026-03-09T14:00:00Z"
        assert made.plan(whole=True).since is None


def test_an_export_of_something_else_or_from_long_ago_is_given_up() -> None:
    """K-13, K-17. What was asked for then is not what is wanted now."""
    bulk, memory = Bulk(dict(_TWO), waits=1), Memory()
    with exporting(bulk) as server:
        bulk.before = lambda asked: Said(403) if _status(asked) else None
        with pytest.raises(Denied):
            exporter(server, memory).once()
        bulk.before = lambda _: None
        assert exporter(server, memory, types=["Patient"]).once().advanced
        assert (bulk.kicked, bulk.deleted) == (2, 2)
        bulk.before = lambda asked: Said(403) if _status(asked) else None
        with pytest.raises(Denied):
            exporter(server, memory).once()
        bulk.before = lambda asked: Said(202) if _status(asked) and asked.method == "GET" else None
        made = exporter(server, memory, patience=1)
        time.sleep(1.1)
        with pytest.raises(Unusable, match="in time"):
            made.once()
    assert (bulk.kicked, bulk.deleted) == (4, 4)


def test_what_could_not_be_stored_is_read_again() -> None:
    """Law 1: the mark and the place move only over what is committed."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    failing = [True]
    memory.result = lambda _: Result.FAILED if failing and failing.pop() else Result.ACCEPTED
    with exporting(bulk) as server:
        assert exporter(server, memory).once().advanced
    assert memory.names.count("Patient/1") == 1


def test_exports_by_the_clock_outlive_trouble_and_leave_another_process_alone() -> None:
    """K-16, K-17. A gateway exports by itself every so often; of several one does."""
    bulk, memory = Bulk(dict(_TWO)), Memory()
    memory.ours = False
    with exporting(bulk) as server:
        with pytest.raises(Busy, match="another process"):
            exporter(server, memory).once()
        made = turns(server, memory, every=3_600)
        assert made.once()
        assert not bulk.there.asked
        memory.ours = True
        bulk.before = lambda _: Said(401)
        assert not made.once()
        with pytest.raises(Denied):
            exporter(server, memory).once()
        bulk.before = lambda _: None
        threading.Timer(1.0, server.stopping.set).start()
        made.run(server.stopping)
        assert bulk.kicked == 1
        assert 3_500 < made.due() <= 3_600
