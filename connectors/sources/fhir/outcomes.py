"""Answers of the FHIR endpoint: every one that is not a 2xx is an OperationOutcome that tells places and no values (M-01, M-02)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.sources.exchange import CLOSE, Answer, Unread
from gateway.model.event import Fault, Severity

_TYPE = ("content-type", "application/fhir+json; charset=utf-8")
_CODES = {100: "structure", 101: "required", 102: "value", 103: "code-invalid", 200: "not-supported"}
_MOST = 20  # issues of one answer
_encode = msgspec.json.encode


def refusal(status: int, code: str, text: str, *headers: tuple[str, str], told: str = "") -> Answer:
    """One issue of the request as a whole (R4 operationoutcome). `code`: of issue-type."""
    issue: dict[str, object] = {"severity": "error", "code": code, "diagnostics": text}
    return Answer(status, (_TYPE, *headers), _outcome([issue]), told)


def faulty(found: Sequence[tuple[str, Fault]]) -> Answer:
    """What was wrong with resources, each with where it stood in the request ("" alone, "Bundle.entry[1].resource").

    400 where nothing could be made of the body at all (M-02).
    """
    readable = any(fault.code != 100 or fault.place is not None for _, fault in found)
    issues = [_issue(fault, within) for within, fault in found[:_MOST]]
    return Answer(422 if readable else 400, (_TYPE,), _outcome(issues), "fhir.refused")


def _issue(fault: Fault, within: str) -> dict[str, object]:
    warns = fault.severity in (Severity.WARNING, Severity.INFORMATION)
    issue: dict[str, object] = {
        "severity": "warning" if warns else "error",
        "code": _CODES.get(fault.code, "processing"),
        "diagnostics": fault.rule,
    }
    place = "" if fault.place is None else str(fault.place)
    if within:
        place = f"{within}.{place.partition('.')[2]}".rstrip(".")  # its own type stands where the resource is
    return issue | ({"expression": [place]} if place else {})


def _outcome(issues: Sequence[dict[str, object]]) -> bytes:
    return _encode({"resourceType": "OperationOutcome", "issue": list(issues)})


DONE = Answer(200)
NO_PATH = refusal(404, "not-found", "nothing of this source is at this path", CLOSE)
NOT_METHOD = refusal(405, "not-supported", "send POST, PUT or DELETE", ("allow", "POST, PUT, DELETE"), CLOSE)
STRANGER = refusal(403, "forbidden", "this address may not send here", CLOSE, told="fhir.address-refused")
UNPROVEN = refusal(401, "login", "who is calling must be proven", CLOSE, told="fhir.credentials-missing")
WRONG = refusal(401, "login", "who is calling must be proven", CLOSE, told="fhir.credentials-wrong")
REPLAYED = refusal(401, "security", "this call was signed for another time", CLOSE, told="fhir.replayed")
NOT_ENTITLED = refusal(403, "forbidden", "this key stands for other subscriptions or topics", told="fhir.not-entitled")
NO_SUBSCRIPTION = refusal(404, "not-found", "no such subscription posts here", told="fhir.not-entitled")
NOT_FHIR = refusal(
    415, "not-supported", "send application/fhir+json in UTF-8, of this source's release, plain or gzip; XML is not read",
    ("accept-post", "application/fhir+json, application/json"), CLOSE, told="fhir.unsupported-type",
)  # fmt: skip
TOO_LARGE = refusal(413, "too-long", "the body is longer than this source accepts", CLOSE, told="fhir.body-too-large")
TOO_SLOW = refusal(408, "timeout", "the body did not come in time", CLOSE, told="fhir.body-late")
EMPTY = refusal(400, "structure", "the body is empty, and this source has no server to ask what changed")
BUSY = refusal(503, "throttled", "nothing is taken at the moment", ("retry-after", "2"), told="fhir.saturated")
CROWDED = refusal(503, "throttled", "too many requests at once", ("retry-after", "1"), CLOSE, told="fhir.crowded")
CLOSED = refusal(503, "transient", "this source is not open", ("retry-after", "5"), CLOSE)
NO_SERVER = refusal(
    422, "not-supported", "it is told by reference only, and this source has no server to read from",
    told="fhir.not-fetched",
)  # fmt: skip
FOREIGN = refusal(
    422, "forbidden", "it refers to another server than this source's, from which nothing is read", told="fhir.foreign"
)
UNREAD: dict[Unread, Answer | None] = {Unread.TOO_LARGE: TOO_LARGE, Unread.TOO_SLOW: TOO_SLOW, Unread.GONE: None}
