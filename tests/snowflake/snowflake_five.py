"""What the login tests have a connector 5.x do: `snowflake_five.py PORT TABLE KEY`; prints its line, rows, keys and two faults."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from snowflake.connector.version import VERSION
from snowflake_rows import RowsMemory
from snowflake_there import There, extracting

from gateway.model.errors import ServerError
from gateway.rowjson import parse


def main(port: str, table: str, key: str) -> None:
    """All of it."""
    there = There(int(port), Path(key).read_text())
    rows = RowsMemory()
    for mode in ("snapshot", "watermark"):
        extracting(there, table, rows, mode=mode).once(lambda _: None)
    print(int(VERSION[0]))
    print(len(rows.kept))
    print(*sorted(str(parse(body).row["user_id"]) for _, body in rows.kept.values()))
    print(fault(there, table, "login", "394304"), fault(there, table, "query", "000630"))


def fault(there: There, table: str, where: str, code: str) -> str:
    """What a refusal there comes to."""
    there.refuse({"where": where, "code": code, "times": 1})
    try:
        extracting(there, table, RowsMemory()).once(lambda _: None)
    except ServerError as error:
        return type(error).__name__
    return "nothing"


if __name__ == "__main__":
    main(*sys.argv[1:])
