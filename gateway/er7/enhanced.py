"""Which acknowledgements one message asks for: a sender that says NE is written nothing, in either of the two kinds (A-10)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.er7.ack import AckMode, expects_reply, is_acknowledgement
from gateway.er7.header import Header
from gateway.model.event import AckCode, Fault, Outcome, Result

_NOT_ACCEPTABLE = frozenset({200, 201, 202, 203})  # table 0357: MSH-9, MSH-11, MSH-12 (A-11: these alone are CR)
_OURS = 207  # table 0357: application internal error
_NOT_ASKED = frozenset({"", "NE"})
_POSITIVE = frozenset({AckCode.AA, AckCode.CA})


@dataclass(frozen=True, slots=True)
class Answers:
    """The codes to send, None for none. In original mode there is only `application`, with the outcome's own code.

    `lonely`: only one of MSH-15 and MSH-16 is valued, which deserves a line in the log (A-15). `about`: MSA-2 of the
    application one where it names another message, the first part of one that came in parts (B-07).
    """

    accept: AckCode | None = None
    application: AckCode | None = None
    enhanced: bool = False
    lonely: bool = False
    about: str | None = None


_SILENCE = Answers()
_IN_ORIGINAL = {code: Answers(application=code) for code in AckCode}
# Members by module constants: an attribute of an Enum class costs ten times as much (Python 3.11).
_ENHANCED, _ORIGINAL, _AR, _FAILED = AckMode.ENHANCED, AckMode.ORIGINAL, AckCode.AR, Result.FAILED


def answers(header: Header | None, outcome: Outcome, mode: AckMode, *, body: bytes = b"") -> Answers:
    """What MSH-15 and MSH-16 (table 0155) ask for, under a link's `mode` (A-10 to A-17; C2 §2.9.3).

    After a refused accept acknowledgement was sent there is no application one: nothing was processed. Nor is there
    one for a part of a message whose rest is awaited, unless it is all the sender asks for (A-14): it waits for it.
    """
    if mode is not _ENHANCED or header is None or not (header.accept_ack or header.application_ack):
        replies = expects_reply(header, _ORIGINAL if mode is _ENHANCED else mode, body=body)
        return _IN_ORIGINAL[_own(outcome)] if replies else _SILENCE
    if is_acknowledgement(header, body):
        return _SILENCE
    lonely = not (header.accept_ack and header.application_ack)
    code = accept_code(outcome)
    accept = code if _wanted(header.accept_ack, code) else None
    own = _own(outcome)
    refused = accept is not None and accept is not AckCode.CA
    about = outcome.whole if header.accept_ack not in _NOT_ASKED else None
    awaited = about == ""  # a part of a message is answered once that is whole, by the name of its first part (B-07)
    application = own if not (refused or awaited) and _wanted(header.application_ack, own) else None
    return Answers(accept, application, enhanced=True, lonely=lonely, about=about or None)


def accept_code(outcome: Outcome) -> AckCode:
    """CA once in safe storage, CR for MSH-9/11/12 not acceptable, CE for every other reason (A-11).

    A message that was stored and lies in quarantine for its content, or for a fault of ours, is CA: its sender need not
    send it again. One whose header cannot be read is CE.
    """
    if outcome.ack in _POSITIVE and outcome.result is not Result.FAILED:
        return AckCode.CA
    codes = {fault.code for fault in outcome.faults}
    if outcome.result is Result.REJECTED and codes & _NOT_ACCEPTABLE:
        return AckCode.CR
    kept = outcome.result is Result.QUARANTINED and codes and not any(map(_of_header, outcome.faults))
    return AckCode.CA if kept else AckCode.CE


def _of_header(fault: Fault) -> bool:
    return fault.code != _OURS and (fault.place is None or fault.place.segment in ("", "MSH"))


def _own(outcome: Outcome) -> AckCode:
    return _AR if outcome.result is _FAILED else outcome.ack


def _wanted(asked: str, code: AckCode) -> bool:
    match asked:
        case one if one in _NOT_ASKED:  # only one of the two valued: the missing one reads as NE
            return False
        case "ER":
            return code not in _POSITIVE
        case "SU":
            return code in _POSITIVE
    return True  # AL, and what table 0155 does not know: an answer too many is the lesser harm
