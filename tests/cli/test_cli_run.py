"""`caregate run` as an operator meets it: a process that says when it is ready, answers, and stops when told."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from connectors.sources.mllp.client import MllpClient

pytestmark = pytest.mark.slow


@pytest.fixture
def configured(site):
    """A site that listens on free ports."""
    path = Path("caregate.yaml")
    path.write_text(path.read_text().replace("port: 2575", "port: 0") + "\napi: {port: 0}\n")
    return path.resolve()


@pytest.fixture
def running(configured):
    """Start `caregate run` with some words; (process, what it said until ready)."""
    started = []

    def start(*words):
        environ = {key: value for key, value in os.environ.items() if not key.startswith("CAREGATE_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.cli", "run", "--config", str(configured), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd="/",
        )  # fmt: skip
        started.append(process)
        said = []
        for line in process.stderr:
            said.append(line)
            if "is ready" in line:
                break
        return process, "".join(said)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_it_says_what_listens_where_answers_and_stops_when_told(running, feed, caregate, configured):
    """SIGTERM: exit code 0, and what was acknowledged is there."""
    process, said = running()
    port, api = (int(re.search(rf"{name} on port (\d+)", said)[1]) for name in ("ehr", "api"))
    assert httpx.get(f"http://127.0.0.1:{api}/health/ready").status_code == 200
    with MllpClient("127.0.0.1", port) as client:
        reply = client.send(feed.registered())
        assert b"MSA|AA|CLI1" in reply
        assert (
            'caregate_messages_total{result="accepted",source="ehr"} 1.0'
            in httpx.get(f"http://127.0.0.1:{api}/metrics").text
        )
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out == ""
    assert "Traceback" not in err
    assert caregate("load", "--config", configured, "--json", _written(feed)).lines[0]["outcome"] == "accepted"
    assert (
        "patient.added"
        in caregate("trace", "--config", configured, "--patient", "-", "--reason", "x", stdin="50001^^^LAKESIDE^MR").out
    )


def _written(feed):
    path = Path("more.hl7")
    path.write_bytes(feed.booked())
    return path


def test_roles_run_apart(running):
    """Without `listen` no port of a feed is opened."""
    _, said = running("--roles", "api")
    assert "api on port" in said
    assert "ehr" not in said


def test_a_busy_port_is_one_sentence_and_exit_code_2(running, configured):
    """It names the port, the source and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        configured.write_text(configured.read_text().replace("    port: 0", f"    port: {port}"))
        process, said = running()
        assert process.wait(30) == 2
    told = [line for line in said.splitlines() if line.startswith("caregate: ")]
    assert len(told) == 1
    assert f"port {port} on 127.0.0.1 is in use" in told[0]
    assert "Traceback" not in said


def test_a_reader_that_goes_away_ends_a_load_quietly(configured, feed, tmp_path):
    """`caregate load … | head -1` is no error of any file."""
    path = tmp_path / "many.hl7"
    path.write_bytes(b"".join(feed.registered(number=str(number)) for number in range(3_000)))
    command = f"{sys.executable} -m gateway.cli load --config {configured} --json {path} | head -1"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout.count("\n") == 1
    assert ran.stderr == ""
