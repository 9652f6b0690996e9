"""Of a visit whose service or place betrays what care it is a sink hears as little as of one under 42 CFR Part 2: nothing, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from clinic_cdp import CDP
from clinic_dsl import OpenClinic
from clinic_site import shipped_policy, shipped_rule, write_rules
from test_clinic_events import ALL, FIRST, Hub
from told_events import Bus, Consumer, Stream, data

from gateway.rowjson import key_of, told
from tests.queues.redis_there import valkey

PROTECTED = [{"service": "BH"}, {"service": "NOBODY-KNOWS"}, {"place": "HOPE"}]
PLANNED = [("event.appointment.booked", {}), ("request.planned", {}), ("request.planned", {})]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    """A stream of a Valkey of its own."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey(folder) as server, closing(Stream(server)) as stream:
        yield stream


def planning(open_clinic: OpenClinic, folder: Path, *, written_to: bool) -> OpenClinic:
    """A clinic whose rule leaves it to the gates, and perhaps whose own people are written to about behavioral health."""
    policy = (
        shipped_policy(("behavioral-health, substance-use, ", "substance-use, ")) if written_to else shipped_policy()
    )
    rule = shipped_rule("appointment-reminder", ("behavioral-health, ", ""))
    rules = write_rules(folder / "own", {"appointment-reminder": rule}, policy=policy)
    return lambda **told: open_clinic(rules=rules, **told)  # type: ignore[return-value]


@pytest.mark.parametrize("written_to", [True, False])
@pytest.mark.parametrize("about", PROTECTED, ids=str)
@pytest.mark.parametrize("more", [ALL + "facts: [appointment.start]", ""])
def test_of_a_protected_visit_no_sink_hears_a_word(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus, more: str, about: dict[str, str], *, written_to: bool
) -> None:
    """PV-08: neither an event nor a message planned, held, withheld or sent; that there is one and the other is not would tell it."""
    hub = Hub(planning(open_clinic, tmp_path, written_to=written_to), bus, more)
    hub.clinic.books("Ann", FIRST, **about)
    assert hub.hears() == []
    hub.clinic.until("2026-03-14 12:00")
    hub.clinic.opts_out("Ann")
    assert bool(hub.clinic.arrivals("Ann")) == (written_to and about == {"service": "BH"})
    hub.clinic.cancels("Ann", **about)
    assert hub.hears("12d") == []


@pytest.mark.parametrize("about", [*PROTECTED, {"service": "SUD"}], ids=str)
def test_what_is_told_only_later_to_be_protected_is_silent_from_then_on(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus, about: dict[str, str]
) -> None:
    """PV-08; 42 CFR 2.13: no withdrawal says when it became so, and no cancellation follows."""
    hub = Hub(planning(open_clinic, tmp_path, written_to=False), bus, ALL)
    hub.clinic.books("Ann", FIRST)
    assert hub.hears() == PLANNED
    hub.clinic.modifies("Ann", **about)
    hub.hears()
    hub.clinic.cancels("Ann", **about)
    assert hub.hears("12d") == PLANNED


def test_who_wants_no_messages_is_told_where_another_visit_of_theirs_is(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus
) -> None:
    """SN-39: by the one of which all may be known."""
    hub = Hub(planning(open_clinic, tmp_path, written_to=False), bus, "kinds: [opted-out]\n    ")
    hub.clinic.books("Ann", FIRST, service="BH")
    hub.clinic.books("Ann", "2026-03-25 09:30")
    hub.clinic.opts_out("Ann")
    assert {kind for kind, _ in hub.hears()} == {"consent.opted-out"}
    assert len({data(one)["occurrence"] for one in Consumer().all(bus)}) == 1


def test_a_platform_is_told_who_wants_no_messages_also_of_a_row_whose_code_nobody_knows(
    open_clinic: OpenClinic, tmp_path: Path, bus: Bus
) -> None:
    """SN-39: that row is its own, and it would go on writing; of what was planned for it nothing is told."""
    overlay = tmp_path / "own" / "tables" / "device-upgrades.yaml"
    overlay.parent.mkdir(parents=True)
    overlay.write_text(
        "mapping: device-upgrades\nfacts: {device.code: {column: kind, codes: device}}\n", encoding="utf-8"
    )
    site = {"feeds": CDP.replace("segment-audience", "device-upgrades")}
    own = f"mappings: {tmp_path / 'own'}\n"
    hub = Hub(lambda *, more: open_clinic(more=more + own, **site), bus, ALL, sources="cdp")  # type: ignore[arg-type]
    row = {"unit_id": "U7", "patient_id": hub.clinic.person("Ann").mrn, "kind": "nobody-knows", "status": "eligible"}
    hub.clinic.hears(told(key_of(["U7"]), row | {"updated_at": "2026-03-02T07:00:00+00:00"}), source="cdp")
    assert hub.hears() == []
    hub.clinic.opts_out("Ann")
    assert {kind for kind, _ in hub.hears()} == {"consent.opted-out"}
    assert {data(one)["row_key"] for one in Consumer().all(bus)} == {"U7"}
