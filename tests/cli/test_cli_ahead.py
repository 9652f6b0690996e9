"""What another process reads of a large file is what this one would have read, in the order of the file, and nothing depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli import ahead
from gateway.pipeline.receive import Receiver
from tests.bench import synthetic

_READ = Receiver._read


@pytest.fixture
def export(tmp_path):
    """Six hundred resources, three batches, and one line that is none."""
    path = tmp_path / "export.ndjson"
    lines = list(synthetic.lines(600))
    lines.insert(400, b"{nonsense\n")
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture
def fhir_site(site, tmp_path):
    """A site with a folder of FHIR."""
    told = f"  epic: {{kind: folder, format: fhir, organization: lakeside, path: {tmp_path}}}\n"
    path = Path("caregate.yaml")
    path.write_text(path.read_text("utf-8").replace("sources:\n", f"sources:\n{told}", 1), "utf-8")
    return site


@pytest.fixture
def read_here(monkeypatch):
    """Counts what the storing process had to read itself."""
    here: list[bytes] = []

    def counted(self, message, rules, *, whole):
        here.append(message.body)
        return _READ(self, message, rules, whole=whole)

    monkeypatch.setattr(Receiver, "_read", counted)
    return here


def _loaded(site, export):
    ran = site("load", "--json", "--source", "epic", "--baseline", export)
    *lines, last = ran.lines
    return [{**one, "message": bool(one["message"])} for one in lines], last["summary"]


def test_what_is_read_ahead_comes_to_the_same_in_the_same_order(fhir_site, export, read_here, monkeypatch):
    """K-06, K-16. Nothing is read twice."""
    assert ahead.worth_it(export.stat().st_size) is False, "nobody waits for another process for a small file"
    monkeypatch.setattr(ahead, "worth_it", lambda size: size > 1_000)
    lines, summary = _loaded(fhir_site, export)
    assert read_here == []
    assert [one["index"] for one in lines] == list(range(1, 602))
    assert (lines[400]["outcome"], summary["accepted"] + summary["ignored"]) == ("quarantined", 600)
    told = [json.loads(one) for one in synthetic.lines(600)]
    assert [one["control_id"] for one in lines if one["outcome"] != "quarantined"] == [
        f"{one['resourceType']}/{one['id']}/_history/1" for one in told
    ]


def test_whose_reader_is_killed_reads_the_rest_itself(fhir_site, export, read_here, monkeypatch):
    """Every line is answered for all the same."""
    ask, asked = ahead.Ahead.ask, []

    def killing(self, batch):
        ask(self, batch)
        asked.append(batch)
        if len(asked) == 2:
            self._process.kill()

    monkeypatch.setattr(ahead.Ahead, "ask", killing)
    monkeypatch.setattr(ahead, "worth_it", lambda size: size > 0)
    lines, summary = _loaded(fhir_site, export)
    assert [one["index"] for one in lines] == list(range(1, 602))
    assert summary["accepted"] + summary["ignored"] == 600
    assert read_here
    assert len(read_here) >= 601 - 2 * 256
