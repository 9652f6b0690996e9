"""A Snowflake of this machine for the tests of its source: one emulator for all of them, a table for each."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat
from snowflake_rows import RowsMemory
from snowflake_there import Audience, There

from tests.conftest import absent


@pytest.fixture(scope="session")
def _emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    try:
        import fakesnow  # noqa: F401
    except ImportError as error:
        absent("fakesnow", error)
    folder = tmp_path_factory.mktemp("snowflake")
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"only for tests")).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "public.pem").write_bytes(public)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    script = str(Path(__file__).with_name("snowflake_emulator.py"))
    process = subprocess.Popen(
        [sys.executable, script, str(port), str(folder / "public.pem")], stderr=subprocess.DEVNULL
    )
    try:
        there = There(port, pem)
        _wait(there, process)
        there.run("CREATE DATABASE IF NOT EXISTS CDP")
        yield there
        there.close()
    finally:
        process.terminate()
        process.wait(10)


def _wait(there: There, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            there.seen()
        except OSError:
            time.sleep(0.1)
        else:
            return
    absent("fakesnow", "it did not start")


@pytest.fixture
def snowflake(_emulator: There) -> Iterator[There]:
    """The emulator, refusing nothing."""
    yield _emulator
    _emulator.refuse()


@pytest.fixture
def rows() -> RowsMemory:
    """Where the rows go."""
    return RowsMemory()


@pytest.fixture
def audience(snowflake: There) -> Audience:
    """An empty one."""
    return Audience(snowflake)
