"""A forecast of many reads what it asks at once, and asks the gates once of those who are alike: it says of each what one alone would."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from clinic_dsl import Clinic
from sqlalchemy import select

from gateway.pipeline import asking, ledger
from gateway.pipeline.directory import Directory
from gateway.pipeline.forecast import Ahead
from gateway.pipeline.rows import RequestRow
from gateway.store import tables
from gateway.store.statement import Statement

SINCE = 0
_EVERYBODY = Statement("test.everybody", select(tables.patient.c.token))
_ADDRESSES = Statement("test.addresses", select(tables.address.c.id))
FIRST = "2026-03-20 09:30"


@pytest.fixture
def crowd(clinic: Clinic) -> Clinic:
    """People who differ in what the gates ask of them: one has two numbers, some said no, some were written to already."""
    for handle in ("Ann", "Ben", "Cyd", "Dan", "Eve", "Fay", "Gus"):
        clinic.enrols(handle)
        clinic.books(handle, on=FIRST)
    clinic.books("Odd", on=FIRST)
    clinic.person("Kid", born=date(2016, 5, 1))
    clinic.enrols("Kid")
    clinic.books("Kid", on=FIRST)
    clinic.merges("Ben", into="Cyd")
    clinic.opts_out("Dan")
    clinic.passes("12d")  # the first reminders have left
    eve = clinic.token("Eve")
    with clinic.gateway.store.begin("test") as uow:
        for (address,) in uow.lookup(tables.contact_point, ("address",), "patient", [eve]):
            ledger.suppress(uow, address=address, why="bounced")
        uow.commit()
    clinic.changes("Fay", pid={31: "Y"})
    return clinic


def _waiting(clinic: Clinic) -> list[RequestRow]:
    with clinic.gateway.store.read() as unit:
        rows = unit.lookup(tables.request, RequestRow.COLUMNS, "state", ["active", "on-hold"])
    return sorted((RequestRow(*row) for row in rows), key=lambda row: row.id)


def _foreseen(clinic: Clinic, rows: list[RequestRow]) -> list[tuple[object, ...]]:
    gateway = clinic.gateway
    with gateway.store.begin("test") as uow:  # never committed
        return list(Ahead(uow, gateway.site, gateway.channels, gateway.rules.current()).outcomes(rows))


def test_what_is_foreseen_of_many_is_what_is_foreseen_of_each(crowd: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """SN-03: everybody alone, with nothing read ahead, comes to the same."""
    rows = _waiting(crowd)
    together = _foreseen(crowd, rows)
    monkeypatch.setattr(asking, "ahead", lambda *_: None)
    assert together == [outcome for row in rows for outcome in _foreseen(crowd, [row])]
    assert len(Counter(reason for _, reason, _, _ in together)) > 3, "they do differ"


def test_what_is_read_ahead_is_what_would_be_asked_for(crowd: Clinic) -> None:
    """Ledger, attempts and addresses of everybody, one by one and at once."""
    store, policy = crowd.gateway.store, crowd.gateway.rules.current().ruleset.policy
    with store.begin("test") as uow:  # never committed
        directory = Directory(uow, store.keyring, policy)
        people = [token for (token,) in uow.all(_EVERYBODY)]
        addresses = [identity for (identity,) in uow.all(_ADDRESSES)]
        directory.load_tokens(people)

        def asked() -> list[object]:
            told: list[object] = [sorted(asking.barred(uow, [one]).items()) for one in addresses]
            for column, ids in (("patient", people), ("address", addresses)):
                told += [sorted(asking.said(uow, column, [one])) for one in ids]
                told += [sorted(asking.sent(uow, column, one, SINCE)) for one in ids]
            return [*told, *(directory.family(one) for one in people), uow.now]

        alone = asked()
        directory = Directory(uow, store.keyring, policy)
        directory.load_tokens(people)
        asking.ahead(uow, directory, people, SINCE)
        assert asked() == alone
        assert len([one for one in people if asking.sent(uow, "patient", one, SINCE)]) > 3
        assert asking.sent(uow, "patient", people[0], uow.now + 1) == []  # another time is asked for
