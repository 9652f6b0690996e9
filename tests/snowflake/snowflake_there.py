"""A Snowflake of this machine as the tests speak to it, and a table of their own in it."""

from __future__ import annotations

import json
import urllib.request
import uuid
from typing import Any

from snowflake_rows import RowsMemory

from connectors.sources.snowflake.extracting import Extracting
from connectors.sources.snowflake.options import SnowflakeOptions
from connectors.sources.snowflake.session import Session
from connectors.sources.tally import Tally
from gateway.ports import SetClock, TableShape

SHAPE = TableShape(
    mapping="audience",
    columns={"user_id": "text", "audience": "text", "member": "yesno", "seen": "datetime"},
    key=("user_id", "audience"),
    at="seen",
)


class There:
    """The emulator: `options` to reach it, `run` to prepare it, `refuse` to have it refuse, `seen` for what it was asked."""

    def __init__(self, port: int, pem: str) -> None:
        self.port = port
        self.pem = pem
        self._session: Session | None = None

    def options(self, table: str, **more: Any) -> SnowflakeOptions:
        return SnowflakeOptions.model_validate(self.section(table, **more))

    def section(self, table: str, **more: Any) -> dict[str, Any]:
        return {
            "account": "lakeside-cdp",
            "user": "caregate",
            "private_key": self.pem,
            "passphrase": "only for tests",
            "role": "READER",
            "warehouse": "SMALL",
            "table": table,
            "host": "127.0.0.1",
            "port": self.port,
            "protocol": "http",
            "login_timeout": "5s",
            "network_timeout": "5s",
            **more,
        }

    def run(self, *statements: str) -> None:
        if self._session is None:
            self._session = Session(self.options("CDP.PUBLIC.NONE"), "test")
        for one in statements:
            self._session.tell(one)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def refuse(self, *refusals: dict[str, Any]) -> None:
        self._ask("/test/refuse", {"refusals": refusals})

    def seen(self) -> Any:
        return self._ask("/test/seen", {})

    def statements(self) -> list[str]:
        return [one["sql"] for one in self.seen()["statements"]]

    def _ask(self, path: str, body: object) -> Any:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode())
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)


class Audience:
    """A table of its own: USER_ID, AUDIENCE, MEMBER, SEEN and one column that no mapping names."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.schema = f"S{uuid.uuid4().hex[:8].upper()}"
        self.name = f"CDP.{self.schema}.AUDIENCE"
        columns = "USER_ID VARCHAR, AUDIENCE VARCHAR, MEMBER BOOLEAN, SEEN TIMESTAMP_NTZ, SECRET VARCHAR"
        there.run(f"CREATE SCHEMA CDP.{self.schema}", f"CREATE TABLE {self.name} ({columns})")

    def put(self, *rows: tuple[str, str, str]) -> None:
        """(user, audience, seen) each."""
        values = ", ".join(f"('{user}', '{audience}', true, '{seen}', 'x')" for user, audience, seen in rows)
        self.there.run(f"INSERT INTO {self.name} VALUES {values}")

    def run(self, statement: str) -> None:
        """With {} for the table."""
        self.there.run(statement.format(self.name))


def extracting(
    there: There, table: str, rows: RowsMemory, shape: TableShape = SHAPE, *, source: str = "cdp", **more: Any
) -> Extracting:
    """One extraction from the emulator."""
    clock = SetClock(1_772_463_600_000)
    return Extracting(source, there.options(table, **more), rows, shape, clock=clock, tally=Tally(source))
