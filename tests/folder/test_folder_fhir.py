"""Files of FHIR dropped into a folder: NDJSON and Bundles, packed or not, one message a resource."""

from __future__ import annotations

import gzip
import json

import pytest

from gateway.model.errors import ConfigError
from gateway.model.event import AckCode, Outcome, Result

_ANA = {"resourceType": "Patient", "id": "1"}
_VISIT = {"resourceType": "Encounter", "id": "9", "subject": {"reference": "Patient/1"}}
_BUNDLE = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": _ANA}, {"resource": _VISIT}]}


@pytest.fixture
def taken(intake, monkeypatch):
    """Everything offered is taken; what it was."""
    found = []

    def outcome(body):
        found.append(json.loads(body))
        return Outcome(result=Result.ACCEPTED, ack=AckCode.AA, control_id=f"{found[-1]['resourceType']}/1/1")

    monkeypatch.setattr(intake, "_outcome", outcome)
    return found


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("day.ndjson", b"".join(json.dumps(one).encode() + b"\n" for one in (_ANA, _VISIT))),
        ("day.ndjson.gz", gzip.compress(b"".join(json.dumps(one).encode() + b"\n" for one in (_ANA, _VISIT)))),
        ("day.json", json.dumps(_BUNDLE, indent=2).encode()),
    ],
    ids=["lines", "packed", "bundle"],
)
def test_a_file_of_resources_is_taken_whole(dropbox, taken, name, content):
    """K-06 for files."""
    box = dropbox(format="fhir")
    box.drop(name, content)
    told = box.filed(name)
    assert taken == [_ANA, _VISIT]
    assert (told["messages"], told["outcomes"], told["problems"]) == (2, {"accepted": 2}, [])


def test_a_bundle_that_was_cut_off_is_put_before_a_person(dropbox, taken):
    """K-06. What was whole of it is stored."""
    box = dropbox(format="fhir")
    box.drop("half.json", json.dumps(_BUNDLE, indent=2).encode()[:-6])
    told = box.filed("half.json", "failed")
    assert taken == [_ANA, _VISIT]
    assert [one["index"] for one in told["refused"]] == [3]


def test_nobody_answers_files_of_resources(make_dropbox):
    """B-03 is HL7 v2's."""
    with pytest.raises(ConfigError, match="only batches of HL7 v2 are answered"):
        make_dropbox(format="fhir", batch_ack="all")
