"""What is answered to a post that holds no message for us, or not now; and what a body is said to be (H-01 to H-03)."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.sources.exchange import CLOSE, Answer, Request, Unread, problem
from gateway.er7.charsets import codec_of

TYPES = frozenset({"application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"})  # H-01


@dataclass(frozen=True, slots=True)
class Media:
    """What a body is said to be: its media type, and the charset if one was told (H-03)."""

    type: str
    charset: str | None

    @property
    def shown(self) -> str:
        """The same as a header's value: our answer is in the sender's charset (A-25)."""
        return f"{self.type}; charset={self.charset}" if self.charset else self.type


def media_of(request: Request) -> Media | None:
    """None where the type, its charset or an encoding is not one that we take (H-01)."""
    header = request.content_type
    if header is None or request.encodings:
        return None
    charset = header.get_param("charset")
    # a text of its own encoding (RFC 2231) names no charset anybody uses
    if header.get_content_type() not in TYPES or not isinstance(charset, str | None):
        return None
    if charset is not None and codec_of(charset) is None:
        return None
    return Media(header.get_content_type(), charset)


TOO_LARGE = problem(413, "the body is longer than this feed accepts", CLOSE, told="http.body-too-large")
TOO_SLOW = problem(408, "the body did not come in time", CLOSE, told="http.body-late")
TOO_MANY = problem(413, "the body holds more messages than are accepted at once", told="http.batch-too-long")
EMPTY = problem(400, "the body is empty")
UNENDED = problem(400, "an MLLP frame in the body is not whole")
NOT_POST = problem(405, "only POST is understood here", ("allow", "POST"), CLOSE)
NOT_HL7 = problem(
    415, "send application/hl7-v2 in a known charset", ("accept-post", ", ".join(sorted(TYPES))), CLOSE,
    told="http.unsupported-type",
)  # fmt: skip
BUSY = problem(503, "no message is taken at the moment", ("retry-after", "2"), told="http.saturated")
CROWDED = problem(503, "too many requests of this feed at once", ("retry-after", "1"), CLOSE, told="http.crowded")
CLOSED = problem(503, "this feed is not open", ("retry-after", "5"), CLOSE)
STRANGER = problem(403, "this address may not send here", CLOSE, told="http.address-refused")
UNREAD: dict[Unread, Answer | None] = {Unread.TOO_LARGE: TOO_LARGE, Unread.TOO_SLOW: TOO_SLOW, Unread.GONE: None}
