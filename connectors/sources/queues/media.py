"""What a sender says that its message is, against what the source reads: one that says something else is not tried as if it were ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model.event import Format

_HL7V2, _FHIR, _XML = "HL7 v2", "FHIR", "XML"
_NAMED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7"), _HL7V2),
    **dict.fromkeys(("application/fhir+json", "application/fhir+ndjson", "application/json+fhir"), _FHIR),
    **dict.fromkeys(("application/hl7-v2+xml", "x-application/hl7-v2+xml", "application/fhir+xml"), _XML),
    **dict.fromkeys(("application/xml", "text/xml"), _XML),
}
"""What others (`application/json`, `text/plain`, `application/octet-stream`) say fits every format."""
_READ: Final[Mapping[Format, str]] = {Format.HL7V2: _HL7V2, Format.FHIR: _FHIR, Format.TABLE: "rows of JSON"}


def other_than(format_: Format, told: str) -> str:
    """Why a message with this content type (RFC 9110, 8.3) is none of the source's format; "": it may be one."""
    named = _NAMED.get(told.partition(";")[0].strip().lower())
    if named is None or named == _READ[format_]:
        return ""
    return f"its content type says that it is {named}, and this source reads {_READ[format_]} (`format`)"
