"""Files of resources come apart whole, whatever pieces they are read in, and nothing of them vanishes (K-06)."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.fhirfile import deletion, lines, split
from gateway.fhirscan import texts

_ANA = {"resourceType": "Patient", "id": "1", "name": [{"family": 'Qu"ill{]', "given": ["A\\"]}]}
_BEN = {"resourceType": "Patient", "id": "2", "multipleBirthInteger": 2}
_VISIT = {"resourceType": "Encounter", "id": "9", "subject": {"reference": "Patient/1"}}


def _bundle(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"resourceType": "Bundle", "type": "transaction", "link": [{"relation": "self", "url": "x"}]}
    return {**head, "entry": list(entries), **more}


def _read(data: bytes, **more: Any) -> list[Any]:
    return [_told(piece.body) if piece.body is not None else piece.problem for piece in split(io.BytesIO(data), **more)]


def _told(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _compact(told: object) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()


_ENTRIES = [{"fullUrl": "urn:uuid:1", "resource": one, "request": {"method": "POST"}} for one in (_ANA, _VISIT)]


@pytest.mark.parametrize(
    "data",
    [
        _compact(_ANA) + b"\n" + _compact(_VISIT) + b"\n",
        b"\xef\xbb\xbf" + _compact(_ANA) + b"\r\n\r\n  \n" + _compact(_VISIT),
        json.dumps(_ANA, indent=2).encode() + b"\n" + json.dumps(_VISIT, indent=2).encode(),
        json.dumps([_ANA, _VISIT], indent=2).encode(),
        _compact([_ANA, _VISIT]),
        _compact(_bundle(*_ENTRIES)),
        json.dumps(_bundle(*_ENTRIES, signature={"entry": [{"who": {}}]}), indent=2).encode(),
        json.dumps([_bundle(_ENTRIES[0]), _bundle(_ENTRIES[1])], indent=1).encode(),
        json.dumps(_bundle({"resource": _bundle(*_ENTRIES)}), indent="\t").encode(),
        _compact(_bundle(*_ENTRIES)).replace(b'"resourceType":"Bundle",', b"", 1)[:-1] + b',"resourceType":"Bundle"}',
    ],
)
def test_a_file_gives_its_resources_however_they_are_written(data: bytes) -> None:
    """K-06. NDJSON, JSON by lines, lists and Bundles in Bundles."""
    assert _read(data) == [_ANA, _VISIT]


def test_a_line_is_what_it_is_however_it_comes() -> None:
    """K-06. Pieces of any size, and the numbers of the lines."""
    data = b"".join(_compact(one) + b"\n" for one in (_ANA, _BEN, _VISIT) * 5)
    for seed in range(20):
        told = [one.body for one in lines(_pieces(data, seed))]
        assert told == [_compact(one) for one in (_ANA, _BEN, _VISIT)] * 5
        whole = [
            one.body
            for one in texts(
                _pieces(json.dumps(json.loads(b"[" + data.replace(b"\n", b",")[:-1] + b"]"), indent=3).encode(), seed),
                limit=10_000,
            )
        ]
        assert [json.loads(one or b"") for one in whole] == [_ANA, _BEN, _VISIT] * 5


def test_a_bad_line_is_told_and_the_rest_is_kept() -> None:
    """K-06. It goes in as it is, so that it is refused by name and kept."""
    data = b'{"resourceType":"Patient","id":\n' + _compact(_ANA) + b"\nhello\n" + _compact(_VISIT)
    assert _read(data) == [b'{"resourceType":"Patient","id":', _ANA, b"hello", _VISIT]


def test_what_is_too_long_is_told_of_by_its_line() -> None:
    """K-06. A line, an entry and a text without an end."""
    long = {**_ANA, "text": {"div": "x" * 5_000}}
    data = _compact(_BEN) + b"\n" + _compact(long) + b"\n" + _compact(_VISIT)
    assert _read(data, limit=1_000) == [_BEN, "line 2 is longer than 1000 bytes", _VISIT]
    nested = {**_ANA, "contained": [{"a": ["y" * 90]} for _ in range(100)]}
    data = json.dumps(_bundle({"resource": nested}, {"resource": _VISIT}), indent=1).encode()
    assert _read(data, limit=1_000) == ["a resource is longer than 1000 bytes", _VISIT]
    assert _read(b'[\n{"a": "' + b"z" * 600_000, limit=1_000)[-1] == (
        "a text is longer than 1000 bytes; what follows it is not read"
    )


def test_a_file_that_was_cut_off_says_so() -> None:
    """K-06. The half resource is kept to be refused; a list without an end is told of."""
    data = json.dumps([_ANA, _VISIT], indent=1).encode()
    assert _read(data[:-30])[0] == _ANA
    assert isinstance(_read(data[:-30])[1], bytes)
    assert _read(data.removesuffix(b"]")) == [_ANA, _VISIT, "the file ends in the middle of a list"]
    assert _read(b"[1, " + _compact(_ANA) + b", 2]}") == [1, _ANA, 2, b"}"]


def test_an_entry_with_a_meaning_of_its_own_is_not_taken_for_a_resource() -> None:
    """S-37, K-06. It goes in as it is, so that it is refused and kept."""
    odd = {"resource": _ANA, "modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}
    assert _read(_compact(_bundle(odd, {"resource": _VISIT}))) == [odd, _VISIT]
    gone = {"request": {"method": "DELETE", "url": "Patient/2"}, "modifierExtension": [{"url": "urn:x"}]}
    assert _read(_compact(_bundle(gone))) == [gone]


def test_deletions_of_a_history_are_messages_of_their_own() -> None:
    """K-08, Q-06. What only tells how a request fared, or about the search, is nothing."""
    gone = {"request": {"method": "DELETE", "url": "Patient/2"}, "response": {"lastModified": "2026-03-02T14:00:00Z"}}
    words = {"resource": {"resourceType": "OperationOutcome", "issue": []}}
    told = _read(_compact(_bundle({"resource": _ANA}, gone, words, {"response": {"status": "201"}})))
    assert told == [_ANA, {"resourceType": "Bundle", "type": "history", "entry": [gone]}]
    assert _told(deletion("Patient/2", at="2026-03-02T14:00:00Z")) == {
        "resourceType": "Bundle",
        "type": "history",
        "timestamp": "2026-03-02T14:00:00Z",
        "entry": [{"request": {"method": "DELETE", "url": "Patient/2"}}],
    }


def _linked(patient: str) -> list[dict[str, Any]]:
    """A visit, then whose it is, as a transaction calls them."""
    visit = {"resourceType": "Encounter", "id": "v", "subject": {"reference": patient}, "text": "urn:uuid:77"}
    ana = {"resourceType": "Patient", "id": "a1", "identifier": [{"value": "urn:uuid:77"}]}
    return [{"fullUrl": "urn:uuid:78", "resource": visit}, {"fullUrl": "urn:uuid:77", "resource": ana}]


@pytest.mark.parametrize(("told", "read"), [("urn:uuid:77", "Patient/a1"), ("urn:uuid:79", "urn:uuid:79")])
def test_what_a_bundle_calls_its_entries_by_becomes_their_type_and_id(told: str, read: str) -> None:
    """R4 bundle.html#references: of a reference to an entry and of nothing else; in whichever order they come."""
    (visit, ana) = _read(_compact(_bundle(*_linked(told))))
    assert (visit["subject"]["reference"], visit["text"]) == (read, "urn:uuid:77")
    assert ana["identifier"][0]["value"] == "urn:uuid:77"


def test_in_a_bundle_larger_than_memory_who_comes_first_is_known() -> None:
    """A Patient comes before what refers to them, as in a transaction of Synthea's."""
    padding = {"resource": {"resourceType": "Basic", "id": "p", "text": "z" * 600_000}}
    (_, ana, visit) = _read(json.dumps(_bundle(padding, *reversed(_linked("urn:uuid:77"))), indent=1).encode())
    assert (ana["id"], visit["subject"]["reference"]) == ("a1", "Patient/a1")


def test_an_entry_that_is_none_is_kept_to_be_refused() -> None:
    """K-06."""
    assert _read(b'{"resourceType":"Bundle",\n"entry": [7, {"request": 5}]}') == [7, {"request": 5}]
    assert _read(b'{"resourceType":"Bundle","entry":5}') == [{"resourceType": "Bundle", "entry": 5}]


@pytest.mark.parametrize("bundled", [False, True])
def test_memory_does_not_grow_with_the_file(bundled: bool) -> None:
    """Issue 6, point 4: four times the resources, the same memory."""
    peaks = []
    for many in (500, 2_000):
        tracemalloc.start()
        assert sum(1 for _ in split(_Endless(many, bundled=bundled))) == many
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.2 + 100_000


class _Endless(io.RawIOBase):
    def __init__(self, many: int, *, bundled: bool) -> None:
        super().__init__()
        one = _compact({**_ANA, "text": {"div": "x" * 2_000}})
        inside = (b'{"resource":' + one + b"}" + (b"," if n < many - 1 else b"]}") for n in range(many))
        self._parts = iter([b'{"resourceType":"Bundle",\n"entry":[', *()]) if bundled else iter(())
        self._rest: Iterator[bytes] = inside if bundled else (one + b"\n" for _ in range(many))
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._buffer) < size:
            part = next(self._parts, None) or next(self._rest, None)
            if part is None:
                break
            self._buffer += part
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


def _pieces(data: bytes, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    at = 0
    while at < len(data):
        size = dice.randint(1, 60)
        yield data[at : at + size]
        at += size
