"""A Snowflake of this machine for the tests of the sink: one emulator for all of them, an empty table for each."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.sinks.snowflake import SnowflakeSink
from gateway.ports import SystemClock
from tests.conftest import absent

sys.path.append(str(Path(__file__).parent.parent / "queues"))  # its brokers
sys.path.append(str(Path(__file__).parent.parent / "mllp"))  # its certificates


@pytest.fixture(scope="session")
def emulator() -> Iterator[dict[str, Any]]:
    """The options of a login at it."""
    try:
        import fakesnow  # noqa: F401
    except ImportError as error:
        absent("fakesnow", error)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("sinks_emulator.py")), str(port)])
    pem = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    try:
        _wait(port, process)
        yield {
            "account": "org-site", "user": "CAREGATE", "private_key": pem, "role": "CAREGATE", "warehouse": "SMALL",
            "host": "127.0.0.1", "port": port, "protocol": "http", "table": "SITE.CAREGATE.OUTCOMES", "login_timeout": "5s", "network_timeout": "5s",
        }  # fmt: skip
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    absent("fakesnow", "it did not start")


@pytest.fixture
def ask(emulator: dict[str, Any]) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """What the owner of the table asks and does there."""
    import snowflake.connector

    told = {name: emulator[name] for name in ("account", "user", "host", "port", "protocol", "role", "warehouse")}
    with snowflake.connector.connect(
        **told, password="any", network_timeout=5, session_parameters={"CLIENT_TELEMETRY_ENABLED": False}
    ) as there:

        def run(sql: str) -> list[tuple[Any, ...]]:
            with there.cursor() as cursor:
                return list(cursor.execute(sql).fetchall())

        yield run


@pytest.fixture
def sink(emulator: dict[str, Any], ask: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[SnowflakeSink]:
    """A sink whose table was made as it asks for it, and is empty."""
    ask("CREATE DATABASE IF NOT EXISTS SITE")
    ask("CREATE SCHEMA IF NOT EXISTS SITE.CAREGATE")
    made = SnowflakeSink("back", emulator, SystemClock())
    for name in ("OUTCOMES", "OUTCOMES_STAGING"):
        ask(f"DROP TABLE IF EXISTS SITE.CAREGATE.{name}")
    for statement in made.ddl().split(";\n"):
        if statement and not statement.startswith("GRANT"):  # the emulator has no roles (FK-03)
            ask(statement)
    yield made
    made.close()
