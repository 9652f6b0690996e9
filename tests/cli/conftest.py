"""A fresh site in an empty folder, and the command line inside it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from gateway import cli, telemetry

PERSON = "50001^^^LAKESIDE^MR"


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self):
        """Output as JSON objects."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def caregate(capfd, monkeypatch, tmp_path):
    """Run a command in this test's folder; `stdin` is what it can read."""
    monkeypatch.chdir(tmp_path)
    for name in ("CAREGATE_CONFIG", "CAREGATE_DEBUG", "CAREGATE_ROLES"):
        monkeypatch.delenv(name, raising=False)

    def run(*words, stdin=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = cli.invoke([str(word) for word in words])
        telemetry.reset()
        return Ran(code, *capfd.readouterr())

    return run


@pytest.fixture
def site(caregate, tmp_path, monkeypatch):
    """As `caregate`, inside a site that was just made."""
    assert caregate("init", "lakeside").code == 0
    monkeypatch.chdir(tmp_path / "lakeside")
    return caregate


def stamp(moment):
    return moment.strftime("%Y%m%d%H%M%S+0000")


class Feed:
    """Messages of our own making, about now, so that planning has something ahead of it."""

    def __init__(self):
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.count = 0

    def message(self, kind, *segments, processing="P"):
        self.count += 1
        header = f"MSH|^~\\&|EHR|L|C|L|{stamp(self.now)}||{kind}|CLI{self.count}|{processing}|2.5.1"
        return "\r".join([header, *segments, ""]).encode()

    def person(self, number="50001", given="Ada"):
        fields = ["PID", "1", "", f"{number}^^^LAKESIDE^MR", "", f"Brook^{given}", "", "19580314", "F", "", "", "", ""]
        return "|".join([*fields, f"^NET^Internet^{given.lower()}@mail.example"])

    def registered(self, **who):
        return self.message("ADT^A28^ADT_A05", f"EVN|A28|{stamp(self.now)}", self.person(**who), "PV1|1|N")

    def booked(self, *, days=10, number="9001", **who):
        start = stamp(self.now + timedelta(days=days))
        return self.message(
            "SIU^S12^SIU_S12",
            f"SCH|{number}^EHR|{number}^EHR||||||OFFICE|30|MIN|^^30^{start}|||||||||||||Booked",
            self.person(**who),
            "RGS|1|A",
            f"AIS|1|A|FM|{start}",
            f"AIL|1|A|MAIN|||{start}",
        )

    def broken(self):
        return self.message("ADT^A01^ADT_A01", f"EVN|A01|{stamp(self.now)}", "PV1|1|I|MAIN")


@pytest.fixture
def feed():
    """A feed about now."""
    return Feed()


@pytest.fixture
def write(tmp_path):
    """Write messages into a file; its path."""

    def written(*messages, name="feed.hl7"):
        path = tmp_path / name
        path.write_bytes(b"".join(messages))
        return path

    return written
