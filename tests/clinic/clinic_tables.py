"""What a customer data platform's tables tell of the clinic's people: rows by their columns, read whole, again and again."""

from __future__ import annotations

from typing import Any

from clinic_dsl import Clinic

from gateway import rowjson
from gateway.app.extracts import rows_of, shape_of
from gateway.model.authorization import CORE
from gateway.model.consent import ConsentKind
from gateway.model.when import SECOND, to_datetime
from gateway.pipeline import inspect
from gateway.pipeline.campaigns import deciding, forecasting
from gateway.ports import ExtractMode, ExtractState, Row
from gateway.rowcells import ColumnType, cell

_FEED = """\
  {name}:
    kind: mllp
    format: table
    mapping: {name}
    organization: lakeside
    authority: LAKESIDE
    port: {port}
"""
AUDIENCE, OFFERS = "audience-members", "product-offers"
FEEDS = "".join(_FEED.format(name=name, port=port) for port, name in enumerate((AUDIENCE, OFFERS), 2580))
"""Two tables, each a source of the name of its mapping; nothing listens at their ports here."""

FORM = dict.fromkeys(CORE, "as on form 7") | {
    "expiry": "2027-03-01",
    "signed_on": "2026-03-01",
    "remuneration": "the maker pays us",
}
"""A complete authorization that says that we are paid (45 CFR 164.508(a)(3)(ii), (c))."""
CHUNK = 7


class Table:
    """One table: what it holds now is what is read. Rows go the way of every source's, through the book of rows."""

    def __init__(self, clinic: Clinic, name: str) -> None:
        self.clinic, self.name = clinic, name
        self.rows: dict[str, dict[str, Any]] = {}

    def offers(self, *handles: str, product: str = "CGM-7", **more: Any) -> None:
        """A product is offered to these people, from today to the end of the month."""
        for handle in handles:
            told = {"offer_id": f"O-{handle}", "patient_id": self.clinic.person(handle).mrn, "product": product,
                    "campaign": "SPRING", "starts_on": "2026-03-01", "ends_on": "2026-03-31"}  # fmt: skip
            self._holds(handle, told | more)

    def enters(self, *handles: str, audience: str = "diabetes_education", **more: Any) -> None:
        """These people are in an audience."""
        for handle in handles:
            told = {"patient_id": self.clinic.person(handle).mrn, "audience": audience, "entered_at": self._now()}
            self._holds(handle, told | more)

    def lacks(self, *handles: str) -> None:
        """The next time these people's rows are missing."""
        for handle in handles:
            del self.rows[handle]

    def _holds(self, handle: str, told: dict[str, Any]) -> None:
        self.rows[handle] = {"updated_at": self._now(), **told}

    def _now(self) -> str:
        return to_datetime(self.clinic.clock.now(), "America/Chicago").strftime("%Y-%m-%d %H:%M:%S")

    def is_read(self, *, baseline: bool | None = False, **begin: Any) -> ExtractState:
        """The whole of it, chunk by chunk, from where it stands; what it rings at once is delivered."""
        clinic = self.clinic
        clinic.clock.set(clinic.clock.now() + SECOND)
        book, told = rows_of(clinic.gateway, self.name), [self._row(one) for one in self.rows.values()]
        state = book.open() or book.begin(ExtractMode.SNAPSHOT, baseline=baseline, **begin)
        for at in range(int(state.cursor or 0), len(told), CHUNK):
            some = told[at : at + CHUNK]
            state = book.take(state, some, str(at + len(some)))
        state = book.finish(state, rows=len(told))
        clinic.answers_doorbells()
        return state

    def _row(self, told: dict[str, Any]) -> Row:
        shape = shape_of(self.clinic.gateway, self.name)
        cells = {name: cell(ColumnType(type_), told.get(name)) for name, type_ in shape.columns.items()}
        key = rowjson.key_of([cells[name] for name in shape.key])
        return Row(key=key, body=rowjson.told(key, cells))


def signs(clinic: Clinic, handle: str, *, topic: str = "product-offers", **elements: str) -> None:
    """They say yes to advertisements by mail, and sign a complete authorization for them."""
    more: dict[str, Any] = {
        "purpose": "HMARKT",
        "channel": "email",
        "topic": topic,
        "evidence": "form 7",
        "account": "os:clerk",
    }
    inspect.consent_add(clinic.gateway, clinic.identifier(handle), permit=True, **more)
    inspect.consent_add(
        clinic.gateway, clinic.identifier(handle), permit=True, kind=ConsentKind.AUTHORIZATION,
        text_version="form 7, 2026", elements=FORM | elements, **more,
    )  # fmt: skip


def approves(clinic: Clinic, rule: str) -> forecasting.Forecast:
    """Somebody sees the dry run, and approves it."""
    found = forecasting.plan(clinic.gateway, rule, by="anna", account="test")
    deciding.approve(clinic.gateway, rule, people=found.people, by="ben", why="ticket 12", account="test")
    return found
