"""`caregate fhir`: what people and programs see of subscriptions, in a site of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fhir_there import Said, There, there
from test_fhir_subscribing import Ehr

from gateway import cli, telemetry

Run = Callable[..., tuple[int, str, str]]
SECTION = """
  fhir-ehr:
    kind: fhir
    organization: lakeside
    base: {base}
    path: /fhir/hooks
    keys: [{{secret: env:HOOK_KEY}}]
    subscribe:
      endpoint: https://gateway.lakeside.example/fhir/hooks
      subscriptions:
        visits: {{criteria: Appointment?status=booked}}
        labs: {{topic: https://ehr.lakeside.example/topic/labs, filters: [Observation?status=final]}}
"""


@pytest.fixture
def ehr() -> Iterator[tuple[Ehr, There]]:
    found = Ehr()
    with there(found) as system:
        yield found, system


@pytest.fixture
def run(
    ehr: tuple[Ehr, There], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """A site whose source "fhir-ehr" subscribes, and the command line inside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAREGATE_CONFIG", raising=False)
    monkeypatch.setenv("HOOK_KEY", "a-secret-of-one-purpose")

    def invoke(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(""))
        code = cli.invoke(list(words))
        telemetry.reset()
        return code, *capfd.readouterr()

    assert invoke("init", "lakeside")[0] == 0
    monkeypatch.chdir(tmp_path / "lakeside")
    config = Path("caregate.yaml")
    text = config.read_text()
    section = SECTION.format(base=ehr[1].base)
    config.write_text(text.replace("sources:\n", f"sources:{section}", 1))
    return invoke


def test_subscriptions_are_asked_for_seen_and_taken_back(run: Run, ehr: tuple[Ehr, There]) -> None:
    """S-02: exit code 1 until all are active; --json is one object a line, and no secret stands in it."""
    system, _ = ehr
    code, out, _ = run("fhir", "subscribe", "fhir-ehr", "--dry-run")
    assert code == 0
    assert "visits" in out
    assert system.kept == {}
    code, out, _ = run("fhir", "subscribe", "fhir-ehr", "--wait", "0", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, [one["status"] for one in told]) == (1, ["requested", "requested"])
    assert told[0]["endpoint"] == "https://gateway.lakeside.example/fhir/hooks/visits"
    assert system.kept["1"]["channel"]["header"] == ["X-Gateway-Key: a-secret-of-one-purpose"]
    assert "a-secret" not in out
    system.status = "active"
    code, out, _ = run("fhir", "status", "--json")
    assert (code, [json.loads(line)["status"] for line in out.splitlines()]) == (0, ["active", "active"])
    code, out, _ = run("fhir", "status", "fhir-ehr")
    assert (code, "active" in out) == (0, True)
    assert "would be taken back" in run("fhir", "unsubscribe", "fhir-ehr", "visits", "--dry-run")[1]
    assert "visits: taken back" in run("fhir", "unsubscribe", "fhir-ehr")[1]
    assert "visits: nobody subscribed" in run("fhir", "unsubscribe", "fhir-ehr")[1]
    told = [json.loads(line) for line in run("fhir", "unsubscribe", "fhir-ehr", "visits", "--json")[1].splitlines()]
    assert told == [{"source": "fhir-ehr", "name": "visits", "subscribed": False, "taken_back": False}]
    assert system.kept == {}


def test_what_cannot_be_asked_is_told_in_a_sentence(run: Run, ehr: tuple[Ehr, There]) -> None:
    """Exit code 2: another kind of source, none of that name, a subscription nobody configured, a server in trouble."""
    for words, said in (
        (("status", "ehr"), "of kind"),
        (("subscribe", "nobody"), "no source nobody"),
        (("subscribe", "fhir-ehr", "beds"), "no such subscription"),
    ):
        code, _, err = run("fhir", *words)
        assert (code, said in err) == (2, True), err
    ehr[1].answer = lambda _: Said(403)
    code, _, err = run("fhir", "subscribe", "fhir-ehr")
    assert (code, "answered 403 (" in err or "answered 403;" in err) == (2, True)
    assert "client.smart.scope" in err  # what to mend
    ehr[1].answer = lambda _: Said(404)
    assert "`poll` of the source" in run("fhir", "subscribe", "fhir-ehr")[2]
