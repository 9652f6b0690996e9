"""A customer data platform: it says who is in which audience, and is told what became of it in Parquet files of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from clinic_dsl import Clinic, OpenClinic
from clinic_site import shipped_rule, write_rules

from connectors.sinks.parquet import ParquetSink
from gateway.model.errors import CommandError
from gateway.model.event import Outcome
from gateway.model.outcome import SinkRow
from gateway.model.when import SECOND, to_datetime
from gateway.pipeline.campaigns import deciding, forecasting
from gateway.pipeline.outcomes import Publishing
from gateway.ports import Sink
from gateway.rowjson import key_of, told

CDP = """\
  cdp:
    kind: mllp
    format: table
    mapping: segment-audience
    organization: lakeside
    authority: LAKESIDE
    port: 2590
"""
AGREED = "agreement: {party: CDP Inc, signed: 2025-01-01, expires: 2030-12-31}"
SINK = """\
sinks:
  back:
    kind: parquet
    sources: cdp
    path: {path}
    {more}
"""
CAMPAIGN = "wellness-news"
NEWS = """\
rule: wellness-news
owner: cdp@lakeside.example
why: Who asked for news gets it.
priority: routine
when:
  event: audience.entered
campaign: {holdout: 0, daily: 1000, hourly: 1000, audience: 1000, stop_when: {at_least: 100}}
send:
  purpose: TREAT
  remuneration: none
  topic: wellness
  channels: [email]
  template: news
  at: {after: audience.entered, by: [1h]}
  expires_after: 7d
  reveals: [patient.given_name]
"""


class Platform:
    """What the platform says, and what it hears. `sink`: stands in the way of its folder."""

    def __init__(self, open_clinic: OpenClinic, folder: Path, *, more: str = AGREED) -> None:
        self.folder = folder / "outcomes"
        self.folder.mkdir()
        named = {CAMPAIGN: NEWS, "appointment-reminder": shipped_rule("appointment-reminder")}
        rules = write_rules(folder / "rules-here", named, templates={"news": "Hello {{ patient.given_name }}."})
        self.clinic: Clinic = open_clinic(feeds=CDP, rules=rules, more=SINK.format(path=self.folder, more=more))
        self.sink = ParquetSink("back", {"path": self.folder}, self.clinic.clock)
        self.rounds = self.another()

    def another(self, sink: Sink | None = None) -> Publishing:
        """The rounds of one process."""
        gateway = self.clinic.gateway
        return Publishing(
            gateway.store, gateway.site, gateway.site.sinks["back"], sink or self.sink, gateway.rules.current
        )

    def enters(
        self, handle: str, *, user: str, entered: bool = True, audience: str = "wellness", **more: Any
    ) -> Outcome:
        """A row about somebody whom both know by their record number."""
        at = to_datetime(self.clinic.clock.now() + SECOND).isoformat()
        columns = {
            "user_id": user,
            "audience_key": audience,
            "audience_entered": entered,
            "received_at": at,
            "mrn": self.clinic.person(handle).mrn,
        }
        outcome = self.clinic.hears(told(key_of([user, audience]), columns), source="cdp", **more)
        self.approved()
        return outcome

    def approved(self) -> None:
        """Somebody approves the campaign for all it has planned by now; where that is nothing there is nothing to approve."""
        try:
            found = forecasting.plan(self.clinic.gateway, CAMPAIGN, by="anna", account="test")
        except CommandError:
            return
        people = found.people
        deciding.approve(self.clinic.gateway, CAMPAIGN, people=people, by="anna", why="ticket 12", account="test")

    def hears(self, after: str = "1m") -> int:
        """Time goes by, and a round is made; how many rows were told."""
        self.clinic.passes(after)
        return self.rounds.once()

    def files(self) -> list[Path]:
        """By day and first row."""
        return sorted(self.folder.rglob("*.parquet"))

    def rows(self, *columns: str) -> list[Any]:
        """What lies in the folder, in the order of time; one column alone is no tuple."""
        found = [row for file in self.files() for row in pq.ParquetFile(file).read().to_pylist()]
        found.sort(key=lambda row: (row["at"], row["id"]))
        return [row[columns[0]] if len(columns) == 1 else tuple(row[one] for one in columns) for row in found]


class Through:
    """A sink in front of another: `answers` are raised in turn, None lets a batch pass; `after`: called once it has passed."""

    name = "back"

    def __init__(self, sink: Sink, *answers: Exception | None, after: Callable[[], None] = lambda: None) -> None:
        self.sink, self.answers, self.after = sink, list(answers), after
        self.batches: list[list[SinkRow]] = []

    def write(self, batch: Any) -> None:
        """As the port says."""
        if self.answers and (error := self.answers.pop(0)) is not None:
            raise error
        self.batches.append(list(batch))
        self.sink.write(batch)
        self.after()

    def close(self) -> None:
        """As the port says."""
